"""Witness: every operator of the stock decoders of five families, and of Qwen3-Omni's text model.

By name: as many as listed, the same bytes, the same FLOPs of products and the same other
arithmetic; small widths, on meta where the module runs there.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from executed_record import Executed, Sum, differences, listed, of_this_release
from transformers import AutoConfig, AutoModelForCausalLM, DynamicCache
from transformers.models.qwen3_omni_moe import configuration_qwen3_omni_moe as configs
from transformers.models.qwen3_omni_moe import modeling_qwen3_omni_moe as models

import omnizip_cost as oz
from omnizip_cost.cost import CONVENTIONS
from omnizip_cost.cost.account import account
from omnizip_cost.cost.account_notes import standouts
from omnizip_cost.cost.executed.decoder import decoder_executed
from omnizip_cost.cost.executed.families import why_unlisted
from omnizip_cost.specs import ModelSpec, ThinkerSpec, spec_from_config
from omnizip_cost.units import BYTES_PER_ELEMENT

STEPS = 2
SIZES: dict[str, Any] = {
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 96,
    "max_position_embeddings": 4096,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "tie_word_embeddings": False,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {"attention_bias": True, "mlp_bias": True},
    "mistral": {"sliding_window": None, "head_dim": 16},
    "qwen2": {"num_key_value_heads": 4},
    "qwen3": {"head_dim": 16},
    "phi3": {"sliding_window": None},
}


def _ours(
    spec: ModelSpec, n: int, dtype: str, kind: Any, axes: int
) -> dict[str, dict[str, Sum]]:
    plan = oz.plan("full", oz.bare_workload(n), spec)
    width = BYTES_PER_ELEMENT[dtype]
    ops = list(decoder_executed(spec, plan, CONVENTIONS["torch"], STEPS, kind, width))
    return {
        phase: of_this_release(
            listed(op for op in ops if op.phase == phase),
            axes=axes,
            head_dim=spec.text.head_dim,
            calls=calls,
            rows=rows,
        )
        for phase, (calls, rows) in {"prefill": (1, n), "decode": (STEPS, STEPS)}.items()
    }


@pytest.mark.parametrize(("dtype", "kind"), [("bfloat16", "math"), ("float32", "eager")])
@pytest.mark.parametrize("family", FAMILIES)
def test_dense_decoders(family: str, dtype: str, kind: str) -> None:
    config = {"model_type": family, **SIZES, **FAMILIES[family]}
    spec = spec_from_config(config, family)
    attention = "sdpa" if kind == "math" else kind
    with torch.device("meta"):
        real = AutoModelForCausalLM.from_config(
            AutoConfig.for_model(**config),
            dtype=getattr(torch, dtype),
            attn_implementation=attention,
        ).eval()
    past, n = DynamicCache(config=real.config), 37
    ours = _ours(spec, n, dtype, kind, 1)
    for phase, lengths in (("prefill", [n]), ("decode", [1] * STEPS)):
        ids = [torch.zeros(1, length, dtype=torch.long, device="meta") for length in lengths]
        with Executed() as seen, torch.no_grad():
            for tokens in ids:
                real(input_ids=tokens, past_key_values=past, use_cache=True)
        assert not differences(ours[phase], seen.sums), phase
