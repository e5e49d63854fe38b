"""Where two careful computations may differ: scores that tie within rounding, and nowhere else.

Everything is computed in float64 with an interval around each score, as wide as the rounding of
the dtype that is judged. A token's distance to a denser one jumps when two densities tie, so the
interval follows every order of densities that rounding allows. A choice of tokens is *possible*
when no token left out surely scores above a token kept.
"""

from __future__ import annotations

import math

import torch
from golden.plain import Cut, cosine, unit

ROUNDINGS = 8
"""Rounding errors granted to a cosine, or to a squared distance in units of the rows' size."""


def possible_choice(
    kept: torch.Tensor, low: torch.Tensor, high: torch.Tensor, *, count: int
) -> bool:
    """Whether ``kept`` (bool, one grid) may be the ``count`` best of scores in [low, high]."""
    if int(kept.sum()) != count:
        return False
    if count in (0, len(kept)):
        return True
    return bool(high[kept].min() >= low[~kept].max())


def grid_interval(
    x: torch.Tensor, grid: Cut, tokens_per_grid: int, *, mode: str, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """Lowest and highest score of each token of one grid when computed in ``dtype``.

    ``x`` holds the prompt's rows in float64, shape (L, d).
    """
    rows = x[grid.start : grid.start + grid.size]
    slack = ROUNDINGS * torch.finfo(dtype).eps
    if grid.ordinal % 2:
        before = x[grid.start - tokens_per_grid :][: grid.size]
        change = -(unit(rows) * unit(before)).sum(dim=1)
        return change - slack, change + slack
    if grid.size == 1:
        return torch.zeros(1, dtype=x.dtype), torch.zeros(1, dtype=x.dtype)
    if mode == "official":
        spread = 1 - cosine(rows, rows)
    else:
        slack *= float((rows - rows.mean(dim=0)).square().sum(dim=1).max())
        spread = (rows[:, None] - rows[None]).square().sum(dim=2)
    apart = spread.clone().fill_diagonal_(math.inf)
    sparsity = apart.topk(min(5, grid.size - 1), largest=False).values.mean(dim=1)
    gap = sparsity[:, None] - sparsity[None, :]
    itself = torch.eye(grid.size, dtype=torch.bool)
    nearest_sure = spread.masked_fill(~(gap > 2 * slack), math.inf).amin(dim=1)
    nearest_maybe = spread.masked_fill(~(gap > -2 * slack) | itself, math.inf).amin(dim=1)
    farthest = spread.amax(dim=1)
    reach_low = torch.where(nearest_maybe.isinf(), farthest, nearest_maybe)
    reach_high = torch.where(nearest_sure.isinf(), farthest, nearest_sure)
    if mode == "official":
        low = torch.exp(-sparsity - slack) * (reach_low - slack)
        return low, torch.exp(-sparsity + slack) * (reach_high + slack)
    low = torch.log((reach_low - slack).clamp(min=0)) / 2 - sparsity - slack
    return low, torch.log(reach_high + slack) / 2 - sparsity + slack


def settled_anchors(
    x: torch.Tensor,
    audio: list[int],
    relevance: torch.Tensor | None,
    anchors: list[int],
    others: list[int],
    *,
    merge: int,
    dtype: torch.dtype,
) -> list[int]:
    """Anchors whose group and whose best members no rounding of ``dtype`` can change.

    ``relevance`` holds the audio-video cosine of each of ``others``, NaN where there is no video.
    """
    if not anchors or not others:
        return anchors
    slack = 2 * ROUNDINGS * torch.finfo(dtype).eps
    near = cosine(x[[audio[i] for i in others]], x[[audio[i] for i in anchors]])
    home = near.argmax(dim=1)
    contested = near >= near.amax(dim=1, keepdim=True) - slack
    doubtful = contested[contested.sum(dim=1) > 1].any(dim=0)
    score = near.amax(dim=1)
    if relevance is not None:
        score = torch.where(relevance.isnan(), score, relevance)
    settled = []
    for index, anchor in enumerate(anchors):
        best = score[home == index].sort(descending=True).values
        tied = len(best) > merge and float(best[merge - 1] - best[merge]) <= slack
        if not tied and not doubtful[index]:
            settled.append(anchor)
    return settled
