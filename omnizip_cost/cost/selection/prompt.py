"""What a selection works on: the prompt's rows, and how many kernels their layout takes.

A prompt of regular windows is a handful of strips (equal runs at equal distances), each of which
one batched kernel handles; a strip too large for one temporary tensor is cut into blocks. Both
rules are the selection's own, on an accelerator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from omnizip_cost.compression.counts import grid_sizes
from omnizip_cost.compression.plan import Plan, WindowPlan
from omnizip_cost.specs.spec import ThinkerSpec
from omnizip_cost.units import BYTES_PER_ELEMENT

BLOCK_ELEMENTS = 2**25
"""Elements of one temporary tensor on an accelerator: 128 MB in float32."""

WORKING = 4
"""Bytes of a number in float32, in which similarities are computed."""

INDEX = 8
"""Bytes of a token's number."""


class Place(NamedTuple):
    """One window: where it starts, counted from the first, and its tokens."""

    start: int
    video: int
    audio: int


class GridStrip(NamedTuple):
    """Grids of one size and parity that one batched kernel handles."""

    grids: int
    size: int
    odd: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A plan's prompt as its selection meets it: rows of d numbers in one dtype."""

    spec: ThinkerSpec
    plan: Plan
    dtype: str

    @property
    def d(self) -> int:
        """Width of a row."""
        return self.spec.text.hidden_size

    @property
    def rows(self) -> int:
        """Rows of the whole prompt, text included."""
        return self.plan.av_tokens + self.plan.text_tokens

    @property
    def width(self) -> int:
        """Bytes of one number of a row."""
        return BYTES_PER_ELEMENT[self.dtype]

    @property
    def half(self) -> int:
        """1 where rows are copied to float32 before anything is computed of them, else 0."""
        return int(self.dtype != "float32")

    def raised(self, numbers: int) -> int:
        """Bytes read and written to copy that many numbers to float32, if they are."""
        return self.half * numbers * (self.width + WORKING)

    def gathered(self, rows: int) -> int:
        """Bytes read and written to gather that many rows and to raise them."""
        return 2 * rows * self.d * self.width + self.raised(rows * self.d)

    def video_strips(self) -> Iterator[Sequence[Place]]:
        """Windows whose video runs are equally long and equally far apart, in prompt order."""
        seen = [place for place in _places(self.plan.windows) if place.video]
        return _alike(seen, lambda place: (place.video,))

    def window_strips(self) -> Iterator[Sequence[Place]]:
        """Windows of both modalities, those of one shape and distance together."""
        both = [place for place in _places(self.plan.windows) if place.video and place.audio]
        return _alike(both, lambda place: (place.video, place.audio))

    def grid_strips(self) -> Iterator[GridStrip]:
        """Grids of one size and parity together: along a window or across windows."""
        for windows in self.video_strips():
            sizes = grid_sizes(windows[0].video, self.plan.tokens_per_grid or 0)
            whole = sum(size == sizes[0] for size in sizes)
            for parity in (0, 1):
                along, across = len(range(parity, whole, 2)), len(windows)
                for _ in range(min(along, across)):
                    yield GridStrip(max(along, across), sizes[0], bool(parity))
            if whole < len(sizes):
                yield GridStrip(len(windows), sizes[-1], bool(whole % 2))


def pieces(count: int, elements_each: int) -> int:
    """Blocks into which ``count`` items are cut so that none holds too many elements."""
    most = max(1, BLOCK_ELEMENTS // max(1, elements_each))
    step = -(-count // max(1, -(-count // most))) if count else 1
    return -(-count // step)


def _places(windows: Sequence[WindowPlan]) -> list[Place]:
    lengths = [window.video_tokens + window.audio_tokens for window in windows]
    return [
        Place(start, window.video_tokens, window.audio_tokens)
        for start, window in zip(accumulate([0, *lengths]), windows, strict=False)
    ]


def _alike(
    places: Sequence[Place], shape: Callable[[Place], tuple[int, ...]]
) -> Iterator[Sequence[Place]]:
    """Longest stretches of windows of one shape that start at equal distances."""
    first = 0
    while first < len(places):
        last = first
        while last + 1 < len(places) and shape(places[last + 1]) == shape(places[first]):
            step = places[last + 1].start - places[last].start
            if step != places[first + 1].start - places[first].start:
                break
            last += 1
        yield places[first : last + 1]
        first = last + 1
