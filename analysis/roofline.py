"""Operators of prefill and decode under the roof of a device, before and after compression.

    python analysis/roofline.py --out DIR [--model M] [--device D,D] [--tokens N] [--retained R]

Writes roofline.csv: for every device, phase and kind of operator, how many FLOPs it does for each
byte, how fast it is predicted to run, and what share of the phase it takes. Nothing is timed.

Products count the FLOPs of their multiply-adds. All other operators of the decoder (norms, rotary,
residuals, activations, copies into the cache) stand together as one, with what arithmetic they do.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from omnizip_cost.compression import Plan, make_plan
from omnizip_cost.cost.conventions import EQ9_DECODE_STEPS, PAPER_TOKENS
from omnizip_cost.errors import OmnizipCostError
from omnizip_cost.latency import Prediction, TimedOp, predict
from omnizip_cost.latency.kernels import kernel_uncertainty
from omnizip_cost.results import FlatRow
from omnizip_cost.results.tables import write_table
from omnizip_cost.specs import load_spec
from omnizip_cost.units import TERA
from omnizip_cost.workload import bare_workload

MODEL = "qwen2.5-omni-7b"
DEVICES = ("h100-sxm", "rtx-a6000")
"""One that was measured, and the card of the paper."""

RETAINED = 0.35
"""The least that the paper keeps."""

PHASES = ("prefill", "decode")
PRODUCTS = ("projection", "ffn", "attention", "lm_head")
REST = "elementwise"


@dataclass(frozen=True, slots=True, kw_only=True)
class RooflineRow(FlatRow):
    """One kind of operator in one phase of one plan on one device."""

    model: str
    device: str
    title: str
    phase: str
    method: str
    label: str
    tokens: int
    """In the last layer."""
    decode_steps: int
    operator: str
    flops: float
    bytes_moved: int
    seconds: float
    """Predicted, on the device, all kernels of the phase together."""
    share: float
    """Of the device's seconds of this phase with full tokens."""
    flop_per_byte: float
    flop_per_s: float
    peak_flop_per_s: int
    bandwidth_bytes_per_s: int
    borrowed_from: str | None
    """The measured device whose efficiency is lent."""


def rows_of(prediction: Prediction, full: Prediction) -> Iterator[RooflineRow]:
    """Operators of both phases by kind, as points under the device's roof."""
    device, plan = prediction.device, prediction.plan
    peak = device.peak(prediction.scheme.multiplies)
    for phase in PHASES:
        whole_s = sum(op.seconds for op in full.ops if op.stage == phase)
        for operator in (*PRODUCTS, REST):
            ops = [op for op in prediction.ops if op.stage == phase and _kind(op) == operator]
            flops = sum(op.compute_s * peak if op.kernel else op.flops for op in ops)
            moved = sum(op.bytes_moved for op in ops)
            taken_s = sum(op.seconds for op in ops)
            yield RooflineRow(
                model=prediction.spec.name,
                device=device.name,
                title=device.title,
                phase=phase,
                method=plan.method,
                label=_label(plan),
                tokens=plan.kept_tokens,
                decode_steps=prediction.decode_steps,
                operator=operator,
                flops=flops,
                bytes_moved=moved,
                seconds=taken_s,
                share=taken_s / whole_s,
                flop_per_byte=flops / moved,
                flop_per_s=flops / taken_s,
                peak_flop_per_s=peak,
                bandwidth_bytes_per_s=device.bandwidth_bytes_per_s,
                borrowed_from=kernel_uncertainty(device, "gemm").borrowed_from,
            )


def _kind(op: TimedOp) -> str:
    return op.operator if op.operator in PRODUCTS else REST


def _label(plan: Plan) -> str:
    return "all tokens" if plan.method == "full" else f"{plan.retained:.0%} kept"


def roofline(model: str, devices: Sequence[str], tokens: int, retained: float) -> list[RooflineRow]:
    """Full tokens and OmniZip on a bare prompt, device by device."""
    spec, work = load_spec(model), bare_workload(tokens)
    plans = make_plan("full", work, spec), make_plan("omnizip", work, spec, retained=retained)
    rows = []
    for device in devices:
        full, kept = (predict(spec, plan, device, decode=EQ9_DECODE_STEPS) for plan in plans)
        rows += [*rows_of(full, full), *rows_of(kept, full)]
    return rows


def table(rows: Sequence[RooflineRow]) -> str:
    """Lay the rows out for reading."""
    lines = [
        f"{'device':<11} {'phase':<8} {'plan':<11} {'operator':<12} {'FLOP/byte':>10} "
        f"{'TFLOP/s':>9} {'seconds':>9} {'of full':>8}"
    ]
    lines += [
        f"{row.device:<11} {row.phase:<8} {row.label:<11} {row.operator:<12} "
        f"{row.flop_per_byte:>10,.2f} {row.flop_per_s / TERA:>9,.3f} {row.seconds:>9.4f} "
        f"{row.share:>8.1%}"
        for row in rows
    ]
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> int:
    """Predict, save, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--device", default=",".join(DEVICES), metavar="D,D")
    parser.add_argument("--tokens", type=int, default=PAPER_TOKENS, metavar="N")
    parser.add_argument("--retained", type=float, default=RETAINED, metavar="R")
    asked = parser.parse_args(words)
    try:
        rows = roofline(asked.model, asked.device.split(","), asked.tokens, asked.retained)
        write_table(rows, asked.out / "roofline.csv")
    except OmnizipCostError as error:
        print(error, file=sys.stderr)
        return 2
    print(table(rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
