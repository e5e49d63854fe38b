"""Witness: every operator that torch dispatches in a decode step over a cache of fixed size.

On the real text model and its head, with transformers' own static cache: by name as many as
listed, the same bytes, the same arithmetic. What a release does otherwise is named.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from executed_record import Executed, Sum, differences, listed, of_this_release
from tiny_thinker import tiny_spec
from transformers import StaticCache

import omnizip_cost as oz
from omnizip_cost.cost import CONVENTIONS
from omnizip_cost.cost.executed.decoder import decoder_executed
from omnizip_cost.cost.executed.static_cache import ALIGNMENT, static_length
from omnizip_cost.cost.memory import memory_peak
from omnizip_cost.latency import Prediction
from omnizip_cost.runtime import static_decode
from omnizip_cost.runtime.modules import find_text_model
from omnizip_cost.specs import ThinkerSpec
from omnizip_cost.units import BYTES_PER_ELEMENT

N, STEPS = 37, 2
FUSED = "_scaled_dot_product_flash_attention"
PACKS = tuple(map(int, transformers.__version__.split(".")[:2])) >= (5, 23)
"""Whether this release puts query heads together in place of copying keys to each of them."""


def _spec() -> ThinkerSpec:
    """Four query heads on two key heads: the tiny spec has one, which needs no copy."""
    spec = tiny_spec(layers=2)
    config: dict[str, Any] = {**spec.config, "text_config": dict(spec.config["text_config"])}
    config["text_config"] |= {
        "hidden_size": 512, "num_attention_heads": 4, "num_key_value_heads": 2,
    }  # fmt: skip
    text = replace(spec.text, hidden_size=512, heads=4, kv_heads=2)
    return replace(spec, text=text, config=config)


def _seen(spec: ThinkerSpec, dtype: str) -> dict[str, Sum]:
    thinker = oz.build_thinker(spec, dtype=dtype, device="cpu")
    text: Any = find_text_model(thinker)
    text.config._attn_implementation = "sdpa"
    cache = StaticCache(config=text.config, max_cache_len=static_length(N, STEPS))
    tokens = {n: torch.zeros(1, n, dtype=torch.long) for n in (N, 1)}
    places = {n: torch.zeros(3, 1, n, dtype=torch.long) for n in (N, 1)}
    with Executed() as seen, torch.no_grad():
        for n in (N, *(1,) * STEPS):
            out = text(
                input_ids=tokens[n], position_ids=places[n], past_key_values=cache, use_cache=True
            )
            thinker.lm_head(out.last_hidden_state)  # type: ignore[operator]
            if n == N:
                seen.sums = {}
    return seen.sums


def _ours(spec: ThinkerSpec, dtype: str) -> dict[str, Sum]:
    plan, width = oz.plan("full", oz.bare_workload(N), spec), BYTES_PER_ELEMENT[dtype]
    ops = decoder_executed(
        spec, plan, CONVENTIONS["torch"], STEPS, "sdpa", width, static_cache=True
    )
    sums = listed(op for op in ops if op.phase == "decode")
    return of_this_release(sums, axes=3, head_dim=spec.text.head_dim, calls=STEPS, rows=STEPS)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_every_operator_of_a_step(dtype: str) -> None:
    spec = _spec()
    seen, ours = _seen(spec, dtype), _ours(spec, dtype)
    places = static_length(N, STEPS)
    calls, width = STEPS * spec.text.layers, BYTES_PER_ELEMENT[dtype]
    key, query = (places * n * spec.text.head_dim * width for n in (2, 4))
    copies = ours["clone"]
    assert copies == Sum(2 * calls, 2 * calls * key, 2 * calls * query, 0, 0)
    fused = ours[FUSED]
    if PACKS:
        del ours["clone"]
        fused = fused._replace(bytes_read=fused.bytes_read - 2 * calls * (query - key))
    assert fused.flops == calls * 4 * places * 4 * spec.text.head_dim
    ours[FUSED] = fused._replace(flops=0)  # torch's counter has no formula for it on the CPU
    assert not differences(ours, seen)


def test_the_cache_is_as_long_as_the_decoder_makes_it() -> None:
    assert static_decode.ALIGNMENT == ALIGNMENT
    assert [static_decode._rounded(n) for n in (1, 16, 17)] == [
        static_length(n - 1, 1) for n in (1, 16, 17)
    ]


def _predicted(backend: str, device: str = "h100-sxm", **settings: Any) -> Prediction:
    spec = oz.load_spec("qwen2.5-omni-7b")
    work = oz.bare_workload(10_000)
    plan = oz.plan("random", work, spec, retained=0.5)
    return oz.predict(spec, plan, device, backend=backend, decode=16, **settings)


def test_the_host_is_out_of_decode_alone() -> None:
    """Prefill as the stock one; a step as long as its operators."""
    stock, graphs = _predicted("hf-sdpa"), _predicted("hf-graphs")
    assert graphs.stage("prefill") == stock.stage("prefill")
    assert graphs.ttft_s == stock.ttft_s
    mine, theirs = graphs.stage("decode"), stock.stage("decode")
    assert mine is not None and theirs is not None
    assert mine.host_s == 0 < theirs.host_s
    assert mine.seconds == mine.device_s > theirs.device_s  # copies to every query head
    assert theirs.seconds == theirs.host_s > mine.seconds
    moved = [
        sum(op.bytes_moved for op in one.ops if (op.stage, op.operator) == ("decode", "cache"))
        for one in (graphs, stock)
    ]
    assert moved[0] < moved[1] / 1_000


def test_a_cpu_has_no_graphs() -> None:
    here = Path(__file__).parents[2] / "analysis" / "measurements" / "cpu-calibration" / "cpu.toml"
    decode = _predicted("hf-graphs", str(here), dtype="fp32").stage("decode")
    assert decode is not None
    assert decode.host_s > 0
    assert decode.seconds == decode.device_s + decode.host_s


def test_the_cache_stands_once() -> None:
    """All places of every layer, and one layer's keys and values at every query head."""
    spec = oz.load_spec("qwen2.5-omni-7b")
    plan = oz.plan("full", oz.bare_workload(10_000), spec)
    told = memory_peak(spec, plan, backend="hf-graphs", decode_steps=10, allocator=False)
    decode = told.stage("decode")
    assert decode is not None
    places = static_length(plan.kept_tokens, 10)
    assert decode.cache == 2 * 28 * places * 512 * 2
    stock = memory_peak(spec, plan, backend="hf-sdpa", decode_steps=10, allocator=False)
    assert told.stage("prefill") == stock.stage("prefill")
    less = stock.stage("decode")
    assert less is not None
    beside = (decode.total_bytes - decode.cache) - (less.total_bytes - less.cache)
    assert beside == pytest.approx(2 * places * 3584 * 2, rel=0.01)
