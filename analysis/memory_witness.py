"""Bytes of tensors alive in the real 7B and 3B, at full depth, beside what the package tells.

    python analysis/memory_witness.py --out DIR

Writes ``rows.csv``, a row for each model, attention, length and phase, and ``environment.json``.
No device is needed and nothing is computed: the stock transformers modules run on shape-only
tensors, and every storage is followed from the operator that makes it until nothing refers to it
(tests/live_tensors.py). Fused attention, which torch picks on a CUDA device only, is put where it
would be picked. What a kernel allocates inside itself is not seen, nor is the allocator.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import DynamicCache

import omnizip_cost as oz
from omnizip_cost.cost.executed.op import INT64
from omnizip_cost.cost.formats import Formats
from omnizip_cost.cost.memory.live import Live
from omnizip_cost.cost.memory.run import Run
from omnizip_cost.cost.memory.storage import weight_bytes
from omnizip_cost.cost.memory.text import decode, next_token, prefill
from omnizip_cost.runtime.fastv_layers import FastvLayers
from omnizip_cost.runtime.modules import find_text_model
from omnizip_cost.runtime.request import Request
from omnizip_cost.runtime.selection.layout import Layout
from omnizip_cost.runtime.selection.layout import Run as Stretch
from omnizip_cost.specs import ThinkerSpec, require_thinker

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from live_tensors import live_tensors

MODELS = ("qwen2.5-omni-7b", "qwen2.5-omni-3b")
LENGTHS = (2_000, 10_000, 16_000)
KEPT = 0.45
STEPS = 2
FASTV_LAYER = 5


@dataclass(frozen=True, kw_only=True)
class Row:
    """One peak: seen in the real module, and told."""

    model: str
    attention: str
    method: str
    """``full``, ``cut`` (fewer rows from the first layer on) or ``fastv`` (from layer 5 on)."""
    phase: str
    """``weights``, ``prefill`` (with logits) or ``decode`` (the last step, with its logits)."""
    tokens: int
    kept: int
    seen_bytes: int
    told_bytes: int


def told(spec: ThinkerSpec, attention: str, method: str, n: int, kept: int) -> dict[str, int]:
    """What the package tells of the same passes, weights apart."""
    text, run = spec.text, Run.of(f"hf-{attention}", Formats.of())
    first = n if method != "cut" else kept
    full = FASTV_LAYER if method == "fastv" else 0
    tokens = (first,) * full + (kept,) * (text.layers - full)
    live = Live()
    live.hold("prompt rows", run.rows(n, text.hidden_size))
    if method == "cut":
        live.hold("kept rows", run.rows(kept, text.hidden_size))
    live.hold("positions", first * INT64)
    live.hold("hidden", 0)
    with live.stage("prefill"):
        prefill(live, run, text, tokens, fastv_form="materialised" if full else None)
        next_token(live, text)
    with live.stage("decode"):
        decode(live, run, text, tokens, STEPS)
    peaks = {stage: sum(parts.values()) for stage, parts in live.stages.items()}
    peaks["prefill"] = max(peaks["prefill"], peaks.pop("selection", 0))
    return peaks


def seen(thinker: Any, method: str, n: int, kept: int) -> dict[str, int]:
    """Peaks of the real text model and head: one prefill, then cached steps."""
    text: Any = find_text_model(thinker)
    cache = DynamicCache(config=text.config)
    with live_tensors() as live, ExitStack() as stack:
        rows = _rows(n, text)
        ranking = None
        if method == "fastv":
            request = Request(method="fastv", retained=kept / n, fastv_layer=FASTV_LAYER)
            ranking = FastvLayers(text, request, lambda name: nullcontext())
            ranking.attach(stack)
            ranking.begin(_all_video(n))
        given = rows[:, :kept].clone() if method == "cut" else rows
        out = text(inputs_embeds=given, past_key_values=cache, use_cache=True).last_hidden_state
        del rows, given
        if ranking is not None:
            ranking.end()
        peaks = {"prefill": _with_head(thinker, live, out)}
        del out
        for _ in range(STEPS):
            live.restart()
            row = _rows(1, text)
            out = text(inputs_embeds=row, past_key_values=cache, use_cache=True).last_hidden_state
            del row
            peaks["decode"] = _with_head(thinker, live, out)
            del out
    return peaks


def _with_head(thinker: Any, live: Any, out: torch.Tensor) -> int:
    logits = thinker.lm_head(out)
    logits[:, -1].to(copy=True, dtype=torch.float32)
    return int(live.peak)


def _rows(n: int, text: Any) -> torch.Tensor:
    return torch.empty(1, n, text.config.hidden_size, dtype=torch.bfloat16, device="meta")


def _all_video(n: int) -> Layout:
    return Layout(length=n, tokens_per_grid=n, video_runs=(Stretch(0, n),), audio_runs=())


def measured() -> Iterator[Row]:
    """Every row, model by model."""
    for model in MODELS:
        spec = require_thinker(oz.load_spec(model))
        for attention in ("sdpa", "eager"):
            thinker: Any = oz.build_thinker(
                spec, dtype="bfloat16", device="meta", attention=attention
            )
            held = sum(parameter.nbytes for parameter in thinker.parameters())
            common = {"model": model, "attention": attention}
            yield Row(**common, method="full", phase="weights", tokens=0, kept=0, seen_bytes=held,
                      told_bytes=weight_bytes(spec, Formats.of()))  # fmt: skip
            for n in LENGTHS:
                for method in ("full", "cut", "fastv"):
                    kept = n if method == "full" else round(KEPT * n)
                    ours = told(spec, attention, method, n, kept)
                    for phase, most in seen(thinker, method, n, kept).items():
                        yield Row(**common, method=method, phase=phase, tokens=n, kept=kept,
                                  seen_bytes=most, told_bytes=ours[phase])  # fmt: skip


def main() -> None:
    """Write every row as it is found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with (out / "rows.csv").open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([item.name for item in fields(Row)])
        for row in measured():
            writer.writerow([getattr(row, item.name) for item in fields(Row)])
            print(row.model, row.attention, row.method, row.phase, row.tokens,
                  f"{row.told_bytes / row.seen_bytes - 1:+.5%}")  # fmt: skip
    facts = {"torch": torch.__version__, "transformers": transformers.__version__}
    (out / "environment.json").write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
