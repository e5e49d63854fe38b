"""From frames to video tokens: sampling by fps, resizing under a pixel budget, temporal grids."""

from __future__ import annotations

import math
from numbers import Integral

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.specs.spec import ModelSpec, ThinkerSpec, require_thinker
from omnizip_cost.workload.workload import VideoSettings

MIN_TOKENS_PER_FRAME = 128
"""Pixel budget of both processors in tokens' worth of pixels: at least 128 * factor^2 ..."""
MAX_TOKENS_PER_FRAME = 768
"""... and at most 768 * factor^2 (``videos_kwargs["size"]`` of both omni processors)."""
MAX_ASPECT_RATIO = 200
"""``smart_resize`` of Qwen2-VL, which both families use, refuses more."""
MAX_SIDE_PIXELS = 65_536
"""Sides beyond this are taken for a mistake: no codec in use has larger frames."""
CAP_TOKEN_SHARE = 0.9
"""Share of ``max_video_tokens`` that ``cap_pixels_per_frame`` spreads over the frames."""
CAP_FLOOR = 1.05
"""``cap_pixels_per_frame`` never goes below this multiple of ``min_pixels``."""


def default_settings(spec: ModelSpec) -> VideoSettings:
    """Return the settings of the model's own processor: 128 to 768 tokens' worth of pixels.

    A token covers 28 x 28 pixels in Qwen2.5-Omni and 32 x 32 in Qwen3-Omni. Both are sampled at
    2 frames/s, as in the paper; Qwen3-Omni's processor falls back on 1 when it is given no fps.
    """
    area = require_thinker(spec).vision.pixels_per_token ** 2
    return VideoSettings(
        min_pixels=MIN_TOKENS_PER_FRAME * area, max_pixels=MAX_TOKENS_PER_FRAME * area
    )


def check_frame_size(height: object, width: object) -> tuple[int, int]:
    """Return ``(height, width)`` as whole numbers of pixels, or say what is wrong with them."""
    sides = _checked_side("height", height), _checked_side("width", width)
    if max(sides) > MAX_ASPECT_RATIO * min(sides):
        raise InvalidValueError(
            "workload",
            "frame size",
            f"of an aspect ratio of at most {MAX_ASPECT_RATIO}",
            f"{sides[0]}x{sides[1]}",
        )
    return sides


def _checked_side(side: str, value: object) -> int:
    """Return one side of a frame, in pixels."""
    whole = int(value) if isinstance(value, Integral) and not isinstance(value, bool) else 0
    if whole <= 0:
        raise InvalidValueError("workload", f"frame {side}", "a positive number of pixels", value)
    if whole > MAX_SIDE_PIXELS:
        raise InvalidValueError(
            "workload", f"frame {side}", f"at most {MAX_SIDE_PIXELS} pixels", value
        )
    return whole


def resized_size(
    height: int, width: int, *, factor: int, min_pixels: int, max_pixels: int
) -> tuple[int, int]:
    """Sides of a frame after resizing: multiples of ``factor``, near the budget and the aspect.

    Each side is rounded to the nearest multiple (halves to even); only if the product then leaves
    the budget are both scaled by one number and rounded down (or up, from below). Source:
    ``smart_resize`` of Qwen2-VL.

    >>> resized_size(360, 640, factor=28, min_pixels=128 * 28**2, max_pixels=768 * 28**2)
    (364, 644)
    """
    rounded = round(height / factor) * factor, round(width / factor) * factor
    area = rounded[0] * rounded[1]
    if area > max_pixels:
        shrink = math.sqrt((height * width) / max_pixels)
        return (
            max(factor, math.floor(height / shrink / factor) * factor),
            max(factor, math.floor(width / shrink / factor) * factor),
        )
    if area < min_pixels:
        stretch = math.sqrt(min_pixels / (height * width))
        return (
            math.ceil(height * stretch / factor) * factor,
            math.ceil(width * stretch / factor) * factor,
        )
    return rounded


def frame_size(
    spec: ThinkerSpec, height: int, width: int, settings: VideoSettings, frames: int
) -> tuple[int, int]:
    """Sides of every frame of a video after resizing, for a video of ``frames`` sampled frames.

    ``frames`` matters only under ``settings.cap_pixels_per_frame``, by which each frame gets at
    most an even share of 90% of ``max_video_tokens`` tokens' worth of pixels, but never less than
    1.05 times ``min_pixels``. Source: ``Qwen2VLVideoProcessor.resize``.
    """
    factor = spec.vision.pixels_per_token
    limit = settings.max_pixels
    if settings.cap_pixels_per_frame:
        total = int(settings.max_video_tokens * factor * factor * CAP_TOKEN_SHARE)
        share = total * spec.vision.temporal_patch_size // frames
        limit = max(min(limit, share), int(settings.min_pixels * CAP_FLOOR))
    return resized_size(
        height, width, factor=factor, min_pixels=settings.min_pixels, max_pixels=limit
    )


def sampled_frame_count(
    total_frames: int, source_fps: float, settings: VideoSettings, temporal_patch: int
) -> int:
    """Count the frames sampled out of ``total_frames`` at ``source_fps``.

    fps times the duration, held between ``min_frames`` and ``max_frames`` and never more than there
    are, rounded down to whole temporal patches; 0 when the source is shorter than one patch.
    Source: ``Qwen2VLVideoProcessor.sample_frames``.

    >>> sampled_frame_count(390, 30000 / 1001, VideoSettings(), 2)
    26
    """
    if settings.max_frames < temporal_patch:
        raise InvalidValueError(
            "video settings",
            "max_frames",
            f"at least the {temporal_patch} frames of one temporal grid",
            settings.max_frames,
        )
    most = min(settings.max_frames, total_frames) // temporal_patch * temporal_patch
    wanted = total_frames / source_fps * settings.fps
    frames = min(max(wanted, settings.min_frames), most, total_frames)
    return math.floor(frames / temporal_patch) * temporal_patch


def sampled_indices(total_frames: int, frames: int) -> tuple[int, ...]:
    """Which of ``total_frames`` frames are taken: evenly spread, the first always among them.

    The processor computes i * total / frames in floating point, which for about 4% of durations
    yields one index too many, past the end, and fails; whole numbers do not.

    >>> sampled_indices(10, 4)
    (0, 2, 5, 7)
    """
    return tuple(index * total_frames // frames for index in range(frames))


def grid_count(frames: int, temporal_patch: int) -> int:
    """Temporal grids of ``frames`` frames; an odd last frame is repeated to fill its grid."""
    return -(-frames // temporal_patch)


def grid_shape(spec: ThinkerSpec, frames: int, height: int, width: int) -> tuple[int, int, int]:
    """Patches of a video of ``frames`` resized frames: (time, height, width)."""
    vision = spec.vision
    grids = grid_count(frames, vision.temporal_patch_size)
    return grids, height // vision.patch_size, width // vision.patch_size
