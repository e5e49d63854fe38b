"""Where audio and video sit in the prompt: runs, windows, grids, and strips of them.

Host integers alone, shared by the selections that run and the count of what they cost. A prompt
of regular windows is a handful of strips, each of which one batched operator handles.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from numbers import Integral
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from omnizip_cost.compression.counts import grid_sizes
from omnizip_cost.errors import InvalidValueError

if TYPE_CHECKING:  # counting what a selection costs needs no arrays
    import numpy as np
    from numpy.typing import NDArray


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


class Strip(NamedTuple):
    """Equally long stretches of the prompt at equal distances: one view of its rows, no copy.

    A prompt of regular windows is a handful of strips, however long the clip.
    """

    start: int
    step: int
    repeats: int
    size: int


class WindowStrip(NamedTuple):
    """Windows of one shape with both modalities."""

    audio: Strip
    video: Strip
    first_audio: int
    """Number of the first audio token, counted over the clip; the strip's are consecutive."""


class GridStrip(NamedTuple):
    """Grids of one size, all with an even or all with an odd ordinal."""

    strip: Strip
    odd: bool
    first: int
    """Number of the first grid, counted over the clip."""
    stride: int
    """Distance of the others' numbers."""

    @property
    def numbers(self) -> slice:
        """Numbers of the strip's grids among all grids of the clip."""
        return slice(self.first, self.first + self.strip.repeats * self.stride, self.stride)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The runs of a prompt; window i pairs the i-th video run with the i-th audio run.

    Raises
    ------
    InvalidValueError
        Runs that are empty, out of order, overlapping or beyond the prompt, or no grid size.
    """

    length: int
    """L, tokens of the prompt."""
    tokens_per_grid: int
    """P, video tokens of one temporal grid; not looked at in a prompt without video."""
    video_runs: tuple[Run, ...]
    audio_runs: tuple[Run, ...]

    def __post_init__(self) -> None:
        if not _is_whole(self.length) or self.length < 0:
            _refuse("length", "a whole number, 0 or more", self.length)
        for name in ("video_runs", "audio_runs"):
            _check_runs(name, getattr(self, name), self.length)
        both = sorted(self.video_runs + self.audio_runs)
        for here, after in pairwise(both):
            if after.start < here.start + here.length:
                _refuse("video_runs and audio_runs", "apart from each other", (here, after))
        if self.video_runs and not (_is_whole(self.tokens_per_grid) and self.tokens_per_grid > 0):
            _refuse("tokens_per_grid", "a positive whole number", self.tokens_per_grid)

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

    @cached_property
    def video_strips(self) -> tuple[Strip, ...]:
        """All video tokens, window by window."""
        return tuple(_strip(self.video_runs[part]) for part in _alike(self.video_runs))

    @cached_property
    def window_strips(self) -> tuple[WindowStrip, ...]:
        """Windows that hold both modalities, those of one shape together."""
        pairs = list(zip(self.audio_runs, self.video_runs, strict=False))
        firsts = list(accumulate((run.length for run in self.audio_runs), initial=0))
        return tuple(
            WindowStrip(
                _strip(self.audio_runs[part]), _strip(self.video_runs[part]), firsts[part.start]
            )
            for part in _alike(*zip(*pairs, strict=True))
        )

    @cached_property
    def grid_strips(self) -> tuple[GridStrip, ...]:
        """Every temporal grid, those of one size and parity together."""
        found: list[GridStrip] = []
        first = 0
        for strip in self.video_strips:
            sizes = grid_sizes(strip.size, self.tokens_per_grid)
            found += _grid_strips(strip, sizes, first)
            first += strip.repeats * len(sizes)
        return tuple(found)

    @cached_property
    def grid_windows(self) -> NDArray[np.int64]:
        """Window of every grid, in prompt order."""
        return _whole_numbers(grid.window for grid in self.grids())

    @cached_property
    def grid_tokens(self) -> NDArray[np.int64]:
        """Tokens of every grid, in prompt order."""
        return _whole_numbers(grid.size for grid in self.grids())


def _check_runs(name: str, runs: tuple[Run, ...], length: int) -> None:
    if not isinstance(runs, tuple):
        _refuse(name, "a tuple of runs", runs)
    end = 0
    for run in runs:
        if not isinstance(run, Run) or not all(_is_whole(number) for number in run):
            _refuse(name, "runs of whole numbers, Run(start, length)", run)
        if run.length < 1:
            _refuse(name, "runs of one token or more", run)
        if run.start < end:
            _refuse(name, f"in order and apart, this one from position {end} on", run)
        end = run.start + run.length
        if end > length:
            _refuse(name, f"inside the prompt of {length} tokens", run)


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _refuse(field: str, must_be: str, value: object) -> NoReturn:
    raise InvalidValueError("layout", field, must_be, value)


def _alike(*rows: Sequence[Run]) -> Iterator[slice]:
    """Longest stretches of windows whose runs are equally long and advance by equal steps."""
    windows = list(zip(*rows, strict=True))
    first = 0
    while first < len(windows):
        last = first
        while last + 1 < len(windows) and _continues(windows, first, last):
            last += 1
        yield slice(first, last + 1)
        first = last + 1


def _continues(windows: Sequence[Sequence[Run]], first: int, last: int) -> bool:
    return all(
        after.length == here.length
        and (last == first or after.start - here.start == second.start - begin.start)
        for begin, second, here, after in zip(
            windows[first], windows[first + 1], windows[last], windows[last + 1], strict=True
        )
    )


def _strip(runs: Sequence[Run]) -> Strip:
    step = runs[1].start - runs[0].start if len(runs) > 1 else runs[0].length
    return Strip(runs[0].start, step, len(runs), runs[0].length)


def _grid_strips(strip: Strip, sizes: Sequence[int], first: int) -> Iterator[GridStrip]:
    """Grids of a strip of windows; the fewer of its windows and ordinals are taken in turn."""
    size, grids = sizes[0], len(sizes)
    whole = sum(tokens == size for tokens in sizes)
    for parity in (0, 1):
        ordinals = range(parity, whole, 2)
        if strip.repeats < len(ordinals):
            for window in range(strip.repeats):
                start = strip.start + window * strip.step + parity * size
                inside = Strip(start, 2 * size, len(ordinals), size)
                yield GridStrip(inside, bool(parity), first + window * grids + parity, 2)
        else:
            for ordinal in ordinals:
                across = Strip(strip.start + ordinal * size, strip.step, strip.repeats, size)
                yield GridStrip(across, bool(parity), first + ordinal, grids)
    if whole < grids:
        short = Strip(strip.start + whole * size, strip.step, strip.repeats, sizes[-1])
        yield GridStrip(short, bool(whole % 2), first + whole, grids)


def _padded(runs: tuple[Run, ...], windows: int) -> tuple[int, ...]:
    return tuple(run.length for run in runs) + (0,) * (windows - len(runs))


def _positions(runs: tuple[Run, ...]) -> NDArray[np.int64]:
    import numpy as np

    if not runs:
        return np.empty(0, dtype=np.int64)
    return np.concatenate([np.arange(start, start + length) for start, length in runs])


def _whole_numbers(numbers: Iterable[int]) -> NDArray[np.int64]:
    import numpy as np

    return np.fromiter(numbers, dtype=np.int64)
