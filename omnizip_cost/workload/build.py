"""Putting a workload together, from a duration and a frame size or from counts already known."""

from __future__ import annotations

from numbers import Real

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.specs.spec import ModelSpec, ThinkerSpec, require_thinker
from omnizip_cost.workload.layout import runs, windows
from omnizip_cost.workload.lengths import (
    HOP_SAMPLES,
    SAMPLE_RATE_HZ,
    audio_token_count,
    max_samples,
    mel_frame_count,
)
from omnizip_cost.workload.video import (
    check_frame_size,
    default_settings,
    frame_size,
    grid_shape,
    sampled_frame_count,
)
from omnizip_cost.workload.workload import VideoSettings, Workload

DEFAULT_TEXT_TOKENS = 64
"""Prompt text besides the marks: an assumption (chat template and one question), half of it before
the clip and half after. No tokenizer is needed, since text is never pruned."""
SOURCE_FPS = 30.0
"""Frame rate assumed of a video of which only the duration is known."""
MAX_SECONDS = 86_400
"""Durations beyond a day are taken for a mistake."""


def workload(
    spec: ModelSpec,
    *,
    seconds: float,
    pixels: tuple[int, int] | None,
    audio: bool = True,
    settings: VideoSettings | None = None,
    text_tokens: int = DEFAULT_TEXT_TOKENS,
) -> Workload:
    """Tokens of a clip of which only the duration and the frame size are known.

    Parameters
    ----------
    seconds
        Duration of video and sound alike.
    pixels
        (height, width) of the source, before resizing; None: sound only.
    audio
        False: video only.
    settings
        Sampling and pixel budget; None: the defaults of the model's own processor.
    text_tokens
        Prompt tokens besides the marks; half of them come before the clip.

    Raises
    ------
    InvalidValueError
        Nothing to see or hear; a duration that is not positive, not finite, beyond a day, or too
        short for one temporal grid or one audio token; a frame size no processor takes.
    UnsupportedModelError
        A decoder alone, which has no encoders.
    """
    spec = require_thinker(spec)
    duration_s = _checked_seconds(seconds)
    if pixels is None and not audio:
        raise InvalidValueError(
            "workload", "input", "video, sound or both", "neither", "give pixels or audio=True"
        )
    settings = settings or default_settings(spec)
    name = f"{seconds:g} s"
    frames, size = 0, (0, 0)
    if pixels is not None:
        source = check_frame_size(*_pair(pixels))
        name += f" of {source[0]}x{source[1]} with{'' if audio else 'out'} sound"
        total = round(duration_s * SOURCE_FPS)
        frames = sampled_frame_count(total, SOURCE_FPS, settings, spec.vision.temporal_patch_size)
        if not frames:
            raise InvalidValueError(
                "workload", "seconds", "long enough for one temporal grid of video", seconds
            )
        size = frame_size(spec, *source, settings, frames)
    samples = round(duration_s * SAMPLE_RATE_HZ) if audio else 0
    if audio and not audio_token_count(mel_frame_count(samples, spec.family), spec):
        raise InvalidValueError("workload", "seconds", "long enough for one audio token", seconds)
    return assemble(
        spec,
        name=name if pixels else f"{name} of sound",
        frames=frames,
        size=size,
        samples=samples,
        video_seconds=duration_s if pixels else 0.0,
        settings=settings,
        text_tokens=text_tokens,
    )


def assemble(
    spec: ThinkerSpec,
    *,
    name: str,
    frames: int,
    size: tuple[int, int],
    samples: int,
    video_seconds: float,
    settings: VideoSettings,
    text_tokens: int,
    notes: tuple[str, ...] = (),
) -> Workload:
    """Lay out ``frames`` sampled frames and ``samples`` of 16 kHz sound; 0 means absent.

    ``size`` is (height, width) of a frame after resizing, ``video_seconds`` the source's duration.
    """
    if isinstance(text_tokens, bool) or not isinstance(text_tokens, int) or text_tokens < 0:
        raise InvalidValueError(
            "workload", "text_tokens", "a whole number, zero or more", text_tokens
        )
    grid_thw, per_grid, (height, width) = None, 0, size
    seconds_per_grid = spec.vision.temporal_patch_size / settings.fps
    if frames:
        grid_thw = grid_shape(spec, frames, height, width)
        per_grid = grid_thw[1] * grid_thw[2] // spec.vision.merge_size**2
        notes += _video_notes(frames, video_seconds, settings, spec.vision.temporal_patch_size)
    mel_frames = mel_frame_count(samples, spec.family)
    audio_tokens = audio_token_count(mel_frames, spec)
    limit = max_samples(spec.family)
    if limit is not None and samples > limit:
        notes += (sound_cut_note(limit),)
    order = runs(
        spec,
        grids=grid_thw[0] if grid_thw else 0,
        tokens_per_grid=per_grid,
        audio_tokens=audio_tokens,
        seconds_per_grid=seconds_per_grid,
    )
    marks = (grid_thw is not None) + (audio_tokens > 0)
    return Workload(
        name=name,
        windows=windows(order),
        tokens_per_grid=per_grid,
        text_before=text_tokens // 2 + marks,
        text_after=text_tokens - text_tokens // 2 + marks,
        grid_thw=grid_thw,
        frame_height=height,
        frame_width=width,
        frames=frames,
        seconds_per_grid=seconds_per_grid,
        mel_frames=mel_frames,
        video_seconds=video_seconds if frames else 0.0,
        audio_seconds=min(samples, mel_frames * HOP_SAMPLES) / SAMPLE_RATE_HZ,
        notes=(*notes, f"prompt text is assumed: {text_tokens} tokens besides the marks"),
    )


def sound_cut_note(limit: int) -> str:
    """Say that the model hears only the first ``limit`` samples."""
    return f"sound past {limit // SAMPLE_RATE_HZ} s is cut off before the model hears it"


def _video_notes(
    frames: int, video_seconds: float, settings: VideoSettings, temporal_patch: int
) -> tuple[str, ...]:
    """Say what sampling did that a reader would not expect."""
    notes: tuple[str, ...] = ()
    if frames % temporal_patch:
        notes += (f"the last of {frames} frames is repeated to fill its temporal grid",)
    wanted = video_seconds * settings.fps
    if abs(wanted - frames) >= temporal_patch:
        apart_s = video_seconds * temporal_patch / frames
        notes += (
            f"{frames} frames are taken where {settings.fps:g} per second make {wanted:.0f}: grids "
            f"lie {apart_s:.3g} s apart but get positions {temporal_patch / settings.fps:.3g} s "
            "apart, as the processor does",
        )
    return notes


def _checked_seconds(seconds: object) -> float:
    """Return the duration as a float if it can be one."""
    real = float(seconds) if isinstance(seconds, Real) and not isinstance(seconds, bool) else 0.0
    if not 0 < real <= MAX_SECONDS:
        raise InvalidValueError(
            "workload", "seconds", f"above 0 and at most {MAX_SECONDS} (a day)", seconds
        )
    return real


def _pair(pixels: object) -> tuple[object, object]:
    """Split ``pixels`` into height and width."""
    if not isinstance(pixels, (tuple, list)) or len(pixels) != 2:
        raise InvalidValueError("workload", "pixels", "(height, width)", pixels)
    return pixels[0], pixels[1]
