"""Witness: every operator that torch dispatches in the stock text model and its head.

By name: as many as listed, the same bytes read and written, the same FLOPs of products (torch's
own formulas) and the same other arithmetic. Full width on meta; fused attention, which meta does
not have, on the CPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from executed_record import Executed, Sum, differences, listed, of_this_release
from tiny_thinker import tiny_spec
from transformers import DynamicCache

import omnizip_cost as oz
from omnizip_cost.cost import CONVENTIONS
from omnizip_cost.cost.executed.decoder import decoder_executed
from omnizip_cost.runtime.modules import find_text_model
from omnizip_cost.specs import ThinkerSpec, require_thinker
from omnizip_cost.units import BYTES_PER_ELEMENT

STEPS = 2


@cache
def _spec(model: str) -> ThinkerSpec:
    return tiny_spec() if model == "tiny" else require_thinker(oz.load_spec(model))


@cache
def _built(model: str, dtype: str, device: str) -> Any:
    return oz.build_thinker(_spec(model), dtype=dtype, device=device)


@contextmanager
def _cut(model: str, dtype: str, device: str, attention: str, layers: int) -> Iterator[Any]:
    """The real thinker with its first layers alone, and the spec that says so."""
    spec, thinker = _spec(model), _built(model, dtype, device)
    text: Any = find_text_model(thinker)
    whole = text.layers
    text.layers, text.config._attn_implementation = whole[:layers], attention
    try:
        yield replace(spec, text=replace(spec.text, layers=layers)), thinker, text
    finally:
        text.layers = whole


def _seen(thinker: Any, text: Any, n: int, device: str) -> dict[str, dict[str, Sum]]:
    """Prefill of n tokens by their ids and cached steps."""
    past = DynamicCache(config=text.config)
    sums = {}
    for phase, lengths in (("prefill", [n]), ("decode", [1] * STEPS)):
        ids = [torch.zeros(1, length, dtype=torch.long, device=device) for length in lengths]
        places = [torch.zeros(3, 1, length, dtype=torch.long, device=device) for length in lengths]
        with Executed() as seen, torch.no_grad():
            for tokens, place in zip(ids, places, strict=True):
                out = text(
                    input_ids=tokens, position_ids=place, past_key_values=past, use_cache=True
                )
                thinker.lm_head(out.last_hidden_state)
        sums[phase] = seen.sums
    return sums


def _ours(spec: ThinkerSpec, n: int, dtype: str, kind: Any) -> dict[str, dict[str, Sum]]:
    plan = oz.plan("full", oz.bare_workload(n), spec)
    width = BYTES_PER_ELEMENT[dtype]
    ops = list(decoder_executed(spec, plan, CONVENTIONS["torch"], STEPS, kind, width))
    phases = {"prefill": (1, n), "decode": (STEPS, STEPS)}
    return {
        phase: of_this_release(
            listed(op for op in ops if op.phase == phase),
            axes=3,
            head_dim=spec.text.head_dim,
            calls=calls,
            rows=rows,
        )
        for phase, (calls, rows) in phases.items()
    }


@pytest.mark.parametrize(
    ("model", "layers", "n", "dtype", "kind"),
    [
        ("qwen2.5-omni-7b", 1, 1, "bfloat16", "math"),
        ("qwen2.5-omni-7b", 1, 1, "bfloat16", "eager"),
        ("qwen2.5-omni-7b", 28, 2_345, "bfloat16", "eager"),
        ("qwen2.5-omni-7b", 2, 10_000, "bfloat16", "math"),
        ("qwen2.5-omni-3b", 2, 333, "float32", "math"),
        ("qwen2.5-omni-3b", 2, 333, "float32", "eager"),
    ],
)
def test_every_operator_at_full_width(
    model: str, layers: int, n: int, dtype: str, kind: str
) -> None:
    attention = "sdpa" if kind == "math" else kind
    with _cut(model, dtype, "meta", attention, layers) as (spec, thinker, text):
        seen = _seen(thinker, text, n, "meta")
    ours = _ours(spec, n, dtype, kind)
    for phase, sums in seen.items():
        assert not differences(ours[phase], sums), phase


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_fused_attention_is_one_operator(dtype: str) -> None:
    """On the CPU, where torch's counter has no formula for it: our FLOPs are the missing ones."""
    with _cut("tiny", dtype, "cpu", "sdpa", 2) as (spec, thinker, text):
        seen = _seen(thinker, text, 37, "cpu")
    ours = _ours(spec, 37, dtype, "sdpa")
    for phase, sums in seen.items():
        ((name, (fused, counted)),) = differences(ours[phase], sums).items()
        assert name == "_scaled_dot_product_flash_attention"
        assert counted.flops == 0 < fused.flops
        assert fused == counted._replace(flops=fused.flops)
