"""Rotary settings and convolution batches: read from the config once, and refused where wrong."""

from __future__ import annotations

import copy
from typing import Any

import pytest

import omnizip_cost as oz
from omnizip_cost.errors import InvalidValueError
from omnizip_cost.specs import RotarySpec, ThinkerSpec, spec_from_config

LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 96,
}


@pytest.mark.parametrize(
    ("settings", "kind", "part"),
    [
        ({}, "default", 1),
        ({"rope_scaling": None}, "default", 1),
        ({"rope_scaling": {"type": "dynamic", "factor": 2.0}}, "dynamic", 1),
        ({"rope_scaling": {"rope_type": "llama3", "type": "old"}}, "llama3", 1),
        ({"rope_parameters": {"rope_type": "yarn"}, "rope_scaling": {"type": "old"}}, "yarn", 1),
        ({"rope_parameters": {"partial_rotary_factor": 0.5}}, "default", 0.5),
        ({"partial_rotary_factor": 0.75}, "default", 0.75),
    ],
)
def test_settings_of_old_and_new_files(settings: dict[str, Any], kind: str, part: float) -> None:
    spec = spec_from_config({**LLAMA, **settings}, "other")
    assert spec.text.rotary == RotarySpec(kind=kind, part=part)


def test_sections_of_three_axes() -> None:
    """Of Qwen3-Omni alone, whose class has sizes of its own where the file gives none."""
    assert oz.load_spec("qwen2.5-omni-7b").text.rotary == RotarySpec()
    released = oz.load_spec("qwen3-omni-30b-a3b")
    config: Any = copy.deepcopy(dict(released.config))
    given = config["text_config"].get("rope_parameters") or config["text_config"]["rope_scaling"]
    assert released.text.rotary.sections == tuple(given["mrope_section"])
    given["mrope_section"] = [4, 3, 1]
    assert spec_from_config(config, "other").text.rotary.sections == (4, 3, 1)
    del given["mrope_section"]
    assert spec_from_config(config, "other").text.rotary.sections == (24, 20, 20)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rope_scaling": "linear"}, "rope_scaling must be a JSON object or null"),
        ({"rope_parameters": [1]}, "rope_parameters must be a JSON object or null"),
        ({"rope_scaling": {"type": 3}}, "rope_scaling.rope_type must be a name"),
        ({"partial_rotary_factor": 1.5}, "partial_rotary_factor must be a number above 0"),
        ({"rope_parameters": {"partial_rotary_factor": "half"}}, "must be a number above 0"),
        ({"rope_parameters": {"partial_rotary_factor": True}}, "must be a number above 0"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidValueError, match=words):
        spec_from_config({**LLAMA, **settings}, "other")


@pytest.mark.parametrize("sections", [[1, 2], [1, 2, "3"], [1, 2, -3], "abc", [True, 1, 1]])
def test_wrong_sections_are_refused(sections: object) -> None:
    config: Any = copy.deepcopy(dict(oz.load_spec("qwen3-omni-30b-a3b").config))
    config["text_config"]["rope_parameters"] = {"mrope_section": sections}
    with pytest.raises(InvalidValueError, match="mrope_section must be three whole numbers"):
        spec_from_config(config, "other")


def test_chunks_at_once() -> None:
    """Qwen3-Omni's own number where the file gives none; Qwen2.5-Omni convolves all at once."""
    spec = oz.load_spec("qwen2.5-omni-7b")
    assert isinstance(spec, ThinkerSpec) and spec.audio.chunks_at_once is None
    config: Any = copy.deepcopy(dict(oz.load_spec("qwen3-omni-30b-a3b").config))
    for given, expected in ((3, 3), (None, 500)):
        config["audio_config"].pop("conv_chunksize", None)
        if given:
            config["audio_config"]["conv_chunksize"] = given
        spec = spec_from_config(config, "other")
        assert isinstance(spec, ThinkerSpec) and spec.audio.chunks_at_once == expected
    config["audio_config"]["conv_chunksize"] = 0
    with pytest.raises(InvalidValueError, match="conv_chunksize must be a positive whole number"):
        spec_from_config(config, "other")
