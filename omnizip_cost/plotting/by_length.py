"""Curves against the number of tokens: a panel per convention, a line and a marker per model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from omnizip_cost.plotting.canvas import new_figure
from omnizip_cost.plotting.style import INK, model_markers
from omnizip_cost.plotting.tablerows import Row, distinct, foot_note, grouped
from omnizip_cost.units import KILO, MEGA

Looks = dict[str, tuple[str, Any]]
"""Marker and line style of each model, in the table's order."""

DrawPanel = Callable[[Any, Sequence[Row], Looks], None]
"""Draw the rows of one convention on an axis."""

MODEL_LINES = ("-", (0, (4, 1.6)), (0, (1.2, 1.2)), (0, (4, 1.4, 1.2, 1.4)))
_ROOM_IN = 0.75
"""Height of all that is not a panel: legend, labels of the lengths."""


def draw_panels(
    rows: Sequence[Row],
    draw_panel: DrawPanel,
    *,
    width: str,
    panel_in: float,
    titles: dict[str, str],
    ylabel: str,
    notes: Sequence[str],
) -> Figure:
    """Draw a panel per convention, one above the other, with common axes.

    Parameters
    ----------
    rows
        With columns ``convention`` and ``model``.
    draw_panel
        Called once for each convention.
    width
        ``column`` (3.3 in) or ``page`` (6.9 in).
    panel_in
        Height of a panel with its title, in inches.
    titles
        Of the conventions; one that has none is called by its name.
    ylabel
        Of all panels together, at half their height.
    notes
        Sentences for the foot.
    """
    panels = grouped(rows, "convention")
    fig = new_figure(
        width=width,
        height_in=_ROOM_IN + panel_in * len(panels),
        xlabel="tokens n",
        notes=foot_note(notes),
    )
    axes = fig.subplots(len(panels), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    looks = _looks(rows)
    for ax, ((convention,), members) in zip(axes, panels.items(), strict=True):
        ax.set_xscale("log")
        ax.grid(axis="both")
        draw_panel(ax, members, looks)
        ax.set_title(titles.get(convention, convention), color=INK)
    _label_lengths(axes[-1])
    _legend(fig, looks, width)
    _label_height(fig, axes, ylabel)
    return fig


def _looks(rows: Sequence[Row]) -> Looks:
    models = [model for (model,) in distinct(rows, "model")]
    markers = model_markers(models)
    return {
        model: (markers[model], MODEL_LINES[place % len(MODEL_LINES)])
        for place, model in enumerate(models)
    }


def _legend(fig: Figure, looks: Looks, width: str) -> None:
    """Name the models above the panels."""
    handles = [
        Line2D([], [], color=INK, linestyle=line, marker=marker, markersize=3.8, label=model)
        for model, (marker, line) in looks.items()
    ]
    fig.legend(
        handles=handles,
        loc="outside upper center",
        ncols=2 if width == "column" else 4,
        handlelength=3.2,
    )


def _label_lengths(ax: Any) -> None:
    """Label lengths by powers of ten, in words a reader says: 10k, 1M."""
    ax.xaxis.set_major_locator(LogLocator(10))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))


def _label_height(fig: Figure, axes: Any, ylabel: str) -> None:
    """Write the label at half the height of the panels, not of the sheet with its foot."""
    label = fig.supylabel(ylabel, fontsize=8)
    fig.draw_without_rendering()
    label.set_y((axes[0].get_position().y1 + axes[-1].get_position().y0) / 2)


def _short(tokens: float) -> str:
    if tokens >= MEGA:
        return f"{tokens / MEGA:g}M"
    return f"{tokens / KILO:g}k" if tokens >= KILO else f"{tokens:g}"
