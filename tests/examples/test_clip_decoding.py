"""Media files of many kinds: what is taken in, and that counting agrees with decoding."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from made_media import Pictures, Sound, write

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.specs import load_spec
from omnizip_cost.workload import VideoSettings, clip_workload, decode_clip, default_settings
from omnizip_cost.workload.probe import probe
from omnizip_cost.workload.video import sampled_indices

QWEN25 = load_spec("qwen2.5-omni-7b")
QWEN3 = load_spec("qwen3-omni-30b-a3b")
SMALL = VideoSettings(min_pixels=4 * 28 * 28, max_pixels=16 * 28 * 28)


def _irregular(frames: int) -> tuple[int, ...]:
    draw, times = random.Random(0), [0]
    while len(times) < frames:
        times.append(times[-1] + draw.choice([20, 33, 40, 100]))
    return tuple(times)


FILES = {
    "ntsc.mp4": (
        Pictures(frames=95, fps=Fraction(30_000, 1001)),
        Sound(seconds=3.2, rate=44_100, layout="stereo"),
    ),
    "fifteen.mkv": (
        Pictures(frames=50, fps=15),
        Sound(seconds=2.0, rate=48_000, layout="5.1"),
    ),
    "old.avi": (
        Pictures(frames=55, codec="mpeg4"),
        Sound(seconds=2.2, rate=22_050, codec="libmp3lame"),
    ),
    "cast.ts": (
        Pictures(frames=55, codec="mpeg2video"),
        Sound(seconds=2.2, rate=48_000, codec="mp2", layout="stereo"),
    ),
    "vp9.webm": (
        Pictures(frames=60, fps=24, codec="libvpx-vp9"),
        Sound(seconds=2.5, rate=48_000, codec="libopus"),
    ),
    "variable.mp4": (Pictures(frames=80, times=_irregular(80)), Sound(seconds=4.3)),
    "variable.mkv": (Pictures(frames=80, times=_irregular(80)), Sound(seconds=4.3)),
    "longer_sound.mp4": (Pictures(frames=50), Sound(seconds=6.1)),
    "longer_video.mp4": (Pictures(frames=150), Sound(seconds=1.3)),
    "silent.mp4": (Pictures(frames=40),),
    "sound.wav": (Sound(seconds=3.0, rate=8_000, codec="pcm_s16le"),),
    "sound.m4a": (Sound(seconds=3.0, rate=44_100),),
    "raw.h264": (Pictures(frames=40),),
}
"""Streams of each file; names end in their container."""


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("spec", [QWEN25, QWEN3], ids=["qwen2.5", "qwen3"])
def test_counting_agrees_with_decoding(tmp_path, name, spec):
    path = write(tmp_path / name, *FILES[name])
    counted = clip_workload(path, spec, settings=SMALL, text_tokens=7)
    clip = decode_clip(path, spec, SMALL)
    assert clip.workload(spec, text_tokens=7) == counted
    assert counted.av_tokens > 0 and counted.text_tokens >= 9
    if clip.frames is not None:
        assert clip.frames.dtype == np.uint8
        assert clip.frames.shape == (
            counted.frames,
            counted.frame_height,
            counted.frame_width,
            3,
        )
    if clip.waveform is not None:
        assert clip.waveform.dtype == np.float32
        loudness = np.square(clip.waveform[2_000:-4_000]).mean() ** 0.5
        # The tone's, whatever the channels; AAC keeps 440 Hz out of the bass of 5.1: 5/6 of it.
        assert loudness == pytest.approx(0.5 / 2**0.5, rel=0.2)


def test_default_settings_are_the_models_own(tmp_path):
    path = write(tmp_path / "clip.mp4", Pictures(frames=40, size=(252, 448)))
    for spec in (QWEN25, QWEN3):
        own = default_settings(spec)
        assert clip_workload(path, spec) == clip_workload(path, spec, settings=own)
    assert clip_workload(path, QWEN25).tokens_per_grid == 144


@pytest.mark.parametrize("fps", [25, Fraction(30_000, 1001), 15])
def test_the_frames_at_the_sampled_places_are_taken(tmp_path, fps):
    path = write(tmp_path / "clip.mp4", Pictures(frames=200, fps=fps, size=(112, 112)))
    clip = decode_clip(path, QWEN25, SMALL)
    levels = clip.frames.reshape(len(clip.frames), -1).mean(axis=1)
    due = [10 + index for index in sampled_indices(200, len(clip.frames))]
    assert np.abs(levels - due).max() < 2.5


def test_sound_comes_as_16_khz_mono(tmp_path):
    tone = Sound(seconds=2, rate=44_100, layout="stereo", codec="pcm_s16le")
    clip = decode_clip(write(tmp_path / "tone.wav", tone), QWEN25)
    assert abs(clip.waveform.shape[0] - 32_000) <= 1
    middle = clip.waveform[8_000:24_000]
    spectrum = np.abs(np.fft.rfft(middle))
    assert int(spectrum.argmax()) == 440  # one bin is 1 Hz
    assert 0.45 < np.abs(middle).max() < 0.55


def test_pictures_are_resized_not_cut(tmp_path):
    picture = np.zeros((120, 200, 3), np.uint8)
    picture[:60, :100] = 255
    path = write(tmp_path / "quarter.mp4", Pictures(frames=20, size=(120, 200), picture=picture))
    clip = decode_clip(path, QWEN25, SMALL)
    frame = clip.frames[0].astype(float)
    high, wide = frame.shape[0] // 2, frame.shape[1] // 2
    assert frame[: high - 8, : wide - 8].mean() > 240
    assert frame[high + 8 :].mean() < 12 and frame[:, wide + 8 :].mean() < 12


@pytest.mark.parametrize(
    ("turn", "corner"), [(0, (0, 0)), (90, (1, 0)), (180, (1, 1)), (-90, (0, 1))]
)
def test_turned_pictures_are_shown_upright(tmp_path, turn, corner):
    picture = np.zeros((96, 160, 3), np.uint8)
    picture[:48, :80] = 255
    made = Pictures(frames=20, size=(96, 160), picture=picture, turn=turn)
    path = write(tmp_path / "turned.mp4", made)
    clip = decode_clip(path, QWEN25, SMALL)
    assert clip.workload(QWEN25) == clip_workload(path, QWEN25, settings=SMALL)
    height, width = clip.frames.shape[1:3]
    assert (height > width) == (turn in (90, -90))
    quarters = clip.frames[0].mean(axis=-1).reshape(2, height // 2, 2, width // 2).mean(axis=(1, 3))
    assert np.unravel_index(quarters.argmax(), (2, 2)) == corner
    assert any("turned by" in note for note in clip.notes) == bool(turn)


def test_of_several_streams_the_largest_picture_and_the_richest_sound_are_taken(tmp_path):
    path = write(
        tmp_path / "several.mkv",
        Pictures(frames=30, size=(64, 96), default=False),
        Pictures(frames=30, size=(128, 160), default=False),
        Sound(seconds=1, rate=16_000, default=False),
        Sound(seconds=1, rate=48_000, layout="stereo", default=False),
    )
    facts = probe(path)
    assert (facts.video.height, facts.video.width, facts.video.index) == (128, 160, 1)
    assert (facts.audio.index, facts.audio.channels) == (3, 2)
    assert facts.notes == (
        "of 2 video streams stream 1, 128x160 is taken, left out: stream 0, 64x96",
        "of 2 audio streams stream 3, 48000 Hz, 2 channels is taken, "
        "left out: stream 2, 16000 Hz, 1 channel",
    )


def test_a_stream_marked_as_default_comes_before_a_larger_one(tmp_path):
    path = write(
        tmp_path / "marked.mkv",
        Pictures(frames=30, size=(128, 160), default=False),
        Pictures(frames=30, size=(64, 96), default=True),
    )
    assert probe(path).video.index == 1


def test_cover_art_is_not_video(tmp_path):
    path = write(
        tmp_path / "song.mp3",
        Sound(seconds=2, rate=44_100, codec="libmp3lame"),
        Pictures(frames=1, codec="mjpeg", cover=True),
    )
    work = clip_workload(path, QWEN25)
    assert work.grid_thw is None and work.audio_tokens == 50


def test_a_lone_picture_beside_sound_is_left_out_and_said(tmp_path):
    path = write(tmp_path / "lone.mp4", Pictures(frames=1), Sound(seconds=1))
    work = clip_workload(path, QWEN25)
    assert work.grid_thw is None and work.audio_tokens > 0
    assert "1 frame of video is too short for one grid, left out" in work.notes
    assert decode_clip(path, QWEN25).frames is None


def test_a_blink_of_sound_beside_video_is_left_out_and_said(tmp_path):
    blink = Sound(seconds=0.01, codec="pcm_s16le")
    path = write(tmp_path / "blink.mkv", Pictures(frames=30), blink)
    work = clip_workload(path, QWEN25)
    assert work.audio_tokens == 0 and work.video_tokens > 0
    assert "the sound is too short for one audio token, left out" in work.notes
    assert decode_clip(path, QWEN25).waveform is None


def test_sound_past_300_s_is_cut_for_qwen2_5_alone(tmp_path):
    path = write(tmp_path / "long.wav", Sound(seconds=301.5, rate=8_000, codec="pcm_s16le"))
    clip = decode_clip(path, QWEN25)
    assert clip.waveform.shape == (300 * 16_000,)
    cut = clip_workload(path, QWEN25)
    assert cut == clip.workload(QWEN25) and cut.audio_tokens == 7_500
    assert "sound past 300 s is cut off before the model hears it" in cut.notes
    assert clip_workload(path, QWEN3).mel_frames == 30_150


def test_a_longer_file_can_be_cut_and_says_so(tmp_path):
    path = write(tmp_path / "clip.mp4", Pictures(frames=250), Sound(seconds=10))
    for spec in (QWEN25, QWEN3):
        cut = clip_workload(path, spec, settings=SMALL, max_seconds=4)
        assert (cut.frames, cut.mel_frames) == (8, 400)
        assert cut.notes.count("only the first 4 s of the file are taken") == 1
        assert decode_clip(path, spec, SMALL, max_seconds=4).workload(spec) == cut
    with pytest.raises(InvalidValueError, match="max_seconds must be a duration above 0"):
        clip_workload(path, QWEN25, max_seconds=0)


def test_time_stamps_are_believed_where_the_stated_rate_is_wrong(tmp_path):
    path = write(tmp_path / "variable.mkv", *FILES["variable.mkv"])
    facts = probe(path)
    assert facts.video.seconds == pytest.approx(_irregular(80)[-1] / 1000, rel=0.03)
    assert any("its time stamps give" in note for note in facts.notes)


@pytest.fixture(params=[("nasa_13013.mp4", 26, 326), ("bigbuckbunny.mp4", 10, 133)])
def shared_clip(request, shared) -> tuple[Path, int, int]:
    name, frames, audio_tokens = request.param
    return shared / "clips" / name, frames, audio_tokens


def test_real_clips_agree_and_have_the_tokens_known_of_them(shared_clip):
    path, frames, audio_tokens = shared_clip
    grid = {"nasa_13013.mp4": (17 * 10, 15 * 8), "bigbuckbunny.mp4": (36 * 20, 15 * 8)}[path.name]
    low = VideoSettings(max_pixels=128 * 28 * 28)
    for settings, per_grid in zip((VideoSettings(), low), grid, strict=True):
        work = clip_workload(path, QWEN25, settings=settings)
        assert decode_clip(path, QWEN25, settings).workload(QWEN25) == work
        assert (work.frames, work.tokens_per_grid) == (frames, per_grid)
        assert work.video_tokens == frames // 2 * per_grid
        assert work.audio_tokens == audio_tokens
