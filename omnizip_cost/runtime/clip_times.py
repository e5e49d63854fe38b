"""When each token of a clip is seen or heard."""

from __future__ import annotations

from dataclasses import dataclass

from omnizip_cost.specs.spec import ThinkerSpec
from omnizip_cost.workload.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTimes:
    """Spans in seconds from the clip's beginning."""

    seconds_per_grid: float
    audio_tokens_per_second: int
    windows: tuple[tuple[float, float], ...]
    """Span of each window: that of its video, drawn out where its audio ends later."""

    def grid(self, number: int) -> tuple[float, float]:
        """Span of a temporal grid of the clip."""
        return number * self.seconds_per_grid, (number + 1) * self.seconds_per_grid

    def audio(self, number: int) -> tuple[float, float]:
        """Span of an audio token of the clip."""
        rate = self.audio_tokens_per_second
        return number / rate, (number + 1) / rate


def token_times(spec: ThinkerSpec, work: Workload) -> TokenTimes:
    """Spans of windows, grids and audio tokens.

    An audio token takes one position id (1/25 s in Qwen2.5-Omni, 1/13 s in Qwen3-Omni), a grid
    ``seconds_per_grid``; a window begins with its first whole grid, or with its audio where it
    holds no video.
    """
    rate, size = spec.position_ids_per_second, work.tokens_per_grid
    spans, grids, heard = [], 0, 0
    for window in work.windows:
        seen = window.video_tokens // size if size else 0
        start = grids * work.seconds_per_grid if window.video_tokens else heard / rate
        grids, heard = grids + seen, heard + window.audio_tokens
        ends = [start]
        ends += [grids * work.seconds_per_grid] if window.video_tokens else []
        ends += [heard / rate] if window.audio_tokens else []
        spans.append((start, max(ends)))
    return TokenTimes(
        seconds_per_grid=work.seconds_per_grid,
        audio_tokens_per_second=rate,
        windows=tuple(spans),
    )
