"""Witness: torch's counter on small Qwen3-Omni decoders with experts, CPU, math backend.

The mixture of experts cannot run on meta, and the counter sees its products only with eager
experts (grouped ones count as zero on the CPU).
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
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
from omnizip_cost.specs import ThinkerSpec, spec_from_config

VARIANTS: dict[str, dict[str, Any]] = {
    "experts everywhere": {},
    "a dense layer": {"mlp_only_layers": [1]},
    "every other layer": {"decoder_sparse_step": 2},
}


def _small(changes: dict[str, Any]) -> tuple[ThinkerSpec, Any]:
    """The released 30B-A3B config with small sizes: spec and the real decoder."""
    config = dict(oz.load_spec("qwen3-omni-30b-a3b").config)
    config["text_config"] = {
        **config["text_config"],
        "num_hidden_layers": 3,
        "hidden_size": 64,
        "intermediate_size": 96,
        "moe_intermediate_size": 32,
        "num_experts": 6,
        "num_experts_per_tok": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 128,
        "vocab_size": 512,
        **changes,
    }
    spec = spec_from_config(config, "small")
    text = configs.Qwen3OmniMoeTextConfig(**config["text_config"])
    text._attn_implementation, text._experts_implementation = "sdpa", "eager"
    torch.manual_seed(0)
    return spec, models.Qwen3OmniMoeThinkerTextModel(text).eval()


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
    hidden = torch.empty(1, positions.shape[-1], spec.text.hidden_size)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        decoder.rotary_emb(hidden, positions)
    return int(counter.get_total_flops())
