"""Published accuracy against what each setting costs: FLOPs by two counts, and seconds.

A panel for each model and kind of cost. A marker per setting, filled where no other setting of the
model is as cheap and as accurate; a line joins those. The dashed line is the accuracy of all
tokens, with their cost beside it: they stand far to the right of the panel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from omnizip_cost.plotting.canvas import new_figure, three_digits
from omnizip_cost.plotting.point_names import Named, name_points
from omnizip_cost.plotting.style import (
    FAINT,
    INK,
    METHOD_TITLES,
    method_colour,
    model_markers,
    styled,
)
from omnizip_cost.plotting.tablerows import Row, distinct, foot_note, grouped, number, rows_of, text
from omnizip_cost.units import TERA

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = ("benchmark", "model", "method", "retained", "accuracy", "cost", "kind", "device",
            "value", "off_by", "best", "clip", "av_tokens")  # fmt: skip
_FACTORS: dict[str, float] = {"eq9": TERA, "exact": TERA, "seconds": 1.0}
_COSTS = {
    "eq9": "FLOPs of prefill, Eq. 9 (10¹²)",
    "exact": "FLOPs of prefill, exact (10¹²)",
}
_PANEL_IN = {"column": 1.55, "page": 1.72}
_HEAD_IN = 0.42
_DASHED: dict[str, Any] = {"color": INK, "linewidth": 0.8, "linestyle": (0, (4, 2))}
_FRONT: dict[str, Any] = {"color": FAINT, "linewidth": 0.8}
_SIZE = 4.6
_CROSSED = ("_full", "_front", "_spread")
"""Lines that no name may cross."""


@styled
def draw_accuracy(table: pd.DataFrame, *, width: str = "column") -> Figure:
    """Draw the accuracy table.

    Parameters
    ----------
    table
        One row per published setting and kind of cost; of one benchmark.
    width
        ``column`` (3.3 in): a line of panels per cost. ``page`` (6.9 in): a line per model.

    Returns
    -------
    Figure
        Of the printed size, not attached to pyplot.

    Raises
    ------
    InvalidValueError
        If columns are missing or there is nothing to draw.
    """
    rows = rows_of(table, "accuracy", REQUIRED)
    models = [model for (model,) in distinct(rows, "model")]
    costs = list(grouped(rows, "cost", "kind", "device"))
    tall = width == "column"
    shape = (len(costs), len(models)) if tall else (len(models), len(costs))
    fig = new_figure(
        width=width, height_in=_HEAD_IN + shape[0] * _PANEL_IN[width], notes=_notes(rows)
    )
    axes = fig.subplots(*shape, sharey="col" if tall else "row", squeeze=False)
    markers = model_markers(models)
    named = []
    for at, model in enumerate(models):
        for by, cost in enumerate(costs):
            ax = axes[by, at] if tall else axes[at, by]
            members = [row for row in rows if row["model"] == model and _is_of(row, cost)]
            _draw_panel(ax, members, markers[model])
            ax.set_xlabel(_cost_title(*cost, short=tall), fontsize=7)
            if at == 0 if tall else by == 0:
                ax.set_ylabel(_accuracy_title(rows), fontsize=7)
            if by == 0 if tall else True:
                ax.set_title(model if tall or by == 0 else "", color=INK)
            named.append((ax, members))
    _legend(fig, rows, next(iter(markers.values())), width)
    prefixes = _prefixes([row for row in rows if row["method"] != "full"])
    fig.draw_without_rendering()
    for ax, members in named:
        _name_settings(ax, members, prefixes)
    return fig


def _is_of(row: Row, cost: tuple[str, ...]) -> bool:
    return (text(row, "cost"), text(row, "kind"), text(row, "device")) == cost


def _cost_title(cost: str, kind: str, device: str, *, short: bool) -> str:
    if cost in _COSTS:
        return _COSTS[cost].replace("FLOPs of prefill", "prefill FLOPs") if short else _COSTS[cost]
    return f"prefill (s), {kind}" if short else f"prefill in seconds, {kind} for {device}"


def _scored(rows: Sequence[Row]) -> bool:
    """Whether several benchmarks stand together, as a mean of scores and not as an accuracy."""
    return "," in text(rows[0], "benchmark")


def _accuracy_title(rows: Sequence[Row]) -> str:
    return "mean score (%)" if _scored(rows) else f"{text(rows[0], 'benchmark')} (%)"


def _draw_panel(ax: Any, rows: Sequence[Row], marker: str) -> None:
    """Draw one model and cost: settings, the front, and the line of all tokens."""
    full = [row for row in rows if row["method"] == "full"]
    kept = [row for row in rows if row["method"] != "full"]
    ax.grid(axis="both")
    for row in full:
        ax.axhline(float(row["accuracy"]), label="_full", **_DASHED)
    front = sorted(_place(row) for row in kept if row["best"])
    ax.plot([x for x, _ in front], [y for _, y in front], zorder=2, label="_front", **_FRONT)
    for row in kept:
        _draw_setting(ax, row, marker)
    heights = [float(row["accuracy"]) for row in rows]
    room = 0.16 * (max(heights) - min(heights)) or 1.0
    ax.set_ylim(min(heights) - room, max(heights) + 1.6 * room)
    ax.margins(x=0.19)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))
    ax.yaxis.set_major_formatter("{x:g}")


def _place(row: Row) -> tuple[float, float]:
    return float(row["value"]) / _FACTORS[text(row, "cost")], float(row["accuracy"])


def _draw_setting(ax: Any, row: Row, marker: str) -> None:
    """Draw one setting: filled on the front; crossed where the paper's own run did not fit."""
    colour = method_colour(text(row, "method"))
    (x, y), low, high = _place(row), number(row, "low"), number(row, "high")
    if text(row, "kind") == "measured" and low is not None and high is not None:
        ax.plot([low, high], [y, y], color=INK, linewidth=0.8, label="_spread", zorder=2.5)
    ax.plot([x], [y], linestyle="", marker=marker, markersize=_SIZE, color=colour, zorder=3,
            markerfacecolor=colour if row["best"] else "white", label="_setting")  # fmt: skip
    if text(row, "published_status") == "oom":
        ax.plot([x], [y], linestyle="", marker="x", markersize=_SIZE + 3.0, markeredgewidth=0.8,
                color=INK, zorder=3.5, label="_oom")  # fmt: skip


def _name_settings(ax: Any, rows: Sequence[Row], prefixes: dict[str, str]) -> None:
    """Write each setting's method and ratio, or pair where a method has two at one ratio."""
    kept = [row for row in rows if row["method"] != "full"]
    full = [row for row in rows if row["method"] == "full"]
    taken = []
    for row in full:
        told = f"all tokens: {three_digits(_place(row)[0])}"
        place = 0.985, float(row["accuracy"])
        note = ax.annotate(told, place, xycoords=("axes fraction", "data"), xytext=(0, 1.5),
                           textcoords="offset points", fontsize=7, color=INK, ha="right",
                           va="bottom", label="_full_cost")  # fmt: skip
        note.set_in_layout(False)
        taken.append(note.get_window_extent())
    names = [_name(row, kept, prefixes[text(row, "method")]) for row in kept]
    points = [
        Named(x=x, y=y, name=name)
        for row, name in sorted(zip(kept, names, strict=True), key=lambda pair: -len(pair[1]))
        for x, y in (_place(row),)
    ]
    crossed = [line for line in ax.lines if line.get_label() in _CROSSED]
    name_points(ax, points, keep_off=crossed, taken=taken)


def _name(row: Row, rows: Sequence[Row], prefix: str) -> str:
    place = text(row, "method"), number(row, "retained")
    if [(text(one, "method"), number(one, "retained")) for one in rows].count(place) == 1:
        return f"{prefix} {100 * float(row['retained']):.0f}"
    return f"{prefix} ({number(row, 'rho_a'):g}, {number(row, 'rho_v'):g})"


def _prefixes(rows: Sequence[Row]) -> dict[str, str]:
    """Shortest beginning of each method's title that no other title has."""
    titles = {method: METHOD_TITLES.get(method, method) for (method,) in distinct(rows, "method")}
    found = {}
    for method, title in titles.items():
        others = [other for other in titles.values() if other != title]
        found[method] = next(
            (
                title[:size]
                for size in range(1, len(title))
                if not any(other[:size].lower() == title[:size].lower() for other in others)
            ),
            title,
        )
    return found


def _legend(fig: Figure, rows: Sequence[Row], marker: str, width: str) -> None:
    kept = [row for row in rows if row["method"] != "full"]
    methods, prefixes = [method for (method,) in distinct(kept, "method")], _prefixes(kept)
    handles = [
        Line2D([], [], linestyle="", marker=marker, markersize=_SIZE, color=method_colour(method),
               label=f"{prefixes[method]}: {METHOD_TITLES.get(method, method)}")
        for method in methods
    ]  # fmt: skip
    handles.append(Line2D([], [], label="all tokens", **_DASHED))
    handles.append(Line2D([], [], marker=marker, markersize=_SIZE, markerfacecolor=FAINT,
                          label="best at its cost", **_FRONT))  # fmt: skip
    if any(text(row, "published_status") == "oom" for row in rows):
        handles.append(Line2D([], [], linestyle="", marker="x", markersize=_SIZE + 1, color=INK,
                              markeredgewidth=0.8, label="OOM as published"))  # fmt: skip
    fig.legend(handles=handles, loc="outside upper center", ncols=3 if width == "column" else 7)


def _notes(rows: Sequence[Row]) -> list[str]:
    (benchmark,) = distinct(rows, "benchmark")[0]
    scores = ", as the mean of scores of which all tokens have 100" if _scored(rows) else ""
    clips = [f"{clip}, {float(tokens):,.0f} audio and video tokens"
             for clip, tokens in distinct(rows, "clip", "av_tokens")]  # fmt: skip
    return foot_note([
        f"Accuracies as OmniZip publishes them on {benchmark}{scores}: none is measured here",
        f"costs are ours, of one prompt ({'; '.join(clips)}), selection inside but under Eq. 9",
        _seconds(rows),
        _names(rows),
    ])  # fmt: skip


def _seconds(rows: Sequence[Row]) -> str:
    """Say where each kind of seconds is from, and how far off a prediction may be."""
    timed = grouped([row for row in rows if row["cost"] == "seconds"], "kind", "device")
    return "; ".join(_source(kind, device, own) for (kind, device), own in timed.items())


def _source(kind: str, device: str, rows: Sequence[Row]) -> str:
    if kind == "measured":
        return f"seconds measured on {device}: medians, bars their quartiles"
    off = sorted(float(row["off_by"]) for row in rows)
    return (
        f"seconds are predicted for {device}, not measured: nine in ten are off by less than "
        f"{off[-1]:.0%}"
    )


def _names(rows: Sequence[Row]) -> str:
    """Say how the settings are named."""
    panels = grouped(rows, "model", "cost", "kind", "device").values()
    several = any("(" in _name(row, panel, "") for panel in panels for row in panel)
    pairs = ", or the pair (rho_a, rho_v) where a method has two at one ratio" if several else ""
    return f"a name is the method's letter and the percentage kept{pairs}"
