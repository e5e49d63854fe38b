"""Loading by name and by path, and every sentence a wrong model or config earns."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from omnizip_cost.errors import (
    InputFileError,
    InvalidValueError,
    OmnizipCostError,
    UnknownNameError,
    UnsupportedModelError,
)
from omnizip_cost.specs import (
    ExpertsSpec,
    bundled_names,
    bundled_source,
    load_spec,
    spec_from_config,
)
from omnizip_cost.specs import load as loading

ROOT = Path(__file__).resolve().parents[2]

Config = dict[str, Any]


def config_of(name: str) -> Config:
    return copy.deepcopy(dict(load_spec(name).config))


def write(folder: Path, document: object) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(document))
    return path


# ---- bundled models ---------------------------------------------------------------------------


def test_bundled_names_are_the_files_in_data() -> None:
    files = {path.stem for path in (ROOT / "omnizip_cost/specs/data").glob("*.json")}
    assert set(bundled_names()) == files
    assert all(load_spec(name).name == name for name in bundled_names())


def test_released_7b() -> None:
    spec = load_spec("qwen2.5-omni-7b")
    text = spec.text
    assert spec.family == "qwen2.5-omni"
    assert (text.layers, text.hidden_size, text.intermediate_size) == (28, 3584, 18944)
    assert (text.heads, text.kv_heads, text.head_dim, text.vocab_size) == (28, 4, 128, 152_064)
    assert (text.qkv_bias, text.output_bias, text.qk_norm) == (True, False, False)
    assert not text.tied_embeddings
    assert (spec.audio.mel_frames_per_chunk, spec.audio.mel_frames_per_block) == (200, 200)
    assert (spec.vision.hidden_size, spec.vision.window_pixels) == (1280, 112)
    assert spec.vision.full_attention_layers == (7, 15, 23, 31)
    assert spec.vision.pixels_per_token == 28
    assert (spec.seconds_per_window, spec.position_ids_per_second) == (2, 25)
    assert (spec.tokens.audio, spec.tokens.video, spec.tokens.image) == (151646, 151656, 151655)


def test_released_30b_a3b() -> None:
    spec = load_spec("qwen3-omni-30b-a3b")
    text, experts = spec.text, spec.text.experts
    assert spec.family == "qwen3-omni"
    assert (text.layers, text.hidden_size, text.query_width, text.kv_width) == (48, 2048, 4096, 512)
    assert (text.qkv_bias, text.output_bias, text.qk_norm) == (False, False, True)
    assert experts is not None
    assert (experts.experts, experts.experts_per_token, experts.intermediate_size) == (128, 8, 768)
    assert experts.dense_layers == ()
    assert (spec.audio.mel_frames_per_chunk, spec.audio.mel_frames_per_block) == (100, 800)
    assert spec.audio.downsample_size == 480
    assert (spec.vision.window_pixels, spec.vision.pixels_per_token) == (None, 32)
    assert spec.vision.deepstack_layers == (8, 16, 24)
    assert spec.vision.deepstack_mergers_run == 3
    assert (spec.seconds_per_window, spec.position_ids_per_second) == (None, 13)


def test_tiny_model_keeps_what_the_method_needs() -> None:
    spec = load_spec("omni-tiny")
    assert spec.family == "qwen2.5-omni"
    assert spec.text.head_dim == 128
    assert 2 * sum(spec.config["text_config"]["rope_parameters"]["mrope_section"]) == 128
    assert spec.audio.output_size == spec.vision.output_size == spec.text.hidden_size
    assert spec.vision.hidden_size // spec.vision.heads % 4 == 0
    ids = {key: value for key, value in spec.config.items() if key.endswith(("_id", "_index"))}
    assert len(ids) == 11 == len(set(ids.values()))
    assert max(ids.values()) < spec.text.vocab_size
    assert "never released" in bundled_source("omni-tiny")


def test_each_source_says_where_the_facts_are_from() -> None:
    for name in ("qwen2.5-omni-7b", "qwen2.5-omni-3b", "qwen3-omni-30b-a3b"):
        assert "config.json" in bundled_source(name)
        assert "huggingface.co/Qwen/Qwen" in bundled_source(name)


def test_the_config_is_the_callers_to_change() -> None:
    first = load_spec("omni-tiny")
    dict(first.config)["text_config"]["hidden_size"] = 1
    assert load_spec("omni-tiny").config["text_config"]["hidden_size"] == 384


def test_importing_and_loading_needs_the_standard_library_only() -> None:
    code = (
        "import sys; from omnizip_cost.specs import load_spec; load_spec('omni-tiny');"
        "print([m for m in ('torch','numpy','pandas','transformers','av','sympy','matplotlib')"
        " if m in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"


# ---- paths ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", bundled_names())
def test_a_directory_a_file_and_a_string_give_the_same_sizes(name: str, tmp_path: Path) -> None:
    bundled = load_spec(name)
    path = write(tmp_path, config_of(name))
    for given in (tmp_path, path, str(path), str(tmp_path)):
        spec = load_spec(given)
        assert spec == replace(bundled, name=tmp_path.name, source=f"{path}, read as given")
        assert spec.config == bundled.config


def test_whole_model_config_gives_its_thinker(tmp_path: Path) -> None:
    thinker = config_of("omni-tiny")
    write(tmp_path, {"model_type": "qwen2_5_omni", "talker_config": {}, "thinker_config": thinker})
    assert load_spec(tmp_path).config == thinker
    del thinker["model_type"]  # then the file's own model_type names the family
    write(tmp_path, {"model_type": "qwen2_5_omni", "thinker_config": thinker})
    assert load_spec(tmp_path).family == "qwen2.5-omni"


def test_a_config_kept_in_memory_reads_like_the_file() -> None:
    tiny = load_spec("omni-tiny")
    again = spec_from_config(tiny.config, "omni-tiny")
    assert (again.text, again.audio, again.vision) == (tiny.text, tiny.audio, tiny.vision)
    assert again.source == "omni-tiny, config kept with its rows"
    with pytest.raises(UnsupportedModelError, match=r"^run 7: model family 'gemma'"):
        spec_from_config({"model_type": "gemma"}, "run 7")


def test_a_name_is_a_path_when_it_exists_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "my-checkpoint"
    folder.mkdir()
    write(folder, config_of("omni-tiny"))
    assert load_spec("my-checkpoint").name == "my-checkpoint"
    # A bundled name stays the bundled model even beside a folder of that name.
    other = tmp_path / "qwen2.5-omni-7b"
    other.mkdir()
    write(other, config_of("omni-tiny"))
    assert load_spec("qwen2.5-omni-7b").text.layers == 28
    assert load_spec("./qwen2.5-omni-7b").text.layers == 8


def test_both_spellings_of_token_ids(tmp_path: Path) -> None:
    document = config_of("omni-tiny")
    for kind in ("audio", "image", "video"):
        document[f"{kind}_token_id"] = document.pop(f"{kind}_token_index")
    write(tmp_path, document)
    assert load_spec(tmp_path).tokens == load_spec("omni-tiny").tokens
    document = config_of("qwen3-omni-30b-a3b")
    document["audio_token_index"] = document.pop("audio_token_id")
    write(tmp_path, document)
    assert load_spec(tmp_path).tokens.audio == 151_675


def test_keys_with_a_class_default_may_be_absent(tmp_path: Path) -> None:
    document = config_of("qwen2.5-omni-7b")
    for key in [key for key, value in document.items() if not isinstance(value, dict)]:
        if key != "model_type":
            del document[key]
    write(tmp_path, document)
    spec, released = load_spec(tmp_path), load_spec("qwen2.5-omni-7b")
    assert (spec.tokens, spec.text) == (released.tokens, released.text)
    assert (spec.seconds_per_window, spec.position_ids_per_second) == (2, 25)


def test_encoder_sizes_under_their_common_spelling(tmp_path: Path) -> None:
    document = config_of("omni-tiny")
    audio, vision = document["audio_config"], document["vision_config"]
    audio["num_hidden_layers"], audio["hidden_size"] = (
        audio.pop("encoder_layers"),
        audio.pop("d_model"),
    )
    audio["num_attention_heads"] = audio.pop("encoder_attention_heads")
    audio["intermediate_size"] = audio.pop("encoder_ffn_dim")
    vision["num_attention_heads"] = vision.pop("num_heads")
    write(tmp_path, document)
    assert load_spec(tmp_path).audio == load_spec("omni-tiny").audio
    assert load_spec(tmp_path).vision == load_spec("omni-tiny").vision


def text25(**changes: Any) -> Config:
    document = config_of("omni-tiny")
    document["text_config"] |= changes
    return document


def text3(**changes: Any) -> Config:
    document = config_of("qwen3-omni-30b-a3b")
    document["text_config"] |= changes
    return document


def test_what_the_class_derives_is_derived_alike(tmp_path: Path) -> None:
    write(tmp_path, text25(num_key_value_heads=None))
    assert load_spec(tmp_path).text.kv_heads == 3
    write(tmp_path, text25(head_dim=64))
    assert load_spec(tmp_path).text.head_dim == 64
    write(tmp_path, text3(decoder_sparse_step=2, mlp_only_layers=[1, 90]))
    experts = load_spec(tmp_path).text.experts
    assert experts is not None
    assert experts.dense_layers == (0, 1, *range(2, 48, 2))
    write(tmp_path, text3(mlp_only_layers=[5, 3, 90]))
    experts = load_spec(tmp_path).text.experts
    assert experts is not None
    assert experts.dense_layers == (3, 5)
    write(tmp_path, text3(num_experts=0))
    assert load_spec(tmp_path).text.experts is None
    write(tmp_path, text3(attention_bias=True))
    assert load_spec(tmp_path).text.output_bias


def test_layers_that_do_not_exist(tmp_path: Path) -> None:
    document = config_of("omni-tiny")
    document["vision_config"]["fullatt_block_indexes"] = [3, 1, 1, 31]
    write(tmp_path, document)
    assert load_spec(tmp_path).vision.full_attention_layers == (1, 3)
    document = config_of("qwen3-omni-30b-a3b")
    document["vision_config"]["depth"] = 10
    write(tmp_path, document)
    vision = load_spec(tmp_path).vision
    assert (vision.deepstack_layers, vision.deepstack_mergers_run) == ((8, 16, 24), 1)


def test_attention_blocks_are_whole_chunks(tmp_path: Path) -> None:
    document = config_of("qwen3-omni-30b-a3b")
    document["audio_config"]["n_window_infer"] = 850
    write(tmp_path, document)
    assert load_spec(tmp_path).audio.mel_frames_per_block == 800


@pytest.mark.parametrize(
    "changes",
    [
        {"use_sliding_window": True, "sliding_window": 64, "max_window_layers": 8},
        {"use_sliding_window": True, "sliding_window": None, "max_window_layers": 0},
        {"use_sliding_window": True, "layer_types": ["full_attention"] * 8},
        {"use_sliding_window": False, "sliding_window": 64, "max_window_layers": 0},
        {"use_sliding_window": True},  # the class default 28 leaves all 8 layers alone
    ],
)
def test_a_sliding_window_that_no_layer_uses_is_no_obstacle(
    changes: Config, tmp_path: Path
) -> None:
    write(tmp_path, text25(**changes))
    assert load_spec(tmp_path).text == load_spec("omni-tiny").text


# ---- records refuse what no loader would give them ---------------------------------------------


@pytest.mark.parametrize(
    ("record", "field", "value", "sentence"),
    [
        ("text", "layers", 0, "TextSpec: layers must be a positive whole number, got 0"),
        ("text", "heads", True, "TextSpec: heads must be a positive whole number, got True"),
        ("text", "kv_heads", 2, "TextSpec: kv_heads must be a divisor of the 3 query heads, got 2"),
        ("tokens", "audio", -1, "TokenIds: audio must be a token id, got -1"),
    ],
)
def test_records_are_validated_on_construction(
    record: str, field: str, value: Any, sentence: str
) -> None:
    with pytest.raises(InvalidValueError) as caught:
        replace(getattr(load_spec("omni-tiny"), record), **{field: value})
    assert str(caught.value) == sentence


def test_more_experts_chosen_than_there_are() -> None:
    with pytest.raises(InvalidValueError, match="experts_per_token must be at most 4, got 5"):
        ExpertsSpec(experts=4, experts_per_token=5, intermediate_size=8)


# ---- names and files that are wrong -----------------------------------------------------------


def failure(given: Any) -> OmnizipCostError:
    with pytest.raises(OmnizipCostError) as caught:
        load_spec(given)
    assert "\n" not in str(caught.value)
    return caught.value


def test_unknown_names() -> None:
    error = failure("qwen2.5-omni-8b")
    assert isinstance(error, UnknownNameError)
    assert str(error) == (
        "unknown model 'qwen2.5-omni-8b': did you mean qwen2.5-omni-7b or qwen2.5-omni-3b or "
        "qwen3-omni-30b-a3b?"
    )
    assert str(failure("llama")) == (
        "unknown model 'llama': known: qwen2.5-omni-7b, qwen2.5-omni-3b, qwen3-omni-30b-a3b, "
        "omni-tiny, llava-1.5-7b, or the path of a config.json."
    )
    assert isinstance(failure(""), UnknownNameError)
    with pytest.raises(UnknownNameError, match=r"unknown model 'tiny': did you mean omni-tiny\?"):
        bundled_source("tiny")
    assert str(failure(7)) == "load_spec: name_or_path must be a name or a path, got 7"


def test_missing_files(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere" / "config.json"
    assert str(failure(missing)) == f"{missing}: no such file or directory; check the path"
    assert str(failure("config.JSON")) == "config.JSON: no such file or directory; check the path"
    assert str(failure("Qwen/Qwen2.5-Omni-7B")) == (
        "Qwen/Qwen2.5-Omni-7B: no such file or directory; did you mean the bundled qwen2.5-omni-7b?"
    )
    assert str(failure(tmp_path)) == (
        f"{tmp_path}: this directory holds no config.json; give the one of a checkpoint"
    )
    beneath = write(tmp_path, {}) / "config.json"
    assert str(failure(beneath)) == f"{beneath}: no such file or directory; check the path"
    long = "x" * 5000 + ".json"
    assert str(failure(long)) == f"{long}: cannot be read (File name too long)"
    assert isinstance(failure("a\0b.json"), InputFileError)


def test_files_that_are_not_json(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{\n  "model_type": oops\n}')
    assert str(failure(path)) == (f"{path}: not valid JSON (Expecting value at line 2, column 17)")
    path.write_text("")
    assert str(failure(path)) == f"{path}: not valid JSON (Expecting value at line 1, column 1)"
    path.write_bytes(b"\x80\x02weights")
    assert str(failure(path)).startswith(f"{path}: cannot be read as JSON ('utf-8' codec")
    path.write_text("[" * 100_000)
    assert str(failure(path)).startswith(f"{path}: cannot be read as JSON (maximum recursion")
    path.write_text("[1, 2]")
    assert str(failure(path)) == f"{path}: holds a JSON list, not an object; give a config.json"
    path.write_text("null")
    assert str(failure(path)).startswith(f"{path}: holds a JSON NoneType, not an object")


def test_a_file_of_weights_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with path.open("wb") as file:
        file.truncate(17 * 2**20)
    assert (
        str(failure(path)) == f"{path}: 17825792 bytes is no config.json; give the model's config"
    )


def test_a_broken_bundled_record_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "_DATA", tmp_path)
    path = tmp_path / "omni-tiny.json"
    path.write_text(json.dumps({"name": "omni-tiny", "config": {}, "sauce": ""}))
    assert str(failure("omni-tiny")) == (
        f"{path}: a record has name, source and config, not ['sauce', 'source']"
    )


# ---- families and sections that are wrong -----------------------------------------------------

WHOLE_MODELS = "qwen2_5_omni, qwen3_omni_moe"
THINKERS = "qwen2_5_omni_thinker, qwen3_omni_moe_thinker"
SUPPORTED = f"supported: {WHOLE_MODELS}, {THINKERS}, llama, mistral, qwen2, qwen3, phi3"


def tiny() -> Config:
    return config_of("omni-tiny")


@pytest.mark.parametrize(
    ("document", "kind", "sentence"),
    [
        (
            {"model_type": "gemma", "hidden_size": 4096},
            UnsupportedModelError,
            f"PATH: model family 'gemma' (model_type) is not supported; {SUPPORTED}",
        ),
        (
            {"model_type": "qwen2_5_omni_talker"},
            UnsupportedModelError,
            f"PATH: model family 'qwen2_5_omni_talker' (model_type) is not supported; {SUPPORTED}",
        ),
        (
            {"hidden_size": 4096},
            InputFileError,
            f"PATH: lacks model_type, which names the model family; {SUPPORTED}",
        ),
        (
            {"model_type": 7},
            InvalidValueError,
            f"PATH: model_type must be a string, got 7; {SUPPORTED}",
        ),
        (
            {"model_type": "qwen2_5_omni"},
            InputFileError,
            "PATH: lacks its thinker_config section; give the whole model's config.json",
        ),
        (
            {"model_type": "qwen3_omni_moe", "thinker_config": [1]},
            InvalidValueError,
            "PATH: thinker_config must be a JSON object, got 'list'; see the published config",
        ),
        (
            {"thinker_config": {}},
            InputFileError,
            "PATH, thinker_config: lacks model_type, which names the model family; supported: "
            + THINKERS,
        ),
        (
            {"model_type": "internvl", "thinker_config": {"model_type": "qwen2_5_omni_thinker"}},
            UnsupportedModelError,
            "PATH: model family 'internvl' (model_type) is not supported; supported: "
            + WHOLE_MODELS,
        ),
        (
            {
                "model_type": "qwen2_5_omni",
                "thinker_config": {"model_type": "qwen3_omni_moe_thinker"},
            },
            UnsupportedModelError,
            "PATH, thinker_config: its model_type is of family qwen3-omni, but the file's is of "
            "family qwen2.5-omni; both must name one family",
        ),
        (
            {"model_type": "qwen2_5_omni_thinker"},
            InputFileError,
            "PATH: it lacks audio_config; add it as a JSON object: nothing is guessed",
        ),
    ],
)
def test_wrong_families_and_sections(
    document: Config, kind: type[OmnizipCostError], sentence: str, tmp_path: Path
) -> None:
    path = write(tmp_path, document)
    error = failure(path)
    assert type(error) is kind
    assert str(error) == sentence.replace("PATH", str(path))


# ---- fields that are wrong --------------------------------------------------------------------


def put(section: str | None, key: str, value: Any) -> Callable[[Config], None]:
    def change(document: Config) -> None:
        (document[section] if section else document)[key] = value

    return change


def drop(section: str | None, key: str) -> Callable[[Config], None]:
    def change(document: Config) -> None:
        del (document[section] if section else document)[key]

    return change


SIZES_25 = {
    "text_config": (
        "num_hidden_layers hidden_size num_attention_heads num_key_value_heads intermediate_size "
        "vocab_size"
    ),
    "audio_config": (
        "encoder_layers d_model encoder_attention_heads encoder_ffn_dim output_dim num_mel_bins "
        "n_window"
    ),
    "vision_config": (
        "depth hidden_size num_heads intermediate_size out_hidden_size patch_size "
        "temporal_patch_size spatial_merge_size in_channels window_size"
    ),
}
SIZES_3 = {
    "text_config": (
        "num_hidden_layers hidden_size num_attention_heads num_key_value_heads head_dim "
        "intermediate_size vocab_size moe_intermediate_size num_experts_per_tok"
    ),
    "audio_config": (
        "encoder_layers d_model encoder_attention_heads encoder_ffn_dim output_dim num_mel_bins "
        "n_window n_window_infer downsample_hidden_size"
    ),
    "vision_config": (
        "depth hidden_size num_heads intermediate_size out_hidden_size patch_size "
        "temporal_patch_size spatial_merge_size in_channels num_position_embeddings"
    ),
}
REQUIRED_SIZES = [
    (name, section, key)
    for name, sizes in (("omni-tiny", SIZES_25), ("qwen3-omni-30b-a3b", SIZES_3))
    for section, keys in sizes.items()
    for key in keys.split()
]


@pytest.mark.parametrize(("name", "section", "key"), REQUIRED_SIZES)
def test_each_size_is_required_and_positive(
    name: str, section: str, key: str, tmp_path: Path
) -> None:
    document = config_of(name)
    value = document[section].pop(key)
    path = write(tmp_path, document)
    error = failure(path)
    assert type(error) is InputFileError
    assert str(error) == (
        f"{path}: its {section} section lacks {key}; add it as a positive whole number: "
        "nothing is guessed"
    )
    for wrong in (0, -value, str(value), value + 0.5, True, [value]):
        document[section][key] = wrong
        write(tmp_path, document)
        error = failure(path)
        assert type(error) is InvalidValueError
        assert str(error) == (
            f"{path}, {section}: {key} must be a positive whole number, got {wrong!r}"
        )


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        (
            "omni-tiny",
            put("text_config", "num_key_value_heads", 2),
            "PATH, text_config: num_key_value_heads must be a divisor of the 3 query heads, got 2",
        ),
        (
            "qwen3-omni-30b-a3b",
            put("text_config", "num_key_value_heads", 5),
            "PATH, text_config: num_key_value_heads must be a divisor of the 32 query heads, got 5",
        ),
        (
            "omni-tiny",
            put("text_config", "hidden_size", 400),
            "PATH, text_config: num_attention_heads must be a divisor of the hidden size 400, "
            "got 3",
        ),
        (
            "omni-tiny",
            put("audio_config", "encoder_attention_heads", 3),
            "PATH, audio_config: encoder_attention_heads must be a divisor of the hidden size 128, "
            "got 3",
        ),
        (
            "omni-tiny",
            put("vision_config", "num_heads", 7),
            "PATH, vision_config: num_heads must be a divisor of the hidden size 160, got 7",
        ),
        (
            "qwen3-omni-30b-a3b",
            put("text_config", "num_experts_per_tok", 129),
            "PATH, text_config: num_experts_per_tok must be at most the 128 experts, got 129",
        ),
        (
            "qwen3-omni-30b-a3b",
            put("text_config", "num_experts", -1),
            "PATH, text_config: num_experts must be a whole number of at least 0, got -1",
        ),
        (
            "qwen3-omni-30b-a3b",
            drop("text_config", "num_experts"),
            "PATH: its text_config section lacks num_experts; add it as a whole number of at "
            "least 0: nothing is guessed",
        ),
        (
            "qwen3-omni-30b-a3b",
            put("text_config", "attention_bias", 1),
            "PATH, text_config: attention_bias must be true or false, got 1",
        ),
        (
            "qwen3-omni-30b-a3b",
            put("text_config", "mlp_only_layers", [1, -2]),
            "PATH, text_config: mlp_only_layers must be a list of layer numbers from 0, "
            "got [1, -2]",
        ),
        (
            "qwen3-omni-30b-a3b",
            put("audio_config", "n_window_infer", 99),
            "PATH, audio_config: n_window_infer must be at least one chunk of 2 x n_window = 100 "
            "mel frames, got 99",
        ),
        (
            "qwen3-omni-30b-a3b",
            put("vision_config", "deepstack_visual_indexes", "8"),
            "PATH, vision_config: deepstack_visual_indexes must be a list of layer numbers from 0, "
            "got '8'",
        ),
        (
            "omni-tiny",
            drop("vision_config", "fullatt_block_indexes"),
            "PATH: its vision_config section lacks fullatt_block_indexes; add it as a list of "
            "layer numbers: nothing is guessed",
        ),
        (
            "omni-tiny",
            put("vision_config", "patch_size", [14, 14]),
            "PATH, vision_config: patch_size must be a positive whole number, got [14, 14]",
        ),
        (
            "omni-tiny",
            put("audio_config", "num_hidden_layers", 3),
            "PATH, audio_config: encoder_layers must be given once, got 'encoder_layers = 2 and "
            "num_hidden_layers = 3'; both spellings name one field: keep one",
        ),
        (
            "omni-tiny",
            put(None, "audio_token_id", 5),
            "PATH: audio_token_id must be given once, got 'audio_token_id = 5 and "
            "audio_token_index = 2038'; both spellings name one field: keep one",
        ),
        (
            "omni-tiny",
            put(None, "vision_start_token_id", -1),
            "PATH: vision_start_token_id must be a token id of at least 0, got -1",
        ),
        (
            "omni-tiny",
            put(None, "audio_start_token_id", None),
            "PATH: audio_start_token_id must be a token id of at least 0, got None",
        ),
        (
            "omni-tiny",
            put(None, "tie_word_embeddings", "no"),
            "PATH: tie_word_embeddings must be true or false, got 'no'",
        ),
        (
            "omni-tiny",
            put(None, "position_id_per_seconds", 12.5),
            "PATH: position_id_per_seconds must be a positive whole number, got 12.5",
        ),
        (
            "omni-tiny",
            put(None, "seconds_per_chunk", 0),
            "PATH: seconds_per_chunk must be a positive whole number, got 0",
        ),
        (
            "omni-tiny",
            put(None, "text_config", "qwen"),
            "PATH: text_config must be a JSON object, got 'str'; see the published config",
        ),
        (
            "omni-tiny",
            put("text_config", "layer_types", ["full_attention"]),
            "PATH, text_config: layer_types must be 8 names, one per layer, got '1 names'",
        ),
        (
            "omni-tiny",
            put("text_config", "layer_types", [None] * 8),
            "PATH, text_config: layer_types must be a list of names or null, got "
            + repr([None] * 8),
        ),
    ],
)
def test_wrong_fields(
    name: str, change: Callable[[Config], None], sentence: str, tmp_path: Path
) -> None:
    document = config_of(name)
    change(document)
    path = write(tmp_path, document)
    assert str(failure(path)) == sentence.replace("PATH", str(path))


def test_errors_in_a_whole_model_config_name_the_whole_place(tmp_path: Path) -> None:
    thinker = tiny()
    thinker["audio_config"]["d_model"] = "wide"
    path = write(tmp_path, {"model_type": "qwen2_5_omni", "thinker_config": thinker})
    assert str(failure(path)) == (
        f"{path}, thinker_config.audio_config: d_model must be a positive whole number, got 'wide'"
    )
    del thinker["audio_config"]
    write(tmp_path, {"model_type": "qwen2_5_omni", "thinker_config": thinker})
    assert str(failure(path)) == (
        f"{path}: its thinker_config section lacks audio_config; add it as a JSON object: "
        "nothing is guessed"
    )


# ---- features that change cost ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (
            text25(use_sliding_window=True, sliding_window=64, max_window_layers=6),
            "use_sliding_window is true for layers 6 to 7",
        ),
        (
            text25(use_sliding_window=True, max_window_layers=0),
            "use_sliding_window is true for layers 0 to 7",
        ),
        (
            text25(layer_types=["full_attention"] * 7 + ["sliding_attention"]),
            "layer_types asks for sliding_attention",
        ),
        (
            text3(sliding_window=4096),
            "sliding_window is set, and every layer's cache would be cut to it",
        ),
    ],
)
def test_sliding_windows_are_refused(document: Config, reason: str, tmp_path: Path) -> None:
    path = write(tmp_path, document)
    error = failure(path)
    assert isinstance(error, UnsupportedModelError)
    assert str(error) == (
        f"{path}, text_config: {reason}, and sliding-window attention is not modelled; "
        "only full attention is"
    )


@pytest.mark.parametrize("key", ["quantization_config", "quantization", "compression_config"])
@pytest.mark.parametrize("place", ["file", "thinker_config", "thinker_config.text_config"])
def test_quantised_weights_are_refused(key: str, place: str, tmp_path: Path) -> None:
    document = {"model_type": "qwen2_5_omni", "thinker_config": tiny()}
    section: Any = document
    for part in place.split(".") if place != "file" else ():
        section = section[part]
    section[key] = {"bits": 4}
    path = write(tmp_path, document)
    error = failure(path)
    assert isinstance(error, UnsupportedModelError)
    assert str(error) == (
        f"{path if place == 'file' else f'{path}, {place}'}: {key} is set, and the cost of "
        "quantised weights is not modelled; give the config of the unquantised model"
    )


def test_an_unset_quantisation_key_is_no_obstacle(tmp_path: Path) -> None:
    write(tmp_path, tiny() | {"quantization_config": None})
    assert load_spec(tmp_path).text == load_spec("omni-tiny").text
