"""The clip made on the spot: what its file holds, and that it is the same every time."""

from __future__ import annotations

import av
import numpy as np
import pytest

from omnizip_cost.errors import InvalidValueError, MediaError
from omnizip_cost.specs import load_spec
from omnizip_cost.workload import Window, clip_workload, decode_clip, make_demo_clip

QWEN25 = load_spec("qwen2.5-omni-7b")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_demo_clip(tmp_path_factory.mktemp("demo") / "demo.mp4")


def test_it_is_h264_and_aac_in_an_mp4(made):
    with av.open(str(made.path)) as container:
        (video,), (audio,) = container.streams.video, container.streams.audio
        assert "mp4" in container.format.name
        assert (video.codec_context.name, video.height, video.width) == ("h264", 252, 448)
        assert (audio.codec_context.name, audio.codec_context.sample_rate) == ("aac", 16_000)
    assert made.video_codec == "libx264" and made.notes == ()


def test_it_fills_six_of_the_papers_windows(made):
    work = clip_workload(made.path, QWEN25)
    assert work.tokens_per_grid == 144
    assert work.windows[:5] == (Window(video_tokens=288, audio_tokens=50),) * 5
    assert work.windows[5] == Window(video_tokens=288, audio_tokens=49)  # whole AAC frames only


def test_bursts_are_loud_and_pauses_are_silent(made):
    sound = decode_clip(made.path, QWEN25).waveform
    place = np.arange(sound.shape[0]) / 16_000
    burst = np.zeros(sound.shape[0], bool)
    near = np.zeros(sound.shape[0], bool)
    for start, end in made.bursts:
        burst |= (place > start) & (place < end)
        near |= (place > start - 0.1) & (place < end + 0.1)
    assert 0.2 < burst.mean() < 0.9
    loud, quiet = (np.square(sound[part]).mean() ** 0.5 for part in (burst, ~near))
    assert loud > 0.05 and quiet < loud / 100


def test_pictures_move_and_scenes_change(made):
    frames = decode_clip(made.path, QWEN25).frames.astype(int)
    apart = np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2, 3))
    assert apart.min() > 0.5  # something moves between any two frames
    assert (apart > 2 * np.median(apart)).sum() == 2  # and there are two cuts


def test_the_same_seed_gives_the_same_file_and_another_another(tmp_path):
    first, again, other = (
        make_demo_clip(tmp_path / f"{number}.mp4", seconds=2, size=(64, 96), seed=seed)
        for number, seed in enumerate((3, 3, 4))
    )
    assert first.path.read_bytes() == again.path.read_bytes()
    assert first.bursts == again.bursts != other.bursts
    assert first.path.read_bytes() != other.path.read_bytes()


def test_without_h264_it_falls_back_and_says_so(tmp_path, monkeypatch):
    real = av.codec.Codec

    def no_h264(name, mode="r"):
        if name == "libx264":
            raise ValueError(name)
        return real(name, mode)

    monkeypatch.setattr(av.codec, "Codec", no_h264)
    made = make_demo_clip(tmp_path / "old.mp4", seconds=1, size=(64, 96))
    assert made.video_codec == "mpeg4" and "no H.264 encoder" in made.notes[0]
    assert clip_workload(made.path, QWEN25).frames == 4


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"seconds": 0}, "seconds must be between 0.5 and 3600"),
        ({"seconds": float("nan")}, "seconds must be between 0.5 and 3600"),
        ({"size": (251, 448)}, "size must be even sides of 32 pixels or more"),
        ({"size": (16, 448)}, "size must be even sides of 32 pixels or more"),
        ({"fps": 0}, "fps must be between 1 and 120"),
    ],
)
def test_what_cannot_be_made_is_refused(tmp_path, wrong, message):
    with pytest.raises(InvalidValueError, match=message):
        make_demo_clip(tmp_path / "demo.mp4", **wrong)


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(MediaError, match=r"cannot be written \(No such file or directory\)"):
        make_demo_clip(tmp_path / "absent" / "demo.mp4", seconds=1, size=(64, 96))
