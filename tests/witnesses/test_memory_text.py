"""Witness: every tensor that is alive in the stock text model, to the byte, at its worst moment.

The real classes at full width run on shape-only tensors; storages are followed from the operator
that makes them until nothing refers to them (tests/live_tensors.py). The whole depth, and more
lengths, are in analysis/memory_witness.py, whose rows test_memory_rows.py holds.
"""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
from typing import Any

import pytest
import torch
from live_tensors import live_tensors
from narrow_thinker import built, few_layers
from transformers import DynamicCache

from omnizip_cost.cost.executed.op import INT64
from omnizip_cost.cost.formats import Formats
from omnizip_cost.cost.memory.live import Live
from omnizip_cost.cost.memory.run import Run
from omnizip_cost.cost.memory.text import POSITION_ROWS, decode, next_token, prefill
from omnizip_cost.runtime.fastv_layers import FastvLayers
from omnizip_cost.runtime.modules import find_text_model
from omnizip_cost.runtime.request import Request
from omnizip_cost.runtime.selection.layout import Layout
from omnizip_cost.runtime.selection.layout import Run as Stretch

STEPS = 3
THREE = "qwen2.5-omni-3b"
LONG = {"bf16": "bfloat16", "fp32": "float32"}


def _seen(model: str, attention: str, dtype: str, n: int, keep: int | None = None,
          form: str = "") -> dict[str, int]:  # fmt: skip
    """Peaks of the real text model and head: prefill of n rows, then cached steps."""
    thinker: Any = built(model, LONG[dtype], attention)
    text: Any = find_text_model(thinker)
    number = getattr(torch, LONG[dtype])
    cache = DynamicCache(config=text.config)
    with live_tensors() as live, ExitStack() as stack:
        rows = torch.empty(1, n, text.config.hidden_size, dtype=number, device="meta")
        if form:
            ranking = FastvLayers(text, _fastv(form), lambda name: nullcontext())
            ranking.attach(stack)
            ranking.begin(_layout(n))
        out = text(inputs_embeds=rows if keep is None else rows[:, :keep].clone(),
                   past_key_values=cache, use_cache=True).last_hidden_state  # fmt: skip
        in_layers = live.peak
        if form:
            ranking.end()
        del rows
        live.restart()
        logits = thinker.lm_head(out)
        peaks = {"layers": in_layers, "logits": live.peak}
        del logits, out
        for _ in range(STEPS):
            live.restart()
            row = torch.empty(1, 1, text.config.hidden_size, dtype=number, device="meta")
            step = text(inputs_embeds=row, past_key_values=cache, use_cache=True)
            out = step.last_hidden_state
            del step, row
            logits = thinker.lm_head(out)
            logits[:, -1].to(copy=True, dtype=torch.float32)
            peaks["decode"] = live.peak
            del logits, out
    return peaks


def _fastv(form: Any) -> Request:
    return Request(method="fastv", retained=0.5, fastv_layer=1, fastv_form=form)


def _layout(n: int) -> Layout:
    return Layout(length=n, tokens_per_grid=n, video_runs=(Stretch(0, n),), audio_runs=())


def _told(model: str, attention: str, dtype: str, n: int, keep: int | None = None,
          form: str = "", layers: tuple[int, ...] = ()) -> dict[str, int]:  # fmt: skip
    """The same peaks as we tell them."""
    text = few_layers(model).text
    run = Run.of(f"hf-{attention}", Formats.of(dtype))
    tokens = layers or (keep or n,) * text.layers
    live = Live()
    live.hold("prompt rows", run.rows(n, text.hidden_size))
    if keep is not None:
        live.hold("kept rows", run.rows(keep, text.hidden_size))
    live.hold("positions", tokens[0] * INT64)  # counted by the text model itself
    live.hold("hidden", 0)
    with live.stage("prefill"):
        prefill(live, run, text, tokens, fastv_form=form or None)
    next_token(live, text)
    with live.stage("decode"):
        decode(live, run, text, tokens, STEPS)
    return {stage: sum(parts.values()) for stage, parts in live.stages.items()}


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize(
    ("model", "dtype", "n"),
    [
        ("qwen2.5-omni-7b", "bf16", 16_000),
        ("qwen2.5-omni-3b", "bf16", 2_000),
        ("qwen2.5-omni-3b", "bf16", 3),
        ("qwen2.5-omni-3b", "fp32", 900),
    ],
)
def test_prefill_and_decode_to_the_byte(model: str, dtype: str, n: int, attention: str) -> None:
    seen, told = _seen(model, attention, dtype, n), _told(model, attention, dtype, n)
    assert told["prefill"] == max(seen["layers"], seen["logits"])
    others = (POSITION_ROWS - 1) * INT64  # the thinker hands its layers more rows of positions
    assert told["decode"] in (seen["decode"], seen["decode"] + others)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_rows_cut_before_the_first_layer(attention: str) -> None:
    seen = _seen(THREE, attention, "bf16", 5_000, 2_101)
    told = _told(THREE, attention, "bf16", 5_000, 2_101)
    assert told["prefill"] == max(seen["layers"], seen["logits"])


@pytest.mark.parametrize("form", ["materialised", "last-query"])
def test_fastv_ranks_between_two_layers(form: str) -> None:
    """The whole h x n x n matrix of one layer, as published, or the one row that is used."""
    seen = _seen(THREE, "sdpa", "bf16", 2_000, form=form)
    told = _told(THREE, "sdpa", "bf16", 2_000, form=form, layers=(2_000, 1_000, 1_000))
    ranked = max(told["selection"], told["prefill"])
    assert ranked == pytest.approx(max(seen["layers"], seen["logits"]), rel=1e-3)
    whole = 10 * few_layers(THREE).text.heads * 2_000**2
    assert (seen["layers"] > whole) == (form == "materialised")
