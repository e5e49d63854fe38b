"""Decoding a media file into what the processor would see, and its workload."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from omnizip_cost.errors import InvalidValueError, MediaError
from omnizip_cost.specs.spec import ModelSpec, ThinkerSpec, require_thinker
from omnizip_cost.workload.build import DEFAULT_TEXT_TOKENS, assemble, sound_cut_note
from omnizip_cost.workload.decode import decoded_sound, sampled_frames
from omnizip_cost.workload.lengths import (
    SAMPLE_RATE_HZ,
    audio_token_count,
    max_samples,
    mel_frame_count,
)
from omnizip_cost.workload.probe import (
    AudioFacts,
    MediaFacts,
    VideoFacts,
    probe,
)
from omnizip_cost.workload.video import (
    check_frame_size,
    default_settings,
    frame_size,
    sampled_frame_count,
)
from omnizip_cost.workload.workload import VideoSettings, Workload


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clip:
    """Sampled, resized frames and 16 kHz mono sound of one media file."""

    name: str
    frames: NDArray[np.uint8] | None
    """(frames, height, width, 3), RGB, resized; None without video."""
    waveform: NDArray[np.float32] | None
    """(samples,) in [-1, 1] at 16 kHz; None without sound."""
    settings: VideoSettings
    source_fps: float = 0.0
    source_frames: int = 0
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.frames is None and self.waveform is None:
            raise InvalidValueError("clip", "frames", "given where there is no waveform", None)
        if self.frames is not None and (self.frames.ndim != 4 or self.frames.shape[-1] != 3):
            shape = self.frames.shape
            raise InvalidValueError("clip", "frames", "(count, height, width, 3)", shape)
        if self.waveform is not None and self.waveform.ndim != 1:
            raise InvalidValueError("clip", "waveform", "one channel", self.waveform.shape)

    def workload(self, spec: ThinkerSpec, *, text_tokens: int = DEFAULT_TEXT_TOKENS) -> Workload:
        """Lay out this clip's tokens."""
        frames, height, width = (0, 0, 0) if self.frames is None else self.frames.shape[:3]
        return assemble(
            spec,
            name=self.name,
            frames=frames,
            size=(height, width),
            samples=0 if self.waveform is None else self.waveform.shape[0],
            video_seconds=self.source_frames / self.source_fps if self.source_fps else 0.0,
            settings=self.settings,
            text_tokens=text_tokens,
            notes=self.notes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Intake:
    """What of a media file is taken in: decided once, for counting and for decoding alike."""

    facts: MediaFacts
    video: VideoFacts | None
    audio: AudioFacts | None
    frames: int
    size: tuple[int, int]
    waveform: NDArray[np.float32]
    notes: tuple[str, ...]


def clip_workload(
    path: str | Path,
    spec: ModelSpec,
    *,
    settings: VideoSettings | None = None,
    text_tokens: int = DEFAULT_TEXT_TOKENS,
    max_seconds: float | None = None,
) -> Workload:
    """Count the tokens of a media file, without decoding more than one of its frames.

    Equal to ``decode_clip(path, spec, settings).workload(spec)``. The sound is decoded (its exact
    length is known in no other way), up to where the model stops listening.

    Parameters
    ----------
    max_seconds : float, optional
        Take only the beginning of a longer file, and say so in the notes.

    Raises
    ------
    MediaError
        The file cannot be read, or holds too little of both video and sound for one token.
    """
    spec = require_thinker(spec)
    settings = settings or default_settings(spec)
    intake = _intake(Path(path), spec, settings, max_seconds)
    return assemble(
        spec,
        name=Path(path).name,
        frames=intake.frames,
        size=intake.size,
        samples=intake.waveform.shape[0],
        video_seconds=intake.video.seconds if intake.video else 0.0,
        settings=settings,
        text_tokens=text_tokens,
        notes=intake.notes,
    )


def decode_clip(
    path: str | Path,
    spec: ModelSpec,
    settings: VideoSettings | None = None,
    *,
    max_seconds: float | None = None,
) -> Clip:
    """Decode a media file into the frames and the sound that the processor would be given.

    Only sampled frames are kept, each resized (bicubic) as soon as it is decoded. Sampled frames
    that cannot be decoded repeat the one before, as a player's picture freezes; a note says so.

    Raises
    ------
    MediaError
        As `clip_workload`.
    """
    spec = require_thinker(spec)
    settings = settings or default_settings(spec)
    intake = _intake(Path(path), spec, settings, max_seconds)
    frames, notes, video = None, intake.notes, intake.video
    if video is not None:
        frames, repeated = sampled_frames(intake.facts.path, video, intake.frames, intake.size)
        if repeated:
            notes += (
                f"{repeated} of {intake.frames} sampled frames cannot be decoded, repeat another",
            )
    return Clip(
        name=Path(path).name,
        frames=frames,
        waveform=intake.waveform if intake.audio else None,
        settings=settings,
        source_fps=video.fps if video else 0.0,
        source_frames=video.frames if video else 0,
        notes=notes,
    )


def _intake(
    path: Path, spec: ThinkerSpec, settings: VideoSettings, max_seconds: float | None
) -> _Intake:
    """Probe a file, decode its sound and settle which frames are taken."""
    if max_seconds is not None and not 0 < max_seconds < math.inf:
        raise InvalidValueError("clip", "max_seconds", "a duration above 0", max_seconds)
    facts = probe(path)
    video, frames, size, notes = _seen(facts, spec, settings, max_seconds)
    audio, waveform, found = _heard(facts, spec, max_seconds)
    notes = tuple(dict.fromkeys(facts.notes + notes + found))
    if video is None and audio is None:
        raise MediaError(path, "holds too little for one token", "; ".join(notes))
    return _Intake(
        facts=facts,
        video=video,
        audio=audio,
        frames=frames,
        size=size,
        waveform=waveform,
        notes=notes,
    )


def _seen(
    facts: MediaFacts, spec: ThinkerSpec, settings: VideoSettings, max_seconds: float | None
) -> tuple[VideoFacts | None, int, tuple[int, int], tuple[str, ...]]:
    """What is taken of the video: the stream, frames, their size after resizing, notes."""
    video = facts.video
    notes: tuple[str, ...] = ()
    if video is None:
        return None, 0, (0, 0), notes
    if max_seconds is not None and video.seconds > max_seconds:
        video = replace(video, frames=math.ceil(max_seconds * video.fps))
        notes = (_shortened_note(max_seconds),)
    frames = sampled_frame_count(video.frames, video.fps, settings, spec.vision.temporal_patch_size)
    if not frames:
        notes = (f"{video.frames} frame of video is too short for one grid, left out",)
        return None, 0, (0, 0), notes
    try:
        sides = check_frame_size(video.height, video.width)
    except InvalidValueError as error:
        raise MediaError(facts.path, f"has frames that no processor takes ({error})") from error
    return video, frames, frame_size(spec, *sides, settings, frames), notes


def _heard(
    facts: MediaFacts, spec: ThinkerSpec, max_seconds: float | None
) -> tuple[AudioFacts | None, NDArray[np.float32], tuple[str, ...]]:
    """What is taken of the sound: the stream, its samples, notes."""
    if facts.audio is None:
        return None, np.zeros(0, dtype=np.float32), ()
    longest = max_samples(spec.family)
    wanted = None if max_seconds is None else int(max_seconds * SAMPLE_RATE_HZ)
    limit = min((each for each in (longest, wanted) if each is not None), default=None)
    waveform, more, errors = decoded_sound(facts.path, facts.audio, limit)
    notes: tuple[str, ...] = ()
    if errors:
        notes += (f"{errors} packets of sound cannot be decoded and are left out",)
    if more and limit is not None and limit == longest:
        notes += (sound_cut_note(limit),)
    elif more and max_seconds is not None:
        notes += (_shortened_note(max_seconds),)
    if not audio_token_count(mel_frame_count(waveform.shape[0], spec.family), spec):
        return None, waveform[:0], (*notes, "the sound is too short for one audio token, left out")
    return facts.audio, waveform, notes


def _shortened_note(max_seconds: float) -> str:
    return f"only the first {max_seconds:g} s of the file are taken"
