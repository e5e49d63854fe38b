"""Witness: torch's FlopCounterMode on the real transformers decoder, full size, meta device.

transformers 5.17 makes the rotary table by a matrix product, 2 * 3 * a/2 FLOPs a token once per
call; 5.23 multiplies elementwise. The table is no part of the decoder's cost in any convention, so
it is counted alone and taken off.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    DynamicCache,
    Qwen2_5OmniThinkerConfig,
    Qwen2_5OmniThinkerForConditionalGeneration,
)

import omnizip_cost as oz
from omnizip_cost.cost import CostRow
from omnizip_cost.runtime.modules import find_text_model
from omnizip_cost.specs import ThinkerSpec

MODELS = ("qwen2.5-omni-7b", "qwen2.5-omni-3b")


@pytest.fixture(scope="module", params=MODELS)
def real(request: pytest.FixtureRequest) -> tuple[ThinkerSpec, Any]:
    """Spec and the stock thinker at full size, on meta: no weights, every shape."""
    spec = oz.load_spec(request.param)
    with torch.device("meta"):
        config = Qwen2_5OmniThinkerConfig(**dict(spec.config))
        thinker = Qwen2_5OmniThinkerForConditionalGeneration(config).to(torch.bfloat16)
    return spec, thinker.eval()


def _positions(n: int, start: int = 0) -> torch.Tensor:
    return torch.arange(start, start + n, device="meta").expand(3, 1, n)


def _embeds(spec: ThinkerSpec, n: int) -> torch.Tensor:
    return torch.empty(1, n, spec.text.hidden_size, device="meta", dtype=torch.bfloat16)


def _counted(run: Any) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        run()
    return int(counter.get_total_flops())


def _table(text: Any, spec: ThinkerSpec, n: int) -> int:
    """FLOPs of the rotary table of one call: 0 or 384 n, by the transformers release."""
    flops = _counted(lambda: text.rotary_emb(_embeds(spec, n), _positions(n)))
    assert flops in (0, 3 * spec.text.head_dim * n)
    return flops


def _ours(rows: list[CostRow], *components: str, phase: str = "prefill") -> int:
    return sum(r.flops for r in rows if r.component in components and r.phase == phase)


@pytest.mark.parametrize("n", [1, 1_000, 2_345, 10_000])
def test_prefill(real: tuple[ThinkerSpec, Any], n: int) -> None:
    spec, thinker = real
    text = find_text_model(thinker)
    rows = oz.count(spec, oz.plan("full", oz.bare_workload(n), spec), convention="torch")

    def stack() -> None:
        text(inputs_embeds=_embeds(spec, n), position_ids=_positions(n), use_cache=False)

    table = _table(text, spec, n)
    assert _counted(stack) - table == _ours(rows, "llm")

    def stack_and_head() -> None:
        out = text(inputs_embeds=_embeds(spec, n), position_ids=_positions(n), use_cache=False)
        thinker.lm_head(out.last_hidden_state)

    assert _counted(stack_and_head) - table == _ours(rows, "llm", "lm_head")


@pytest.mark.parametrize("n", [7, 1_000, 10_000])
def test_cached_decode(real: tuple[ThinkerSpec, Any], n: int) -> None:
    """Three steps; the first sees the n cached tokens and itself."""
    spec, thinker = real
    text = find_text_model(thinker)
    cache = DynamicCache(config=text.config)
    with torch.no_grad():
        text(
            inputs_embeds=_embeds(spec, n),
            position_ids=_positions(n),
            past_key_values=cache,
            use_cache=True,
        )
    plan = oz.plan("full", oz.bare_workload(n), spec)

    def step(i: int) -> None:
        out = text(
            inputs_embeds=_embeds(spec, 1),
            position_ids=_positions(1, n + i),
            past_key_values=cache,
            use_cache=True,
        )
        thinker.lm_head(out.last_hidden_state)

    table = _table(text, spec, 1)
    seen = [_counted(lambda i=i: step(i)) - table for i in range(3)]
    for steps in (1, 2, 3):
        rows = oz.count(spec, plan, convention="torch", decode=steps)
        assert sum(seen[:steps]) == _ours(rows, "llm", "lm_head", phase="decode")


def test_compressed_prefill_and_decode(real: tuple[ThinkerSpec, Any]) -> None:
    """OmniZip's plan of a one-minute clip: survivors and text only, from the first layer on."""
    spec, thinker = real
    text = find_text_model(thinker)
    work = oz.workload(spec, seconds=60, pixels=(252, 448))
    plan = oz.plan("omnizip", work, spec, audio_pruning=0.4, video_pruning=0.7)
    assert plan.kept_tokens < work.tokens
    cache = DynamicCache(config=text.config)
    rows = oz.count(spec, plan, convention="torch", decode=1)

    def prefill() -> None:
        n = plan.kept_tokens
        text(
            inputs_embeds=_embeds(spec, n),
            position_ids=_positions(n),
            past_key_values=cache,
            use_cache=True,
        )

    def step() -> None:
        text(
            inputs_embeds=_embeds(spec, 1),
            position_ids=_positions(1, work.tokens),
            past_key_values=cache,
            use_cache=True,
        )

    assert _counted(prefill) - _table(text, spec, plan.kept_tokens) == _ours(rows, "llm")
    assert _counted(step) - _table(text, spec, 1) == _ours(rows, "llm", phase="decode")


def test_fastv_changes_length_at_layer_k(real: tuple[ThinkerSpec, Any]) -> None:
    """The first K layers on all tokens, the others on the kept ones: two partial stacks."""
    spec, thinker = real
    text = find_text_model(thinker)
    work = oz.workload(spec, seconds=20, pixels=(252, 448))
    plan = oz.plan("fastv", work, spec, retained=0.35)
    layers = text.layers
    assert plan.layer_tokens[4] == work.tokens > plan.layer_tokens[5]

    def part(chosen: nn.ModuleList, n: int) -> int:
        def stack() -> None:
            text(inputs_embeds=_embeds(spec, n), position_ids=_positions(n), use_cache=False)

        text.layers = chosen
        try:
            return _counted(stack) - _table(text, spec, n)
        finally:
            text.layers = layers

    seen = part(layers[:5], plan.layer_tokens[0]) + part(layers[5:], plan.layer_tokens[5])
    assert seen == _ours(oz.count(spec, plan, convention="torch"), "llm")


def test_the_7b_decoder_stack_as_integers() -> None:
    """Totals that torch 2.13 counted on the stock 7B decoder, written down once."""
    spec = oz.load_spec("qwen2.5-omni-7b")
    expected = {1_000: 13_451_984_896_000, 10_000: 170_646_568_960_000}
    for n, flops in expected.items():
        rows = oz.count(spec, oz.plan("full", oz.bare_workload(n), spec), "torch", 1)
        assert _ours(rows, "llm") == flops
    assert _ours(rows, "llm", phase="decode") == 17_065_058_304


def test_sdpa_is_torch_less_the_masked_half() -> None:
    """n^2 - n (n + 1) / 2 pairs of every layer, twice (scores, values), 2 FLOPs each."""
    spec = oz.load_spec("qwen2.5-omni-3b")
    n, text = 777, spec.text
    plan = oz.plan("full", oz.bare_workload(n), spec)
    torch_rows, fused = oz.count(spec, plan, "torch", 3), oz.count(spec, plan, "sdpa", 3)
    masked = n * n - n * (n + 1) // 2
    assert _ours(torch_rows, "llm") - _ours(fused, "llm") == (
        text.layers * 2 * 2 * masked * text.query_width
    )
    assert _ours(torch_rows, "lm_head") == _ours(fused, "lm_head")
    decode = {"phase": "decode"}
    assert _ours(torch_rows, "llm", **decode) == _ours(fused, "llm", **decode)


def test_hardware_counts_causal_pairs_and_one_head_position() -> None:
    """By hand: 2 FLOPs, n (n + 1) / 2 pairs, one position's logits."""
    spec = oz.load_spec("qwen2.5-omni-7b")
    n = 1_001
    text = spec.text
    rows = oz.count(spec, oz.plan("full", oz.bare_workload(n), spec), "hardware", 0)
    linear = (
        2 * text.hidden_size * text.query_width
        + 2 * text.hidden_size * text.kv_width
        + 3 * text.hidden_size * text.intermediate_size
    )
    pairs = n * (n + 1) // 2
    assert _ours(rows, "llm") == text.layers * 2 * (n * linear + 2 * pairs * text.query_width)
    assert _ours(rows, "lm_head") == 2 * text.hidden_size * text.vocab_size
