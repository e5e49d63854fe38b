"""A clip made on the spot: moving shapes, and sound with speech-like bursts and silence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from omnizip_cost.errors import InvalidValueError, MediaError
from omnizip_cost.workload.lengths import SAMPLE_RATE_HZ

AUDIO_BLOCK_SAMPLES = 1024
"""Samples of one AAC frame."""
SYLLABLES_PER_SECOND = 4.0
"""Pace of the loudness within a burst, that of ordinary speech."""
FORMANTS_HZ = ((730.0, 1090.0, 2440.0), (270.0, 2290.0, 3010.0), (300.0, 870.0, 2240.0))
"""Resonances of the vowels a, i and u of a male voice (Peterson and Barney, 1952)."""
FORMANT_WIDTH_HZ = 120.0
H264_OPTIONS = {"preset": "veryfast", "threads": "1", "mbtree": "0"}
"""One thread, and no macroblock tree: with it, the same pictures give different files from run to
run where the height is no multiple of 16 (seen with x264 through PyAV 18)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoClip:
    """What was written, and where in it there is sound."""

    path: Path
    seconds: float
    bursts: tuple[tuple[float, float], ...]
    """(start, end) in seconds of each burst; silence between them."""
    video_codec: str
    notes: tuple[str, ...] = ()


def make_demo_clip(
    path: str | Path,
    *,
    seconds: float = 12.0,
    size: tuple[int, int] = (252, 448),
    fps: float = 10.0,
    seed: int = 0,
) -> DemoClip:
    """Write an MP4 with H.264 video and AAC sound (16 kHz mono); the same for the same seed.

    Parameters
    ----------
    size
        (height, width) in pixels, even. 252 x 448 is the paper's: 144 tokens a grid.

    Raises
    ------
    InvalidValueError
        A duration, size or rate that cannot be encoded.
    MediaError
        The file cannot be written.
    """
    _check(seconds, size, fps)
    rng = np.random.default_rng(seed)
    bursts = _bursts(seconds, rng)
    sound = _sound(seconds, bursts, rng)
    path = Path(path)
    codec, notes = _video_codec()
    try:
        _write(path, codec, fps, _pictures(seconds, size, fps, rng), sound)
    except OSError as error:
        raise MediaError(path, f"cannot be written ({error.strerror})") from error
    return DemoClip(path=path, seconds=seconds, bursts=bursts, video_codec=codec, notes=notes)


def _check(seconds: float, size: tuple[int, int], fps: float) -> None:
    if not 0.5 <= seconds <= 3600:
        raise InvalidValueError("demo clip", "seconds", "between 0.5 and 3600", seconds)
    if any(side < 32 or side % 2 for side in size):
        raise InvalidValueError("demo clip", "size", "even sides of 32 pixels or more", size)
    if not 1 <= fps <= 120:
        raise InvalidValueError("demo clip", "fps", "between 1 and 120", fps)


def _bursts(seconds: float, rng: np.random.Generator) -> tuple[tuple[float, float], ...]:
    """Spread bursts of 0.8 to 2.5 s with pauses of 0.6 to 2.5 s over the clip."""
    found, now = [], float(rng.uniform(0.1, 0.4))
    while now < seconds - 0.2:
        end = min(seconds, now + float(rng.uniform(0.8, 2.5)))
        found.append((round(now, 3), round(end, 3)))
        now = end + float(rng.uniform(0.6, 2.5))
    return tuple(found)


def _sound(
    seconds: float, bursts: tuple[tuple[float, float], ...], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Sound of the whole clip, (samples,) in [-1, 1]: the bursts over a hardly audible floor."""
    sound = rng.normal(0.0, 2e-4, round(seconds * SAMPLE_RATE_HZ))
    for start, end in bursts:
        first = round(start * SAMPLE_RATE_HZ)
        voice = _voice(round((end - start) * SAMPLE_RATE_HZ), rng)[: sound.shape[0] - first]
        sound[first : first + voice.shape[0]] += voice
    return np.clip(sound, -1.0, 1.0).astype(np.float32)


def _voice(samples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """One burst: harmonics of a gliding pitch under moving formants, in syllables."""
    time_s = np.arange(samples) / SAMPLE_RATE_HZ
    syllable = (time_s * SYLLABLES_PER_SECOND).astype(int)
    vowels = np.array(FORMANTS_HZ)[rng.integers(len(FORMANTS_HZ), size=int(syllable.max()) + 1)]
    pitch_hz = rng.uniform(100, 180) * (1 + 0.15 * np.sin(2 * np.pi * 0.7 * time_s))
    phase = 2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE_HZ
    voice = np.zeros(samples)
    for harmonic in range(1, 26):
        away = (harmonic * pitch_hz.mean() - vowels) / FORMANT_WIDTH_HZ
        loudness = (1 / (1 + away**2)).sum(axis=1) / harmonic**0.5
        voice += loudness[syllable] * np.sin(harmonic * phase)
    envelope = np.abs(np.sin(np.pi * time_s * SYLLABLES_PER_SECOND)) ** 0.5
    breath = rng.normal(0.0, 0.05, samples) * (1 - envelope)
    peak = float(np.abs(voice).max()) or 1.0
    return 0.6 * voice / peak * envelope + breath


def _pictures(
    seconds: float, size: tuple[int, int], fps: float, rng: np.random.Generator
) -> Iterator[NDArray[np.uint8]]:
    """Draw frames (height, width, 3): discs and a bar wandering over a gradient, with two cuts."""
    height, width = size
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    count = max(2, round(seconds * fps))
    scenes = [_scene(rng) for _ in range(3)]
    for number in range(count):
        time_s = number / fps
        scene = scenes[min(2, 3 * number // count)]
        picture = np.empty((height, width, 3), np.float32)
        picture[...] = scene["ground"] + 60 * (columns / width)[..., None]
        for colour, speed, start in zip(
            scene["colours"], scene["speeds"], scene["starts"], strict=True
        ):
            centre = np.abs((start + speed * time_s) % 2 - 1) * (height, width)
            inside = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < (0.14 * height) ** 2
            picture[inside] = colour
        bar = np.abs(columns - width * ((0.05 * time_s) % 1)) < 0.02 * width
        picture[bar] = 255 - scene["ground"]
        yield picture.clip(0, 255).astype(np.uint8)


def _scene(rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
    """Colours, speeds and places of one scene's shapes."""
    return {
        "ground": rng.uniform(20, 140, 3),
        "colours": rng.uniform(80, 255, (4, 3)),
        "speeds": rng.uniform(-0.35, 0.35, (4, 2)),
        "starts": rng.uniform(0, 2, (4, 2)),
    }


def _video_codec() -> tuple[str, tuple[str, ...]]:
    """H.264 where PyAV can write it, else MPEG-4 part 2 and a note that says so."""
    import av

    try:
        av.codec.Codec("libx264", "w")
    except ValueError:
        return "mpeg4", ("PyAV has no H.264 encoder here: the clip's video is MPEG-4 part 2",)
    return "libx264", ()


def _write(
    path: Path,
    codec: str,
    fps: float,
    pictures: Iterator[NDArray[np.uint8]],
    sound: NDArray[np.float32],
) -> None:
    """Encode pictures and sound, in whole AAC frames, into one MP4."""
    import av

    first = next(pictures)
    with av.open(str(path), "w", format="mp4") as container:
        options = H264_OPTIONS if codec == "libx264" else {}
        rate = Fraction(fps).limit_denominator(1001)
        video: Any = container.add_stream(codec, rate=rate, options=options)
        video.height, video.width = first.shape[:2]
        video.pix_fmt = "yuv420p"
        audio: Any = container.add_stream("aac", rate=SAMPLE_RATE_HZ, layout="mono")
        for number, picture in enumerate(chain([first], pictures)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, 1 / rate
            container.mux(video.encode(frame))
        container.mux(video.encode())
        for start in range(0, sound.shape[0] - AUDIO_BLOCK_SAMPLES + 1, AUDIO_BLOCK_SAMPLES):
            block = sound[None, start : start + AUDIO_BLOCK_SAMPLES]
            heard = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
            heard.sample_rate, heard.pts = SAMPLE_RATE_HZ, start
            container.mux(audio.encode(heard))
        container.mux(audio.encode())
