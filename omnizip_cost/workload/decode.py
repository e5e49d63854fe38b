"""Decoding one stream: the sampled frames, resized, and the sound, at 16 kHz."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from omnizip_cost.errors import MediaError
from omnizip_cost.workload.lengths import SAMPLE_RATE_HZ
from omnizip_cost.workload.probe import AudioFacts, VideoFacts, opened, packets_of
from omnizip_cost.workload.video import sampled_indices

MOST_CHANNELS = 8
"""Planes that PyAV reaches (AV_NUM_DATA_POINTERS); damaged packets claim dozens of channels."""


def _decoded(container: Any, index: int) -> Iterator[Any]:
    """Yield the frames of one stream, and None for each packet that cannot be decoded."""
    import av

    for packet in packets_of(container, index):
        try:
            decoded = packet.decode()
        except (av.error.FFmpegError, ValueError):
            yield None
            continue
        yield from decoded


def sampled_frames(
    path: Path, video: VideoFacts, count: int, size: tuple[int, int]
) -> tuple[NDArray[np.uint8], int]:
    """Decode a stream, keep ``count`` evenly spread frames; also how many had to repeat another."""
    wanted = sampled_indices(video.frames, count)
    kept = np.zeros((count, *size, 3), dtype=np.uint8)
    taken = repeated = 0
    with opened(path) as container:
        container.streams[video.index].thread_type = "AUTO"
        for number, frame in enumerate(_decoded(container, video.index)):
            if frame is None or number < wanted[taken]:
                continue
            due = bisect_right(wanted, number) - taken
            kept[taken : taken + due] = _resized(frame, size, video.quarter_turns)
            taken, repeated = taken + due, repeated + due - 1
            if taken == count:
                return kept, repeated
    if not taken:
        raise MediaError(path, "the video stream holds no frame that can be decoded")
    kept[taken:] = kept[taken - 1]
    return kept, repeated + count - taken


def _resized(frame: Any, size: tuple[int, int], quarter_turns: int) -> NDArray[np.uint8]:
    """Turn and resize one decoded frame to (height, width, 3)."""
    from PIL import Image

    picture: NDArray[np.uint8] = frame.to_ndarray(format="rgb24")
    if quarter_turns:
        picture = np.ascontiguousarray(np.rot90(picture, quarter_turns))
    if picture.shape[:2] == size:
        return picture
    image = Image.fromarray(picture).resize((size[1], size[0]), Image.Resampling.BICUBIC)
    return np.asarray(image)


def decoded_sound(
    path: Path, audio: AudioFacts, limit: int | None
) -> tuple[NDArray[np.float32], bool, int]:
    """Decode sound to 16 kHz mono, the mean of the channels as audio libraries take it.

    Returns
    -------
    (samples,) of at most ``limit``, whether there were more, and how many packets were lost
    """
    pieces: list[NDArray[np.float32]] = []
    samples = errors = 0
    with opened(path) as container:
        for piece in _resampled(_decoded(container, audio.index)):
            if piece is None:
                errors += 1
                continue
            pieces.append(piece)
            samples += piece.shape[0]
            if limit is not None and samples > limit:
                break
    waveform = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    return waveform[:limit], limit is not None and samples > limit, errors


def _resampled(frames: Iterator[Any]) -> Iterator[NDArray[np.float32] | None]:
    """Turn frames of any format into mono float32 at 16 kHz; None where a packet was lost."""
    import av

    resampler: Any = None
    form = None
    for frame in frames:
        if frame is None or not 0 < frame.layout.nb_channels <= MOST_CHANNELS:
            yield None
            continue
        if form != (frame.format.name, frame.layout.name, frame.sample_rate):
            yield from _mono(resampler.resample(None) if resampler else [])
            form = frame.format.name, frame.layout.name, frame.sample_rate
            resampler = av.AudioResampler(format="fltp", layout=form[1], rate=SAMPLE_RATE_HZ)
        frame.pts = None
        yield from _mono(resampler.resample(frame))
    yield from _mono(resampler.resample(None) if resampler else [])


def _mono(frames: list[Any]) -> list[NDArray[np.float32]]:
    """Average the channels of planar frames."""
    return [frame.to_ndarray().mean(axis=0, dtype=np.float32) for frame in frames]
