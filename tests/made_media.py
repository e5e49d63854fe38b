"""Small media files for tests, written with PyAV."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """A video stream: flat grey frames, frame ``i`` of level ``10 + i % 230``, or given ones."""

    frames: int
    fps: Fraction | int = 25
    size: tuple[int, int] = (64, 96)
    codec: str = "libx264"
    picture: np.ndarray | None = None
    times: tuple[int, ...] | None = None
    """Time stamps in milliseconds, for a variable rate."""
    turn: int = 0
    moving: bool = False
    """Shift the picture from frame to frame, so that it does not compress away."""
    default: bool | None = None
    cover: bool = False


@dataclass(frozen=True, kw_only=True)
class Sound:
    """An audio stream: a tone of 440 Hz."""

    seconds: float
    rate: int = 16_000
    layout: str = "mono"
    codec: str = "aac"
    default: bool | None = None
    level: float = 0.5


def write(path: Path, *streams: Pictures | Sound) -> Path:
    """Write the streams into one file; its ending chooses the container."""
    with av.open(str(path), "w") as container:
        added = [(_add(container, stream), stream) for stream in streams]
        for target, stream in added:
            frames = _pictures(stream) if isinstance(stream, Pictures) else _tone(stream, target)
            for frame in frames:
                container.mux(target.encode(frame))
            container.mux(target.encode())
    return path


def _add(container: Any, stream: Pictures | Sound) -> Any:
    if isinstance(stream, Sound):
        target = container.add_stream(stream.codec, rate=stream.rate, layout=stream.layout)
    else:
        target = container.add_stream(stream.codec, rate=stream.fps)
        target.height, target.width = stream.size
        target.pix_fmt = "yuvj420p" if stream.codec == "mjpeg" else "yuv420p"
        if stream.times is not None:
            target.time_base = target.codec_context.time_base = Fraction(1, 1000)
        if stream.turn:
            target.set_display_rotation(stream.turn)
        if stream.cover:
            target.disposition = av.stream.Disposition.attached_pic
    if stream.default is not None:
        target.disposition = av.stream.Disposition.default if stream.default else 0
    return target


def _pictures(stream: Pictures) -> Any:
    for number in range(stream.frames):
        picture = stream.picture
        if picture is None:
            picture = np.full((*stream.size, 3), 10 + number % 230, np.uint8)
        if stream.moving:
            picture = np.roll(picture, (5 * number, 11 * number), axis=(0, 1))
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = number, 1 / Fraction(stream.fps)
        if stream.times is not None:
            frame.pts, frame.time_base = stream.times[number], Fraction(1, 1000)
        yield frame


def _tone(stream: Sound, target: Any) -> Any:
    channels = av.AudioLayout(stream.layout).nb_channels
    time = np.arange(round(stream.seconds * stream.rate)) / stream.rate
    tone = np.tile(stream.level * np.sin(2 * np.pi * 440 * time), (channels, 1)).astype(np.float32)
    block = 65_536
    resampler = av.AudioResampler(format=target.format.name, layout=stream.layout, rate=stream.rate)
    fifo_sized = target.codec_context.frame_size or block
    for start in range(0, tone.shape[1], fifo_sized):
        piece = np.ascontiguousarray(tone[:, start : start + fifo_sized])
        frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout=stream.layout)
        frame.sample_rate, frame.pts = stream.rate, start
        frame.time_base = Fraction(1, stream.rate)
        yield from resampler.resample(frame)
