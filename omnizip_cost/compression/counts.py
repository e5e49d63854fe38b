"""How many tokens each rule keeps: the counting rules shared by plans and tensor selection.

``round`` is Python's (halves to even), as in the published code. Sources: OmniZip, Secs. 3.2-3.3,
and the published code's behaviour where the paper is silent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

Rounding = Literal["floor", "largest-remainder"]
ROUNDINGS: tuple[str, ...] = ("floor", "largest-remainder")

ANCHOR_SHARE = 0.05
"""Anchors per audio token: the published code's value; the paper gives none."""

MERGE = 3
"""G, audio tokens merged into each anchor: OmniZip, Fig. 8 (15 for audio-centred tasks)."""

DYCOKE_GROUP = 4
"""Consecutive grids (or audio tokens) in one DyCoke group, the first being the reference."""

_ABSORB = 1e-9
"""Absorbs binary rounding before a floor, and tells equal remainders: 10 * (1 - 0.9) is
0.9999999999999998."""


def kept_count(tokens: int, pruning: float) -> int:
    """Tokens kept of one modality at a pruning ratio: ``round((1 - rho) * N)``."""
    return round((1 - pruning) * tokens)


def anchor_stride(audio_tokens: int, rest: int, share: float = ANCHOR_SHARE) -> tuple[int, int]:
    """Return (number of anchors, stride) among ``rest`` non-salient audio tokens.

    Anchors sit at positions 0, stride, 2 * stride, ... of the non-salient tokens in order.
    Zero anchors come with stride 1.

    >>> anchor_stride(300, 90)
    (15, 6)
    """
    wanted = round(share * audio_tokens)
    if wanted <= 0 or rest <= 0:
        return 0, 1
    stride = max(1, rest // wanted)
    return min(wanted, -(-rest // stride)), stride


def audio_kept(
    audio_tokens: int, rho_a: float, *, anchor_share: float = ANCHOR_SHARE, merge: int = MERGE
) -> int:
    """Salient tokens plus anchors that OmniZip keeps of the whole clip's audio."""
    salient = kept_count(audio_tokens, rho_a)
    if merge == 0:
        return salient
    return salient + anchor_stride(audio_tokens, audio_tokens - salient, anchor_share)[0]


def grid_sizes(video_tokens: int, tokens_per_grid: int) -> tuple[int, ...]:
    """Sizes of a window's temporal grids; a remainder forms one short last grid."""
    whole, remainder = divmod(video_tokens, max(tokens_per_grid, 1))
    return (tokens_per_grid,) * whole + ((remainder,) if remainder else ())


def official_grid_kept(video_tokens: int, tokens_per_grid: int, rate: float) -> tuple[int, ...]:
    """Tokens kept in each grid of one window by the published code.

    A window of less than one grid is kept whole; a remainder after whole grids is dropped.
    """
    sizes = grid_sizes(video_tokens, tokens_per_grid)
    if len(sizes) == 1 and sizes[0] < tokens_per_grid:
        return sizes
    keep = int(tokens_per_grid * (1 - rate))
    return tuple(keep if size == tokens_per_grid else 0 for size in sizes)


def paper_grid_kept(
    windows: Sequence[int],
    tokens_per_grid: int,
    rates: Sequence[float],
    rounding: Rounding = "floor",
    *,
    budget: int,
) -> tuple[tuple[int, ...], ...]:
    """Tokens kept in each grid of each window; see :func:`kept_of_grids`.

    Parameters
    ----------
    windows : sequence of int
        Video tokens of each window.
    tokens_per_grid : int
    rates : sequence of float
        Video pruning rate of each window.
    rounding : {"floor", "largest-remainder"}
    budget : int
        Video tokens to keep of the clip: ``kept_count(V, rho_v)``.
    """
    import numpy as np

    sizes = [grid_sizes(video, tokens_per_grid) for video in windows]
    flat = np.array([size for window in sizes for size in window], dtype=np.float64)
    each = np.repeat(np.asarray(rates, dtype=np.float64), [len(window) for window in sizes])
    kept = iter(kept_of_grids(flat, each, rounding=rounding, budget=budget, xp=np).tolist())
    return tuple(tuple(int(next(kept)) for _ in window) for window in sizes)


def kept_of_grids(sizes: Any, rates: Any, *, rounding: Rounding, budget: int, xp: Any) -> Any:
    """Tokens that ``paper`` mode keeps of each grid.

    ``floor`` keeps ``int(P * (1 - rate))`` of each grid, so the clip keeps less than one token
    per grid below its budget. ``largest-remainder`` hands the tokens lost to rounding back to
    the grids with the largest fractional parts, earliest first, so that the clip's total is the
    budget, rounded once. Straight-line arithmetic, for arrays and tensors alike.

    Parameters
    ----------
    sizes, rates : array of float64, shape (grids,)
        Tokens of each grid of the clip, in prompt order, and the pruning rate of its window.
    rounding : {"floor", "largest-remainder"}
    budget : int
        Tokens to keep in all: ``kept_count(V, rho_v)``.
    xp : module
        ``numpy`` or ``torch``.

    Returns
    -------
    array of float64, shape (grids,)
        Whole numbers.
    """
    exact = sizes * (1 - rates)
    kept = xp.floor(exact + _ABSORB)
    if rounding == "floor":
        return kept
    remainders = xp.floor((exact - kept) / _ABSORB + 0.5)
    ranks = xp.argsort(xp.argsort(-remainders, stable=True))
    return kept + (ranks < budget - kept.sum())


def dycoke_drops(grids: int, tokens_per_grid: int, rho_v: float) -> tuple[int, ...]:
    """Tokens that DyCoke (V&A) drops from each grid of the clip.

    Grids go in groups of four; the first of each group is the reference and keeps everything.
    The others share the loss of ``rho_v`` of the whole clip evenly (4/3 of it each when the
    groups are full), the odd tokens falling on the earliest, and never lose more than they hold.
    """
    targets = [grid for grid in range(grids) if grid % DYCOKE_GROUP]
    drops = [0] * grids
    if targets:
        wanted = min(round(rho_v * grids * tokens_per_grid), len(targets) * tokens_per_grid)
        each, odd = divmod(wanted, len(targets))
        for place, grid in enumerate(targets):
            drops[grid] = each + (place < odd)
    return tuple(drops)


def dycoke_audio_drops(audio_tokens: int, rho_a: float) -> int:
    """Audio tokens that DyCoke (V&A) drops over the clip; references are never dropped."""
    references = -(-audio_tokens // DYCOKE_GROUP)
    return min(round(rho_a * audio_tokens), audio_tokens - references)
