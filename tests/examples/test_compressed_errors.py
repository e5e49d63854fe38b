"""What ``compressed`` refuses, each in one sentence that says what to do."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny_thinker import TOKENS, tiny_inputs, tiny_spec, tiny_thinker
from torch import nn

from omnizip_cost.errors import InvalidValueError, UnknownNameError, UnsupportedModelError
from omnizip_cost.runtime.build import build_thinker
from omnizip_cost.runtime.compressed import compressed
from omnizip_cost.runtime.decode import decode, prefill
from omnizip_cost.runtime.modules import (
    find_audio_encoder,
    find_decoder_layers,
    find_lm_head,
    find_text_model,
    find_thinker,
    find_vision_encoder,
    thinker_family,
)
from omnizip_cost.runtime.request import Request
from omnizip_cost.specs import load_spec

PAIR = {"audio_pruning": 0.4, "video_pruning": 0.7}


@pytest.fixture(scope="module")
def thinker() -> Any:
    return tiny_thinker(layers=3)


@pytest.fixture(scope="module")
def inputs() -> dict[str, Any]:
    return tiny_inputs(seconds=2)


@pytest.mark.parametrize(
    ("method", "settings", "error", "sentence"),
    [
        ("omnizp", PAIR, UnknownNameError, "did you mean omnizip?"),
        ("omnizip", {}, InvalidValueError, "retained must be a ratio in [0, 1], got None"),
        ("omnizip", {"retained": 1.2}, InvalidValueError, "got 1.2"),
        ("random", {"retained": float("nan")}, InvalidValueError, "got nan"),
        ("random", {"retained": True}, InvalidValueError, "got True"),
        ("random", {"audio_pruning": 0.3}, InvalidValueError, "video_pruning must be given"),
        ("random", {"video_pruning": 0.3}, InvalidValueError, "audio_pruning must be given"),
        ("full", {"retained": 0.5}, InvalidValueError, "1, since nothing is pruned"),
        ("full", PAIR, InvalidValueError, "since nothing is pruned"),
        ("fastv", PAIR, InvalidValueError, "equal to audio_pruning (0.4)"),
        ("fastv", {"retained": 0.5, "fastv_layer": 0}, InvalidValueError, "1 or more, got 0"),
        ("fastv", {"retained": 0.5, "fastv_layer": 3}, InvalidValueError, "between 1 and 2"),
        ("fastv", {"retained": 0.5, "fastv_form": "fused"}, UnknownNameError, "FastV form"),
        ("omnizip", {**PAIR, "mode": "papr"}, UnknownNameError, "did you mean paper?"),
        ("omnizip", {**PAIR, "merge": -1}, InvalidValueError, "merge must be a whole number"),
        ("omnizip", {**PAIR, "anchor_share": 2}, InvalidValueError, "anchor_share"),
        ("random", {**PAIR, "seed": 1.5}, InvalidValueError, "seed must be a whole number"),
    ],
    ids=lambda value: str(value) if isinstance(value, str | dict) else "",
)
def test_wrong_settings(
    thinker: Any, method: str, settings: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error) as caught, compressed(thinker, method, **settings):
        pass
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not any(part._forward_pre_hooks for part in thinker.modules())


def test_a_pair_and_its_nominal_label_may_come_together() -> None:
    request = Request(method="omnizip", retained=0.45, **PAIR)
    assert request.pair(video_tokens=10, audio_tokens=10) == (0.4, 0.7)
    fastv = Request(method="fastv", retained=0.45, audio_pruning=0.5, video_pruning=0.6)
    assert fastv.fastv_retained == 0.45


def padded(call: dict[str, Any]) -> dict[str, Any]:
    mask = call["attention_mask"].clone()
    mask[0, 0] = 0
    return {**call, "attention_mask": mask}


def with_token(call: dict[str, Any], place: int, token: int) -> dict[str, Any]:
    ids = call["input_ids"].clone()
    ids[0, place] = token
    return {**call, "input_ids": ids}


def twice(call: dict[str, Any], name: str) -> dict[str, Any]:
    return {**call, name: call[name].repeat(2, 1)}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda call: {**call, "input_ids": call["input_ids"].repeat(2, 1)}, "holds 2 prompts"),
        (lambda call: {**call, "input_ids": None}, "without input_ids"),
        (padded, "the prompt is padded"),
        (lambda call: {**call, "attention_mask": {"full_attention": None}}, "ready-made"),
        (lambda call: {**call, "attention_mask": torch.zeros(1, 1, 9, 9)}, "ready-made"),
        (lambda call: with_token(call, 1, TOKENS.image), "holds images"),
        (lambda call: {**call, "image_grid_thw": torch.tensor([[1, 4, 4]])}, "holds images"),
        (lambda call: with_token(call, -1, TOKENS.audio), "ends in an audio or video token"),
        (lambda call: twice(call, "video_grid_thw"), "holds 2 videos"),
        (lambda call: twice(call, "feature_attention_mask"), "holds 2 sounds"),
        (lambda call: {**call, "video_grid_thw": None}, "no video_grid_thw"),
        (lambda call: {**call, "labels": call["input_ids"]}, "labels do not match"),
    ],
)
def test_calls_that_cannot_be_pruned(
    thinker: Any, inputs: dict[str, Any], change: Any, sentence: str
) -> None:
    with compressed(thinker, "omnizip", **PAIR) as handle:
        with pytest.raises(UnsupportedModelError) as caught, torch.no_grad():
            thinker(**change(inputs))
        assert sentence in str(caught.value) and "\n" not in str(caught.value)
        assert handle.last is None
        with torch.no_grad():  # the block goes on
            assert thinker(**inputs).logits.shape[1] == handle.last.kept_tokens


def test_generation_modes_that_cannot_be_pruned(thinker: Any, inputs: dict[str, Any]) -> None:
    with compressed(thinker, "random", retained=0.5):
        for choice, sentence in (
            ({"num_beams": 2}, "holds 2 prompts"),
            ({"num_return_sequences": 2, "do_sample": True}, "holds 2 prompts"),
            ({"cache_implementation": "static"}, "static cache cannot shrink"),
        ):
            with pytest.raises(UnsupportedModelError, match=sentence):
                thinker.generate(**inputs, max_new_tokens=2, **choice)


def test_further_turns_are_refused_and_stay_possible_without_pruning(
    thinker: Any, inputs: dict[str, Any]
) -> None:
    more = torch.tensor([[41, 42, 43]])
    with compressed(thinker, "random", retained=0.5):
        start = prefill(thinker, inputs)
        with pytest.raises(UnsupportedModelError, match="3 tokens come on top of"):
            thinker(input_ids=more, past_key_values=start.cache)
    expected = thinker(input_ids=more, past_key_values=prefill(thinker, inputs).cache).logits
    with compressed(thinker, "random", retained=1):
        start = prefill(thinker, inputs)
        assert torch.equal(thinker(input_ids=more, past_key_values=start.cache).logits, expected)


def test_several_videos_without_windows_are_pruned_by_random_and_fastv(thinker: Any) -> None:
    one = tiny_inputs(seconds=2, only="video")
    ids = torch.cat([one["input_ids"], one["input_ids"]], dim=1)
    call = {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "pixel_values_videos": one["pixel_values_videos"].repeat(2, 1),
        "video_grid_thw": one["video_grid_thw"].repeat(2, 1),
        "video_second_per_grid": torch.ones(2),
    }
    for method, settings in (("random", {}), ("fastv", {"fastv_layer": 1})):
        with compressed(thinker, method, retained=0.5, **settings) as handle, torch.no_grad():
            thinker(**call)
            assert handle.last is not None
            assert (handle.last.video_tokens, handle.last.video_kept) == (32, 16)


def test_scores_are_needed_where_omnizip_has_audio(thinker: Any, inputs: dict[str, Any]) -> None:
    """Audio features computed elsewhere never pass the encoder; old scores are no substitute."""
    call = {name: value for name, value in inputs.items() if "feature" not in name}
    call["position_ids"] = torch.arange(call["input_ids"].shape[1])[None]

    def fail(*_: Any) -> None:
        raise MemoryError("no more")

    hook = find_vision_encoder(thinker).register_forward_pre_hook(fail)
    with compressed(thinker, "omnizip", **PAIR), torch.no_grad():
        with pytest.raises(MemoryError):  # the audio encoder has run, the decoder has not
            thinker(**inputs)
        hook.remove()
        with pytest.raises(InvalidValueError, match="one score for each of the 50 audio tokens"):
            thinker(**call)


def test_unknown_models_are_refused() -> None:
    for model in (nn.Linear(2, 2), nn.Sequential()):
        for find in (find_thinker, find_text_model, find_lm_head, thinker_family):
            with pytest.raises(UnsupportedModelError, match="there is no thinker in it"):
                find(model)
    with pytest.raises(UnsupportedModelError, match="no torch module"):
        find_thinker("qwen2.5-omni-7b")  # type: ignore[arg-type]
    with (
        pytest.raises(UnsupportedModelError, match="no thinker"),
        compressed(nn.Linear(2, 2), "full"),
    ):
        pass


def test_two_thinkers_in_one_module_are_refused(thinker: Any) -> None:
    with pytest.raises(UnsupportedModelError, match="2 thinkers"):
        find_thinker(nn.ModuleList([thinker, tiny_thinker(layers=2)]))


def test_parts_are_found_by_class(thinker: Any) -> None:
    assert thinker_family(thinker) == "qwen2.5-omni"
    assert find_thinker(nn.ModuleList([thinker])) is thinker
    assert len(find_decoder_layers(thinker)) == 3
    assert find_lm_head(thinker).weight.shape == (96, 256)
    assert type(find_audio_encoder(thinker)).__name__ == "Qwen2_5OmniAudioEncoder"
    assert type(find_vision_encoder(thinker)).__name__ == "Qwen2_5OmniVisionEncoder"


def test_sliding_windows_are_refused() -> None:
    spec_config: Any = tiny_spec().config
    spec_config["text_config"] |= {
        "use_sliding_window": True,
        "sliding_window": 8,
        "max_window_layers": 1,
    }
    from transformers import Qwen2_5OmniThinkerConfig, Qwen2_5OmniThinkerForConditionalGeneration

    model = Qwen2_5OmniThinkerForConditionalGeneration(Qwen2_5OmniThinkerConfig(**spec_config))
    with (
        pytest.raises(UnsupportedModelError, match="sliding window"),
        compressed(model, "random", retained=0.5),
    ):
        pass


def test_qwen3_omni_is_found_but_not_compressed() -> None:
    thinker = build_thinker(load_spec("qwen3-omni-30b-a3b"), device="meta")
    assert thinker_family(thinker) == "qwen3-omni"
    assert len(find_decoder_layers(thinker)) == 48
    assert type(find_vision_encoder(thinker)).__name__ == "Qwen3OmniMoeVisionEncoder"
    with (
        pytest.raises(UnsupportedModelError, match="DeepStack features"),
        compressed(thinker, "omnizip", retained=0.5),
    ):
        pass
    with compressed(thinker, "full") as handle:
        assert not handle.request.prunes, "its full prompt can be measured all the same"


@pytest.mark.parametrize("steps", [-1, 1.0, True])
def test_decode_takes_whole_steps(thinker: Any, inputs: dict[str, Any], steps: Any) -> None:
    start = prefill(thinker, inputs)
    with pytest.raises(InvalidValueError, match="steps must be a whole number"):
        decode(thinker, start, steps)
    assert len(decode(thinker, start, 0)) == 1


def test_prefill_takes_one_prompt(thinker: Any, inputs: dict[str, Any]) -> None:
    for ids in (None, inputs["input_ids"][0], inputs["input_ids"].repeat(2, 1)):
        with pytest.raises(InvalidValueError, match=r"one prompt, of shape \(1, L\)"):
            prefill(thinker, {**inputs, "input_ids": ids})
