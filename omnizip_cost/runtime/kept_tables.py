"""What was kept of a clip as tables: tokens, windows, and a few frames to show them on."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from omnizip_cost.compression import make_plan
from omnizip_cost.compression.windows import WindowRow, audio_keep
from omnizip_cost.results.row import FlatRow
from omnizip_cost.runtime.clip_selection import ClipSelection
from omnizip_cost.runtime.clip_times import TokenTimes, token_times
from omnizip_cost.workload.clip import Clip
from omnizip_cost.workload.lengths import SAMPLE_RATE_HZ
from omnizip_cost.workload.video import sampled_indices

SHOWN_PAIRS = 12
"""Pairs of grids of which pictures are stored, evenly chosen: a page holds no more."""
PICTURE_SIDE = 448
"""Longest side of a stored picture in pixels: an inch and a half at 300 dots."""
_JPEG_QUALITY = 88


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptWindow(WindowRow):
    """One window: its time, its rates, and how many of its tokens survived."""

    end_s: float
    audio_kept: int
    video_kept: int
    model: str
    rho_a: float
    nominal: float
    """Share of the clip's audio and video tokens that was asked for, anchors counted."""
    realised: float
    """Share of the clip's audio and video tokens that was kept."""
    video_features: str
    """What video tokens were compared by: pixels (proxy), encoder, random-weights encoder, none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptToken(FlatRow):
    """One audio or video token of the prompt."""

    token: int
    """Place in the prompt, counted from 0."""
    modality: str
    """``audio`` or ``video``."""
    window: int
    grid: int | None
    """Temporal grid of the clip; None for audio."""
    row: int | None
    """Row of the token in its grid, from the top; None for audio."""
    column: int | None
    """Column, from the left; None for audio."""
    start_s: float
    end_s: float
    kept: bool
    anchor: bool | None
    """Kept for others to be merged into, not for its own score (Sec. 3.2); None for video."""
    score: float | None
    """Audio score; None for video."""
    low: float | None
    """Least sample of the sound under the token, in [-1, 1]; None for video."""
    high: float | None
    """Largest sample of the sound under the token; None for video."""
    clip: str
    label: str
    mode: str
    scores: str
    video_features: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownGrid(FlatRow):
    """One temporal grid with its picture; the only row, without one, of a clip without video."""

    pair: int | None
    """Which two neighbouring grids of a window: counted over the clip."""
    pairs: int
    """Pairs in the clip, shown or not."""
    place: int | None
    """0 for the first grid of a pair (density peaks), 1 for the second (changes)."""
    grid: int | None
    window: int | None
    start_s: float | None
    end_s: float | None
    taken_s: float | None
    """Second of the film that is pictured: later than ``start_s`` where frames were capped."""
    rows: int | None
    """Tokens from top to bottom."""
    columns: int | None
    """Tokens from left to right."""
    picture: bytes | None
    """First frame of the grid, JPEG."""
    clip: str
    label: str
    scores: str
    video_features: str


def kept_windows(case: ClipSelection) -> list[KeptWindow]:
    """Rows of all windows, in order."""
    layout, pruning, times = case.layout, case.pruning, token_times(case.spec, case.workload)
    heard = [size > 0 for size in layout.audio_sizes]
    shares = iter(case.selection.retention.tolist())
    initial = iter(case.selection.initial_rates.tolist())
    rates = iter(case.selection.rates.tolist())
    audio = _per_window(case.keep[layout.audio_positions()], layout.audio_sizes)
    video = _per_window(case.keep[layout.video_positions()], layout.video_sizes)
    total = layout.audio_tokens + layout.video_tokens
    nominal = make_plan(
        "omnizip",
        case.workload,
        case.spec,
        audio_pruning=pruning.audio_pruning,
        video_pruning=pruning.video_pruning,
    ).retained
    return [
        KeptWindow(
            window=window,
            retention=next(shares) if heard[window] else None,
            initial_rate=next(initial) if heard[window] else None,
            rate=next(rates) if heard[window] else pruning.video_pruning,
            audio_tokens=layout.audio_sizes[window],
            audio_kept=audio[window],
            video_tokens=layout.video_sizes[window],
            video_kept=video[window],
            start_s=start,
            end_s=end,
            scores=case.scores,
            video_features=case.video_features,
            mode=pruning.mode,
            label=pruning.label,
            clip=case.clip.name,
            model=case.spec.name,
            rho_a=pruning.audio_pruning,
            rho_v=pruning.video_pruning,
            note="; ".join(case.notes),
            nominal=nominal,
            realised=(sum(audio) + sum(video)) / total,
        )
        for window, (start, end) in enumerate(times.windows)
    ]


def kept_tokens(case: ClipSelection) -> Iterator[KeptToken]:
    """Rows of all audio and video tokens: video in prompt order, then audio."""
    times = token_times(case.spec, case.workload)
    common = {
        "clip": case.clip.name,
        "label": case.pruning.label,
        "mode": case.pruning.mode,
        "scores": case.scores,
        "video_features": case.video_features,
    }
    yield from _video_tokens(case, times, common)
    yield from _audio_tokens(case, times, common)


def _video_tokens(
    case: ClipSelection, times: TokenTimes, common: dict[str, str]
) -> Iterator[KeptToken]:
    layout, columns = case.layout, _grid_shape(case)[1]
    survivors = _outcomes(case, layout.video_positions(), layout.video_sizes)
    for number, (token, window, kept) in enumerate(survivors):
        grid, cell = divmod(number, layout.tokens_per_grid)
        start, end = times.grid(grid)
        yield KeptToken(
            token=token, modality="video", window=window, grid=grid, row=cell // columns,
            column=cell % columns, start_s=start, end_s=end, kept=kept, anchor=None, score=None,
            low=None, high=None, **common,
        )  # fmt: skip


def _audio_tokens(
    case: ClipSelection, times: TokenTimes, common: dict[str, str]
) -> Iterator[KeptToken]:
    layout, scores = case.layout, case.audio_scores
    salient = audio_keep(scores, case.pruning.audio_pruning, merge=0).tolist()
    lows, highs = _extremes(case, times)
    survivors = _outcomes(case, layout.audio_positions(), layout.audio_sizes)
    for number, (token, window, kept) in enumerate(survivors):
        start, end = times.audio(number)
        yield KeptToken(
            token=token, modality="audio", window=window, grid=None, row=None, column=None,
            start_s=start, end_s=end, kept=kept, anchor=kept and not salient[number],
            score=float(scores[number]), low=lows[number], high=highs[number], **common,
        )  # fmt: skip


def _outcomes(
    case: ClipSelection, positions: NDArray[np.int64], sizes: tuple[int, ...]
) -> Iterator[tuple[int, int, bool]]:
    """Place in the prompt, window and fate of each token of one modality."""
    windows = np.repeat(np.arange(len(sizes)), sizes)
    return zip(positions.tolist(), windows.tolist(), case.keep[positions].tolist(), strict=True)


def shown_grids(case: ClipSelection, *, at_most: int = SHOWN_PAIRS) -> list[ShownGrid]:
    """Rows of an even choice of pairs of grids, with their pictures.

    Grids alternate inside a window: the first of a pair keeps its density peaks, the second what
    changed since the first. A window of 2 s holds one pair; one without an even number of grids
    ends in a pair of one.
    """
    pairs = _pairs(case)
    shown = {
        "clip": case.clip.name,
        "label": case.pruning.label,
        "scores": case.scores,
        "video_features": case.video_features,
    }
    frames = case.clip.frames
    if frames is None:
        return [
            ShownGrid(pair=None, pairs=0, place=None, grid=None, window=None, start_s=None,
                      end_s=None, taken_s=None, rows=None, columns=None, picture=None, **shown)
        ]  # fmt: skip
    times, (rows, columns) = token_times(case.spec, case.workload), _grid_shape(case)
    depth, taken = case.spec.vision.temporal_patch_size, _taken_s(case.clip)
    found = []
    for pair in even_choice(len(pairs), at_most):
        window, grids = pairs[pair]
        for place, grid in enumerate(grids):
            start, end = times.grid(grid)
            found.append(
                ShownGrid(
                    pair=pair, pairs=len(pairs), place=place, grid=grid, window=window,
                    start_s=start, end_s=end, taken_s=taken[grid * depth], rows=rows,
                    columns=columns, picture=_jpeg(frames[grid * depth]), **shown,
                )
            )  # fmt: skip
    return found


def even_choice(count: int, at_most: int) -> list[int]:
    """Spread at most ``at_most`` picks over ``count`` things, the first and the last among them.

    >>> even_choice(7, 12), even_choice(60, 4)
    ([0, 1, 2, 3, 4, 5, 6], [0, 20, 39, 59])
    """
    if count <= at_most:
        return list(range(count))
    step = (count - 1) / (at_most - 1)
    return [math.floor(pick * step + 0.5) for pick in range(at_most)]


def _pairs(case: ClipSelection) -> list[tuple[int, list[int]]]:
    """Window and grids of each pair. A grid belongs to the window that holds its first token."""
    size = case.layout.tokens_per_grid
    found, seen = [], 0
    for window, tokens in enumerate(case.layout.video_sizes):
        grids = (
            list(range(math.ceil(seen / size), math.ceil((seen + tokens) / size))) if size else []
        )
        found += [(window, grids[first : first + 2]) for first in range(0, len(grids), 2)]
        seen += tokens
    return found


def _taken_s(clip: Clip) -> list[float | None]:
    """Second of the film at which each sampled frame was taken, None where that is not known."""
    assert clip.frames is not None
    if not clip.source_fps:
        return [None] * len(clip.frames)
    indices = sampled_indices(clip.source_frames, len(clip.frames))
    return [index / clip.source_fps for index in indices]


def _grid_shape(case: ClipSelection) -> tuple[int, int]:
    """Tokens from top to bottom and from left to right of a grid; ones without video."""
    if case.workload.grid_thw is None:
        return 1, 1
    merge = case.spec.vision.merge_size
    return case.workload.grid_thw[1] // merge, case.workload.grid_thw[2] // merge


def _per_window(kept: NDArray[np.bool_], sizes: tuple[int, ...]) -> list[int]:
    edges = np.cumsum([0, *sizes])
    return [int(kept[start:stop].sum()) for start, stop in pairwise(edges)]


def _extremes(case: ClipSelection, times: TokenTimes) -> tuple[list[float], list[float]]:
    """Least and largest sample under each audio token; zeros where the sound has ended."""
    sound = case.clip.waveform
    lows: list[float] = []
    highs: list[float] = []
    if sound is None:
        return lows, highs
    for number in range(case.layout.audio_tokens):
        start, end = times.audio(number)
        part = sound[int(start * SAMPLE_RATE_HZ) : max(1, int(end * SAMPLE_RATE_HZ))]
        lows.append(float(part.min(initial=0.0)))
        highs.append(float(part.max(initial=0.0)))
    return lows, highs


def _jpeg(frame: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    image = Image.fromarray(frame)
    image.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
    held = io.BytesIO()
    image.save(held, format="JPEG", quality=_JPEG_QUALITY)
    return held.getvalue()
