"""Speed-ups and kernel times as different predictors see them, beside what was measured.

    python analysis/predictors.py --out DIR [--records DIR] [--crossval FILE]

Writes, without any timing:

    predictors.csv       predicted speed-up at five shares of tokens kept, prefill and decode
    published.csv        prefill speed-ups that others measured, beside ours
    kernel_errors.csv    errors on measured kernels left out, predictor by predictor (--records)
    environment.json     versions and machine

The predictors: quotients of FLOPs (Eq. 9, and exact counts under ``torch``, ``sdpa`` and
``hardware``); the roofline of each operator without an efficiency, as LLM-Viewer computes it;
AIConfigurator (`pip install aiconfigurator-core`; left out, and said so, where it is missing); and
ours, for an ideal engine and for the stock thinker.

Speed-ups are of the decoder and its head on a bare prompt: no predictor but ours knows encoders,
selection or a Python host. AIConfigurator composes an engine like ``ideal``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import predictors_aiconfigurator as aiconfigurator
from predictors_kernels import (
    SPLITS,
    interpolation_errors,
    our_errors,
    records_of,
    roofline_errors,
    stated_errors,
)
from predictors_ours import DECODE, PREFILL
from predictors_published import published_ratios
from predictors_speedups import DEVICES, MODELS, speedups
from predictors_tables import KernelError, error_table, published_table, speedup_table

from omnizip_cost.errors import OmnizipCostError
from omnizip_cost.latency.kernels.shapes import DIMENSIONS
from omnizip_cost.profiling.environment import environment_record
from omnizip_cost.results.tables import atomic_write_bytes, write_table

CROSSVAL = Path(__file__).parent / "measurements" / "kernel-crossval" / "kernel_crossval.csv"
"""Errors of our own kernel times; analysis/kernel_crossval.py writes them."""


def kernel_errors(records: Path, crossval: Path) -> Iterator[KernelError]:
    """Errors on records left out: ours, AIConfigurator, roofline."""
    yield from our_errors(crossval)
    for device in DEVICES:
        own = records_of(records, device)
        yield from roofline_errors(own, device)
        if aiconfigurator.installed() is not None:
            yield from interpolation_errors(own, device)
    yield from stated_errors()


def save_environment(out: Path) -> None:
    """Write versions and machine; nothing was timed on it."""
    record = environment_record("cpu", dtype="float32", attention="sdpa")
    for name in ("dtype", "attention"):
        del record[name]
    record["aiconfigurator_core"] = aiconfigurator.installed()
    atomic_write_bytes(out / "environment.json", json.dumps(record, indent=1).encode() + b"\n")


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--records", type=Path, metavar="DIR",
                        help="measured kernel times, one Parquet file per device")  # fmt: skip
    parser.add_argument("--crossval", type=Path, metavar="FILE", default=CROSSVAL,
                        help="errors of our own kernel times")  # fmt: skip
    return parser.parse_args(words)


def main(options: argparse.Namespace) -> int:
    """Ask every predictor, save, print the tables."""
    out: Path = options.out
    if aiconfigurator.installed() is None:
        print(aiconfigurator.missing(), file=sys.stderr)
    try:
        out.mkdir(parents=True, exist_ok=True)
        if options.records is not None:
            errors = sorted(kernel_errors(options.records, options.crossval), key=_order)
            write_table(errors, out / "kernel_errors.csv")
            print(error_table(errors), end="\n\n")
        rows = list(speedups())
        write_table(rows, out / "predictors.csv")
        for model in MODELS:
            for phase in (PREFILL, DECODE):
                print(speedup_table(rows, model, phase), end="\n\n")
        measured = list(published_ratios())
        write_table(measured, out / "published.csv")
        print(published_table(measured))
        save_environment(out)
    except OSError as error:
        print(f"{out}: cannot be made: {error.strerror}", file=sys.stderr)
        return 2
    except OmnizipCostError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _order(row: KernelError) -> tuple[int, int, int]:
    """Operators, ways of leaving out and devices in the order in which they are listed here."""
    ways = list(SPLITS.values())
    way = ways.index(row.left_out) if row.left_out in ways else len(ways)
    device = DEVICES.index(row.device) if row.device else len(DEVICES)
    return list(DIMENSIONS).index(row.op), way, device


if __name__ == "__main__":
    raise SystemExit(main(arguments()))
