"""Witness: decode steps that others measured on a GPU, which no record here was fitted to.

Source: the README of github.com/pytorch-labs/gpt-fast: Llama 2 7B on an A100 80 GB (limited to
330 W), one sequence, prompt of 5 tokens, 200 new ones, compiled with CUDA graphs: 104.9 tokens/s
with weights of 16 bits and 196.8 with 4 bits (groups of 32). Sampling is inside its timer.
"""

from __future__ import annotations

import omnizip_cost as oz
from omnizip_cost.latency import Prediction, predict
from omnizip_cost.specs import spec_from_config

LLAMA_2_7B = {
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 11_008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "vocab_size": 32_000,
}


def _step(weight_dtype: str | None) -> tuple[Prediction, float, float, float]:
    spec = spec_from_config(LLAMA_2_7B, "llama-2-7b")
    plan = oz.plan("full", oz.bare_workload(5), spec)
    found = predict(
        spec, plan, "a100-sxm", backend="compiled", weight_dtype=weight_dtype, decode=200
    )
    low, high = found.interval("decode")
    return found, low / 200, found.decode_s / 200, high / 200


def test_a_compiled_step_takes_what_was_measured() -> None:
    """9.53 ms; its 13.2 GB of weights alone would take 6.5 at the whole bandwidth."""
    found, low, step, high = _step(None)
    measured = 1 / 104.9
    assert abs(step / measured - 1) < 0.15
    assert low < measured < high
    assert 13.2e9 / found.device.bandwidth_bytes_per_s < low


def test_four_bits_gain_less_than_their_bytes() -> None:
    """5.08 ms, 1.9 times less for 3.6 times fewer bytes: fixed costs stay, and unpacking costs."""
    _, low, step, high = _step("int4")
    measured = 1 / 196.8
    assert abs(step / measured - 1) < 0.15
    assert low < measured < high
