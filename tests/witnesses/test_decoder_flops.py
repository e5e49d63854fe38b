"""Witness: torch's FlopCounterMode on the real dense decoders of five families, on meta.

Layers of one kind are all alike, so all but one count runs the published widths at two layers; the
whole depth of Mistral-7B is counted once, and every model's parameters at its whole depth.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from real_decoder import PUBLISHED, Config, counted_passes, parameters, real_decoder
from transformers import CONFIG_MAPPING

import omnizip_cost as oz
from omnizip_cost.specs import ModelSpec, parameter_counts, spec_from_config
from omnizip_cost.specs.decoders import DECODER_FALLBACKS


def ours(spec: ModelSpec, n: int, convention: str, decode: int = 0) -> dict[tuple[str, str], int]:
    plan = oz.plan("full", oz.bare_workload(n), spec)
    rows = oz.count(spec, plan, convention=convention, decode=decode)
    return {(row.component, row.phase): row.flops for row in rows}


def assert_equal_to_the_counter(spec: ModelSpec, model: Any, n: int, steps: int) -> None:
    prefill, decoded = counted_passes(model, n, steps)
    for taken in range(1, steps + 1):
        rows = ours(spec, n, "torch", taken)
        assert rows["llm", "prefill"] + rows["lm_head", "prefill"] == prefill
        assert rows["llm", "decode"] + rows["lm_head", "decode"] == sum(decoded[:taken])


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_of_published_models(name: str, tmp_path: Path) -> None:
    config, published = PUBLISHED[name]
    (tmp_path / "config.json").write_text(json.dumps(config))
    spec = oz.load_spec(tmp_path)
    assert spec.family == config["model_type"]
    assert parameter_counts(spec)["total"] == parameters(real_decoder(config)) == published


@pytest.mark.parametrize("family", DECODER_FALLBACKS)
def test_what_may_be_left_out_is_the_default_of_the_class(family: str) -> None:
    defaults = {
        name: field.default for name, field in CONFIG_MAPPING[family].__dataclass_fields__.items()
    }
    for key, value in DECODER_FALLBACKS[family].items():
        assert defaults.get(key) == value, key


@pytest.mark.parametrize(
    ("name", "attention", "lengths"),
    [
        ("Llama-2-7b-hf", "eager", (1, 2345)),
        ("Llama-3.2-1B", "sdpa", (7, 333)),
        ("Mistral-7B-v0.1", "sdpa", (4094, 4101)),
        ("Mistral-7B-v0.1", "eager", (4094,)),
        ("Mistral-Nemo-Base-2407", "sdpa", (2345,)),
        ("Qwen2.5-0.5B", "eager", (1, 333)),
        ("Qwen3-0.6B", "sdpa", (7, 2345)),
        ("Phi-3-mini-4k-instruct", "sdpa", (2045, 2345)),
        ("Phi-3-mini-4k-instruct", "eager", (2045,)),
        ("Phi-3-medium-128k-instruct", "sdpa", (333,)),
    ],
)
def test_published_widths(name: str, attention: str, lengths: tuple[int, ...]) -> None:
    """Cached steps too: the first length of a model that slides is two short of its window."""
    config = PUBLISHED[name][0] | {"num_hidden_layers": 2}
    model = real_decoder(config, attention)
    for n in lengths:
        assert_equal_to_the_counter(spec_from_config(config, name), model, n, steps=3)


def test_the_whole_depth_past_the_window() -> None:
    config = PUBLISHED["Mistral-7B-v0.1"][0]
    spec = spec_from_config(config, "Mistral-7B-v0.1")
    assert spec.text.sliding_layers == tuple(range(32))
    assert_equal_to_the_counter(spec, real_decoder(config), 5_001, steps=1)


WINDOWED: dict[str, Config] = {
    "the last two of five": {
        "use_sliding_window": True,
        "sliding_window": 9,
        "max_window_layers": 3,
    },
    "by name": {
        "use_sliding_window": True,
        "sliding_window": 9,
        "max_window_layers": 0,
        "layer_types": ["sliding_attention", "full_attention"] * 2 + ["sliding_attention"],
    },
}


@pytest.mark.parametrize("family", ["qwen2", "qwen3"])
@pytest.mark.parametrize("case", WINDOWED)
def test_some_layers_slide(case: str, family: str) -> None:
    """Before, at and past the window, prefill and the steps that cross it."""
    config = {
        "model_type": family,
        "hidden_size": 48,
        "intermediate_size": 40,
        "num_hidden_layers": 5,
        "num_attention_heads": 6,
        "num_key_value_heads": 2,
        "head_dim": 10,
        "vocab_size": 70,
        **WINDOWED[case],
    }
    spec = spec_from_config(config, case)
    assert spec.text.sliding_layers == {"by name": (0, 2, 4)}.get(case, (3, 4))
    model = real_decoder(config)
    for n in (8, 30):
        assert_equal_to_the_counter(spec, model, n, steps=3)


def test_hardware_counts_what_a_window_lets_through() -> None:
    """By hand, key by key: query i of a sliding layer sees min(i, W); one position's logits."""
    config, _ = PUBLISHED["Mistral-7B-v0.1"]
    spec = spec_from_config(config | {"sliding_window": 100}, "narrow")
    n, steps, text = 333, 5, spec.text
    linear = 2 * text.hidden_size * (text.query_width + text.kv_width)
    linear += 3 * text.hidden_size * text.intermediate_size
    prefill_keys = sum(min(i, 100) for i in range(1, n + 1))
    decode_keys = sum(min(n + i, 100) for i in range(1, steps + 1))
    rows = ours(spec, n, "hardware", steps)
    for phase, tokens, keys in (("prefill", n, prefill_keys), ("decode", steps, decode_keys)):
        assert rows["llm", phase] == 32 * 2 * (tokens * linear + 2 * keys * text.query_width)
    assert rows["lm_head", "prefill"] == 2 * text.hidden_size * text.vocab_size


def test_conventions_of_the_literature_know_no_window() -> None:
    config, _ = PUBLISHED["Mistral-7B-v0.1"]
    narrow, none = (
        spec_from_config(config | {"sliding_window": window}, "m") for window in (16, None)
    )
    for convention in ("eq9", "pyramiddrop", "sparsevlm", "seats", "dynamic-llava"):
        assert ours(narrow, 333, convention, 9) == ours(none, 333, convention, 9)
    assert ours(narrow, 333, "torch", 9) != ours(none, 333, "torch", 9)
