"""Speed-up of prefill and selection against the ratio kept: predicted first, then observed.

One panel per model and clip, for methods that drop tokens before the decoder; beside it one for
FastV, which drops them inside and would lie between the others. A line in its band is what was
predicted before the measurement; filled markers with bars are what the clock said; thin lines are
the quotient of FLOPs of Eq. 9 and of the exact count. Which half of a marker is filled tells
methods apart where their colours are alike in grey. Both axes are logarithmic. Points that would
cover one another are set apart by a few points on the page; their data stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter
from matplotlib.transforms import ScaledTranslation

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.plotting.canvas import legend_columns, new_figure
from omnizip_cost.plotting.contexts import (
    KINDS,
    MOST_PANELS,
    Sheet,
    method_rank,
    prediction_kind,
    sheet_of,
)
from omnizip_cost.plotting.style import (
    FAINT,
    INK,
    METHOD_TITLES,
    method_colour,
    method_fill,
    model_markers,
    styled,
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

REQUIRED = (
    "model", "clip", "full_tokens", "method", "label", "retained", "realised", "status",
    "speedup_eq9", "speedup_exact", "speedup_observed", "speedup_observed_low",
    "speedup_observed_high", "speedup_predicted", "speedup_predicted_low",
    "speedup_predicted_high",
)  # fmt: skip
INSIDE = "fastv"
"""Drops tokens inside the decoder, so that equal ratios are not equal work."""
COUNTS = (("speedup_eq9", (0, (4, 1.6))), ("speedup_exact", (0, (1, 1.2))))
_XLABEL = "audio and video tokens retained (realised)"
_SHARED_RATIO = 0.012
_SHARED_HEIGHT = 1.12
"""Markers closer than this in ratio and in speed-up would cover one another."""
_APART_POINTS = 1.9
_SHARES = (0.1, 0.2, 0.25, 0.35, 0.5, 0.7, 1.0)
_SPEEDUPS = (0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
_DOUBLINGS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
_WIDE = 7.0
"""Axes that span more than this are marked at doublings alone."""
_FORM_MARKS = {"materialised": "m", "last-query": "q"}
_LONE = 1.05
"""Half the length of the line of a lone ratio, as a factor."""
_HALO = withStroke(linewidth=2.2, foreground="white")
_FORM_POINTS = 6.0
_NOT_MEASURED = {"oom": "x", "failed": "+"}


@styled
def draw_predicted_speedup(table: pd.DataFrame, *, width: str = "column") -> Figure:
    """Draw the result table: predicted and observed speed-up at each retained ratio.

    Parameters
    ----------
    table
        The result table, one row per measured configuration. Full tokens are the line at 1.
        Where both kinds of prediction are on record, the calibrated one is drawn; the note says
        which.
    width
        ``column`` (3.3 in, two panels to a line) or ``page`` (6.9 in, four).

    Returns
    -------
    Figure
        Of the printed size, not attached to pyplot.

    Raises
    ------
    InvalidValueError
        If columns are missing or there is nothing to draw.
    """
    rows = rows_of(table, "predicted_speedup", REQUIRED)
    reduced = [row for row in rows if text(row, "method") != "full"]
    if not reduced:
        raise InvalidValueError(
            "table of figure 'predicted_speedup'", "rows", "at least one that is compressed", 0
        )
    kind = prediction_kind(reduced, "speedup_{}")
    narrow = width == "column"
    inside = any(text(row, "method") == INSIDE for row in reduced)
    columns = (1 if narrow else 2) if inside else (2 if narrow else 4)
    sheet = sheet_of(
        reduced,
        columns=columns,
        panel_in=1.9 if inside else 1.4,
        most=5 if narrow else MOST_PANELS,
        least=3,
    )
    panel_in = 0.88 if len(sheet.lines) > 3 else 1.15 if len(sheet.lines) > 1 else 1.5
    fig = new_figure(
        width=width,
        height_in=0.8 + (panel_in + 0.12 * sheet.title_lines) * len(sheet.lines),
        xlabel=_XLABEL,
        notes=_notes(sheet, kind),
    )
    shape = (len(sheet.lines), len(sheet.lines[0]) * (2 if inside else 1))
    ratios = {"width_ratios": [2.1, 1.0] * len(sheet.lines[0])} if inside else {}
    axes = fig.subplots(*shape, sharex="col", sharey=True, squeeze=False, gridspec_kw=ratios)
    shapes = model_markers(model for (model,) in distinct(reduced, "model"))
    titles = iter(sheet.titles.values())
    cells = iter(axes.flat)
    for panel in (panel for line in sheet.lines for panel in line):
        pair = [next(cells) for _ in range(2 if inside else 1)]
        if panel is None:
            for ax in pair:
                ax.set_visible(False)
            continue
        for ax, members in zip(pair, _inside_apart(panel), strict=False):
            _draw_panel(ax, members, shapes[text(panel[0], "model")], kind)
        title = next(titles) or ("chosen before the decoder" if inside else "")
        pair[0].set_title(title, color=INK, fontsize=7.5)
        if inside and panel in sheet.lines[0]:
            pair[1].set_title(METHOD_TITLES[INSIDE], color=INK, fontsize=7.5)
    _finish_axes(axes)
    if inside:
        for ax in axes[:, 1::2].flat:
            ax.margins(x=0.28)
    _legend(fig, sheet, kind, width)
    return fig


def _inside_apart(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Rows of methods that drop tokens before the decoder, and of FastV."""
    return (
        [row for row in rows if text(row, "method") != INSIDE],
        [row for row in rows if text(row, "method") == INSIDE],
    )


def _draw_panel(ax: Any, rows: Sequence[Row], marker: str, kind: str) -> None:
    """Draw methods of one model and clip: bands, counts, lines, then what was observed."""
    if not rows:
        ax.text(0.5, 0.5, "not run", transform=ax.transAxes, ha="center", va="center", fontsize=7,
                style="italic", color=FAINT, label="_missing")  # fmt: skip
    ax.axhline(1.0, color=FAINT, linewidth=0.8, linestyle=(0, (1, 1.5)), label="_unity")
    forms = {text(row, "fastv_form") for row in rows if text(row, "fastv_form")}
    groups = grouped(rows, "method", "mode", "fastv_form")
    for depth, key in enumerate(sorted(groups, key=lambda key: -method_rank(key[0]))):
        _draw_predicted(
            ax,
            sorted(groups[key], key=_ratio),
            method_colour(key[0]),
            kind,
            depth,
            front=depth == len(groups) - 1,
        )
    for members in grouped(sorted(rows, key=_ratio), "fastv_form").values():
        _draw_counts(ax, members)
    ends = [max(members, key=_ratio) for members in groups.values()]
    if len(forms) > 1:
        _name_forms(ax, ends, kind)
    for row, offset in _set_apart(rows):
        _draw_observed(ax, row, marker, offset, kind)


def _draw_counts(ax: Any, rows: Sequence[Row]) -> None:
    """Quotients of FLOPs: one line each for all methods, whose equal ratios are equal work."""
    for column, dashes in COUNTS:
        points = [row for row in rows if number(row, column) is not None]
        at = [_ratio(row) for row in points]
        heights = [number(row, column) for row in points]
        if len(points) == 1:  # a line needs an end on either side
            at, heights = [at[0] / _LONE, at[0] * _LONE], heights * 2
        ax.plot(at, heights, color=INK, linewidth=0.6, linestyle=dashes, marker="", zorder=2.0,
                label=f"_{column}")  # fmt: skip


def _ratio(row: Row) -> float:
    """Share of tokens kept; what was asked for where nothing ran that could keep them."""
    realised = number(row, "realised")
    return realised if realised is not None else float(row["retained"])


def _draw_predicted(
    ax: Any, rows: Sequence[Row], colour: str, kind: str, depth: int, *, front: bool
) -> None:
    """Line and band over several ratios; a tick and a broad bar for one alone."""
    points = [row for row in rows if kind and number(row, f"speedup_{kind}") is not None]
    if not points:
        return
    at = [_ratio(row) for row in points]
    middle, low, high = (
        [number(row, f"speedup_{kind}{end}") for row in points] for end in ("", "_low", "_high")
    )
    alone = len(points) == 1
    alpha = 0.2 if front else 0.12
    ax.plot(at, middle, color=colour, linewidth=1.3, marker="_" if alone else "", markersize=8,
            zorder=2.5 + 0.01 * depth, label="_predicted")  # fmt: skip
    if None in low or None in high:
        return
    if alone:
        ax.vlines(at, low, high, color=colour, linewidth=6, alpha=alpha, zorder=1.2, label="_band")
    else:
        ax.fill_between(at, low, high, color=colour, alpha=alpha, linewidth=0,
                        zorder=1.2 + 0.01 * depth, label="_band")  # fmt: skip


def _name_forms(ax: Any, ends: Sequence[Row], kind: str) -> None:
    """Write the form of FastV beside the last of its points, the higher one above."""
    named = [row for row in ends if text(row, "fastv_form") in _FORM_MARKS]
    named.sort(key=lambda row: _end(row, kind))
    for at, row in enumerate(named):
        shift = (at - (len(named) - 1) / 2) * _FORM_POINTS
        ax.annotate(_FORM_MARKS[text(row, "fastv_form")], (_ratio(row), _end(row, kind)),
                    xytext=(6, shift), va="center", textcoords="offset points", fontsize=7,
                    color=INK, label="_form", path_effects=[_HALO], zorder=4)  # fmt: skip


def _end(row: Row, kind: str) -> float:
    """Height of what is drawn of a row."""
    columns = ("speedup_observed", f"speedup_{kind}", "speedup_exact")
    return next((height for name in columns if (height := number(row, name)) is not None), 1.0)


def _draw_observed(ax: Any, row: Row, marker: str, offset: float, kind: str) -> None:
    """One configuration as it was measured, or a cross where it was not, on its prediction."""
    place = ax.transData + ScaledTranslation(offset / 72, 0, ax.figure.dpi_scale_trans)
    colour, x = method_colour(text(row, "method")), _ratio(row)
    low, high = number(row, "speedup_observed_low"), number(row, "speedup_observed_high")
    observed = number(row, "speedup_observed")
    heights = [height for height in (observed, low, high) if height is not None]
    if heights:  # artists shifted on the page do not stretch the axes by themselves
        ax.update_datalim([(x, height) for height in heights])
    if low is not None and high is not None:
        ax.plot([x, x], [low, high], color=INK, linewidth=0.8, marker="_", markersize=3.0,
                transform=place, zorder=3.2, label="_observed_spread")  # fmt: skip
    if observed is not None:
        ax.plot([x], [observed], color=colour, linestyle="", marker=marker, markersize=3.8,
                fillstyle=method_fill(text(row, "method")), markerfacecoloralt="white",
                markeredgecolor=INK, markeredgewidth=0.5, transform=place, zorder=3.4,
                label="_observed")  # fmt: skip
    elif text(row, "status") in _NOT_MEASURED:
        predicted = number(row, f"speedup_{kind}")
        ax.plot([x], [1.0 if predicted is None else predicted], color=INK, linestyle="",
                marker=_NOT_MEASURED[text(row, "status")], markersize=4.4, markeredgewidth=1.1,
                transform=place, zorder=3.4, label=f"_{text(row, 'status')}")  # fmt: skip


def _set_apart(rows: Sequence[Row]) -> Iterator[tuple[Row, float]]:
    """Give each row its shift on the page, in points, where markers would cover one another."""
    clusters: list[list[Row]] = []
    for row in sorted(rows, key=lambda row: (round(_ratio(row) / _SHARED_RATIO), _height(row))):
        last = clusters[-1][-1] if clusters else None
        if last is not None and _covers(last, row):
            clusters[-1].append(row)
        else:
            clusters.append([row])
    for cluster in clusters:
        for at, row in enumerate(cluster):
            yield row, (2 * at - (len(cluster) - 1)) * _APART_POINTS


def _height(row: Row) -> float:
    return number(row, "speedup_observed") or 1.0


def _covers(one: Row, other: Row) -> bool:
    near = abs(_ratio(one) - _ratio(other)) < _SHARED_RATIO
    return near and _height(other) / _height(one) < _SHARED_HEIGHT


def _finish_axes(axes: Any) -> None:
    for ax in axes.flat:
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.grid(axis="y")
        ax.margins(x=0.07, y=0.06)
        ax.xaxis.set_major_locator(FixedLocator(_SHARES))
        ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        low, high = ax.get_ylim()
        ax.yaxis.set_major_locator(FixedLocator(_DOUBLINGS if high > _WIDE * low else _SPEEDUPS))
        ax.yaxis.set_major_formatter("{x:g}×")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_minor_locator(NullLocator())
    for ax in axes[:, 0]:
        ax.set_ylabel("prefill speed-up")
    for column in axes.T:  # the lowest panel in sight carries the tick labels
        if seen := [ax for ax in column if ax.get_visible()]:
            seen[-1].tick_params(labelbottom=True)


def _legend(fig: Figure, sheet: Sheet, kind: str, width: str) -> None:
    rows = [row for panel in sheet.panels for row in panel]
    methods = sorted((method for (method,) in distinct(rows, "method")), key=method_rank)
    handles: list[Any] = [
        Line2D([], [], color=method_colour(name), linestyle="-", marker="o",
               fillstyle=method_fill(name), markerfacecoloralt="white",
               markersize=3.8, markeredgecolor=INK, markeredgewidth=0.5,
               label=METHOD_TITLES.get(name, name))
        for name in methods
    ]  # fmt: skip
    labels = [handle.get_label() for handle in handles]
    if kind:
        band = Patch(facecolor=INK, alpha=0.2, linewidth=0)
        handles.append((band, Line2D([], [], color=INK, linewidth=1.3)))
        labels.append("predicted, range")
    handles.append(Line2D([], [], color=INK, linestyle="", marker="o", markersize=3.8))
    labels.append("observed")
    for (_, dashes), label in zip(COUNTS, ("FLOPs, Eq. 9", "FLOPs, exact"), strict=True):
        handles.append(Line2D([], [], color=INK, linewidth=0.6, linestyle=dashes))
        labels.append(label)
    for status, label in (("oom", "OOM"), ("failed", "failed")):
        if any(text(row, "status") == status for row in rows):
            handles.append(Line2D([], [], color=INK, linestyle="", marker=_NOT_MEASURED[status],
                                  markersize=4.4, markeredgewidth=1.1))  # fmt: skip
            labels.append(label)
    columns = legend_columns(labels, width, 3 if width == "column" else 5)
    fig.legend(handles, labels, loc="outside upper center", ncols=columns, columnspacing=1.0,
               handler_map={tuple: HandlerTuple(ndivide=1)})  # fmt: skip


def _notes(sheet: Sheet, kind: str) -> list[str]:
    shown = [row for panel in sheet.panels for row in panel]
    without = sum(number(row, f"speedup_{kind}") is None for row in shown)
    forms = {text(row, "fastv_form") for row in shown if text(row, "fastv_form")}
    broken = any(text(row, "status") in _NOT_MEASURED for row in shown)
    return foot_note([
        where(shown, *(("model",) if len(distinct(shown, "model")) == 1 else ()), "device",
              "dtype", "attention", *(("clip",) if len(sheet.panels) == 1 else ())),
        weight_note(shown),
        "bars: quartiles",
        f"prediction: {KINDS[kind]}, written before the measurement" if kind else
        "no prediction is on record",
        f"{without} of {len(shown)} configurations have none" if kind and without else "",
        "full prefill over prefill and selection, Eq. 9 without selection",
        "FastV's scores: m, of all queries; q, of the last query alone" if len(forms) > 1 else "",
        "crosses stand at the prediction, at the nominal ratio" if broken else "",
        *sheet.left_out,
    ])  # fmt: skip
