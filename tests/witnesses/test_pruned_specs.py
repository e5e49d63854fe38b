"""Witness: transformers builds the pruned model from its pruned config, with as many weights."""

from __future__ import annotations

from typing import Any

import pytest

import omnizip_cost as oz
from omnizip_cost.errors import InvalidValueError
from omnizip_cost.specs import parameter_counts, require_thinker, spec_from_config
from omnizip_cost.units import GIGA


@pytest.mark.parametrize(
    ("model", "cuts"),
    [
        ("qwen2.5-omni-3b", {"layers": 3}),
        ("omni-tiny", {"layers": (0, 3, 7), "ffn_width": 100}),
        ("qwen3-omni-30b-a3b", {"layers": 2, "ffn_width": 96}),
    ],
)
def test_the_real_class_has_as_many_weights(model: str, cuts: dict[str, Any]) -> None:
    spec = require_thinker(oz.pruned(oz.load_spec(model), **cuts))
    real: Any = oz.build_thinker(spec, device="meta")
    assert sum(one.numel() for one in real.parameters()) == parameter_counts(spec)["total"]
    layers = cuts["layers"]
    assert spec.text.layers == (layers if isinstance(layers, int) else len(layers))


def test_a_layer_costs_what_a_layer_costs() -> None:
    """FLOPs of the stack are proportional to its layers, and linear in the width of the FFN."""
    spec = oz.load_spec("qwen2.5-omni-7b")
    work = oz.bare_workload(1_000)

    def flops(**cuts: Any) -> int:
        cut = oz.pruned(spec, **cuts)
        rows = oz.count(cut, oz.plan("full", work, cut), "hardware", decode=0)
        return sum(row.flops for row in rows if row.component == "llm")

    assert flops(layers=14) * 2 == flops()
    assert flops() - flops(ffn_width=18_943) == 2 * 28 * 3 * 1_000 * 3_584
    assert flops() > 13_000 * GIGA


def test_kinds_of_layers_go_with_their_layers() -> None:
    sizes = {
        "hidden_size": 48,
        "intermediate_size": 80,
        "num_hidden_layers": 6,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 96,
    }
    sliding = {"use_sliding_window": True, "sliding_window": 16, "max_window_layers": 3}
    spec = spec_from_config({"model_type": "qwen2", **sizes, **sliding}, "slides")
    assert oz.pruned(spec, layers=[1, 2, 4]).text.sliding_layers == (2,)
    assert oz.pruned(spec, layers=2).text.sliding_window is None
    config = dict(oz.load_spec("qwen3-omni-30b-a3b").config)
    config["text_config"] = {**config["text_config"], "decoder_sparse_step": 2}
    mixed = spec_from_config(config, "mixed")
    experts = oz.pruned(mixed, layers=[0, 1, 3, 4]).text.experts
    assert experts is not None
    assert experts.dense_layers == (0, 3)


def test_its_name_says_what_was_cut_and_nothing_cut_is_the_same_spec() -> None:
    spec = oz.load_spec("qwen2.5-omni-3b")
    assert oz.pruned(spec, layers=36, ffn_width=11_008) is spec
    assert oz.pruned(spec, layers=30).name == "qwen2.5-omni-3b-30-layers"
    assert oz.pruned(spec, ffn_width=5_504).name == "qwen2.5-omni-3b-ffn-5504"


@pytest.mark.parametrize(
    "cuts",
    [
        {"layers": 0},
        {"layers": 37},
        {"layers": 2.5},
        {"layers": "20"},
        {"layers": []},
        {"layers": [3, 1]},
        {"layers": [1, 1]},
        {"layers": [0.5]},
        {"layers": [36]},
        {"ffn_width": 0},
        {"ffn_width": True},
        {"ffn_width": 11_009},
    ],
)
def test_what_cannot_be_cut_is_refused(cuts: dict[str, Any]) -> None:
    (field,) = cuts
    with pytest.raises(InvalidValueError, match=f"pruned qwen2.5-omni-3b: {field} must be"):
        oz.pruned(oz.load_spec("qwen2.5-omni-3b"), **cuts)
