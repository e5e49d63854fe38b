"""Operators under the roof of a device, prefill and decode, before and after compression.

A panel per device and phase, on common logarithmic axes: FLOPs for each byte, FLOPs each second.
The roof is the least of bandwidth times the one and the peak of the other. Rings are all tokens,
discs what compression leaves; their area is the operator's share of the phase's seconds with all
tokens, so that a ring around a small disc is time saved, and a disc that fills its ring is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log10, pi
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator

from omnizip_cost.plotting.canvas import new_figure
from omnizip_cost.plotting.style import (
    FAINT,
    INK,
    METHOD_TITLES,
    method_colour,
    styled,
)
from omnizip_cost.plotting.tablerows import Row, distinct, foot_note, grouped, number, rows_of, text
from omnizip_cost.units import si

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = ("model", "device", "title", "phase", "method", "label", "operator", "share",
            "flop_per_byte", "flop_per_s", "peak_flop_per_s", "bandwidth_bytes_per_s")  # fmt: skip

OPERATOR_TITLES = {
    "projection": ("P", "projections"),
    "ffn": ("F", "FFN"),
    "attention": ("A", "attention"),
    "lm_head": ("H", "LM head"),
    "elementwise": ("e", "all others"),
}
"""Letter beside the point, and name in the panel's list."""

_AREA = 300
"""Square points of a point that takes all of the phase."""
_LEAST_AREA = 6
_PANEL_IN = 1.72
_LIST_X, _LIST_TOP, _LIST_STEP = 0.58, 0.46, 0.105
"""Where the list stands, as shares of the panel: right of what the bandwidth binds."""
_LETTER_GAP = 0.36
"""Decades of the axis that two letters stay apart."""
_LETTER_DROP = 1.15
"""Decades that letters of points on top of one another stand below them."""


@styled
def draw_roofline(table: pd.DataFrame, *, width: str = "column") -> Figure:
    """Draw the roofline table.

    Parameters
    ----------
    table
        One row per device, phase, plan and kind of operator; of each panel, the first plan is the
        one with all tokens.
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
    rows = rows_of(table, "roofline", REQUIRED)
    panels = list(grouped(rows, "device", "phase").values())
    columns = 1 if width == "column" else min(2, len(panels))
    lines = -(-len(panels) // columns)
    fig = new_figure(
        width=width,
        height_in=0.25 + _PANEL_IN * lines,
        xlabel="FLOPs for each byte moved",
        notes=_notes(rows),
    )
    axes = fig.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for place, ax in enumerate(axes.flat):
        if place < len(panels):
            _draw_panel(ax, panels[place])
        else:
            ax.set_visible(False)
    _finish(axes, rows)
    for ax, panel in zip(axes.flat, panels, strict=False):
        _draw_roof(ax, panel[0])
    _legend(fig, rows)
    return fig


def _draw_panel(ax: Any, rows: Sequence[Row]) -> None:
    """Points of one phase on one device, and the names of the operators."""
    plans = list(grouped(rows, "method", "label").values())
    for place, plan in enumerate(plans):
        for row in plan:
            _draw_point(ax, row, hollow=place == 0)
    for place, row in enumerate(plans[0]):
        name = text(row, "operator")
        own = [one for plan in plans for one in plan if one["operator"] == name]
        shares = " \u2192 ".join(f"{float(one['share']):.0%}" for one in own)
        ax.text(_LIST_X, _LIST_TOP - _LIST_STEP * place, f"{' '.join(_titles(row))} {shares}",
                transform=ax.transAxes, ha="left", va="center", fontsize=7, color=INK,
                label="_name")  # fmt: skip
    for cluster in _clusters(plans[0]):
        _draw_letters(ax, cluster)
    ax.set_title(f"{text(rows[0], 'title')}, {text(rows[0], 'phase')}", color=INK, loc="left")


def _titles(row: Row) -> tuple[str, str]:
    name = text(row, "operator")
    return OPERATOR_TITLES.get(name, (name[:1], name))


def _clusters(rows: Sequence[Row]) -> list[list[Row]]:
    """Points by nearness along the axis, so that letters of each cluster get room."""
    clusters: list[list[Row]] = []
    for row in sorted(rows, key=_across):
        if clusters and _across(row) - _across(clusters[-1][-1]) < _LETTER_GAP:
            clusters[-1].append(row)
        else:
            clusters.append([row])
    return clusters


def _across(row: Row) -> float:
    return log10(float(row["flop_per_byte"]))


def _draw_letters(ax: Any, cluster: Sequence[Row]) -> None:
    """Letters of one cluster: right of a lone point, side by side below several."""
    lowest = min(log10(float(row["flop_per_s"])) for row in cluster)
    middle = sum(map(_across, cluster)) / len(cluster)
    for place, row in enumerate(cluster):
        point = float(row["flop_per_byte"]), float(row["flop_per_s"])
        letter, _ = _titles(row)
        look = {"fontsize": 7, "color": INK, "va": "center", "label": "_letter"}
        if len(cluster) == 1:
            radius = (max(_AREA * float(row["share"]), _LEAST_AREA) / pi) ** 0.5
            ax.annotate(letter, point, xytext=(radius + 2, -radius - 2),
                        textcoords="offset points", ha="left", **look)  # fmt: skip
            continue
        along = middle + _LETTER_GAP * (place - (len(cluster) - 1) / 2)
        ax.annotate(letter, point, xytext=(10**along, 10 ** (lowest - _LETTER_DROP)),
                    textcoords="data", ha="center", **look,
                    arrowprops={"arrowstyle": "-", "color": FAINT, "linewidth": 0.5,
                                "shrinkA": 0, "shrinkB": 0})  # fmt: skip


def _draw_point(ax: Any, row: Row, *, hollow: bool) -> None:
    colour = method_colour(text(row, "method"))
    ax.scatter(
        [float(row["flop_per_byte"])],
        [float(row["flop_per_s"])],
        s=max(_AREA * float(row["share"]), _LEAST_AREA),
        facecolor="none" if hollow else colour,
        edgecolor=colour,
        linewidth=1.0 if hollow else 0.0,
        zorder=4 if hollow else 3,
        label="_all" if hollow else "_kept",
    )


def _draw_roof(ax: Any, row: Row) -> None:
    """Bandwidth up to the ridge, the peak after it, and both in words."""
    low, high = ax.get_xlim()
    peak, bandwidth = float(row["peak_flop_per_s"]), float(row["bandwidth_bytes_per_s"])
    ridge = peak / bandwidth
    ax.plot([low, ridge, high], [low * bandwidth, peak, peak], color=INK, linewidth=1.0, zorder=2,
            label="_roof")  # fmt: skip
    for rate, unit, place, label in (
        (peak, "FLOP/s", (ridge, peak), "_peak"),
        (bandwidth, "B/s", (1.0, bandwidth), "_bandwidth"),
    ):
        ax.annotate(si(rate, unit), place, xytext=(-8, 2), textcoords="offset points",
                    ha="right", va="bottom", fontsize=7, color=INK, label=label)  # fmt: skip


def _finish(axes: Any, rows: Sequence[Row]) -> None:
    """Common axes, whole decades, wide enough for every roof and point."""
    for ax in axes.flat:
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.xaxis.set_major_locator(LogLocator(numticks=6))
        ax.yaxis.set_major_locator(LogLocator(numticks=5))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_minor_locator(NullLocator())
        ax.grid(visible=True)
    across = [float(row["flop_per_byte"]) for row in rows]
    up = [float(row["flop_per_s"]) for row in rows]
    peaks = [float(row["peak_flop_per_s"]) for row in rows]
    axes.flat[0].set_xlim(min(across) / 3, max(across) * 6)
    axes.flat[0].set_ylim(min(up) / 8, max(peaks) * 8)
    for ax in axes[:, 0]:
        ax.set_ylabel("FLOP/s")
    for column in axes.T:
        [ax for ax in column if ax.get_visible()][-1].tick_params(labelbottom=True)


def _legend(fig: Figure, rows: Sequence[Row]) -> None:
    handles = []
    for place, (method, label) in enumerate(distinct(rows, "method", "label")):
        colour = method_colour(method)
        title = METHOD_TITLES.get(method, method)
        handles.append(
            Line2D([], [], linestyle="", marker="o", markersize=6, markeredgecolor=colour,
                   markerfacecolor="white" if place == 0 else colour,
                   label=title if method == "full" else f"{title}, {label}")
        )  # fmt: skip
    fig.legend(handles=handles, loc="outside upper left", ncols=2)


def _notes(rows: Sequence[Row]) -> list[str]:
    (model,) = distinct(rows, "model")[0]
    lent = [f"{title}: efficiency borrowed from {other}"
            for title, other in distinct(rows, "title", "borrowed_from") if other]  # fmt: skip
    tokens = {int(n) for row in rows if (n := number(row, "tokens")) is not None}
    steps = {int(n) for row in rows if (n := number(row, "decode_steps")) is not None}
    counted = " and ".join(f"{n:,}" for n in sorted(tokens, reverse=True))
    return foot_note([
        model,
        f"{counted} tokens" if counted else "",
        f"decode: {max(steps)} steps" if steps else "",
        "predicted, bf16; area and percentages: share of the device's seconds of that phase "
        "with full tokens",
        *lent,
    ])  # fmt: skip
