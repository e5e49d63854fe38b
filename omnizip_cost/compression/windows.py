"""Window by window: audio kept there, and the video pruning rate that follows (as Fig. 7)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from omnizip_cost.compression.counts import ANCHOR_SHARE, MERGE, anchor_stride, kept_count
from omnizip_cost.compression.rates import Allocation
from omnizip_cost.results.row import FlatRow


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRow(FlatRow):
    """One window of an allocation."""

    window: int
    retention: float | None
    """Share of the window's audio tokens kept; None without audio."""
    initial_rate: float | None
    rate: float
    audio_tokens: int | None = None
    video_tokens: int | None = None
    start_s: float | None = None
    scores: str = "given"
    """Where the audio scores come from: given, proxy, encoder, random-weights encoder, none."""
    mode: str = "paper"
    label: str = ""
    clip: str = ""
    rho_v: float = 0.0
    note: str = ""
    """What the allocation has to say of itself, in every row alike."""


def audio_keep(
    scores: ArrayLike, rho_a: float, *, anchor_share: float = ANCHOR_SHARE, merge: int = MERGE
) -> NDArray[np.bool_]:
    """Salient tokens and anchors that OmniZip keeps, from the audio scores alone (Sec. 3.2).

    Parameters
    ----------
    scores : array, shape (N_a,)
        Audio scores of the whole clip, in prompt order.
    rho_a : float

    Returns
    -------
    array of bool, shape (N_a,)
    """
    values = np.asarray(scores, dtype=np.float64)
    keep = np.zeros(len(values), dtype=bool)
    keep[np.argsort(-values, kind="stable")[: kept_count(len(values), rho_a)]] = True
    rest = np.flatnonzero(~keep)
    anchors, stride = anchor_stride(len(values), len(rest), anchor_share)
    if merge:
        keep[rest[::stride][:anchors]] = True
    return keep


def window_retention(keep: ArrayLike, sizes: Sequence[int]) -> NDArray[np.float64]:
    """Share of audio kept in each window of ``sizes`` audio tokens; NaN where there is none."""
    kept = np.asarray(keep, dtype=bool)
    edges = np.cumsum([0, *sizes])
    return np.array(
        [kept[start:stop].mean() if stop > start else math.nan for start, stop in pairwise(edges)]
    )


def mean_rate(rows: Sequence[WindowRow]) -> float | None:
    """Mean rate that the windows with audio reach together, weighted by video tokens where known.

    As :attr:`Allocation.realised`; None where no window with audio has video.
    """
    heard = [row for row in rows if row.retention is not None]
    weights = [1 if row.video_tokens is None else row.video_tokens for row in heard]
    total = sum(weights)
    if not total:
        return None
    return math.fsum(w * row.rate for w, row in zip(weights, heard, strict=True)) / total


def window_rows(
    result: Allocation,
    *,
    audio_tokens: Sequence[int] | None = None,
    video_tokens: Sequence[int] | None = None,
    start_s: Sequence[float] | None = None,
    scores: str = "given",
    mode: str = "paper",
    label: str = "",
    clip: str = "",
) -> list[WindowRow]:
    """Rows of an allocation, one per window, ready to print or draw."""
    return [
        WindowRow(
            window=place,
            retention=None if math.isnan(share) else float(share),
            initial_rate=None if math.isnan(share) else float(initial),
            rate=float(rate),
            audio_tokens=None if audio_tokens is None else audio_tokens[place],
            video_tokens=None if video_tokens is None else video_tokens[place],
            start_s=None if start_s is None else start_s[place],
            scores=scores,
            mode=mode,
            label=label,
            clip=clip,
            rho_v=result.budget,
            note="; ".join(result.notes),
        )
        for place, (share, initial, rate) in enumerate(
            zip(result.retention, result.initial_rates, result.rates, strict=True)
        )
    ]
