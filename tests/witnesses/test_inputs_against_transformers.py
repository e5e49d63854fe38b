"""Model inputs: equal to transformers' own preprocessing, and accepted by the stock thinkers."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import WhisperFeatureExtractor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.runtime.build import build_thinker
from omnizip_cost.runtime.features import log_mel, patches
from omnizip_cost.runtime.inputs import clip_inputs, random_inputs, token_ids
from omnizip_cost.specs import ThinkerSpec, load_spec
from omnizip_cost.workload import Clip, VideoSettings, bare_workload, default_settings, workload

QWEN3_SMALL = {
    "audio_config": {"encoder_layers": 1, "d_model": 64, "encoder_attention_heads": 2,
                     "encoder_ffn_dim": 64, "downsample_hidden_size": 8, "output_dim": 256},
    "vision_config": {"depth": 2, "hidden_size": 64, "num_heads": 2, "intermediate_size": 64,
                      "deepstack_visual_indexes": [0], "out_hidden_size": 256},
    "text_config": {"vocab_size": 512, "hidden_size": 256, "intermediate_size": 64,
                    "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
                    "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64},
    "audio_token_id": 500, "image_token_id": 501, "video_token_id": 502,
    "audio_start_token_id": 503, "audio_end_token_id": 504,
    "vision_start_token_id": 505, "vision_end_token_id": 506,
}  # fmt: skip
"""Qwen3-Omni's config with these sizes in place of its own: same classes, a second to build."""


@pytest.fixture(scope="module", params=["qwen2.5-omni", "qwen3-omni"])
def spec_and_thinker(request, tmp_path_factory) -> tuple[ThinkerSpec, torch.nn.Module]:
    spec = load_spec("omni-tiny")
    if request.param == "qwen3-omni":
        config = json.loads(json.dumps(dict(load_spec("qwen3-omni-30b-a3b").config), default=dict))
        for name, value in QWEN3_SMALL.items():
            if isinstance(value, dict):
                config[name].update(value)
            else:
                config[name] = value
        path = tmp_path_factory.mktemp("qwen3") / "config.json"
        path.write_text(json.dumps(config), encoding="utf-8")
        spec = load_spec(str(path))
    return spec, build_thinker(spec)


def _clip(spec: ThinkerSpec, *, frames: int, samples: int, seed: int = 0) -> Clip:
    """Random pictures of 4 x 6 tokens and a random sound."""
    rng = np.random.default_rng(seed)
    side = spec.vision.pixels_per_token
    pictures = rng.integers(0, 256, (frames, 4 * side, 6 * side, 3), dtype=np.uint8)
    sound = rng.normal(0, 0.1, samples).astype(np.float32)
    return Clip(
        name="random",
        frames=pictures if frames else None,
        waveform=sound if samples else None,
        settings=default_settings(spec),
        source_fps=30.0 if frames else 0.0,
        source_frames=15 * frames,
    )


@pytest.mark.parametrize("model", ["qwen2.5-omni-7b", "qwen3-omni-30b-a3b"])
def test_patches_equal_the_real_image_processor_frame_by_frame(model):
    vision = load_spec(model).vision
    side = vision.patch_size
    processor = Qwen2VLImageProcessorPil(patch_size=side, do_resize=False)
    frames = _clip(load_spec(model), frames=4, samples=0).frames
    ours, grid = patches(frames, vision, torch.float32)
    assert grid == (2, 8, 12) and ours.shape == (2 * 8 * 12, 3 * 2 * side * side)
    rows = ours.view(2, 8 * 12, 3, 2, side, side)
    for number, frame in enumerate(frames):
        theirs = processor(frame, return_tensors="np")["pixel_values"]
        alone = torch.from_numpy(theirs).view(8 * 12, 3, 2, side, side)[:, :, 0]
        mine = rows[number // 2, :, :, number % 2]
        torch.testing.assert_close(mine, alone, rtol=0, atol=2e-6)


def test_an_odd_last_frame_is_repeated():
    vision = load_spec("omni-tiny").vision
    frames = _clip(load_spec("omni-tiny"), frames=3, samples=0).frames
    padded = np.concatenate([frames, frames[-1:]])
    ours, grid = patches(frames, vision, torch.float32)
    assert grid[0] == 2
    assert torch.equal(ours, patches(padded, vision, torch.float32)[0])


@pytest.mark.parametrize("samples", [16_000, 16_001, 53_217, 300 * 16_000 - 5, 300 * 16_000 + 999])
def test_log_mel_equals_the_processors_call_padded_to_300_s(samples):
    sound = _clip(load_spec("omni-tiny"), frames=0, samples=samples).waveform
    theirs = WhisperFeatureExtractor(feature_size=128, chunk_length=300)(
        sound,
        sampling_rate=16_000,
        padding="max_length",
        return_attention_mask=True,
        return_tensors="pt",
    )
    heard = int(theirs["attention_mask"].sum())
    ours = log_mel(sound, load_spec("qwen2.5-omni-7b"))
    assert ours.shape == (128, heard)
    torch.testing.assert_close(ours, theirs["input_features"][0, :, :heard], rtol=0, atol=1e-4)


@pytest.mark.parametrize("samples", [16_000, 16_001, 53_217])
def test_log_mel_equals_qwen3s_call_without_padding(samples):
    sound = _clip(load_spec("omni-tiny"), frames=0, samples=samples).waveform
    theirs = WhisperFeatureExtractor(feature_size=128, chunk_length=300)(
        sound, sampling_rate=16_000, padding=True, truncation=False, return_tensors="pt"
    )["input_features"][0]
    assert torch.equal(log_mel(sound, load_spec("qwen3-omni-30b-a3b")), theirs)


@pytest.mark.parametrize(
    ("frames", "samples"), [(7, 80_000), (6, 0), (0, 50_001)], ids=["both", "video", "sound"]
)
def test_the_stock_thinker_takes_a_clip(spec_and_thinker, frames, samples):
    spec, thinker = spec_and_thinker
    clip = _clip(spec, frames=frames, samples=samples)
    work = clip.workload(spec)
    given = clip_inputs(spec, work, clip).kwargs()
    with torch.no_grad():
        logits = thinker(**given).logits
    assert logits.shape[:2] == (1, work.tokens)
    assert bool(torch.isfinite(logits).all())


@pytest.mark.parametrize(
    "wanted",
    [
        {"seconds": 4.7, "pixels": (100, 140)},
        {"seconds": 3, "pixels": (100, 140), "audio": False},
        {"seconds": 2.2, "pixels": None},
    ],
    ids=["both", "video", "sound"],
)
def test_the_stock_thinker_takes_and_continues_random_inputs(spec_and_thinker, wanted):
    spec, thinker = spec_and_thinker
    area = spec.vision.pixels_per_token**2
    settings = VideoSettings(min_pixels=4 * area, max_pixels=16 * area)
    work = workload(spec, settings=settings, **wanted)
    given = random_inputs(spec, work, seed=3)
    with torch.no_grad():
        logits = thinker(**given.kwargs()).logits
    assert logits.shape[:2] == (1, work.tokens) and bool(torch.isfinite(logits).all())
    out = thinker.generate(**given.kwargs(), max_new_tokens=2, min_new_tokens=2, do_sample=False)
    assert out.shape == (1, work.tokens + 2)
    assert torch.equal(out[0, : work.tokens], given.token_ids)


def test_pictures_and_sound_reach_the_logits(spec_and_thinker):
    """Inputs that the thinker silently ignored would pass every other test."""
    spec, thinker = spec_and_thinker
    clip = _clip(spec, frames=4, samples=32_000)
    darker = replace(clip, frames=clip.frames // 2)
    softer = replace(clip, waveform=clip.waveform * np.linspace(0, 1, 32_000, dtype=np.float32))
    work = clip.workload(spec)
    with torch.no_grad():
        first, second, third = (
            thinker(**clip_inputs(spec, work, each).kwargs()).logits[0, -1]
            for each in (clip, darker, softer)
        )
    assert not torch.allclose(first, second) and not torch.allclose(first, third)


def test_dtype_and_seed():
    spec = load_spec("omni-tiny")
    work = workload(spec, seconds=2, pixels=(56, 56))
    given = random_inputs(spec, work, dtype="bfloat16", seed=1)
    assert given.pixel_values_videos.dtype == given.input_features.dtype == torch.bfloat16
    again = random_inputs(spec, work, dtype="bfloat16", seed=1)
    other = random_inputs(spec, work, dtype="bfloat16", seed=2)
    assert torch.equal(given.pixel_values_videos, again.pixel_values_videos)
    assert torch.equal(given.input_ids, again.input_ids)
    assert not torch.equal(given.input_features, other.input_features)
    assert not torch.equal(given.input_ids, other.input_ids)


def test_text_ids_are_ordinary_and_marks_surround_the_clip():
    spec = load_spec("qwen2.5-omni-7b")
    work = workload(spec, seconds=2, pixels=(252, 448), text_tokens=2000)
    ids = token_ids(spec, work).tolist()
    marks = spec.tokens
    assert ids[1000:1002] == [marks.vision_start, marks.audio_start]
    assert ids[1002 : 1002 + work.av_tokens] == [marks.video] * 288 + [marks.audio] * 50
    assert ids[-1002:-1000] == [marks.audio_end, marks.vision_end]
    assert max(ids[:1000] + ids[-1000:]) < 151_643  # the first control token


def test_no_text_at_all_is_possible(spec_and_thinker):
    spec, thinker = spec_and_thinker
    work = workload(spec, seconds=2, pixels=(64, 64), text_tokens=0)
    with torch.no_grad():
        logits = thinker(**random_inputs(spec, work).kwargs()).logits
    assert logits.shape[1] == work.av_tokens + 4


def test_what_cannot_be_built_is_refused_in_a_sentence():
    spec = load_spec("omni-tiny")
    with pytest.raises(InvalidValueError, match="no mix of audio and video"):
        random_inputs(spec, bare_workload(1000))
    work = workload(spec, seconds=2, pixels=(56, 56))
    with pytest.raises(InvalidValueError, match="dtype must be one of float32, bfloat16"):
        random_inputs(spec, work, dtype="int8")
    clip = _clip(spec, frames=4, samples=16_000)
    with pytest.raises(InvalidValueError, match=r"mel frames must be the workload's \(200\)"):
        clip_inputs(spec, replace(clip.workload(spec), mel_frames=200), clip)
    odd = replace(clip, frames=clip.frames[:, :50])
    with pytest.raises(InvalidValueError, match="of sides that 28 divides, got '50x168'"):
        clip_inputs(spec, clip.workload(spec), odd)
