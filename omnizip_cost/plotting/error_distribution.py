"""Signed errors of every predictor, every configuration a point, a panel per quantity.

Each predictor has a line; its points lie on lanes of that line in the order of their errors, so
that near ones do not cover one another: height within a line means nothing. A dark stroke is the
median, a ring the worst, the number of points stands at the right. Each panel has its own scale;
the bands of 5% and 10% are the same in all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator, PercentFormatter

from omnizip_cost.plotting.canvas import new_figure
from omnizip_cost.plotting.error_points import BANDS, point_legend
from omnizip_cost.plotting.style import (
    INK,
    method_colour,
    model_markers,
    styled,
    tint,
)
from omnizip_cost.plotting.tablerows import (
    Row,
    distinct,
    foot_note,
    grouped,
    number,
    rows_of,
    text,
    weight_note,
    where,
)

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = ("model", "method", "label", "quantity", "predictor", "error")
SUMMARY_REQUIRED = ("quantity", "predictor", "configurations", "median_error", "worst_error")
PREDICTORS = {
    "eq9": "FLOPs, Eq. 9",
    "exact": "FLOPs, exact",
    "torch": "FLOPs, torch",
    "predicted": "uncalibrated",
    "calibrated": "calibrated",
    "held out": "held out",
}
"""Predictor -> what stands beside its line, from the plainest count to the fitted clock."""
_LINE_IN = 0.185
_PANEL_IN = 0.4
_LANES = (0.0, 0.22, -0.22, 0.11, -0.11, 0.33, -0.33)
"""Places of successive points within their line, in lines."""
_ROOM_IN = 0.36
"""Kept free at the right of a panel for the number of points."""
_HALO = withStroke(linewidth=2.6, foreground="white")


@styled
def draw_error_distribution(
    table: pd.DataFrame, summary: pd.DataFrame, *, width: str = "column"
) -> Figure:
    """Draw the table of errors: all of them, with median and worst of each predictor.

    Parameters
    ----------
    table
        One row per configuration, quantity and predictor, with its signed error
        (predicted / observed - 1).
    summary
        One row per quantity and predictor: median and worst, and of how many.
    width
        ``column`` (3.3 in, a panel to a line) or ``page`` (6.9 in, three).

    Returns
    -------
    Figure
        Of the printed size, not attached to pyplot.

    Raises
    ------
    InvalidValueError
        If columns are missing or there is nothing to draw.
    """
    rows = rows_of(table, "error_distribution", REQUIRED)
    ends = rows_of(summary, "error_distribution", SUMMARY_REQUIRED)
    panels = _panels(rows)
    across = 1 if width == "column" else min(len(panels), 3)
    lines = [panels[at : at + across] for at in range(0, len(panels), across)]
    predictors = [_predictors([row for _, members in line for row in members]) for line in lines]
    fig = new_figure(
        width=width,
        height_in=0.6 + sum(_PANEL_IN + _LINE_IN * len(names) for names in predictors),
        xlabel="signed error, predicted over observed − 1",
        notes=_notes(rows),
    )
    heights = [len(names) + 0.5 for names in predictors]
    axes = fig.subplots(len(lines), across, squeeze=False, sharey="row", height_ratios=heights)
    markers = model_markers(model for (model,) in distinct(rows, "model"))
    for cells, line, names in zip(axes, lines, predictors, strict=True):
        for ax, (quantity, members) in zip(cells, line, strict=False):
            own = [row for row in ends if text(row, "quantity") == quantity]
            _draw_panel(ax, members, own, markers, names, wide=across == 1)
            ax.set_title(quantity, color=INK, fontsize=7.5)
        for ax in cells[len(line) :]:
            ax.set_visible(False)
        cells[0].set_yticks(range(len(names)), [PREDICTORS.get(name, name) for name in names])
        cells[0].set_ylim(len(names) - 0.45, -0.55)
    _legend(fig, rows, markers, width)
    return fig


def _panels(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """Rows with an error, by quantity, in the order they come."""
    known = [row for row in rows if number(row, "error") is not None]
    return [(quantity, members) for (quantity,), members in grouped(known, "quantity").items()]


def _predictors(rows: Sequence[Row]) -> list[str]:
    """Predictors of some rows, in their order; unknown ones last."""
    names = [name for (name,) in distinct(rows, "predictor")]
    order = list(PREDICTORS)
    return sorted(names, key=lambda name: order.index(name) if name in order else len(order))


def _draw_panel(
    ax: Any,
    rows: Sequence[Row],
    ends: Sequence[Row],
    markers: dict[str, str],
    predictors: Sequence[str],
    *,
    wide: bool,
) -> None:
    """Draw one quantity: every error on the line of its predictor, then median and worst."""
    for half, share in BANDS:
        ax.axvspan(-half, half, color=tint(INK, share), linewidth=0, zorder=1,
                   label=f"_band:{half:g}")  # fmt: skip
    ax.axvline(0.0, color=INK, linewidth=0.8, zorder=1.5, label="_zero")
    for y, name in enumerate(predictors):
        members = [row for row in rows if text(row, "predictor") == name]
        members.sort(key=lambda row: float(row["error"]))
        places = [y + _LANES[at % len(_LANES)] for at in range(len(members))]
        for (model, method), at in _by_look(members).items():
            ax.plot([float(members[i]["error"]) for i in at], [places[i] for i in at], zorder=2.5,
                    linestyle="", marker=markers[model], markersize=2.4, markeredgewidth=0.0,
                    color=method_colour(method), label=f"_error:{name}")  # fmt: skip
        for end in (row for row in ends if text(row, "predictor") == name):
            _draw_ends(ax, y, end, members, places)
        written = f"n {len(members)}" if members else "none"
        ax.text(0.995, y, written, transform=ax.get_yaxis_transform(), ha="right",
                va="center", fontsize=7, color=INK, label="_n")  # fmt: skip
    ax.tick_params(axis="y", length=0)
    room = _ROOM_IN / (2.4 if wide else 1.9)
    low, high = ax.get_xlim()
    ax.set_xlim(low, high + room / (1 - room) * (high - low))
    ax.xaxis.set_major_locator(MaxNLocator(nbins=5 if wide else 4, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def _by_look(rows: Sequence[Row]) -> dict[tuple[str, str], list[int]]:
    """Places of the rows of each model and method, which look the same."""
    looks: dict[tuple[str, str], list[int]] = {}
    for at, row in enumerate(rows):
        looks.setdefault((text(row, "model"), text(row, "method")), []).append(at)
    return looks


def _draw_ends(ax: Any, y: int, end: Row, members: Sequence[Row], places: Sequence[float]) -> None:
    """Stroke at the median; ring around the worst, at the point that has that error."""
    median, worst = number(end, "median_error"), number(end, "worst_error")
    if median is not None:
        ax.plot([median, median], [y - 0.42, y + 0.42], color=INK, linewidth=1.5, zorder=3,
                solid_capstyle="butt", path_effects=[_HALO], label="_median")  # fmt: skip
    if worst is not None:
        errors = [float(row["error"]) for row in members]
        place = places[errors.index(worst)] if worst in errors else float(y)
        ax.plot([worst], [place], linestyle="", marker="o", markersize=5.4, color=INK,
                markerfacecolor="none", markeredgewidth=0.8, zorder=3.2,
                label="_worst")  # fmt: skip


def _legend(fig: Figure, rows: Sequence[Row], markers: dict[str, str], width: str) -> None:
    ends = (
        Line2D([], [], linestyle="", marker="|", markersize=8, color=INK, markeredgewidth=1.5,
               label="median"),
        Line2D([], [], linestyle="", marker="o", markersize=5.4, color=INK,
               markerfacecolor="none", markeredgewidth=0.8, label="worst"),
    )  # fmt: skip
    several = markers if len(markers) > 1 else {}
    point_legend(fig, rows, several, ends, width=width, size=3.4)


def _notes(rows: Sequence[Row]) -> list[str]:
    models = distinct(rows, "model")
    return foot_note([
        where(rows, *(("model",) if len(models) == 1 else ()), "device", "dtype", "attention"),
        weight_note(rows),
        "a point is a configuration; height within a line means nothing",
        "each panel has its own scale",
        "FLOPs predict the speed-up of prefill alone",
        "uncalibrated, calibrated: predicted before the measurement",
        "held out: from a fit made afterwards to other rows of the campaign"
        if ("held out",) in distinct(rows, "predictor") else "",
    ])  # fmt: skip
