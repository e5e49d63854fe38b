"""Witness: on the CPU torch's counter sees no fused attention; that is a convention as well.

What it counts there is `torch` without pairs, to the integer: in prefill and in cached decode.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModelForCausalLM, DynamicCache

import omnizip_cost as oz
from omnizip_cost.cost import CONVENTIONS

CONFIG = {
    "model_type": "llama",
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "vocab_size": 101,
}
BLIND = replace(CONVENTIONS["torch"], name="cpu-counter", attention="none")


@torch.no_grad()
def _counted(model: torch.nn.Module, n: int, cache: DynamicCache) -> int:
    """FLOPs of one call, the rotary table of release 5.17 taken off."""
    ids = torch.zeros(1, n, dtype=torch.long)
    with FlopCounterMode(display=False) as whole:
        model(input_ids=ids, past_key_values=cache, use_cache=True)
    with FlopCounterMode(display=False) as table:
        model.model.rotary_emb(torch.empty(1, n, 1), ids)
    return int(whole.get_total_flops() - table.get_total_flops())


@pytest.mark.parametrize(("attention", "convention"), [("sdpa", BLIND), ("eager", "torch")])
def test_the_counter_on_the_cpu(tmp_path: Path, attention: str, convention: object) -> None:
    n, steps = 37, 3
    values = {key: value for key, value in CONFIG.items() if key != "model_type"}
    built = AutoConfig.for_model("llama", **values)
    model = AutoModelForCausalLM.from_config(built, attn_implementation=attention).eval()
    path = tmp_path / "config.json"
    path.write_text(json.dumps(CONFIG))
    spec = oz.load_spec(path)
    cache = DynamicCache(config=model.config)
    counted = [_counted(model, length, cache) for length in (n, *[1] * steps)]
    rows = oz.count(spec, oz.plan("full", oz.bare_workload(n), spec), convention, steps)
    ours = {
        phase: sum(row.flops for row in rows if row.phase == phase)
        for phase in ("prefill", "decode")
    }
    assert ours == {"prefill": counted[0], "decode": sum(counted[1:])}


def test_two_flops_per_parameter_and_token() -> None:
    """Without pairs a token costs two FLOPs per weight of the products it goes through."""
    spec = oz.load_spec("qwen2.5-omni-7b")
    text = spec.text
    weights = (
        text.layers
        * text.hidden_size
        * (2 * text.query_width + 2 * text.kv_width + 3 * text.intermediate_size)
        + text.hidden_size * text.vocab_size
    )
    for tokens in (1, 10_000):
        full = oz.plan("full", oz.bare_workload(tokens), spec)
        assert oz.total_flops(oz.count(spec, full, BLIND, 0)) == 2 * weights * tokens


def test_encoders_without_pairs() -> None:
    spec = oz.load_spec("omni-tiny")
    work = oz.workload(spec, seconds=5, pixels=(112, 112))
    full = oz.plan("full", work, spec)
    seen, blind = (
        {row.component: row.flops for row in oz.count(spec, full, one, 0, work)}
        for one in ("torch", BLIND)
    )
    assert seen.keys() == blind.keys()
    assert all(blind[part] < seen[part] for part in seen if part.endswith("encoder"))
    assert blind["lm_head"] == seen["lm_head"]
