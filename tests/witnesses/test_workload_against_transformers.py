"""Lengths, sizes, sampling and layout against transformers' own functions, on random cases."""

from __future__ import annotations

import random
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from borrowed_processors import size, video_processor
from transformers import WhisperFeatureExtractor
from transformers.models.qwen2_5_omni.modeling_qwen2_5_omni import Qwen2_5OmniAudioEncoder
from transformers.models.qwen2_5_omni.processing_qwen2_5_omni import Qwen2_5OmniProcessor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize
from transformers.models.qwen3_omni_moe import modeling_qwen3_omni_moe, processing_qwen3_omni_moe

from omnizip_cost.runtime.build import build_thinker
from omnizip_cost.runtime.inputs import token_ids
from omnizip_cost.specs import ThinkerSpec, load_spec
from omnizip_cost.workload import VideoSettings, default_settings, workload
from omnizip_cost.workload.layout import Run, runs
from omnizip_cost.workload.lengths import audio_token_count, mel_frame_count
from omnizip_cost.workload.video import (
    frame_size,
    resized_size,
    sampled_frame_count,
    sampled_indices,
)

MODELS = ("qwen2.5-omni-7b", "qwen3-omni-30b-a3b")
PROCESSORS = {
    "qwen2.5-omni": Qwen2_5OmniProcessor,
    "qwen3-omni": processing_qwen3_omni_moe.Qwen3OmniMoeProcessor,
}


def test_audio_tokens_of_every_length_equal_the_qwen2_5_encoder():
    spec = load_spec("qwen2.5-omni-7b")
    lengths = torch.arange(1, 30_001)
    theirs = Qwen2_5OmniAudioEncoder._get_feat_extract_output_lengths(None, lengths)[1]
    assert [audio_token_count(int(n), spec) for n in lengths] == theirs.tolist()


def test_audio_tokens_of_every_length_equal_the_qwen3_model():
    spec = load_spec("qwen3-omni-30b-a3b")
    lengths = torch.arange(1, 30_001)
    theirs = modeling_qwen3_omni_moe._get_feat_extract_output_lengths(lengths)
    assert [audio_token_count(int(n), spec) for n in lengths] == theirs.tolist()


@pytest.mark.parametrize("family", ["qwen2.5-omni", "qwen3-omni"])
def test_mel_frames_equal_the_feature_extractors_mask(family):
    # One second of padding instead of 300: the rule is the same and the test quick.
    extractor = WhisperFeatureExtractor(feature_size=128, chunk_length=1)
    padding = {"padding": "max_length"} if family == "qwen2.5-omni" else {"padding": True}
    padding |= {"truncation": family == "qwen2.5-omni"}
    draw = random.Random(0)
    for samples in [201, 319, 320, 321, 15_999, 16_000, *draw.choices(range(201, 16_000), k=50)]:
        mask = extractor(
            np.zeros(samples, np.float32),
            sampling_rate=16_000,
            return_attention_mask=True,
            **padding,
        )["attention_mask"]
        assert mel_frame_count(samples, family) == int(np.sum(mask)), samples


@pytest.mark.parametrize("seconds", [299.99, 300, 301])
def test_sound_is_cut_where_qwen2_5s_extractor_cuts_it(seconds):
    extractor = WhisperFeatureExtractor(feature_size=128, chunk_length=300)
    samples = round(seconds * 16_000)
    assert mel_frame_count(samples, "qwen2.5-omni") == min(
        -(-samples // extractor.hop_length), extractor.nb_max_frames
    )


@pytest.mark.parametrize("factor", [28, 32])
def test_frame_sizes_equal_smart_resize(factor):
    draw = random.Random(factor)
    for _ in range(500):
        height = draw.randint(1, draw.choice([40, 400, 4000]))
        width = draw.randint(max(1, height // 200), min(height * 200, 4000))
        low = draw.randint(1, 300) * factor**2
        high = low + draw.randint(0, 800) * factor**2
        budget = {"min_pixels": low, "max_pixels": high}
        theirs = smart_resize(height, width, factor=factor, **budget)
        assert resized_size(height, width, factor=factor, **budget) == theirs


def test_sampling_equals_the_real_sample_frames_except_for_its_rounding_fault():
    real = video_processor()
    draw = random.Random(7)
    faults = drifted = 0
    for _ in range(1_000):
        total = draw.randint(4, draw.choice([60, 600, 30_000]))
        source_fps = draw.choice([10.0, 15.0, 24.0, 25.0, 30000 / 1001, 30.0, 60.0])
        settings = VideoSettings(
            fps=draw.choice([0.5, 1.0, 2.0, 3.0]), max_frames=draw.choice([128, 768])
        )
        theirs = real.sample_frames(
            SimpleNamespace(total_num_frames=total, fps=source_fps),
            fps=settings.fps,
            max_frames=settings.max_frames,
        ).tolist()
        ours = sampled_indices(total, sampled_frame_count(total, source_fps, settings, 2))
        if len(theirs) != len(ours):  # one index past the end, on which the processor fails
            assert theirs[len(ours) :] == [total]
            theirs.pop()
            faults += 1
        apart = [abs(a - b) for a, b in zip(ours, theirs, strict=True)]
        assert max(apart) <= 1
        drifted += any(apart)
    assert faults < 100 and drifted < 5


def test_capped_budgets_equal_the_real_resize():
    real = video_processor()
    spec = load_spec("qwen2.5-omni-7b")
    draw = random.Random(3)
    for _ in range(200):
        frames, height, width = draw.randint(1, 768), draw.randint(64, 1080), draw.randint(64, 1920)
        capped = draw.random() < 0.8
        settings = VideoSettings(cap_pixels_per_frame=capped)
        theirs = real.resize(
            torch.empty((1, frames, 3, height, width), device="meta"),
            size(settings.min_pixels, settings.max_pixels),
            None,
            factor=28,
            temporal_factor=2,
            cap_pixels_per_frame=capped,
        )
        assert frame_size(spec, height, width, settings, frames) == theirs


def _their_order(spec: ThinkerSpec, grid: tuple[int, int, int], audio_tokens: int, seconds: float):
    """Placeholders as the real processor writes them: a string of V and A."""
    cls = PROCESSORS[spec.family]
    tokens = {"audio_token": "A", "video_token": "V", "image_token": "I"}
    tokens |= {"audio_bos_token": "", "audio_eos_token": ""}
    tokens |= {"vision_bos_token": "<", "vision_eos_token": ">"}
    merge = SimpleNamespace(merge_size=spec.vision.merge_size)
    stub = SimpleNamespace(video_processor=merge, image_processor=merge, **tokens)
    stub.get_chunked_index = lambda *given: cls.get_chunked_index(stub, *given)
    timing = {"position_id_per_seconds": spec.position_ids_per_second, "seconds_per_chunk": 2.0}
    if hasattr(cls, "replace_video_with_audio_token"):  # transformers 5.23
        video = {"video_grid_thw": np.array([grid]), "video_second_per_grid": [seconds]}
        sound = {"num_audio_tokens": np.array([audio_tokens])}
        return cls.replace_video_with_audio_token(stub, video, 0, sound, 0, **timing)
    (text,) = cls.replace_multimodal_special_tokens(
        stub,
        ["<V>"],
        iter([audio_tokens]),
        iter([]),
        iter([np.array(grid)]),
        video_second_per_grid=iter([seconds]),
        use_audio_in_video=True,
        **timing,
    )
    return text.strip("<>")


@pytest.mark.parametrize("model", MODELS)
def test_interleaving_equals_the_real_processors_for_any_timing(model):
    spec = load_spec(model)
    draw = random.Random(11)
    for _ in range(150):
        grid = draw.randint(1, 12), 2 * draw.randint(1, 3), 2 * draw.randint(1, 3)
        audio_tokens = draw.choice([1, 25, 50, 100, draw.randint(1, 400)])
        seconds = 2 / draw.choice([0.1, 0.3, 0.5, 1, 1.5, 2, 3, 7, 30, 60])
        order = runs(
            spec,
            grids=grid[0],
            tokens_per_grid=grid[1] * grid[2] // 4,
            audio_tokens=audio_tokens,
            seconds_per_grid=seconds,
        )
        ours = "".join(run.modality[0].upper() * run.tokens for run in order)
        assert ours == _their_order(spec, grid, audio_tokens, seconds)


def test_a_grid_beyond_a_skipped_chunk_loses_single_tokens_as_in_the_processor():
    spec = load_spec("qwen2.5-omni-7b")  # 1 frame in 2 s: a grid every 4 s, a chunk every 2 s
    order = runs(spec, grids=2, tokens_per_grid=6, audio_tokens=200, seconds_per_grid=4.0)
    assert order == (
        Run("video", 6),
        Run("audio", 50),
        Run("video", 1),
        Run("audio", 50),
        Run("video", 5),
        Run("audio", 100),
    )


@pytest.fixture(scope="module", params=["omni-tiny", "qwen3-omni-30b-a3b"])
def spec_and_thinker(request):
    spec = load_spec(request.param)
    return spec, build_thinker(spec, device="meta")


def test_positions_of_the_real_get_rope_index_fit_the_layout(spec_and_thinker):
    """At each audio placeholder stands an audio position, at each video one its grid's."""
    spec, thinker = spec_and_thinker
    draw = random.Random(5)
    for _ in range(60):
        seconds = draw.choice([1, 2, 7, draw.uniform(0.5, 25)])
        pixels = draw.randint(28, 300), draw.randint(28, 300)
        settings = VideoSettings(
            fps=draw.choice([0.5, 1.0, 2.0, 4.0]),
            min_pixels=4 * spec.vision.pixels_per_token**2,
            max_pixels=draw.randint(4, 40) * spec.vision.pixels_per_token**2,
        )
        audio = draw.random() < 0.8
        work = workload(spec, seconds=seconds, pixels=pixels, audio=audio, settings=settings)
        ids = token_ids(spec, work)
        positions, delta = thinker.get_rope_index(
            ids[None],
            video_grid_thw=torch.tensor([work.grid_thw]),
            attention_mask=torch.ones_like(ids)[None],
            use_audio_in_video=audio,
            audio_seqlens=torch.tensor([work.mel_frames]) if audio else None,
            second_per_grids=torch.tensor([work.seconds_per_grid]),
        )
        assert positions.shape == (3, 1, work.tokens)
        assert float(delta) == float(positions.max()) + 1 - work.tokens
        _check_positions(spec, work, ids, positions[:, 0])


def _check_positions(spec, work, ids, positions):
    sound, picture = ids == spec.tokens.audio, ids == spec.tokens.video
    assert int(sound.sum()) == work.audio_tokens and int(picture.sum()) == work.video_tokens
    first = int(positions[0][picture][0])
    grid = torch.arange(work.grid_thw[0]) * work.seconds_per_grid * spec.position_ids_per_second
    due = first + (grid.long() if spec.family == "qwen2.5-omni" else grid)
    due = due.repeat_interleave(work.tokens_per_grid)
    assert torch.equal(positions[0][picture].double(), due.double())
    rows = work.grid_thw[1] // spec.vision.merge_size
    columns = work.grid_thw[2] // spec.vision.merge_size
    row = first + torch.arange(rows).repeat_interleave(columns).repeat(work.grid_thw[0])
    assert torch.equal(positions[1][picture].long(), row)
    if work.audio_tokens:
        steps = first + torch.arange(work.audio_tokens)
        assert all(torch.equal(axis[sound].long(), steps) for axis in positions)


@pytest.mark.parametrize("model", MODELS)
def test_default_budgets_are_the_processors(model):
    spec = load_spec(model)
    cls = PROCESSORS[spec.family]
    kwargs = getattr(cls, "videos_kwargs", None)
    if kwargs is None:  # transformers 5.17
        module = sys.modules[cls.__module__]
        kwargs = getattr(module, f"{cls.__name__}Kwargs")._defaults["videos_kwargs"]
    settings = default_settings(spec)
    assert settings.min_pixels == kwargs["size"]["shortest_edge"]
    assert settings.max_pixels == kwargs["size"]["longest_edge"]
