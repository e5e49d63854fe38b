"""Eyes for figures: what was drawn, and whether it can be read. Artists, never pixels."""

from __future__ import annotations

from collections.abc import Iterator

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text


def lines(fig: Figure, label: str) -> list[Line2D]:
    return [line for ax in fig.axes for line in ax.lines if line.get_label() == label]


def points(fig: Figure, label: str) -> list[tuple[float, float]]:
    """Sorted data of all line artists of that label."""
    found = [pair for line in lines(fig, label)
             for pair in zip(*map(list, line.get_data()), strict=True)]  # fmt: skip
    return sorted((float(x), float(y)) for x, y in found)


def texts(fig: Figure) -> Iterator[Text]:
    """Every text in sight that says something, tick labels included."""
    FigureCanvasAgg(fig).draw()
    for text in fig.findobj(Text):
        hidden = text.axes is not None and not text.axes.get_visible()
        if text.get_text().strip() and text.get_visible() and not hidden:
            yield text


def assert_tidy(fig: Figure) -> None:
    """All text is 7 pt or more, inside the sheet, and legends keep off the axes."""
    sheet = fig.bbox
    for text in texts(fig):
        assert text.get_fontsize() >= 7, text.get_text()
        box = text.get_window_extent()
        clipped = box.x0 < -1 or box.y0 < -1 or box.x1 > sheet.x1 + 1 or box.y1 > sheet.y1 + 1
        if clipped and _is_off_axis_tick(text):
            continue
        assert not clipped, f"{text.get_text()!r} leaves the sheet"
    for legend in fig.legends:
        box = legend.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= sheet.x1, "the legend leaves the sheet"
        assert not any(ax.get_visible() and box.overlaps(ax.get_tightbbox()) for ax in fig.axes)
    notes = [text for text in fig.texts if text.get_label() == "_note"]
    for note in notes:
        for ax in fig.axes:
            if ax.get_visible():
                assert not note.get_window_extent().overlaps(ax.get_tightbbox())


def _is_off_axis_tick(text: Text) -> bool:
    """A tick label outside its axis' limits, which matplotlib keeps but does not draw."""
    for ax in text.figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in axis.get_major_ticks():
                if text in (tick.label1, tick.label2):
                    return not low <= tick.get_loc() <= high
    return False


def bars(fig: Figure, label: str = "") -> list[Rectangle]:
    """Bars of that label, or all of them, in the order they were drawn."""
    return [patch for ax in fig.axes for container in ax.containers
            if not label or container.get_label() == label for patch in container]  # fmt: skip
