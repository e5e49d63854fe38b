"""Prefill FLOPs, full over kept, against the retained ratio, between its two limits.

Both axes are logarithmic, so that 1/r and 1/r^2 are straight. Lines are lengths, named at their
ends, and markers the paper's settings at its own length; what Eq. 9 says is dashed and hollow.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log10
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter

from omnizip_cost.plotting.canvas import new_figure
from omnizip_cost.plotting.style import (
    FAINT,
    INK,
    METHOD_TITLES,
    method_colour,
    model_markers,
    styled,
)
from omnizip_cost.plotting.tablerows import Row, distinct, foot_note, grouped, number, rows_of, text

if TYPE_CHECKING:
    import pandas as pd

End = tuple[float, float, str]
"""Upper end of a curve, and its name."""

REQUIRED = ("model", "convention", "kind", "method", "tokens", "retained", "speedup")
_NAME_DECADES = 0.085
"""Height of a name on the logarithmic axis, with some air."""
_STRIP = {"column": 1.38, "page": 1.16}
"""Room for the names, as the power of the least ratio at which the axis begins."""
_LIMITS = {"short": "1/r", "long": "1/r²"}
_LINES: dict[str, Any] = {"torch": "-", "eq9": (0, (3, 1.6))}
_WORDS = {"torch": "torch", "eq9": "Eq. 9"}
_FILLS = {"torch": "filled: torch", "eq9": "hollow: Eq. 9"}


@styled
def draw_speedup_limits(table: pd.DataFrame, *, width: str = "column") -> Figure:
    """Draw the table of limits: lines for lengths, dashed and hollow under Eq. 9.

    Parameters
    ----------
    table
        Rows of kind ``short`` and ``long`` (limits), ``length`` (curves), ``setting`` (points).
    width
        ``column`` (3.3 in) or ``page`` (6.9 in).

    Returns
    -------
    Figure
        Of the printed size, not attached to pyplot.

    Raises
    ------
    InvalidValueError
        If columns are missing or there is nothing to draw.
    """
    rows = rows_of(table, "speedup_limits", REQUIRED)
    fig = new_figure(width=width, height_in=3.3, notes=_notes(rows))
    ax = fig.subplots()
    ax.set_xscale("log")
    ax.set_yscale("log")
    ends = _draw_limits(ax, rows) + _draw_lengths(ax, rows)
    _name_ends(ax, ends)
    _draw_settings(ax, rows)
    _finish(ax, rows, width)
    _legend(fig, rows, width)
    return fig


def _draw_limits(ax: Any, rows: Sequence[Row]) -> list[End]:
    """Draw both limits; returns what is to be named, and where."""
    ends = []
    for kind, label in _LIMITS.items():
        xs, ys = _curve([row for row in rows if row["kind"] == kind])
        ax.plot(xs, ys, color=FAINT, linestyle=(0, (1, 1.5)), label=f"_{kind}")
        ends.append((xs[0], ys[0], label))
    return ends


def _draw_lengths(ax: Any, rows: Sequence[Row]) -> list[End]:
    """Draw a line per length and convention; each length is named once."""
    curves = grouped([row for row in rows if row["kind"] == "length"], "tokens", "convention")
    ends: dict[str, End] = {}
    for (tokens, convention), members in curves.items():
        xs, ys = _curve(members)
        ax.plot(xs, ys, color=INK, linewidth=0.9, linestyle=_LINES.get(convention, "-"),
                label=f"_{convention}")  # fmt: skip
        label = f"n = {number(members[0], 'tokens'):,.0f}"
        ends.setdefault(tokens, (xs[0], ys[0], label))
    return list(ends.values())


def _draw_settings(ax: Any, rows: Sequence[Row]) -> None:
    markers = model_markers(model for (model,) in distinct(rows, "model"))
    for row in (row for row in rows if row["kind"] == "setting"):
        colour = method_colour(text(row, "method"))
        hollow = row["convention"] == "eq9"
        ax.plot([number(row, "retained")], [number(row, "speedup")], linestyle="",
                marker=markers[text(row, "model")], color=colour,
                markersize=6.4 if hollow else 4.0, zorder=3.0 if hollow else 3.1,
                markerfacecolor="white" if hollow else colour, label="_setting")  # fmt: skip


def _curve(rows: Sequence[Row]) -> tuple[list[float], list[float]]:
    points = sorted({(float(row["retained"]), float(row["speedup"])) for row in rows})
    return [x for x, _ in points], [y for _, y in points]


def _name_ends(ax: Any, ends: Sequence[End]) -> None:
    """Write what each curve is beside its upper end, higher where two names would touch."""
    free = 0.0
    for x, y, label in sorted(ends, key=lambda end: end[1]):
        place = max(log10(y), free)
        free = place + _NAME_DECADES
        ax.annotate(label, (x, 10**place), xytext=(-3, 0), textcoords="offset points", fontsize=7,
                    color=INK, ha="right", va="center", label="_name")  # fmt: skip


def _finish(ax: Any, rows: Sequence[Row], width: str) -> None:
    least = min(float(row["retained"]) for row in rows)
    ax.set_xlim(least ** _STRIP[width], 1.06)
    ax.grid(axis="both")
    ax.xaxis.set_major_locator(FixedLocator([0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0]))
    ax.yaxis.set_major_locator(FixedLocator([1, 2, 3, 5, 10, 20, 50, 100]))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    ax.yaxis.set_major_formatter("{x:g}×")
    ax.set_xlabel("audio and video tokens retained, r")
    ax.set_ylabel("prefill FLOPs, full over kept")


def _legend(fig: Figure, rows: Sequence[Row], width: str) -> None:
    methods = distinct([row for row in rows if row["kind"] == "setting"], "method")
    shape = next(iter(model_markers(model for (model,) in distinct(rows, "model")).values()))
    handles = [
        Line2D([], [], color=method_colour(method), marker=shape, markersize=4.0, linestyle="",
               label=METHOD_TITLES.get(method, method))
        for (method,) in methods
    ]  # fmt: skip
    handles += [
        Line2D([], [], color=INK, linestyle=line, linewidth=0.9, label=_WORDS[convention])
        for convention, line in _LINES.items()
    ]
    handles.append(Line2D([], [], color=FAINT, linestyle=(0, (1, 1.5)), label="limits 1/r, 1/r²"))
    handles += [
        Line2D([], [], color=INK, marker=shape, linestyle="", label=label,
               markersize=6.4 if convention == "eq9" else 4.0,
               markerfacecolor="white" if convention == "eq9" else INK)
        for convention, label in _FILLS.items()
    ]  # fmt: skip
    fig.legend(
        handles=handles,
        loc="outside upper center",
        ncols=3 if width == "column" else 5,
        handlelength=2.6,
        handletextpad=0.5,
        columnspacing=0.9 if width == "column" else 2.0,
    )


def _notes(rows: Sequence[Row]) -> list[str]:
    models = ", ".join(model for (model,) in distinct(rows, "model"))
    settings = [row for row in rows if row["kind"] == "setting"]
    notes = [f"{models}, counted by torch and by Eq. 9"]
    if settings:
        tokens = number(settings[0], "tokens") or 0.0
        notes.append(f"markers: the paper's methods and ratios, n = {tokens:,.0f}")
    if any(row["method"] == "fastv" for row in settings):
        notes.append(
            "FastV runs its first layers on all tokens and so lies below the line of its length"
        )
    return foot_note(notes)
