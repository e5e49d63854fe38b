"""OmniZip as it reads, in torch: one anchor at a time, one grid at a time, frozen.

The plain reference that the product is compared with: at real sizes for parity, and for the ratio
of speeds. It is what a careful reader would write on the first day: ``cosine`` normalises both
sides whenever it is called, and the host waits wherever a number is looked at. It imports nothing
of the package. Only two things are done better than the first day would, both for the sake of
comparison: equal scores go to the earliest token, and the density peaks of ``paper`` mode are
compared by their logarithm, because exp(-distance^2) is zero for every token at a model's width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import torch

EPSILON = 1e-6
NEIGHBOURS = 5


class Cut(NamedTuple):
    """One grid and how many of its tokens stay; ``ordinal`` counts from 0 in each window."""

    start: int
    size: int
    ordinal: int
    kept: int


@dataclass
class Plain:
    """What was selected, and what the selection looked at."""

    keep: torch.Tensor
    embeddings: torch.Tensor
    retention: list[float] = field(default_factory=list)
    initial: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    anchors: list[int] = field(default_factory=list)
    others: list[int] = field(default_factory=list)
    """Audio tokens that are neither salient nor anchors."""
    cuts: list[Cut] = field(default_factory=list)


def plain_select(
    embeddings: torch.Tensor,
    scores: torch.Tensor,
    token_ids: torch.Tensor,
    *,
    audio_id: int,
    video_id: int,
    tokens_per_grid: int,
    audio_pruning: float,
    video_pruning: float,
    anchor_share: float = 0.05,
    merge: int = 3,
    mode: str = "paper",
    rho_min: float = 0.35,
    rho_max: float = 0.75,
    rounding: str = "floor",
    dtype: torch.dtype | None = None,
    given_rates: list[float] | None = None,
) -> Plain:
    """Select as the description says.

    ``dtype`` is what similarities are computed in: the embeddings' own when left out, as a plain
    half-precision run would. ``given_rates`` (one per window with audio) replaces the rates before
    counting: two computations of one rate may differ in the last bit, which ``int`` may turn into
    a token.
    """
    keep = torch.ones(len(token_ids), dtype=torch.bool, device=embeddings.device)
    if audio_pruning == 0 and video_pruning == 0:
        return Plain(keep, embeddings)
    x = embeddings.to(dtype or embeddings.dtype)
    ids = token_ids.tolist()
    audio_runs, video_runs = runs(ids, audio_id), runs(ids, video_id)
    audio = [place for run in audio_runs for place in run]

    best = ranked(scores)[: round((1 - audio_pruning) * len(audio))].tolist()
    salient = set(best)
    rest = [token for token in range(len(audio)) if token not in salient]
    anchors = strided(rest, round(anchor_share * len(audio))) if merge else []
    others = [token for token in rest if token not in set(anchors)]
    merged = merge_audio(x, embeddings, audio_runs, video_runs, anchors, others, merge, mode)

    survives = torch.zeros(len(audio), dtype=torch.bool, device=embeddings.device)
    survives[best] = True
    survives[anchors] = True
    keep[audio] = survives
    retention = []
    for run in audio_runs:
        share = keep[run].to(torch.float32 if mode == "official" else torch.float64).mean()
        retention.append(share.item())
    initial = [rho_max - (rho_max - rho_min) * share for share in retention]
    sizes = [len(video_runs[i]) if i < len(video_runs) else 0 for i in range(len(audio_runs))]
    solve = official_rates if mode == "official" else paper_rates
    rates = solve(initial, sizes, video_pruning, rho_min, rho_max) if initial else []

    used = list(rates if given_rates is None else given_rates)
    used = (used + [video_pruning] * len(video_runs))[: len(video_runs)]
    cuts = cut(video_runs, tokens_per_grid, used, mode, rounding, video_pruning)
    for run in video_runs:
        keep[run] = False
    for grid in cuts:
        rows = x[grid.start : grid.start + grid.size]
        if grid.ordinal % 2 == 0:
            values = density_peaks(rows, mode)
        else:
            before = x[grid.start - tokens_per_grid :][: grid.size]
            values = -(unit(rows) * unit(before)).sum(dim=1)
        for token in ranked(values)[: grid.kept].tolist():
            keep[grid.start + token] = True
    return Plain(keep, merged, retention, initial, rates, anchors, others, cuts)


def runs(ids: list[int], wanted: int) -> list[list[int]]:
    """Positions of each unbroken run of one id."""
    found: list[list[int]] = []
    for place, token in enumerate(ids):
        if token == wanted:
            if place and ids[place - 1] == wanted:
                found[-1].append(place)
            else:
                found.append([place])
    return found


def ranked(values: torch.Tensor) -> torch.Tensor:
    """Indices from the highest value to the lowest, the earliest of equals first."""
    return torch.sort(values, descending=True, stable=True).indices


def unit(rows: torch.Tensor) -> torch.Tensor:
    """Rows of length one: divided by their norm plus 1e-6 (Eq. 4)."""
    return rows / (rows.norm(dim=-1, keepdim=True) + EPSILON)


def cosine(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Cosine of every row of one side with every row of the other."""
    return unit(left) @ unit(right).T


# -- audio ------------------------------------------------------------------------------------


def strided(rest: list[int], wanted: int) -> list[int]:
    """``wanted`` anchors among the rest, at a uniform stride from the first."""
    if not rest or not wanted:
        return []
    return rest[:: max(1, len(rest) // wanted)][:wanted]


def merge_audio(
    x: torch.Tensor,
    embeddings: torch.Tensor,
    audio_runs: list[list[int]],
    video_runs: list[list[int]],
    anchors: list[int],
    others: list[int],
    merge: int,
    mode: str,
) -> torch.Tensor:
    """Embeddings in which each anchor has taken in the best of its group."""
    merged = embeddings.clone()
    if not anchors or not others:
        return merged
    audio = [place for run in audio_runs for place in run]
    window = [index for index, run in enumerate(audio_runs) for _ in run]
    video = x[[place for run in video_runs for place in run]]
    near = cosine(x[[audio[i] for i in others]], x[[audio[i] for i in anchors]]).max(dim=1)
    home = near.indices
    for index, anchor in enumerate(anchors):
        members = (home == index).nonzero()[:, 0].tolist()
        if not members:
            continue
        score = near.values[members]
        if mode == "official" and len(video):
            rows = x[[audio[others[member]] for member in members]]
            score = cosine(rows, video).max(dim=1).values
        elif mode == "paper":
            windows = [window[others[member]] for member in members]
            for seen in set(windows):
                if seen < len(video_runs):
                    here = [i for i, other in enumerate(windows) if other == seen]
                    rows = x[[audio[others[members[i]]] for i in here]]
                    score[here] = cosine(rows, x[video_runs[seen]]).max(dim=1).values
        best = ranked(score)[:merge]
        weights = torch.softmax(score[best], dim=0)
        rows = x[[audio[others[members[i]]] for i in best.tolist()]]
        place = audio[anchor]
        merged[place] = ((x[place] + (weights[:, None] * rows).sum(dim=0)) / 2).to(merged.dtype)
    return merged


# -- Algorithm 1 ------------------------------------------------------------------------------


def paper_rates(
    initial: list[float], sizes: list[int], rho_v: float, lo: float, hi: float
) -> list[float]:
    """One shift for all windows: walk over the breakpoints, then draw the line between two."""
    if not lo < rho_v < hi:
        return [rho_v] * len(initial)
    weights = sizes if sum(sizes) else [1] * len(sizes)

    def shifted(shift: float) -> list[float]:
        return [min(max(rate + shift, lo), hi) for rate in initial]

    def mean(shift: float) -> float:
        parts = [weight * rate for weight, rate in zip(weights, shifted(shift), strict=True)]
        return math.fsum(parts) / sum(weights)

    corners = sorted([lo - rate for rate in initial] + [hi - rate for rate in initial])
    left = corners[0]
    for right in corners[1:]:
        if mean(right) >= rho_v:
            low, high = mean(left), mean(right)
            part = (rho_v - low) / (high - low) if high > low else 0.0
            return shifted(left + part * (right - left))
        left = right
    return shifted(left)


def official_rates(
    initial: list[float], sizes: list[int], rho_v: float, lo: float, hi: float
) -> list[float]:
    """Clip, freeze the two extremes, scale the others, spread what is missing, clip."""
    target = rho_v * sum(sizes)
    rates = [min(max(rate, lo), hi) for rate in initial]

    def total(places: list[int]) -> float:
        return sum(sizes[i] * rates[i] for i in places)

    every = list(range(len(rates)))
    if len(rates) <= 2 or abs(total(every) - target) < 1e-3:
        return rates
    frozen = sorted({initial.index(min(initial)), initial.index(max(initial))})
    moving = [i for i in every if i not in frozen]
    if moving and total(moving) > 0:
        factor = (target - total(frozen)) / total(moving)
        for i in moving:
            rates[i] = min(max(rates[i] * factor, lo), hi)
    if sum(sizes[i] for i in moving) > 0:
        more = (target - total(every)) / sum(sizes[i] for i in moving)
        for i in moving:
            rates[i] = min(max(rates[i] + more, lo), hi)
    return rates


# -- ISTC -------------------------------------------------------------------------------------


def cut(
    video_runs: list[list[int]],
    size: int,
    rates: list[float],
    mode: str,
    rounding: str,
    rho_v: float,
) -> list[Cut]:
    """Every grid of the clip with the number of tokens it keeps."""
    cuts, fractions = [], []
    for run, rate in zip(video_runs, rates, strict=True):
        for ordinal, first in enumerate(range(0, len(run), size)):
            held = min(size, len(run) - first)
            if mode == "official":
                short = held if len(run) < size else 0
                kept = int(size * (1 - rate)) if held == size else short
            else:
                kept = math.floor(held * (1 - rate) + 1e-9)
            cuts.append(Cut(run[first], held, ordinal, kept))
            fractions.append(held * (1 - rate))
    if mode == "paper" and rounding == "largest-remainder":
        asked = (1 - rho_v) * sum(grid.size for grid in cuts)
        missing = round(asked) - sum(grid.kept for grid in cuts)
        left = [round(share - grid.kept, 9) for share, grid in zip(fractions, cuts, strict=True)]
        for i in sorted(range(len(cuts)), key=lambda i: -left[i])[:missing]:
            cuts[i] = cuts[i]._replace(kept=cuts[i].kept + 1)
    return cuts


def density_peaks(rows: torch.Tensor, mode: str) -> torch.Tensor:
    """DPC-KNN score of each token of one grid (Eqs. 7-8)."""
    size = len(rows)
    if size == 1:
        return rows.new_zeros(1)
    if mode == "official":
        spread = distance = 1 - cosine(rows, rows)
    else:
        exact = rows if rows.dtype == torch.float64 else rows.float()
        distance = torch.cdist(exact, exact).to(rows.dtype)
        spread = distance**2
    others = spread.clone()
    others.fill_diagonal_(math.inf)
    sparsity = others.topk(min(NEIGHBOURS, size - 1), largest=False).values.mean(dim=1)
    density = torch.exp(-sparsity) if mode == "official" else -sparsity
    reach = torch.empty_like(density)
    for token in range(size):
        denser = distance[token][density > density[token]]
        reach[token] = denser.min() if len(denser) else distance[token].max()
    return density * reach if mode == "official" else torch.log(reach) - sparsity
