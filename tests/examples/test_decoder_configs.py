"""Decoders by config.json: what may be left out, and every sentence a wrong config earns."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import omnizip_cost as oz
from omnizip_cost.cli.app import run
from omnizip_cost.errors import (
    InputFileError,
    InvalidValueError,
    OmnizipCostError,
    UnsupportedModelError,
)
from omnizip_cost.specs import DecoderSpec, TextSpec, parameter_counts

Config = dict[str, Any]
FAMILIES = ("llama", "mistral", "qwen2", "qwen3", "phi3")


def config_of(family: str, **changes: Any) -> Config:
    sizes: Config = {
        "model_type": family,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 24,
        "vocab_size": 50,
    }
    return sizes | changes


def load(folder: Path, document: Config) -> DecoderSpec:
    (folder / "config.json").write_text(json.dumps(document))
    spec = oz.load_spec(folder)
    assert isinstance(spec, DecoderSpec)
    return spec


def failure(folder: Path, document: Config) -> OmnizipCostError:
    with pytest.raises(OmnizipCostError) as caught:
        load(folder, document)
    return caught.value


def without(document: Config, key: str) -> Config:
    return {name: value for name, value in document.items() if name != key}


# ---- what may be left out ---------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_null_key_value_heads_are_as_many_as_query_heads(family: str, tmp_path: Path) -> None:
    assert load(tmp_path, config_of(family, num_key_value_heads=None)).text.kv_heads == 4


@pytest.mark.parametrize("family", ["llama", "phi3"])
def test_absent_key_value_heads_are_as_many_where_the_class_says_so(
    family: str, tmp_path: Path
) -> None:
    document = without(config_of(family), "num_key_value_heads")
    assert load(tmp_path, document).text.kv_heads == 4


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2", "phi3"])
def test_head_dim_is_given_or_a_quotient(family: str, tmp_path: Path) -> None:
    document = config_of(family)
    assert load(tmp_path, document).text.head_dim == 24
    assert load(tmp_path, document | {"head_dim": None}).text.head_dim == 16
    assert load(tmp_path, without(document, "head_dim")).text.head_dim == 16


def test_biases_and_norms_of_each_family(tmp_path: Path) -> None:
    def traits(text: TextSpec) -> tuple[bool, ...]:
        return (text.qkv_bias, text.output_bias, text.ffn_bias, text.qk_norm)

    plain = {family: traits(load(tmp_path, config_of(family)).text) for family in FAMILIES}
    no, yes = False, True
    assert plain == {
        "llama": (no, no, no, no),
        "mistral": (no, no, no, no),
        "qwen2": (yes, no, no, no),
        "qwen3": (no, no, no, yes),
        "phi3": (no, no, no, no),
    }
    biased = {"attention_bias": True, "mlp_bias": True}
    asked = {f: traits(load(tmp_path, config_of(f, **biased)).text) for f in FAMILIES}
    assert asked == plain | {"llama": (yes, yes, yes, no), "qwen3": (yes, yes, no, yes)}


def test_a_tied_head_costs_flops_but_no_weights(tmp_path: Path) -> None:
    for tied in (True, False):
        spec = load(tmp_path, config_of("qwen2", tie_word_embeddings=tied))
        assert parameter_counts(spec)["lm_head"] == (0 if tied else 64 * 50)
        rows = oz.count(spec, oz.plan("full", oz.bare_workload(3), spec), "hardware", 0)
        assert [row.flops for row in rows if row.component == "lm_head"] == [2 * 64 * 50]
    assert not load(tmp_path, config_of("qwen2")).text.tied_embeddings


@pytest.mark.parametrize(
    "rope",
    [
        {"rope_theta": 1e6, "rope_scaling": None},
        {"rope_scaling": {"rope_type": "llama3", "factor": 8.0}},
        {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}},
        {"rope_scaling": {"type": "longrope", "short_factor": [1.0], "long_factor": [2.0]}},
    ],
)
@pytest.mark.parametrize("family", FAMILIES)
def test_rotary_settings_change_no_size(family: str, rope: Config, tmp_path: Path) -> None:
    changed = load(tmp_path, config_of(family, **rope)).text
    plain = load(tmp_path, config_of(family)).text
    assert replace(changed, rotary=plain.rotary) == plain


@pytest.mark.parametrize("name", ["LlamaForCausalLM", "LLaMAForCausalLM", "LlamaModel"])
def test_the_class_of_the_family_may_be_named(name: str, tmp_path: Path) -> None:
    named = load(tmp_path, config_of("llama", architectures=[name]))
    assert named.text == load(tmp_path, config_of("llama")).text


# ---- windows ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "changes", "window", "layers"),
    [
        ("mistral", {}, 4096, (0, 1, 2, 3)),
        ("mistral", {"sliding_window": None}, None, ()),
        ("mistral", {"sliding_window": 7}, 7, (0, 1, 2, 3)),
        ("mistral", {"sliding_window": 7, "layer_types": ["sliding_attention"] * 4}, 7, range(4)),
        ("phi3", {}, None, ()),
        ("phi3", {"sliding_window": 2047}, 2047, (0, 1, 2, 3)),
        ("llama", {"sliding_window": None, "layer_types": ["full_attention"] * 4}, None, ()),
        ("qwen2", {"sliding_window": 7, "max_window_layers": 1}, None, ()),
        ("qwen2", {"use_sliding_window": True, "max_window_layers": 3}, 4096, (3,)),
        ("qwen3", {"use_sliding_window": True}, None, ()),
        ("qwen3", {"use_sliding_window": True, "sliding_window": None}, None, ()),
        (
            "qwen3",
            {
                "use_sliding_window": True,
                "sliding_window": 7,
                "layer_types": ["full_attention", "sliding_attention"] * 2,
            },
            7,
            (1, 3),
        ),
    ],
)
def test_which_layers_slide(
    family: str, changes: Config, window: int | None, layers: Any, tmp_path: Path
) -> None:
    text = load(tmp_path, config_of(family, **changes)).text
    assert (text.sliding_window, text.sliding_layers) == (window, tuple(layers))
    assert [text.window_of(i) for i in range(4)] == [
        window if i in layers else None for i in range(4)
    ]


@pytest.mark.parametrize(
    ("family", "changes", "sentence"),
    [
        (
            "llama",
            {"sliding_window": 7},
            "sliding_window is set, which family llama does not have; set it to null",
        ),
        (
            "mistral",
            {"sliding_window": 1},
            "sliding_window is 1, at which transformers' cache is not cut; windows of 2 tokens and "
            "more are modelled",
        ),
        (
            "phi3",
            {"sliding_window": 7, "layer_types": ["full_attention", "sliding_attention"] * 2},
            "layer_types contradicts sliding_window, which cuts all layers of family phi3; give "
            "one of the two",
        ),
        (
            "qwen2",
            {"layer_types": ["sliding_attention"] * 4},
            "layer_types asks for sliding_attention, but no window of family qwen2 is set; set "
            "sliding_window (and use_sliding_window) or name full_attention",
        ),
        (
            "qwen3",
            {"layer_types": ["chunked_attention"] * 4},
            "layer_types asks for chunked_attention, which is not modelled; only full_attention "
            "and sliding_attention are",
        ),
    ],
)
def test_windows_that_are_refused(
    family: str, changes: Config, sentence: str, tmp_path: Path
) -> None:
    error = failure(tmp_path, config_of(family, **changes))
    assert isinstance(error, UnsupportedModelError)
    assert str(error) == f"{tmp_path / 'config.json'}: {sentence}"


# ---- what is wrong ----------------------------------------------------------------------------

REQUIRED = [
    (family, key)
    for family in FAMILIES
    for key in config_of(family)
    if key != "model_type"
    and not (key == "head_dim" and family != "qwen3")
    and not (key == "num_key_value_heads" and family in ("llama", "phi3"))
]


@pytest.mark.parametrize(("family", "key"), REQUIRED)
def test_each_size_is_required_and_positive(family: str, key: str, tmp_path: Path) -> None:
    error = failure(tmp_path, without(config_of(family), key))
    assert type(error) is InputFileError
    assert str(error) == (
        f"{tmp_path / 'config.json'}: it lacks {key}; add it as a positive whole number: "
        "nothing is guessed"
    )
    for wrong in (0, -1, "8", 8.0, True):
        error = failure(tmp_path, config_of(family, **{key: wrong}))
        assert type(error) is InvalidValueError
        assert f"{key} must be a positive whole number, got {wrong!r}" in str(error)


@pytest.mark.parametrize(
    ("family", "changes", "sentence"),
    [
        (
            "qwen2",
            {"num_key_value_heads": 3},
            "num_key_value_heads must be a divisor of the 4 query heads, got 3",
        ),
        (
            "mistral",
            {"hidden_size": 66, "head_dim": None},
            "num_attention_heads must be a divisor of the hidden size 66, got 4",
        ),
        (
            "llama",
            {"hidden_size": 66},
            "num_attention_heads must be a divisor of the hidden size 66, got 4",
        ),
        (
            "phi3",
            {"head_dim": 7},
            "head_dim must be an even number: rotary positions turn pairs, got 7",
        ),
        ("qwen3", {"head_dim": None}, "head_dim must be a positive whole number, got None"),
        ("qwen3", {"attention_bias": None}, "attention_bias must be true or false, got None"),
        ("llama", {"mlp_bias": "no"}, "mlp_bias must be true or false, got 'no'"),
        ("phi3", {"tie_word_embeddings": 1}, "tie_word_embeddings must be true or false, got 1"),
        (
            "mistral",
            {"num_hidden_layers": 2**70},
            f"num_hidden_layers must be at most 10,000, got {2**70}",
        ),
        (
            "mistral",
            {"num_local_experts": 8},
            "num_local_experts is set, which the dense family mistral does not have; nothing is "
            "guessed: give the config of a dense decoder",
        ),
        (
            "qwen2",
            {"architectures": ["LlavaQwenForCausalLM"]},
            "architectures names LlavaQwenForCausalLM, which is no plain qwen2 decoder; leave "
            "that key out to count the qwen2 decoder of these sizes alone",
        ),
        *(
            (
                "llama",
                {"architectures": [name]},
                f"architectures names {name}, which is no plain llama decoder; leave that key out "
                "to count the llama decoder of these sizes alone",
            )
            for name in ("LlamaForCausalLMEagle3", "LlamaForSequenceClassification")
        ),
        (
            "qwen3",
            {"architectures": ["Qwen3MoeForCausalLM"]},
            "architectures names Qwen3MoeForCausalLM, which is no plain qwen3 decoder; leave "
            "that key out to count the qwen3 decoder of these sizes alone",
        ),
        (
            "llama",
            {"quantization_config": {"quant_method": "awq"}},
            "quantization_config is set, and the cost of quantised weights is not modelled; give "
            "the config of the unquantised model",
        ),
    ],
)
def test_wrong_fields(family: str, changes: Config, sentence: str, tmp_path: Path) -> None:
    error = failure(tmp_path, config_of(family, **changes))
    assert str(error) == f"{tmp_path / 'config.json'}: {sentence}"


OTHERS = [
    "mixtral",
    "qwen2_moe",
    "qwen3_moe",
    "gemma",
    "gemma2",
    "gpt2",
    "falcon",
    "deepseek_v3",
    "phi",
    "phimoe",
    "minicpmo",
    "videollama2_mistral",
    "videollama2_qwen2",
    "llava",
    "qwen2_5_vl",
    "LLAMA",
    "llama4",
    "mistral3",
]


@pytest.mark.parametrize("kind", OTHERS)
def test_other_families_are_refused_by_name(kind: str, tmp_path: Path) -> None:
    """Whatever their sizes look like."""
    error = failure(tmp_path, config_of(kind))
    assert isinstance(error, UnsupportedModelError)
    assert f"model family {kind!r} (model_type) is not supported; supported: " in str(error)
    assert str(error).endswith("llama, mistral, qwen2, qwen3, phi3")


@pytest.mark.parametrize("key", ["text_config", "llm_config", "language_config"])
def test_a_decoder_inside_another_model_is_named(key: str, tmp_path: Path) -> None:
    inner = config_of("qwen2")
    wrapper = {"model_type": "internvl_chat", "vision_config": {"model_type": "vit"}, key: inner}
    assert str(failure(tmp_path, wrapper)) == (
        f"{tmp_path / 'config.json'}: model family 'internvl_chat' (model_type) is not supported; "
        f"its {key} is the config of a qwen2 decoder: save that section as a file of its own to "
        "count the decoder alone"
    )
    assert load(tmp_path, inner).family == "qwen2"


def test_a_section_that_leaves_its_sizes_to_the_class_is_no_file_yet(tmp_path: Path) -> None:
    wrapper = {"model_type": "llava", "text_config": {"model_type": "llama", "vocab_size": 32064}}
    assert str(failure(tmp_path, wrapper)).endswith(
        "save that section, with the sizes that it leaves out, as a file of its own to count the "
        "decoder alone"
    )


# ---- as a user ---------------------------------------------------------------------------------


def test_commands_take_a_decoder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load(tmp_path, config_of("mistral", sliding_window=8))
    assert run(["models", str(tmp_path), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["family"], row["sliding_window"], row["sliding_layers"]) == ("mistral", 8, 4)
    assert run(["flops", "--model", str(tmp_path), "--tokens", "20", "--json"]) == 0
    assert {row["component"] for row in json.loads(capsys.readouterr().out)} == {"llm", "lm_head"}
    assert run(["models"]) == 0
    (line,) = (row for row in capsys.readouterr().out.splitlines() if "llava-1.5-7b" in row)
    assert line.split() == [
        *("llava-1.5-7b", "llama", "32", "4,096", "32", "32", "32,000", "-", "-"),
        "6,738,415,616",
    ]


@pytest.mark.parametrize("command", ["flops", "tokens"])
def test_a_clip_means_nothing_to_a_decoder(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = ["--model", "llava-1.5-7b", "--seconds", "4", "--pixels", "112x112"]
    assert run([command, *clip]) == 2
    assert capsys.readouterr().err.strip() == (
        "omnizip-cost: llava-1.5-7b: a decoder of family llama alone has no audio or vision "
        "encoder, so a clip means nothing to it; count a number of tokens (flops --tokens N) "
        "instead"
    )
