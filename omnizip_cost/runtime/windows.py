"""Window rates of a real clip from its sound alone: the labelled proxy in place of Eq. 2."""

from __future__ import annotations

from omnizip_cost.compression.rates import allocation
from omnizip_cost.compression.settings import RHO_MAX, RHO_MIN, Mode
from omnizip_cost.compression.windows import (
    WindowRow,
    audio_keep,
    window_retention,
    window_rows,
)
from omnizip_cost.errors import MediaError
from omnizip_cost.runtime.proxy import proxy_scores
from omnizip_cost.workload.clip import Clip
from omnizip_cost.workload.workload import Workload


def proxy_windows(
    clip: Clip,
    work: Workload,
    *,
    audio_pruning: float,
    video_pruning: float,
    mode: Mode = "paper",
    rho_min: float = RHO_MIN,
    rho_max: float = RHO_MAX,
    label: str = "",
) -> list[WindowRow]:
    """Algorithm 1 on a clip, its audio scored by frame energy and flux (``scores: proxy``).

    Raises
    ------
    MediaError
        The clip has no sound, or nothing but silence: nothing guides the allocation.
    """
    if clip.waveform is None or not work.audio_tokens:
        raise MediaError(clip.name, "has no sound, so no audio guides the window rates")
    sizes = [window.audio_tokens for window in work.windows]
    video = [window.video_tokens for window in work.windows]
    scores = proxy_scores(clip.waveform, tokens=work.audio_tokens)
    if not float(scores.max() - scores.min()) > 0:
        raise MediaError(clip.name, "is silent throughout, so no audio guides the window rates")
    retention = window_retention(audio_keep(scores.numpy(), audio_pruning), sizes)
    result = allocation(
        retention,
        video_pruning=video_pruning,
        video_tokens=video,
        mode=mode,
        rho_min=rho_min,
        rho_max=rho_max,
    )
    return window_rows(
        result,
        audio_tokens=sizes,
        video_tokens=video,
        start_s=_starts(work, video),
        scores="proxy",
        mode=mode,
        label=label,
        clip=clip.name,
    )


def _starts(work: Workload, video_tokens: list[int]) -> list[float]:
    """Start of each window in the video, in seconds, from the grids before it."""
    starts, grids = [], 0
    for tokens in video_tokens:
        starts.append(grids * work.seconds_per_grid)
        grids += tokens // work.tokens_per_grid if work.tokens_per_grid else 0
    return starts
