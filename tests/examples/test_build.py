"""Random thinkers from a spec, and thinkers with weights from a checkpoint's folder."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_thinker import TOKENS, tiny_inputs, tiny_spec, tiny_thinker

from omnizip_cost.errors import (
    InputFileError,
    InvalidValueError,
    OmnizipCostError,
    UnsupportedModelError,
)
from omnizip_cost.runtime.build import build_thinker, load_checkpoint
from omnizip_cost.runtime.compressed import compressed
from omnizip_cost.runtime.decode import prefill
from omnizip_cost.runtime.modules import find_lm_head, find_text_model, part_class
from omnizip_cost.specs import load_spec, parameter_counts


def equal_weights(left: Any, right: Any) -> bool:
    ours, theirs = left.state_dict(), right.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_a_seed_gives_the_same_weights_and_leaves_the_global_generator_alone() -> None:
    spec = tiny_spec(layers=1)
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    first, same, other = (build_thinker(spec, seed=seed) for seed in (4, 4, 5))
    assert torch.equal(torch.rand(3), expected)
    assert equal_weights(first, same)
    assert not equal_weights(first, other)


def test_ready_for_inference() -> None:
    thinker: Any = build_thinker(tiny_spec(), attention="eager")
    assert not any(module.training for module in thinker.modules())
    assert not any(parameter.requires_grad for parameter in thinker.parameters())
    assert find_text_model(thinker).config._attn_implementation == "eager"
    out = prefill(thinker, tiny_inputs(seconds=2))
    assert out.logits.isfinite().all() and out.logits.std() > 0


def test_buffers_are_those_that_transformers_computes() -> None:
    spec = tiny_spec(layers=1)
    ours = build_thinker(spec)
    model_class: Any = part_class(spec.family, "thinker")
    theirs = model_class(model_class.config_class(**dict(spec.config)))
    stock = dict(theirs.named_buffers())
    for name, buffer in ours.named_buffers():
        assert torch.equal(buffer, stock[name]), name
    assert stock.keys() == dict(ours.named_buffers()).keys()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_parameters_come_in_the_dtype_asked_for(dtype: str) -> None:
    thinker = build_thinker(tiny_spec(layers=1), dtype=dtype)
    assert {parameter.dtype for parameter in thinker.parameters()} == {getattr(torch, dtype)}
    frequencies = [buffer for name, buffer in thinker.named_buffers() if "inv_freq" in name]
    assert {buffer.dtype for buffer in frequencies} == {torch.float32}


@pytest.mark.parametrize("name", ["qwen2.5-omni-7b", "qwen2.5-omni-3b", "omni-tiny"])
def test_on_meta_a_released_model_has_the_parameters_of_its_spec(name: str) -> None:
    spec = load_spec(name)
    thinker = build_thinker(spec, dtype="bfloat16", device="meta")
    assert {parameter.device.type for parameter in thinker.parameters()} == {"meta"}
    total = sum(parameter.numel() for parameter in thinker.parameters())
    assert total == parameter_counts(spec)["total"]


def test_tied_heads_stay_tied() -> None:
    thinker = build_thinker(tiny_spec(tied=True))
    assert find_lm_head(thinker).weight is find_text_model(thinker).embed_tokens.weight
    untied = build_thinker(tiny_spec())
    assert find_lm_head(untied).weight is not find_text_model(untied).embed_tokens.weight


def test_token_ids_that_the_config_lacks_come_from_the_spec() -> None:
    spec = tiny_spec(layers=1)
    config = {name: value for name, value in spec.config.items() if not name.startswith("vision_s")}
    config = {name: value for name, value in config.items() if not name.startswith("vision_e")}
    thinker: Any = build_thinker(replace(spec, config=config))
    assert thinker.config.vision_start_token_id == TOKENS.vision_start
    assert thinker.config.vision_end_token_id == TOKENS.vision_end


@pytest.mark.parametrize(
    ("settings", "error", "sentence"),
    [
        ({"dtype": "int8"}, InvalidValueError, "dtype must be one of float32"),
        ({"device": "gpu"}, InvalidValueError, "device must be a torch device"),
        ({"device": "cuda:99"}, InvalidValueError, "device must be a torch device"),
        ({"attention": "sdpaa"}, UnsupportedModelError, "attention 'sdpaa'"),
    ],
)
def test_wrong_settings(
    settings: dict[str, str], error: type[OmnizipCostError], sentence: str
) -> None:
    with pytest.raises(error) as caught:
        build_thinker(tiny_spec(), **settings)
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def test_a_config_that_transformers_refuses_is_one_sentence() -> None:
    spec = tiny_spec()
    wrong = {**spec.config, "text_config": {**spec.config["text_config"], "num_hidden_layers": "3"}}
    with pytest.raises(UnsupportedModelError, match="refuses its config: Valid"):
        build_thinker(replace(spec, config=wrong))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("checkpoints") / "tiny"
    thinker = tiny_thinker(layers=2)
    thinker.save_pretrained(folder)
    return folder, thinker


def test_a_saved_thinker_comes_back_equal(saved: tuple[Path, Any]) -> None:
    folder, thinker = saved
    loaded, spec = load_checkpoint(folder, dtype="float32", attention="eager")
    assert equal_weights(loaded, thinker)
    assert not loaded.training and not any(part.requires_grad for part in loaded.parameters())
    assert find_text_model(loaded).config._attn_implementation == "eager"
    assert (spec.name, spec.text.layers, spec.tokens) == ("tiny", 2, TOKENS)
    inputs = tiny_inputs(seconds=2)
    with compressed(loaded, "omnizip", retained=0.5), compressed(thinker, "omnizip", retained=0.5):
        ours, theirs = (prefill(model, inputs).logits for model in (loaded, thinker))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    assert load_checkpoint(str(folder))[0].dtype == torch.bfloat16


def test_the_thinker_of_a_whole_omni_checkpoint(saved: tuple[Path, Any], tmp_path: Path) -> None:
    """Released checkpoints hold ``thinker.*`` beside talker and vocoder."""
    from transformers import Qwen2_5OmniConfig, Qwen2_5OmniForConditionalGeneration

    thinker = saved[1]
    config = Qwen2_5OmniConfig(
        thinker_config=dict(tiny_spec(layers=2).config), enable_audio_output=False
    )
    whole: Any = Qwen2_5OmniForConditionalGeneration(config)
    whole.thinker.load_state_dict(thinker.state_dict())
    whole.save_pretrained(tmp_path / "whole")
    with (tmp_path / "whole" / "config.json").open() as file:
        assert json.load(file)["model_type"] == "qwen2_5_omni"
    loaded, spec = load_checkpoint(tmp_path / "whole", dtype="float32")
    assert equal_weights(loaded, thinker)
    assert spec.text.layers == 2


def broken(kind: str, folder: Path) -> Path:
    weights = folder / "model.safetensors"
    if kind == "no config":
        (folder / "config.json").unlink()
    elif kind == "no weights":
        weights.unlink()
    elif kind == "truncated":
        weights.write_bytes(weights.read_bytes()[:1000])
    elif kind == "pickle only":
        weights.rename(folder / "pytorch_model.bin")
    elif kind == "another model":
        (folder / "config.json").write_text('{"model_type": "gemma"}')
    elif kind == "fewer weights":
        from safetensors.torch import load_file, save_file

        tensors = load_file(weights)
        tensors.pop(next(name for name in tensors if "layers.1.mlp.up_proj" in name))
        save_file(tensors, weights, metadata={"format": "pt"})
    elif kind == "a file":
        return weights
    elif kind == "nowhere":
        return folder / "missing"
    return folder


@pytest.mark.parametrize(
    ("kind", "error", "sentence"),
    [
        ("no config", InputFileError, "no config.json"),
        ("no weights", InputFileError, "the weights cannot be loaded"),
        ("truncated", InputFileError, "the weights cannot be loaded"),
        ("pickle only", InputFileError, "the weights cannot be loaded"),
        ("fewer weights", InputFileError, "1 weights of the thinker are missing"),
        ("a file", InputFileError, "this is a file"),
        ("nowhere", InputFileError, "there is no such folder"),
        ("another model", UnsupportedModelError, "gemma"),
    ],
)
def test_broken_checkpoints_are_one_sentence(
    saved: tuple[Path, Any],
    tmp_path: Path,
    kind: str,
    error: type[OmnizipCostError],
    sentence: str,
) -> None:
    shutil.copytree(saved[0], tmp_path / "copy")
    path = broken(kind, tmp_path / "copy")
    with pytest.raises(error) as caught:
        load_checkpoint(path)
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def test_attention_that_is_not_there(saved: tuple[Path, Any]) -> None:
    with pytest.raises(UnsupportedModelError, match="attention 'sdpaa' is not available"):
        load_checkpoint(saved[0], attention="sdpaa")


def test_a_hub_id_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputFileError, match="Hugging Face Hub gives no such checkpoint"):
        load_checkpoint("nobody/no-such-model-here")
