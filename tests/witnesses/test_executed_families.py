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
from omnizip_cost.cli.account_notes import standouts
from omnizip_cost.cost import CONVENTIONS
from omnizip_cost.cost.account import account
from omnizip_cost.cost.executed.decoder import decoder_executed
from omnizip_cost.cost.executed.modules import added_features
from omnizip_cost.cost.executed.op import placed, single_call
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


def _ours(spec: ModelSpec, n: int, dtype: str, kind: Any, axes: int) -> dict[str, dict[str, Sum]]:
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


CASES = [
    *((family, {}, "bfloat16", "math") for family in FAMILIES),
    *((family, {}, "float32", "eager") for family in FAMILIES),
    ("mistral", {"sliding_window": 40}, "bfloat16", "math"),
    ("phi3", {"sliding_window": 40}, "float32", "math"),
]


@pytest.mark.parametrize(("family", "changes", "dtype", "kind"), CASES)
def test_dense_decoders(family: str, changes: dict[str, Any], dtype: str, kind: str) -> None:
    """Of layers that slide, all that stays below their window: 37 tokens and 2 steps of 40."""
    config = {"model_type": family, **SIZES, **FAMILIES[family], **changes}
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


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_type": "mistral", "sliding_window": 16}, "layers that slide"),
        (
            {
                "model_type": "llama",
                "rope_scaling": {"rope_type": "dynamic", "factor": 2.0},
            },
            "rotary table of type dynamic",
        ),
        ({"model_type": "phi3", "sliding_window": None, "partial_rotary_factor": 0.5}, "a part"),
    ],
)
def test_what_is_not_listed_is_unknown_and_named(changes: dict[str, Any], words: str) -> None:
    spec = spec_from_config({**SIZES, **changes}, "other")
    rows = account(spec, oz.plan("full", oz.bare_workload(37), spec), "torch", STEPS)
    assert rows
    for row in rows:
        assert row.flops > 0
        assert row.kernels is row.bytes_moved is row.unseen_flops is row.intensity is None
    assert words in " ".join(standouts(spec, rows))


def _without_masks(seen: dict[str, Sum]) -> dict[str, Sum]:
    """Release 5.17 also masks tokens of experts that live elsewhere, of which there are none."""
    masks = {"ge", "clamp_", "masked_fill", "masked_fill_"} & set(seen)
    assert len(masks) in (0, 4)
    return {name: one for name, one in seen.items() if name not in masks}


def _experts(dtype: str, attention: str, changes: dict[str, Any]) -> tuple[ThinkerSpec, Any]:
    """The released 30B-A3B config with small sizes: spec and the real text model."""
    config = dict(oz.load_spec("qwen3-omni-30b-a3b").config)
    config["text_config"] = {
        **config["text_config"],
        **SIZES,
        "moe_intermediate_size": 32,
        "num_experts": 6,
        "num_experts_per_tok": 2,
        "head_dim": 128,
        **changes,
    }
    spec = spec_from_config(config, "small")
    assert isinstance(spec, ThinkerSpec)
    text = configs.Qwen3OmniMoeTextConfig(**config["text_config"])
    text._attn_implementation, text._experts_implementation = attention, "grouped_mm"
    real = models.Qwen3OmniMoeThinkerTextModel(text).eval()
    frequencies = real.rotary_emb.inv_freq
    real.to(getattr(torch, dtype)).rotary_emb.inv_freq = frequencies  # a loaded one stays float32
    return spec, real


@pytest.mark.parametrize(
    ("dtype", "attention", "changes"),
    [("bfloat16", "sdpa", {}), ("float32", "eager", {"mlp_only_layers": [1]})],
)
def test_text_model_with_experts(dtype: str, attention: str, changes: dict[str, Any]) -> None:
    """On the CPU; torch's counter has no formula for products grouped by expert."""
    spec, real = _experts(dtype, attention, changes)
    past, n, d = DynamicCache(config=real.config), 37, spec.text.hidden_size
    ours = _ours(spec, n, dtype, attention, 3)
    for phase, lengths in (("prefill", [n]), ("decode", [1] * STEPS)):
        inputs = [
            (torch.zeros(1, length, dtype=torch.long), torch.zeros(3, 1, length, dtype=torch.long))
            for length in lengths
        ]
        with Executed() as seen, torch.no_grad():
            for ids, places in inputs:
                out = real(input_ids=ids, position_ids=places, past_key_values=past, use_cache=True)
                torch.nn.functional.linear(
                    out.last_hidden_state, torch.empty(spec.text.vocab_size, d, dtype=real.dtype)
                )
        unlike = differences(ours[phase], _without_masks(seen.sums))
        blind = {"_grouped_mm", "_scaled_dot_product_flash_attention"} & set(seen.sums)
        assert set(unlike) == blind
        for mine, theirs in unlike.values():
            assert theirs.flops == 0 < mine.flops
            assert mine == theirs._replace(flops=mine.flops)


def test_visual_features_added_to_the_first_layers() -> None:
    """The difference that they make to a prefill; one set of them, after the first layer."""
    spec, real = _experts("float32", "sdpa", {})
    n, video, d = 37, 12, spec.text.hidden_size
    mask = (torch.arange(n) < video)[None]
    sums = []
    for features in (None, [torch.zeros(video, d)]):
        places = torch.zeros(3, 1, n, dtype=torch.long)
        with Executed() as seen, torch.no_grad():
            real(
                inputs_embeds=torch.zeros(1, n, d),
                position_ids=places,
                use_cache=False,
                visual_pos_masks=mask,
                deepstack_visual_embeds=features,
            )
        sums.append(seen.sums)
    ours = listed(placed(added_features(single_call(n, 4), video, d), "llm", single_call(n, 4), ""))
    without, added = sums
    for name, one in ours.items():
        assert without.get(name, Sum()).plus(one) == added[name]
    assert {name for name in added if added[name] != without.get(name)} == set(ours)


def test_a_clip_on_qwen3_omni_is_listed_whole() -> None:
    spec = oz.load_spec("qwen3-omni-30b-a3b")
    clip = oz.workload(spec, seconds=4, pixels=(256, 256))
    rows = account(spec, oz.plan("full", clip, spec), "torch", STEPS, clip)
    assert all(row.bytes_moved and row.kernels for row in rows)
    (features,) = [row for row in rows if row.operator == "deepstack"]
    assert features.kernels == 4 * 3
    assert {row.component for row in rows} == {
        "llm", "lm_head", "audio_encoder", "vision_encoder"
    }  # fmt: skip
