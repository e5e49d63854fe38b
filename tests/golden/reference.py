"""OmniZip read aloud: one plain loop per sentence, no vectorisation, nothing shared with the code.

The test oracle for selection. It follows the description of the method (salient audio, anchors,
window rates, ISTC) word by word in float64 and imports nothing of the package.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass
class Reference:
    """What the oracle finds."""

    keep: np.ndarray
    embeddings: np.ndarray
    retention: list[float]
    initial: list[float]
    rates: list[float]


def cosine(left: np.ndarray, right: np.ndarray) -> float:
    return float((left / (norm(left) + 1e-6)) @ (right / (norm(right) + 1e-6)))


def norm(row: np.ndarray) -> float:
    return math.sqrt(float((row * row).sum()))


def runs_of(ids: list[int], wanted: int) -> list[list[int]]:
    """Positions of each unbroken run of one id."""
    runs: list[list[int]] = []
    for place, token in enumerate(ids):
        if token != wanted:
            continue
        if place > 0 and ids[place - 1] == wanted:
            runs[-1].append(place)
        else:
            runs.append([place])
    return runs


def best_first(values: list[float]) -> list[int]:
    return sorted(range(len(values)), key=lambda i: -values[i])


# -- audio ------------------------------------------------------------------------------------


def salient_audio(scores: list[float], rho_a: float) -> list[int]:
    return sorted(best_first(scores)[: round((1 - rho_a) * len(scores))])


def anchors_of(rest: list[int], tokens: int, share: float, merge: int) -> list[int]:
    wanted = round(share * tokens)
    if merge == 0 or wanted == 0 or not rest:
        return []
    step = max(1, len(rest) // wanted)
    return [rest[i] for i in range(0, len(rest), step)][:wanted]


def merged_audio(
    *,
    x: np.ndarray,
    audio: list[int],
    audio_window: list[int],
    video_runs: list[list[int]],
    rest: list[int],
    anchors: list[int],
    merge: int,
    mode: str,
) -> dict[int, np.ndarray]:
    """New embedding of each anchor."""
    if not anchors:
        return {}
    groups: dict[int, list[tuple[float, int]]] = {anchor: [] for anchor in anchors}
    for token in rest:
        if token in anchors:
            continue
        near = [cosine(x[audio[token]], x[audio[anchor]]) for anchor in anchors]
        home = max(range(len(anchors)), key=lambda i: near[i])
        window = audio_window[token]
        if mode == "official":
            seen = [place for run in video_runs for place in run]
        else:
            seen = video_runs[window] if window < len(video_runs) else []
        score = max((cosine(x[audio[token]], x[place]) for place in seen), default=near[home])
        groups[anchors[home]].append((score, token))
    new = {}
    for anchor, members in groups.items():
        best = sorted(members, key=lambda pair: -pair[0])[:merge]
        if not best:
            continue
        total = sum(math.exp(score) for score, _ in best)
        mean = sum(math.exp(score) / total * x[audio[token]] for score, token in best)
        new[anchor] = (x[audio[anchor]] + mean) / 2
    return new


# -- Algorithm 1 ------------------------------------------------------------------------------


def paper_rates(
    initial: list[float], sizes: list[int], rho_v: float, lo: float, hi: float
) -> list[float]:
    """One shift for all windows, found by halving an interval that surely holds it."""
    lo, hi = min(lo, rho_v), max(hi, rho_v)
    weights = sizes if sum(sizes) else [1] * len(sizes)

    def rates(shift: float) -> list[float]:
        return [min(max(rate + shift, lo), hi) for rate in initial]

    def mean(shift: float) -> float:
        return sum(w * r for w, r in zip(weights, rates(shift), strict=True)) / sum(weights)

    if rho_v in (lo, hi):
        return [rho_v] * len(initial)
    left, right = -2.0, 2.0
    for _ in range(200):
        middle = (left + right) / 2
        if mean(middle) < rho_v:
            left = middle
        else:
            right = middle
    return rates((left + right) / 2)


def official_rates(
    initial: list[float], sizes: list[int], rho_v: float, lo: float, hi: float
) -> list[float]:
    target = rho_v * sum(sizes)
    rates = [min(max(rate, lo), hi) for rate in initial]
    if len(rates) <= 2:
        return rates
    if abs(sum(n * r for n, r in zip(sizes, rates, strict=True)) - target) < 1e-3:
        return rates
    frozen = {initial.index(min(initial)), initial.index(max(initial))}
    others = [i for i in range(len(rates)) if i not in frozen]
    movable = sum(sizes[i] * rates[i] for i in others)
    if movable > 0:
        factor = (target - sum(sizes[i] * rates[i] for i in frozen)) / movable
        for i in others:
            rates[i] = min(max(rates[i] * factor, lo), hi)
    size = sum(sizes[i] for i in others)
    if size > 0:
        missing = target - sum(n * r for n, r in zip(sizes, rates, strict=True))
        for i in others:
            rates[i] = min(max(rates[i] + missing / size, lo), hi)
    return rates


# -- ISTC -------------------------------------------------------------------------------------


def grids_of(run: list[int], size: int) -> list[list[int]]:
    return [run[start : start + size] for start in range(0, len(run), size)]


def counts_of(
    windows: list[list[list[int]]],
    size: int,
    rates: list[float],
    mode: str,
    rounding: str,
    rho_v: float,
) -> list[list[int]]:
    """Tokens kept in each grid of each window; the clip's budget is what was asked, rounded."""
    if mode == "official":
        counts = []
        for grids, rate in zip(windows, rates, strict=True):
            if sum(map(len, grids)) < size:
                counts.append([len(grid) for grid in grids])
            else:
                counts.append(
                    [int(size * (1 - rate)) if len(grid) == size else 0 for grid in grids]
                )
        return counts
    exact = [
        [len(grid) * (1 - rate) for grid in grids]
        for grids, rate in zip(windows, rates, strict=True)
    ]
    counts = [[math.floor(share + 1e-9) for share in window] for window in exact]
    if rounding == "largest-remainder":
        tokens = sum(len(grid) for grids in windows for grid in grids)
        missing = round((1 - rho_v) * tokens) - sum(map(sum, counts))
        places = [(i, j) for i, window in enumerate(exact) for j in range(len(window))]
        places.sort(key=lambda at: -round(exact[at[0]][at[1]] - counts[at[0]][at[1]], 9))
        for i, j in places[:missing]:
            counts[i][j] += 1
    return counts


def density_peaks(x: np.ndarray, grid: list[int], mode: str) -> list[float]:
    size = len(grid)
    if size == 1:
        return [0.0]

    def distance(i: int, j: int) -> float:
        if mode == "official":
            return 1 - cosine(x[grid[i]], x[grid[j]])
        return norm(x[grid[i]] - x[grid[j]])

    table = [[distance(i, j) for j in range(size)] for i in range(size)]
    near = min(5, size - 1)
    power = 1 if mode == "official" else 2
    density = []
    for i in range(size):
        closest = sorted(table[i][j] ** power for j in range(size) if j != i)[:near]
        density.append(math.exp(-sum(closest) / near))
    scores = []
    for i in range(size):
        denser = [table[i][j] for j in range(size) if density[j] > density[i]]
        reach = min(denser) if denser else max(table[i][j] for j in range(size) if j != i)
        scores.append(density[i] * reach)
    return scores


def kept_video(
    x: np.ndarray, windows: list[list[list[int]]], counts: list[list[int]], mode: str
) -> list[int]:
    kept = []
    for grids, window_counts in zip(windows, counts, strict=True):
        for index, (grid, count) in enumerate(zip(grids, window_counts, strict=True)):
            if index % 2 == 0:
                values = density_peaks(x, grid, mode)
            else:
                before = grids[index - 1]
                values = [
                    -cosine(x[place], x[before[position]]) for position, place in enumerate(grid)
                ]
            kept += [grid[i] for i in best_first(values)[:count]]
    return kept


# -- everything -------------------------------------------------------------------------------


def reference_select(
    embeddings: np.ndarray,
    scores: np.ndarray,
    token_ids: np.ndarray,
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
    given_rates: list[float] | None = None,
) -> Reference:
    """Select as the description says; ``given_rates`` replaces the rates before counting.

    (Two computations of one rate may differ in the last bit, which ``int`` may turn into a token:
    a test compares the rates first and hands them on.)
    """
    ids = [int(token) for token in token_ids]
    x = np.array(embeddings, dtype=np.float64)
    audio_runs, video_runs = runs_of(ids, audio_id), runs_of(ids, video_id)
    audio = [place for run in audio_runs for place in run]
    audio_window = [window for window, run in enumerate(audio_runs) for _ in run]
    if audio_pruning == 0 and video_pruning == 0:
        return Reference(np.ones(len(ids), dtype=bool), x, [], [], [])

    salient = salient_audio([float(score) for score in scores], audio_pruning)
    rest = [token for token in range(len(audio)) if token not in salient]
    anchors = anchors_of(rest, len(audio), anchor_share, merge)
    new = merged_audio(
        x=x,
        audio=audio,
        audio_window=audio_window,
        video_runs=video_runs,
        rest=rest,
        anchors=anchors,
        merge=merge,
        mode=mode,
    )
    merged = x.copy()
    for anchor, row in new.items():
        merged[audio[anchor]] = row

    retention = []
    for window, run in enumerate(audio_runs):
        kept = sum(audio_window[token] == window for token in salient + anchors)
        share = kept / len(run)
        retention.append(float(np.float32(share)) if mode == "official" else share)
    initial = [rho_max - (rho_max - rho_min) * share for share in retention]
    sizes = [len(video_runs[i]) if i < len(video_runs) else 0 for i in range(len(audio_runs))]
    solve = paper_rates if mode == "paper" else official_rates
    rates = solve(initial, sizes, video_pruning, rho_min, rho_max) if initial else []

    used = list(given_rates if given_rates is not None else rates)
    used = (used + [video_pruning] * len(video_runs))[: len(video_runs)]
    windows = [grids_of(run, tokens_per_grid) for run in video_runs]
    counts = counts_of(windows, tokens_per_grid, used, mode, rounding, video_pruning)
    keep = np.array([token not in (audio_id, video_id) for token in ids])
    keep[[audio[token] for token in salient + anchors]] = True
    keep[kept_video(x, windows, counts, mode)] = True
    return Reference(keep, merged, retention, initial, rates)
