"""Where audio and video sit in the prompt: runs, windows and grids, read once from token ids.

Everything here is host-side integers, so that no later step has to ask the device for a size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from omnizip_cost.compression.counts import grid_sizes
from omnizip_cost.errors import InvalidValueError


class Run(NamedTuple):
    """An unbroken run of tokens of one modality."""

    start: int
    length: int


class Grid(NamedTuple):
    """One temporal grid of a window; ``ordinal`` counts from 0 in each window."""

    start: int
    size: int
    window: int
    ordinal: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The runs of a prompt; window i pairs the i-th video run with the i-th audio run."""

    length: int
    tokens_per_grid: int
    video_runs: tuple[Run, ...]
    audio_runs: tuple[Run, ...]

    @property
    def windows(self) -> int:
        """Number of windows; the last ones lack the modality that has fewer runs."""
        return max(len(self.video_runs), len(self.audio_runs))

    @property
    def video_sizes(self) -> tuple[int, ...]:
        """Video tokens of each window (0 without video)."""
        return _padded(self.video_runs, self.windows)

    @property
    def audio_sizes(self) -> tuple[int, ...]:
        """Audio tokens of each window (0 without audio)."""
        return _padded(self.audio_runs, self.windows)

    @property
    def video_tokens(self) -> int:
        """Video tokens of the prompt."""
        return sum(run.length for run in self.video_runs)

    @property
    def audio_tokens(self) -> int:
        """Audio tokens of the prompt."""
        return sum(run.length for run in self.audio_runs)

    def video_positions(self) -> NDArray[np.int64]:
        """Prompt positions of the video tokens, in order."""
        return _positions(self.video_runs)

    def audio_positions(self) -> NDArray[np.int64]:
        """Prompt positions of the audio tokens, in order."""
        return _positions(self.audio_runs)

    def grids(self) -> tuple[Grid, ...]:
        """Every temporal grid in prompt order; a run's remainder is one short last grid."""
        found = []
        for window, run in enumerate(self.video_runs):
            start = run.start
            for ordinal, size in enumerate(grid_sizes(run.length, self.tokens_per_grid)):
                found.append(Grid(start, size, window, ordinal))
                start += size
        return tuple(found)


def read_layout(
    token_ids: torch.Tensor, *, audio_id: int, video_id: int, tokens_per_grid: int
) -> Layout:
    """Read runs of audio and video placeholders from a prompt's token ids.

    Parameters
    ----------
    token_ids : integer tensor, shape (L,)
        One prompt; copied to the host once.
    audio_id, video_id : int
        Ids of the placeholders.
    tokens_per_grid : int
        P, video tokens of one temporal grid; not looked at in a prompt without video.

    Raises
    ------
    InvalidValueError
        Ids that are not one row of integers, equal placeholder ids, or no grid size.
    """
    if token_ids.ndim != 1 or token_ids.is_floating_point() or token_ids.is_complex():
        raise InvalidValueError(
            "selection",
            "token_ids",
            "one row of integer ids",
            f"{token_ids.dtype} of shape {tuple(token_ids.shape)}",
            "batches are not supported: select for one prompt at a time",
        )
    if audio_id == video_id:
        raise InvalidValueError("selection", "audio_id", "different from video_id", audio_id)
    ids = token_ids.detach().cpu().numpy()
    video_runs = _runs(ids == video_id)
    whole = isinstance(tokens_per_grid, (int, np.integer)) and not isinstance(tokens_per_grid, bool)
    if video_runs and not (whole and tokens_per_grid > 0):
        raise InvalidValueError(
            "selection", "tokens_per_grid", "a positive whole number", tokens_per_grid
        )
    return Layout(
        length=len(ids),
        tokens_per_grid=int(tokens_per_grid) if video_runs else 0,
        video_runs=video_runs,
        audio_runs=_runs(ids == audio_id),
    )


def _runs(member: NDArray[np.bool_]) -> tuple[Run, ...]:
    edges = np.flatnonzero(np.diff(member.astype(np.int8), prepend=0, append=0))
    return tuple(
        Run(start, stop - start)
        for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    )


def _padded(runs: tuple[Run, ...], windows: int) -> tuple[int, ...]:
    return tuple(run.length for run in runs) + (0,) * (windows - len(runs))


def _positions(runs: tuple[Run, ...]) -> NDArray[np.int64]:
    if not runs:
        return np.empty(0, dtype=np.int64)
    return np.concatenate([np.arange(start, start + length) for start, length in runs])
