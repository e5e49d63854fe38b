"""Files that are broken, cut short or no media at all: one sentence, or what could be kept."""

from __future__ import annotations

import random
from pathlib import Path

import av
import numpy as np
import pytest
from made_media import Pictures, Sound, write
from PIL import Image

from omnizip_cost.errors import MediaError
from omnizip_cost.specs import load_spec
from omnizip_cost.workload import VideoSettings, clip_workload, decode_clip

QWEN25 = load_spec("qwen2.5-omni-7b")
SMALL = VideoSettings(min_pixels=4 * 28 * 28, max_pixels=16 * 28 * 28)


def _noise(frames: int) -> Pictures:
    """Pictures that do not compress away, so that damage hits something."""
    picture = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    return Pictures(frames=frames, size=(96, 128), picture=picture, moving=True)


def _no_file(folder: Path) -> Path:
    return folder / "absent.mp4"


def _empty(folder: Path) -> Path:
    path = folder / "empty.mp4"
    path.touch()
    return path


def _text(ending: str):
    def make(folder: Path) -> Path:
        path = folder / f"notes.{ending}"
        path.write_text("no pictures here\n" * 200, encoding="utf-8")
        return path

    return make


def _truncated(folder: Path) -> Path:
    path = write(folder / "cut.mp4", _noise(60), Sound(seconds=2))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def _subtitles(folder: Path) -> Path:
    path = folder / "words.srt"
    path.write_text("1\n00:00:00,000 --> 00:00:02,000\nHello\n", encoding="utf-8")
    return path


def _photo(folder: Path) -> Path:
    path = folder / "photo.png"
    Image.new("RGB", (64, 64)).save(path)
    return path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_no_file, "absent.mp4: no such file"),
        (lambda folder: folder, "is a folder, not a media file"),
        (_empty, "empty.mp4: the file is empty"),
        (_text("mp4"), "notes.mp4: cannot be read as video or sound"),
        (_text("txt"), "notes.txt: is a text file, not video or sound"),
        (_truncated, "cut.mp4: cannot be read as video or sound .*; is it complete"),
        (_subtitles, "words.srt: holds neither video nor sound that can be decoded"),
        (_photo, "photo.png: holds too little for one token; 1 frame of video is too short"),
    ],
    ids=["absent", "folder", "empty", "text", "txt", "truncated", "subtitles", "photo"],
)
def test_what_is_no_clip_is_refused_in_one_sentence(tmp_path, make, message):
    path = make(tmp_path)
    for answer in (clip_workload, decode_clip):
        with pytest.raises(MediaError, match=message) as caught:
            answer(path, QWEN25)
        assert "\n" not in str(caught.value) and caught.value.path == str(path)


def test_frames_of_an_absurd_shape_are_the_files_fault(tmp_path):
    path = write(tmp_path / "ribbon.mkv", Pictures(frames=10, size=(2, 1000), codec="ffv1"))
    with pytest.raises(MediaError, match=r"ribbon.mkv: has frames that no processor takes"):
        clip_workload(path, QWEN25)


@pytest.mark.parametrize("name", ["cut.mkv"])
def test_a_file_cut_in_half_is_refused(tmp_path, name):
    whole = write(tmp_path / f"whole_{name}", _noise(150), Sound(seconds=6))
    path = tmp_path / name
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(MediaError, match=r"is truncated: it announces .* s and holds"):
        clip_workload(path, QWEN25, settings=SMALL)


@pytest.mark.parametrize("name", ["cut.ts"])
def test_a_stream_that_breaks_off_gives_what_it_holds(tmp_path, name):
    """A transport stream announces no duration: whatever it holds is the whole of it."""
    whole = write(tmp_path / f"whole_{name}", _noise(150), Sound(seconds=6))
    path = tmp_path / name
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    counted = clip_workload(path, QWEN25, settings=SMALL)
    assert decode_clip(path, QWEN25, SMALL).workload(QWEN25) == counted
    everything = clip_workload(whole, QWEN25, settings=SMALL)
    assert 0 < counted.video_tokens < everything.video_tokens
    assert 0 < counted.audio_tokens < everything.audio_tokens


def test_an_mp4_that_announces_more_than_it_holds_says_so(tmp_path):
    whole = write(tmp_path / "whole.mp4", _noise(150))
    first = tmp_path / "faststart.mp4"
    with (
        av.open(str(whole)) as source,
        av.open(str(first), "w", options={"movflags": "faststart"}) as target,
    ):
        copied = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = copied
                target.mux(packet)
    size = first.stat().st_size
    path = tmp_path / "cut.mp4"
    path.write_bytes(first.read_bytes()[: size * 6 // 10])
    with pytest.raises(MediaError, match=r"cut.mp4: is truncated: it announces 6.0 s and holds"):
        clip_workload(path, QWEN25, settings=SMALL)
    path.write_bytes(first.read_bytes()[: size * 96 // 100])
    counted = clip_workload(path, QWEN25, settings=SMALL)
    clip = decode_clip(path, QWEN25, SMALL)
    assert clip.workload(QWEN25).windows == counted.windows
    assert any("of the 150 frames that it announces" in note for note in counted.notes)


def test_damage_in_the_middle_keeps_the_rest_and_says_so(tmp_path):
    path = write(tmp_path / "hurt.mp4", _noise(150), Sound(seconds=6))
    content, draw = bytearray(path.read_bytes()), random.Random(1)
    for place in range(len(content) // 3, len(content) // 2):
        content[place] = draw.randrange(256)
    path.write_bytes(content)
    counted = clip_workload(path, QWEN25, settings=SMALL)
    clip = decode_clip(path, QWEN25, SMALL)
    assert clip.workload(QWEN25).windows == counted.windows
    assert clip.frames.shape[0] == 12 and clip.frames.reshape(12, -1).std(axis=1).min() > 10
    assert any("cannot be decoded" in note for note in clip.notes)
