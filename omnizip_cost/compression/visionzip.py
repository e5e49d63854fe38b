"""How many tokens VisionZip-style selection keeps of each grid, shared by plans and tensors.

Source: VisionZip (arXiv 2412.04467): *dominant* tokens receive the most attention in the vision
encoder; of the remaining ones, uniformly spaced *targets* absorb the others and become
*contextual* tokens. Its image settings of 64, 128 and 192 tokens hold 54, 108 and 162 dominant
ones, the same share each time. The paper prunes single images; how a clip's ratio becomes counts
per temporal grid is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from omnizip_cost.compression.counts import grid_sizes, kept_count

DOMINANT_SHARE = 54 / 64
"""Dominant tokens per kept token: VisionZip's settings for 64, 128 and 192 tokens, all three."""


class GridSplit(NamedTuple):
    """One temporal grid of ``size`` tokens, of which ``dominant + contextual`` are kept."""

    size: int
    dominant: int
    contextual: int

    @property
    def kept(self) -> int:
        """Tokens kept of the grid."""
        return self.dominant + self.contextual

    @property
    def rest(self) -> int:
        """Tokens that are not dominant: the contextual ones and those merged or dropped."""
        return self.size - self.dominant

    @property
    def stride(self) -> int:
        """Distance between targets among the rest, counted in its tokens; 1 without targets.

        Targets sit at positions 0, stride, 2 * stride, ... of the rest in prompt order, as in the
        published code.
        """
        return self.rest // self.contextual if self.contextual else 1

    @property
    def targets(self) -> slice:
        """Which of the rest are targets."""
        return slice(0, self.contextual * self.stride, self.stride)


def split_grid(size: int, kept: int) -> GridSplit:
    """Split the ``kept`` tokens of a grid into dominant and contextual ones.

    ``round(54/64 * kept)`` are dominant (halves to even). A grid kept whole has dominant tokens
    only: nothing is left over to merge.

    >>> split_grid(576, 64)
    GridSplit(size=576, dominant=54, contextual=10)
    >>> split_grid(144, 144)
    GridSplit(size=144, dominant=144, contextual=0)
    """
    dominant = kept if kept >= size else round(DOMINANT_SHARE * kept)
    return GridSplit(size, dominant, kept - dominant)


def visionzip_splits(
    windows: Sequence[int], tokens_per_grid: int, rho_v: float
) -> tuple[tuple[GridSplit, ...], ...]:
    """Split every grid of every window at a video pruning ratio.

    The first k grids of the clip together keep ``round((1 - rho_v) * their tokens)``, for every
    k: the clip keeps :func:`~omnizip_cost.compression.counts.kept_count` exactly, each grid is
    within one token of its share, and the odd tokens are spread over the clip. A window's
    remainder after whole grids is one short last grid like any other.

    Parameters
    ----------
    windows : sequence of int
        Video tokens of each window (0 without video).
    tokens_per_grid : int
        P, video tokens of a whole grid.
    rho_v : float
        Share of the video tokens to drop, in [0, 1].

    Returns
    -------
    tuple per window of :class:`GridSplit` per grid
    """
    seen = 0
    splits = []
    for video_tokens in windows:
        window = []
        for size in grid_sizes(video_tokens, tokens_per_grid):
            kept = kept_count(seen + size, rho_v) - kept_count(seen, rho_v)
            window.append(split_grid(size, kept))
            seen += size
        splits.append(tuple(window))
    return tuple(splits)
