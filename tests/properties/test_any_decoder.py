"""Small decoders of all five families, drawn at random, against the real class on meta."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from real_decoder import Config, counted_passes, parameters, real_decoder

import omnizip_cost as oz
from omnizip_cost import formulas
from omnizip_cost.cost import total_flops
from omnizip_cost.errors import OmnizipCostError
from omnizip_cost.specs import load_spec, parameter_counts, spec_from_config
from omnizip_cost.specs.spec import DecoderFamily

FAMILIES = get_args(DecoderFamily)


@st.composite
def decoders(draw: st.DrawFn, family: str) -> Config:
    """Draw sizes independent of one another, so that none can stand in for another."""
    kv_heads = draw(st.integers(1, 3))
    heads = kv_heads * draw(st.integers(1, 3))
    layers = draw(st.integers(1, 3))
    config: Config = {
        "model_type": family,
        "hidden_size": 2 * heads * draw(st.integers(2, 6)),
        "intermediate_size": draw(st.integers(5, 60)),
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "vocab_size": draw(st.integers(5, 99)),
    }
    if family == "qwen3" or draw(st.booleans()):
        config["head_dim"] = 2 * draw(st.integers(2, 9))
    window = draw(st.none() | st.integers(2, 12))
    may_be_left_out: Config = {"tie_word_embeddings": draw(st.booleans())}
    if family in ("llama", "qwen3"):
        may_be_left_out["attention_bias"] = draw(st.booleans())
    if family == "llama":
        may_be_left_out["mlp_bias"] = draw(st.booleans())
    if family in ("llama", "phi3") and kv_heads == heads:
        may_be_left_out["num_key_value_heads"] = config.pop("num_key_value_heads")
    if family in ("mistral", "phi3"):
        may_be_left_out["sliding_window"] = window
    if family in ("qwen2", "qwen3"):
        config["sliding_window"] = window
        may_be_left_out["use_sliding_window"] = draw(st.booleans())
        may_be_left_out["max_window_layers"] = draw(st.integers(0, 4))
    kept = draw(st.sets(st.sampled_from(sorted(may_be_left_out))))
    return config | {key: may_be_left_out[key] for key in kept}


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_the_class_is_met_whatever_the_sizes(family: str, data: st.DataObject) -> None:
    config = data.draw(decoders(family))
    n = data.draw(st.integers(1, 15))
    spec = spec_from_config(config, "drawn")
    model = real_decoder(config, data.draw(st.sampled_from(["sdpa", "eager"])))
    assert parameter_counts(spec)["total"] == parameters(model)
    prefill, (step,) = counted_passes(model, n, steps=1)
    plan = oz.plan("full", oz.bare_workload(n), spec)
    assert total_flops(oz.count(spec, plan, "torch", 0)) == prefill
    assert total_flops(oz.count(spec, plan, "torch", 1)) == prefill + step
    with tempfile.TemporaryDirectory() as folder:
        model.config.save_pretrained(folder)
        assert load_spec(folder).text == spec.text


@given(st.integers(1, 60), st.integers(0, 60), st.integers(2, 60))
def test_a_window_bounds_what_each_query_sees(n: int, past: int, window: int) -> None:
    seen = [min(past + i, window) for i in range(1, n + 1)]
    assert formulas.causal_pairs_doubled(n, past, window) == 2 * sum(seen)
    assert formulas.decode_pairs_doubled(past, n, window) == 2 * sum(seen)


JUNK: Any = st.sampled_from([None, True, 0, -1, 1, 3, 7.5, "8", [], {}, ["full_attention"], 2**70])


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(FAMILIES).flatmap(decoders), st.data())
def test_damaged_decoders_are_a_spec_or_a_sentence(config: Config, data: st.DataObject) -> None:
    keys = [*config, "layer_types", "head_dim", "sliding_window", "attention_bias", "num_experts"]
    for key in data.draw(st.lists(st.sampled_from(keys), max_size=2)):
        config[key] = data.draw(JUNK)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(config))
        try:
            spec = load_spec(folder)
        except OmnizipCostError as error:
            assert "\n" not in str(error)
        else:
            assert parameter_counts(spec)["total"] > 0
