"""A strip of frames, token by token: kept ones in their colours, dropped ones pale and grey."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from matplotlib.axes import Axes
from matplotlib.image import imread
from matplotlib.patches import PathPatch, Polygon
from matplotlib.path import Path

from omnizip_cost.plotting.style import INK
from omnizip_cost.plotting.tablerows import Row, grouped

Cell = tuple[int, int]
"""Row and column of a token in its grid."""

LEADER_IN = 0.13
"""Height of the bands that lead from frames to their time."""
_GAP_IN = 0.035
_SMALLEST_IN2 = {"column": 0.115, "page": 0.3}
"""Area below which tokens of a picture are too small to be told apart."""
_TALLEST_IN = {"column": 0.7, "page": 1.0}
_PALE: dict[str, Any] = {"cmap": "gray", "vmin": -1000, "vmax": 290}
"""Dropped tokens: black is shown at 78% of white, white at 97%."""
_LEADER = "#F0F0F0"
_TITLES = ("density\npeaks", "largest\nchange")
"""How the first and the second grid of a pair choose their tokens (OmniZip, Sec. 3.3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """Which pairs of grids are shown and how large, in inches of the printed page."""

    pairs: tuple[tuple[Row, ...], ...]
    width_in: float
    picture_in: tuple[float, float]
    """Width and height of one picture."""
    ranks: int
    """Rows of pictures: 2, or 1 where no pair has a second grid."""

    @property
    def height_in(self) -> float:
        """Height of the pictures with the bands below them; 0 without pictures."""
        if not self.pairs:
            return 0.0
        return self.ranks * (self.picture_in[1] + _GAP_IN) + LEADER_IN


def plan_strip(grids: Sequence[Row], *, width: str, width_in: float) -> Strip:
    """Choose as many pairs, evenly spread, as stay legible side by side."""
    pictured = [row for row in grids if row["picture"] is not None]
    if not pictured:
        return Strip(pairs=(), width_in=width_in, picture_in=(0.0, 0.0), ranks=0)
    pairs = [tuple(members) for members in grouped(pictured, "pair").values()]
    aspect = pictured[0]["columns"] / pictured[0]["rows"]
    fitting = max(1, math.floor(width_in / math.sqrt(_SMALLEST_IN2[width] * aspect)))
    if len(pairs) > fitting:
        step = (len(pairs) - 1) / max(1, fitting - 1)
        pairs = [pairs[math.floor(pick * step + 0.5)] for pick in range(fitting)]
    wide = min(width_in / len(pairs) - _GAP_IN, _TALLEST_IN[width] * aspect)
    return Strip(
        pairs=tuple(pairs),
        width_in=width_in,
        picture_in=(wide, wide / aspect),
        ranks=max(len(pair) for pair in pairs),
    )


def draw_strip(
    ax: Axes, strip: Strip, kept: dict[int, set[Cell]], span_s: tuple[float, float]
) -> None:
    """Draw the pictures, and bands that lead from each pair to its place on the time axis.

    Parameters
    ----------
    ax
        As wide and high as the strip; it is given inches as its units.
    kept
        Grid of the clip -> cells of its surviving tokens.
    span_s
        First and last second of the time axis below, which is as wide.
    """
    ax.set_xlim(0.0, strip.width_in)
    ax.set_ylim(0.0, strip.height_in)
    ax.set_axis_off()
    wide, high = strip.picture_in
    slot = strip.width_in / len(strip.pairs)
    floor = strip.height_in - strip.ranks * (high + _GAP_IN) + _GAP_IN / 2
    for number, pair in enumerate(strip.pairs):
        left = slot * (number + 0.5) - wide / 2
        bottoms = []
        for row in pair:
            bottom = strip.height_in - (int(row["place"]) + 1) * (high + _GAP_IN) + _GAP_IN
            bottoms.append(bottom)
            _draw_grid(ax, row, kept.get(int(row["grid"]), set()), (left, bottom, wide, high))
        _draw_leader(ax, pair, (left, left + wide), min(floor, *bottoms), strip, span_s)
    for rank in range(strip.ranks):
        middle = strip.height_in - rank * (high + _GAP_IN) - high / 2
        ax.text(-0.06, middle, _TITLES[rank], ha="right", va="center", fontsize=7, color=INK,
                linespacing=1.1)  # fmt: skip


def _draw_grid(ax: Axes, row: Row, kept: set[Cell], box: tuple[float, float, float, float]) -> None:
    """Draw one picture twice: pale all over, and in colour inside the kept tokens' outline."""
    left, bottom, wide, high = box
    extent = (left, left + wide, bottom, bottom + high)
    picture: Any = imread(io.BytesIO(row["picture"]), format="jpg")
    pale = ax.imshow(picture[..., 1], extent=extent, aspect="auto", zorder=2, **_PALE)
    pale.set_label("_pale")
    if not kept:
        return
    cell = (wide / int(row["columns"]), high / int(row["rows"]))
    outline = kept_path(kept, (left, bottom + high), cell)
    lit = ax.imshow(picture, extent=extent, aspect="auto", zorder=3, label="_kept")
    lit.set_clip_path(outline, ax.transData)
    edges = PathPatch(border_path(kept, (left, bottom + high), cell), facecolor="none",
                      edgecolor=INK, linewidth=0.35, zorder=4, label="_border")  # fmt: skip
    ax.add_patch(edges)


def _draw_leader(
    ax: Axes,
    pair: Sequence[Row],
    above: tuple[float, float],
    top: float,
    strip: Strip,
    span_s: tuple[float, float],
) -> None:
    scale = strip.width_in / (span_s[1] - span_s[0])
    first = (float(pair[0]["start_s"]) - span_s[0]) * scale
    last = min((float(pair[-1]["end_s"]) - span_s[0]) * scale, strip.width_in)
    corners = [(above[0], top), (above[1], top), (last, 0.0), (first, 0.0)]
    ax.add_patch(Polygon(corners, facecolor=_LEADER, linewidth=0, zorder=1, label="_leader"))


def kept_path(kept: set[Cell], corner: tuple[float, float], cell: tuple[float, float]) -> Path:
    """Rectangles of the kept cells as one path; neighbours in a row are one rectangle.

    Parameters
    ----------
    corner
        Upper left corner of the picture.
    cell
        Width and height of a cell.
    """
    boxes = []
    for row, members in groupby(sorted(kept), key=lambda place: place[0]):
        for first, last in _runs([column for _, column in members]):
            left, right = corner[0] + first * cell[0], corner[0] + (last + 1) * cell[0]
            top, bottom = corner[1] - row * cell[1], corner[1] - (row + 1) * cell[1]
            boxes.append(
                Path([(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)],
                     closed=True)
            )  # fmt: skip
    return Path.make_compound_path(*boxes)


def border_path(kept: set[Cell], corner: tuple[float, float], cell: tuple[float, float]) -> Path:
    """Lines between kept cells and all others."""
    points: list[tuple[float, float]] = []
    for row, column in sorted(kept):
        left, top = corner[0] + column * cell[0], corner[1] - row * cell[1]
        right, bottom = left + cell[0], top - cell[1]
        for neighbour, line in (
            ((row - 1, column), ((left, top), (right, top))),
            ((row + 1, column), ((left, bottom), (right, bottom))),
            ((row, column - 1), ((left, top), (left, bottom))),
            ((row, column + 1), ((right, top), (right, bottom))),
        ):
            if neighbour not in kept:
                points += line
    return Path(points, [Path.MOVETO, Path.LINETO] * (len(points) // 2))


def _runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """First and last of each unbroken run of rising numbers."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs
