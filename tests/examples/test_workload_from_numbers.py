"""Workloads of clips that are only described: known counts, defaults and refusals."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.specs import load_spec
from omnizip_cost.workload import VideoSettings, Window, default_settings, workload
from omnizip_cost.workload.layout import Run, runs, windows
from omnizip_cost.workload.video import grid_shape

QWEN25 = load_spec("qwen2.5-omni-7b")
QWEN3 = load_spec("qwen3-omni-30b-a3b")


def test_the_papers_window_is_288_video_and_50_audio_tokens():
    work = workload(QWEN25, seconds=12, pixels=(252, 448))
    assert work.windows == (Window(video_tokens=288, audio_tokens=50),) * 6
    assert (work.tokens_per_grid, work.frames, work.grid_thw) == (144, 24, (12, 18, 32))
    assert (work.frame_height, work.frame_width) == (252, 448)
    assert work.mel_frames == 1200 and work.seconds_per_grid == 1.0


def test_the_readmes_budget_of_the_paper_gives_120_tokens_a_grid_not_144():
    settings = VideoSettings(max_pixels=128 * 28 * 28)
    work = workload(QWEN25, seconds=2, pixels=(252, 448), settings=settings)
    assert work.windows == (Window(video_tokens=240, audio_tokens=50),)


def test_qwen3_puts_13_audio_tokens_after_each_grid():
    work = workload(QWEN3, seconds=4, pixels=(256, 448))
    assert work.windows == (Window(video_tokens=9 * 15, audio_tokens=13),) * 4
    assert (work.frame_height, work.frame_width) == (288, 480)  # up to 128 tokens' worth


@pytest.mark.parametrize(
    ("wanted", "marks"),
    [
        ({"pixels": (252, 448)}, 2),
        ({"pixels": (252, 448), "audio": False}, 1),
        ({"pixels": None}, 1),
    ],
)
def test_marks_of_each_modality_stand_on_both_sides(wanted, marks):
    work = workload(QWEN25, seconds=4, text_tokens=11, **wanted)
    assert (work.text_before, work.text_after) == (5 + marks, 6 + marks)
    assert work.tokens == work.av_tokens + 11 + 2 * marks


def test_one_modality_alone_is_one_window():
    video = workload(QWEN25, seconds=10, pixels=(252, 448), audio=False)
    assert video.windows == (Window(video_tokens=1440, audio_tokens=0),)
    sound = workload(QWEN25, seconds=10, pixels=None)
    assert sound.windows == (Window(video_tokens=0, audio_tokens=250),)
    assert sound.grid_thw is None and sound.video_seconds == 0.0


def test_past_300_s_sound_stops_and_past_384_s_frames_do():
    work = workload(QWEN25, seconds=400, pixels=(252, 448))
    assert work.audio_tokens == 7_500 and work.frames == 768
    assert len(work.windows) == 151
    assert work.windows[150] == Window(video_tokens=(384 - 300) * 144, audio_tokens=0)
    assert any("sound past 300 s is cut off" in note for note in work.notes)
    assert any("768 frames are taken where 2 per second make 800" in note for note in work.notes)


def test_qwen3_hears_beyond_300_s():
    assert workload(QWEN3, seconds=400, pixels=None).audio_tokens == 13 * 400


@pytest.mark.parametrize(("fps", "grids_per_window"), [(1.0, 1), (2.0, 2), (4.0, 4)])
def test_the_sampling_rate_sets_the_grids_of_a_window(fps, grids_per_window):
    work = workload(QWEN25, seconds=8, pixels=(252, 448), settings=VideoSettings(fps=fps))
    assert work.seconds_per_grid == 2 / fps
    assert {window.video_tokens for window in work.windows} == {144 * grids_per_window}


def test_a_short_clip_still_gives_the_least_number_of_frames():
    work = workload(QWEN25, seconds=0.5, pixels=(252, 448))
    assert work.frames == 4 and work.windows == (Window(video_tokens=288, audio_tokens=12),)


def test_a_trailing_modality_joins_the_last_run():
    longer_sound = runs(QWEN25, grids=3, tokens_per_grid=4, audio_tokens=210, seconds_per_grid=1.0)
    assert longer_sound == (Run("video", 8), Run("audio", 50), Run("video", 4), Run("audio", 160))
    longer_video = runs(QWEN25, grids=7, tokens_per_grid=4, audio_tokens=60, seconds_per_grid=1.0)
    assert windows(longer_video) == (
        Window(video_tokens=8, audio_tokens=50),
        Window(video_tokens=8, audio_tokens=10),
        Window(video_tokens=12, audio_tokens=0),
    )


def test_qwen3s_trailing_sound_joins_the_last_run_too():
    order = runs(QWEN3, grids=2, tokens_per_grid=4, audio_tokens=40, seconds_per_grid=1.0)
    assert order == (Run("video", 4), Run("audio", 13), Run("video", 4), Run("audio", 27))


def test_an_odd_frame_fills_a_whole_grid():
    assert grid_shape(QWEN25, 7, 252, 448) == (4, 18, 32)


def test_default_budgets_follow_the_models_patch():
    assert default_settings(QWEN25) == VideoSettings()
    assert default_settings(QWEN3).max_pixels == 768 * 32 * 32


def test_the_cap_per_frame_bounds_long_videos_only_when_asked():
    free = VideoSettings()
    capped = replace(free, cap_pixels_per_frame=True)
    short = {"seconds": 10, "pixels": (1080, 1920), "audio": False}
    long = {**short, "seconds": 380}
    assert workload(QWEN25, settings=capped, **short) == workload(QWEN25, settings=free, **short)
    assert workload(QWEN25, settings=free, **long).video_tokens > 115_200
    assert workload(QWEN25, settings=capped, **long).video_tokens <= 115_200


def test_numpy_numbers_are_numbers():
    sides = tuple(np.array([252, 448]))
    assert workload(QWEN25, seconds=np.float64(2), pixels=sides).video_tokens == 288


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"seconds": 0, "pixels": None}, "seconds must be above 0"),
        ({"seconds": -3, "pixels": None}, "seconds must be above 0"),
        ({"seconds": math.nan, "pixels": (252, 448)}, "seconds must be above 0"),
        ({"seconds": math.inf, "pixels": (252, 448)}, "at most 86400"),
        ({"seconds": 1e9, "pixels": (252, 448)}, "at most 86400"),
        ({"seconds": "12", "pixels": (252, 448)}, "got '12'"),
        ({"seconds": True, "pixels": (252, 448)}, "got True"),
        ({"seconds": 5, "pixels": None, "audio": False}, "video, sound or both, got 'neither'"),
        ({"seconds": 5, "pixels": (0, 448)}, "frame height must be a positive number of pixels"),
        ({"seconds": 5, "pixels": (252, -1)}, "frame width must be a positive number of pixels"),
        ({"seconds": 5, "pixels": (252.5, 448)}, "got 252.5"),
        ({"seconds": 5, "pixels": (252, 10**6)}, "frame width must be at most 65536 pixels"),
        ({"seconds": 5, "pixels": (2, 448)}, "aspect ratio of at most 200, got '2x448'"),
        ({"seconds": 5, "pixels": (252,)}, r"pixels must be \(height, width\)"),
        ({"seconds": 0.03, "pixels": (252, 448)}, "long enough for one temporal grid"),
        ({"seconds": 0.02, "pixels": None}, "long enough for one audio token"),
        ({"seconds": 5, "pixels": None, "text_tokens": -1}, "text_tokens must be a whole number"),
        ({"seconds": 5, "pixels": None, "text_tokens": 1.5}, "text_tokens must be a whole number"),
    ],
)
def test_refusals_say_what_is_wrong(wanted, message):
    with pytest.raises(InvalidValueError, match=message):
        workload(QWEN25, **wanted)


def test_a_frame_cap_below_one_grid_is_the_settings_fault():
    one = VideoSettings(min_frames=1, max_frames=1)
    with pytest.raises(InvalidValueError, match="max_frames must be at least the 2 frames"):
        workload(QWEN25, seconds=5, pixels=(252, 448), settings=one)


@pytest.mark.parametrize(
    "wrong",
    [
        {"fps": 0},
        {"fps": math.nan},
        {"min_pixels": 0},
        {"min_pixels": 700_000},
        {"min_frames": 0},
        {"max_frames": 3},
        {"max_video_tokens": 0},
    ],
)
def test_settings_are_checked_once(wrong):
    with pytest.raises(InvalidValueError, match="video settings"):
        VideoSettings(**wrong)
