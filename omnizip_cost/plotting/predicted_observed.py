"""Every prediction of prefill seconds against what was observed, and how far apart they are.

Above, seconds against seconds on logarithmic axes with the line of equality; below, the same cells'
signed errors, which such axes hide. Hollow markers are uncalibrated predictions, filled ones
calibrated; the bands are within 5% and 10%.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator, PercentFormatter

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.plotting.canvas import new_figure
from omnizip_cost.plotting.contexts import KINDS
from omnizip_cost.plotting.error_points import BANDS, point_legend
from omnizip_cost.plotting.stages import time_unit
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
    number,
    rows_of,
    text,
    weight_note,
    where,
)
from omnizip_cost.results import STATUS_WORDS

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = (
    "model", "method", "label", "status", "prefill_s", "prefill_predicted_s",
    "prefill_calibrated_s", "prefill_error_predicted", "prefill_error_calibrated",
)  # fmt: skip
SUMMARY_REQUIRED = ("quantity", "predictor", "configurations", "mean_error", "worst_error")
QUANTITY = "prefill"


@styled
def draw_predicted_observed(
    table: pd.DataFrame, summary: pd.DataFrame, *, width: str = "column"
) -> Figure:
    """Draw the result table: predicted against observed prefill, all cells.

    Parameters
    ----------
    table
        The result table, one row per measured configuration.
    summary
        Mean and worst errors per quantity and predictor; those of the prefill are printed.
    width
        ``column`` (3.3 in): errors under the scatter. ``page`` (6.9 in): beside it.

    Returns
    -------
    Figure
        Of the printed size, not attached to pyplot.

    Raises
    ------
    InvalidValueError
        If columns are missing, or no row has both a prediction and a measurement.
    """
    rows = rows_of(table, "predicted_observed", REQUIRED)
    errors = rows_of(summary, "predicted_observed", SUMMARY_REQUIRED)
    drawn = [row for row in rows if any(_point(row, kind) for kind in KINDS)]
    if not drawn:
        raise InvalidValueError(
            "table of figure 'predicted_observed'",
            "rows",
            "at least one that was both predicted and observed",
            0,
        )
    tall = width == "column"
    fig = new_figure(width=width, height_in=4.3 if tall else 3.1, notes=_notes(rows, drawn))
    if tall:
        upper, lower = fig.subplots(2, 1, sharex=True, height_ratios=[2.2, 1.0])
    else:
        upper, lower = fig.subplots(1, 2)
    markers = model_markers(model for (model,) in distinct(drawn, "model"))
    _draw_seconds(upper, drawn, markers)
    _write_errors(upper, errors)
    _draw_errors(lower, drawn, markers)
    observed = [float(row["prefill_s"]) for row in drawn]
    factor, unit = time_unit(max(observed))
    for axis in (upper.xaxis, upper.yaxis, lower.xaxis):
        _label_seconds(axis, factor, few=max(observed) < 12 * min(observed))
    upper.set_ylabel(f"predicted prefill ({unit})")
    lower.set_xlabel(f"observed prefill ({unit})")
    if not tall:
        upper.set_xlabel(f"observed prefill ({unit})")
    lower.set_ylabel("signed error")
    _legend(fig, drawn, markers, tall)
    return fig


def _point(row: Row, kind: str) -> tuple[float, float] | None:
    """Observed and predicted seconds of a row, where there are both."""
    observed, predicted = number(row, "prefill_s"), number(row, f"prefill_{kind}_s")
    return None if observed is None or predicted is None else (observed, predicted)


def _draw_seconds(ax: Any, rows: Sequence[Row], markers: dict[str, str]) -> None:
    """Scatter of seconds with the line of equality and its bands, both axes alike."""
    ax.set_xscale("log")
    ax.set_yscale("log")
    for kind in KINDS:
        for row in rows:
            if (point := _point(row, kind)) is not None:
                _draw_point(ax, row, point, markers, kind, "_seconds")
    ax.margins(0.06)
    ends = [*ax.get_xlim(), *ax.get_ylim()]
    low, high = min(ends), max(ends)
    for half, share in BANDS:
        ax.fill_between([low, high], [low * (1 - half), high * (1 - half)],
                        [low * (1 + half), high * (1 + half)], color=tint(INK, share),
                        linewidth=0, zorder=1, label=f"_band:{half:g}")  # fmt: skip
    ax.plot([low, high], [low, high], color=INK, linewidth=0.8, zorder=1.5, label="_identity")
    ax.set_xlim(low, high)
    ax.set_ylim(low, high)


def _draw_errors(ax: Any, rows: Sequence[Row], markers: dict[str, str]) -> None:
    """Signed errors over observed seconds, as the table has them."""
    ax.set_xscale("log")
    for half, share in BANDS:
        ax.axhspan(-half, half, color=tint(INK, share), linewidth=0, zorder=1,
                   label=f"_band:{half:g}")  # fmt: skip
    ax.axhline(0.0, color=INK, linewidth=0.8, zorder=1.5, label="_zero")
    for kind in KINDS:
        for row in rows:
            error = number(row, f"prefill_error_{kind}")
            if error is not None and _point(row, kind) is not None:
                _draw_point(ax, row, (float(row["prefill_s"]), error), markers, kind, "_error")
    ax.margins(x=0.06, y=0.08)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    ax.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))


def _draw_point(
    ax: Any, row: Row, point: tuple[float, float], markers: dict[str, str], kind: str, label: str
) -> None:
    colour = method_colour(text(row, "method"))
    filled = kind == "calibrated"
    ax.plot([point[0]], [point[1]], linestyle="", marker=markers[text(row, "model")],
            markersize=3.4, color=colour, markerfacecolor=colour if filled else "none",
            markeredgecolor=INK if filled else colour, zorder=3.0 if filled else 2.5,
            markeredgewidth=0.4 if filled else 0.8, label=f"{label}:{kind}")  # fmt: skip


def _write_errors(ax: Any, summary: Sequence[Row]) -> None:
    """Write mean and worst error of each kind into the corner that the line leaves free."""
    found = [row for row in summary if text(row, "quantity") == QUANTITY]
    several = len(distinct(found, "execution")) > 1
    lines = [
        f"{name}{', ' + text(row, 'execution') if several else ''}: "
        f"mean {float(row['mean_error']):.1%},\n"
        f"worst {float(row['worst_error']):+.1%} (n = {int(row['configurations'])})"
        for kind, name in KINDS.items()
        for row in found
        if text(row, "predictor") == kind
    ]
    corner = "\n".join(lines).replace("-", "\N{MINUS SIGN}")
    ax.text(0.98, 0.03, corner, transform=ax.transAxes, ha="right", va="bottom",
            fontsize=7, color=INK, linespacing=1.25, label="_summary")  # fmt: skip


def _label_seconds(axis: Any, factor: float, *, few: bool) -> None:
    """Label a logarithmic axis of seconds with 1, 2 and 5 of each power of ten; more where few."""
    axis.set_major_locator(LogLocator(10, subs=(1, 1.5, 2, 3, 4, 5, 7) if few else (1, 2, 5)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / factor:.4g}"))


def _legend(fig: Figure, rows: Sequence[Row], markers: dict[str, str], tall: bool) -> None:
    kinds = (
        Line2D([], [], linestyle="", marker="o", markersize=3.8, color=INK, label=name,
               markerfacecolor=INK if kind == "calibrated" else "none")
        for kind, name in KINDS.items()
        if any(_point(row, kind) for row in rows)
    )  # fmt: skip
    point_legend(fig, rows, markers, kinds, width="column" if tall else "page", size=3.8)


def _notes(rows: Sequence[Row], drawn: Sequence[Row]) -> list[str]:
    broken = [row for row in rows if text(row, "status") in STATUS_WORDS]
    measured = [row for row in rows if number(row, "prefill_s") is not None]
    return foot_note([
        where(drawn, "device", "dtype", "attention"),
        weight_note(drawn),
        f"{len(drawn)} configurations, predictions written before the measurement",
        _count(len(measured) - len(drawn), "measured without a prediction on record"),
        *(_count(sum(text(row, "status") == status for row in broken), words)
          for status, words in STATUS_WORDS.items()),
    ])  # fmt: skip


def _count(how_many: int, words: str) -> str:
    return f"{how_many} {words}" if how_many > 0 else ""
