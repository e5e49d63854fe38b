"""Names beside points, each where it touches nothing and is nearest to its own point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, hypot
from typing import Any, NamedTuple

from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox

from omnizip_cost.plotting.style import INK

POINTS_PER_IN = 72
_STEP = 3.0
"""Dots between the boxes that cover a line."""
_SIDES = ((1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0), (0.7, 0.7), (0.7, -0.7), (-0.7, 0.7),
          (-0.7, -0.7), (0.9, 0.4), (0.9, -0.4), (-0.9, 0.4), (-0.9, -0.4), (0.4, 0.9),
          (0.4, -0.9), (-0.4, 0.9), (-0.4, -0.9), (0.2, 1.0), (0.2, -1.0), (-0.2, 1.0),
          (-0.2, -1.0), (0.55, 0.85), (0.55, -0.85), (-0.55, 0.85), (-0.55, -0.85))  # fmt: skip
"""Directions from a point, best first."""
_REACHES = (1.0, 1.3, 1.7, 2.2)
"""Distances tried, in gaps: near, and farther where all near places are taken."""
_FAR = 0.15
"""Price of a gap more, as a share of the name's own area."""
_COVERED, _OUTSIDE = 4, 12
"""Price of a square dot on something else, and of one outside the panel."""


class Box(NamedTuple):
    """A rectangle in display units."""

    left: float
    bottom: float
    right: float
    top: float

    @classmethod
    def around(cls, x: float, y: float, half: float) -> Box:
        """Square about a point."""
        return cls(x - half, y - half, x + half, y + half)

    @property
    def area(self) -> float:
        """In square dots."""
        return (self.right - self.left) * (self.top - self.bottom)

    def shared(self, other: Box) -> float:
        """Area in common with another."""
        across = min(self.right, other.right) - max(self.left, other.left)
        up = min(self.top, other.top) - max(self.bottom, other.bottom)
        return across * up if across > 0 and up > 0 else 0.0

    def distance(self, x: float, y: float) -> float:
        """From a point outside to the nearest edge; 0 inside."""
        return hypot(
            max(self.left - x, x - self.right, 0.0), max(self.bottom - y, y - self.top, 0.0)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A point in data coordinates and what is to be written beside it."""

    x: float
    y: float
    name: str
    colour: str = INK


def name_points(
    ax: Any,
    points: Sequence[Named],
    *,
    gap_points: float = 4.5,
    keep_off: Sequence[Line2D] = (),
    taken: Sequence[Bbox] = (),
) -> None:
    """Write the names of points of one axes, once its figure was laid out by drawing it.

    Parameters
    ----------
    ax
    points
        In the order in which they choose their places.
    gap_points
        From the middle of a marker to its name.
    keep_off
        Lines of this axes that no name may cross.
    taken
        Boxes in display units that names must keep off.
    """
    frame = Box(*ax.get_window_extent().extents)
    gap = gap_points / POINTS_PER_IN * ax.figure.dpi
    spots = [tuple(ax.transData.transform((point.x, point.y))) for point in points]
    filled = [Box.around(x, y, 0.7 * gap) for x, y in spots]
    filled += [box for line in keep_off for box in _along(line)]
    filled += [Box(*box.extents) for box in taken]
    for at, (point, (x, y)) in enumerate(zip(points, spots, strict=True)):
        text = ax.annotate(
            point.name, (point.x, point.y), xytext=(0, 0), textcoords="offset points", fontsize=7,
            color=point.colour, ha="center", va="center", zorder=4, label="_name",
        )  # fmt: skip
        text.set_in_layout(False)
        extent = text.get_window_extent()
        others = [spot for index, spot in enumerate(spots) if index != at]
        box = _settled(x, y, (extent.width, extent.height), gap, frame, filled, others)
        middle = (box.left + box.right) / 2 - x, (box.bottom + box.top) / 2 - y
        text.set_position(tuple(POINTS_PER_IN / ax.figure.dpi * part for part in middle))
        filled.append(box)


def _settled(
    x: float,
    y: float,
    size: tuple[float, float],
    gap: float,
    frame: Box,
    filled: Sequence[Box],
    others: Sequence[tuple[float, float]],
) -> Box:
    """Return the first place that costs nothing, or the one that costs least."""
    found: list[tuple[float, int, Box]] = []
    for reach, box in _places(x, y, size, gap):
        price = _FAR * (reach - 1) * box.area + _COVERED * sum(
            box.shared(other) for other in filled
        )
        price += _OUTSIDE * (box.area - box.shared(frame))
        own = box.distance(x, y)
        price += 0.5 * sum(box.area for place in others if box.distance(*place) < own)
        if not price:
            return box
        found.append((price, len(found), box))
    return min(found)[2]


def _places(
    x: float, y: float, size: tuple[float, float], gap: float
) -> Iterator[tuple[float, Box]]:
    """Give places beside a point, each with how many gaps it is away."""
    wide, high = size
    for reach in _REACHES:
        for across, up in _SIDES:
            middle_x = x + across * gap * reach + _lean(across) * wide / 2
            middle_y = y + up * gap * reach + _lean(up) * high / 2
            yield reach, Box(middle_x - wide / 2, middle_y - high / 2,
                             middle_x + wide / 2, middle_y + high / 2)  # fmt: skip


def _lean(part: float) -> float:
    """How far a name leans to one side of its point: none, partly, wholly."""
    return max(-1.0, min(1.0, 1.6 * part))


def _along(line: Line2D) -> Iterator[Box]:
    """Cover a line with small boxes in display units, end to end."""
    corners = line.get_transform().transform(line.get_xydata())
    for (x0, y0), (x1, y1) in pairwise(corners):
        parts = max(1, ceil(max(abs(x1 - x0), abs(y1 - y0)) / _STEP))
        for part in range(parts + 1):
            share = part / parts
            yield Box.around(x0 + share * (x1 - x0), y0 + share * (y1 - y0), 1.5)
