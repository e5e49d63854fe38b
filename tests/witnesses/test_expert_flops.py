"""Witness: torch's counter on Qwen3-Omni's decoder with experts, small and as released.

Small decoders run on the CPU with eager experts, which choose as the released model does. The
released one runs on meta with batched experts, since eager ones read values. Grouped experts, the
default, are invisible to the counter on any device: torch 2.13 has no formula for them.
"""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from few_experts import few_experts
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import DynamicCache
from transformers.models.qwen3_omni_moe import (
    configuration_qwen3_omni_moe as configs,
)
from transformers.models.qwen3_omni_moe import (
    modeling_qwen3_omni_moe as models,
)

import omnizip_cost as oz
from omnizip_cost.cost import decoder_ops, require_convention
from omnizip_cost.specs import ThinkerSpec, require_thinker

VARIANTS: dict[str, dict[str, Any]] = {
    "experts everywhere": {},
    "a dense layer": {"mlp_only_layers": [1]},
    "every other layer": {"decoder_sparse_step": 2},
    "both ways of naming dense layers": {"decoder_sparse_step": 2, "mlp_only_layers": [1]},
    "one expert a token": {"num_experts_per_tok": 1},
    "every expert for every token": {"num_experts_per_tok": 6},
    "no experts": {"num_experts": 0},
    "biases, and a key head for each query head": {
        "attention_bias": True,
        "num_key_value_heads": 4,
    },
}


def _small(changes: dict[str, Any]) -> tuple[ThinkerSpec, Any]:
    """The released 30B-A3B config with small sizes: spec and the real decoder."""
    spec = few_experts(**changes)
    text = configs.Qwen3OmniMoeTextConfig(**copy.deepcopy(spec.config["text_config"]))
    text._attn_implementation, text._experts_implementation = "sdpa", "eager"
    torch.manual_seed(0)
    return spec, models.Qwen3OmniMoeThinkerTextModel(text).eval()


@pytest.fixture(scope="module")
def released() -> tuple[ThinkerSpec, Any]:
    """The 30B-A3B decoder at full size: no weights, every shape."""
    spec = require_thinker(oz.load_spec("qwen3-omni-30b-a3b"))
    text = configs.Qwen3OmniMoeTextConfig(**copy.deepcopy(spec.config["text_config"]))
    text._attn_implementation = "sdpa"
    with torch.device("meta"):
        return spec, models.Qwen3OmniMoeThinkerTextModel(text).to(torch.bfloat16).eval()


def _prefill_on_meta(spec: ThinkerSpec, decoder: Any, experts: str, n: int) -> int:
    decoder.config._experts_implementation = experts
    positions = torch.arange(n, device="meta").expand(3, 1, n)
    embeds = torch.empty(1, n, spec.text.hidden_size, device="meta", dtype=torch.bfloat16)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        decoder(inputs_embeds=embeds, position_ids=positions, use_cache=False)
    return int(counter.get_total_flops()) - _table(decoder, spec, positions)


@pytest.mark.parametrize("n", [2_345])
def test_the_released_decoder(released: tuple[ThinkerSpec, Any], n: int) -> None:
    spec, decoder = released
    plan = oz.plan("full", oz.bare_workload(n), spec)
    (ours,) = [
        row.flops
        for row in oz.count(spec, plan, convention="torch", decode=0)
        if row.component == "llm"
    ]
    assert _prefill_on_meta(spec, decoder, "batched_mm", n) == ours


def test_grouped_experts_are_all_that_the_counter_misses(
    released: tuple[ThinkerSpec, Any],
) -> None:
    """And they are most of the work: 65% of a prefill of 100 tokens."""
    spec, decoder = released
    n = 100
    plan = oz.plan("full", oz.bare_workload(n), spec)
    ops = list(decoder_ops(spec.text, plan, require_convention("torch"), 0))
    llm = 2 * sum(op.multiply_adds for op in ops if op.component == "llm")
    experts = 2 * sum(op.multiply_adds for op in ops if op.operator == "ffn")
    assert _prefill_on_meta(spec, decoder, "grouped_mm", n) == llm - experts
    assert round(100 * experts / llm) == 65


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("n", [1, 37])
def test_prefill_and_cached_decode(variant: str, n: int) -> None:
    spec, decoder = _small(VARIANTS[variant])
    cache, seen = DynamicCache(), []
    for start, length in ((0, n), (n, 1)):
        positions = torch.arange(start, start + length).expand(3, 1, length)
        with (
            sdpa_kernel(SDPBackend.MATH),
            FlopCounterMode(display=False) as counter,
            torch.no_grad(),
        ):
            decoder(
                inputs_embeds=torch.randn(1, length, spec.text.hidden_size),
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
            )
        seen.append(counter.get_total_flops() - _table(decoder, spec, positions))
    plan = oz.plan("full", oz.bare_workload(n), spec)
    rows = oz.count(spec, plan, convention="torch", decode=1)
    assert seen == [
        next(r.flops for r in rows if r.component == "llm" and r.phase == phase)
        for phase in ("prefill", "decode")
    ]


def _table(decoder: Any, spec: ThinkerSpec, positions: torch.Tensor) -> int:
    """FLOPs of the rotary table, which some releases make by a matrix product."""
    shape = (1, positions.shape[-1], spec.text.hidden_size)
    hidden = torch.empty(shape, device=positions.device)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        decoder.rotary_emb(hidden, positions)
    return int(counter.get_total_flops())
