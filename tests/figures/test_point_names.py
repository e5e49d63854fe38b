"""Names beside points: near their own, off each other, off lines and inside the panel."""

from __future__ import annotations

from itertools import combinations
from math import hypot

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from omnizip_cost.plotting.point_names import Named, name_points
from omnizip_cost.plotting.style import styled


@styled
def _named(places: list[tuple[float, float]], *, line: float | None = None) -> Axes:
    fig = Figure(figsize=(2.2, 1.6))
    ax = fig.add_axes((0.1, 0.1, 0.85, 0.85))
    ax.set_xlim(0, 10)
    ax.set_ylim(0, 10)
    for x, y in places:
        ax.plot([x], [y], "o", markersize=4)
    kept_off = [] if line is None else [ax.axhline(line)]
    fig.draw_without_rendering()
    points = [Named(x=x, y=y, name=f"{at * 5}%") for at, (x, y) in enumerate(places, start=7)]
    name_points(ax, points, keep_off=kept_off)
    return ax


CROWDED = [(2.0, 5.0), (3.2, 5.0), (2.6, 6.5), (9.9, 9.9), (0.1, 0.1), (9.8, 3.0), (6.0, 5.0)]


@pytest.mark.parametrize("places", [CROWDED, [(5.0, 5.0)], []])
def test_names_are_free_inside_and_nearest_to_their_own_point(
    places: list[tuple[float, float]],
) -> None:
    ax = _named(places)
    spots = [ax.transData.transform(place) for place in places]
    boxes = [text.get_window_extent() for text in ax.texts]
    frame = ax.get_window_extent().padded(1)
    assert len(boxes) == len(places)
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    for at, box in enumerate(boxes):
        assert frame.x0 <= box.x0 and box.x1 <= frame.x1
        assert frame.y0 <= box.y0 and box.y1 <= frame.y1
        gaps = [hypot(max(box.x0 - x, x - box.x1, 0), max(box.y0 - y, y - box.y1, 0))
                for x, y in spots]  # fmt: skip
        assert min(range(len(gaps)), key=gaps.__getitem__) == at


def test_a_name_keeps_off_a_line_through_its_point() -> None:
    (free,), (crossed,) = _named([(5.0, 5.0)]).texts, _named([(5.0, 5.0)], line=5.0).texts
    middle = crossed.axes.transData.transform((5.0, 5.0))[1]
    assert free.get_window_extent().y0 < middle < free.get_window_extent().y1
    box = crossed.get_window_extent()
    assert box.y0 > middle or box.y1 < middle
