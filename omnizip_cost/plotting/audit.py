"""The rate that every timed claim implies, against the dense peak of its card.

One line per prefill, rates on a log axis; a line marks the peak of the card, and beyond it, in
grey, no time is possible. The marker's shape says the model, its colour the method; it is hollow
where the claim needs an unstated assumption. Times of whole items are drawn only where there is no
prefill: the decoder's least work over a time that holds encoders and decode says little.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from omnizip_cost.plotting.canvas import new_figure
from omnizip_cost.plotting.style import (
    FAINT,
    INK,
    METHOD_TITLES,
    method_colour,
    model_markers,
    styled,
)
from omnizip_cost.plotting.tablerows import (
    Row,
    distinct,
    foot_note,
    grouped,
    number,
    present,
    rows_of,
    text,
)
from omnizip_cost.units import TERA

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = ("source", "model", "device", "method", "quantity", "implied_flop_per_s",
            "peak_flop_per_s", "verdict")  # fmt: skip
ASSUMED, IMPOSSIBLE = "needs an unstated assumption", "impossible"
_TICKS_TFLOP_PER_S = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_XLABEL = "decoder's FLOPs / printed time (TFLOP/s)"
_LINE_IN = 0.135
_TITLE_IN = 0.3


@styled
def draw_audit(table: pd.DataFrame, *, width: str = "column") -> Figure:
    """Draw the audit table: implied rates of timed claims whose card is known.

    Parameters
    ----------
    table
        The audit table; rows without a rate or a peak are passed over.
    width
        ``column`` (3.3 in) or ``page`` (6.9 in).

    Raises
    ------
    InvalidValueError
        If columns are missing or no claim has both a rate and a peak.
    """
    rows = rows_of(table, "audit", REQUIRED)
    timed = [row for row in rows if present(row["peak_flop_per_s"])]
    timed = [row for row in timed if present(row["implied_flop_per_s"])]
    timed = [row for row in timed if text(row, "quantity") == "prefill"] or timed
    panels = grouped(timed, "source", "device", "gpus")
    if not panels:
        rows_of(table.iloc[:0], "audit", REQUIRED)
    lines = [len(members) for members in panels.values()]
    height_in = 0.75 + sum(_TITLE_IN + _LINE_IN * count for count in lines)
    fig = new_figure(width=width, height_in=height_in, notes=_notes(timed), xlabel=_XLABEL)
    axes = fig.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=lines)[:, 0]
    markers = model_markers(name for (name,) in distinct(timed, "model"))
    for ax, ((source, device, gpus), members) in zip(axes, panels.items(), strict=True):
        cards = device if gpus in {"", "1"} else f"{gpus} × {device}"
        ax.set_title(f"{source}, {cards}", color=INK, loc="right")
        _draw_panel(ax, members, markers)
    rates = [float(row[name]) for row in timed for name in REQUIRED[5:7]]
    axes[-1].set_xlim(0.7 * min(rates), 1.5 * max(rates))
    _legend(fig, timed, width)
    return fig


def _draw_panel(ax: Any, rows: Sequence[Row], markers: Mapping[str, str]) -> None:
    """Draw the claims of one source on one card, top to bottom as in the table."""
    ax.set_xscale("log")
    peak = float(rows[0]["peak_flop_per_s"])
    ax.axvline(peak, color=INK, linewidth=1.0, label="_peak")
    ax.axvspan(peak, 1e19, color=FAINT, alpha=0.15, linewidth=0, label="_beyond")
    for at, row in enumerate(rows):
        verdict = text(row, "verdict")
        colour = method_colour(text(row, "method"))
        ax.plot([number(row, "implied_flop_per_s")], [at], marker=markers[text(row, "model")],
                linestyle="", color=colour, markersize=4.2, label=f"_{verdict}",
                markerfacecolor="white" if verdict == ASSUMED else colour)  # fmt: skip
    ax.set_yticks(range(len(rows)), [_name(row) for row in rows])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x")
    ax.xaxis.set_major_locator(FixedLocator([tick * TERA for tick in _TICKS_TFLOP_PER_S]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / TERA:g}"))
    ax.xaxis.set_minor_locator(NullLocator())


def _name(row: Row) -> str:
    kept = number(row, "retained")
    share = "" if kept is None or text(row, "method") == "full" else f" {kept:.0%}"
    title = METHOD_TITLES.get(text(row, "method"), text(row, "method"))
    below = float(row["implied_flop_per_s"]) <= float(row["peak_flop_per_s"])
    light = " (too short for its weights)" if below and text(row, "verdict") == IMPOSSIBLE else ""
    what = "" if text(row, "quantity") == "prefill" else f", {text(row, 'quantity')}"
    return f"{title}{share}{what}{light}"


def _legend(fig: Figure, rows: Sequence[Row], width: str) -> None:
    models = [name for (name,) in distinct(rows, "model")]
    handles: list[Artist] = [
        Line2D([], [], color=INK, linestyle="", marker=marker, label=name)
        for name, marker in model_markers(models).items()
    ]
    if any(text(row, "verdict") == ASSUMED for row in rows):
        handles.append(Line2D([], [], color=INK, linestyle="", marker="o", label=ASSUMED,
                              markerfacecolor="white"))  # fmt: skip
    handles.append(Line2D([], [], color=INK, linewidth=1.0, label="dense peak of the card"))
    handles.append(Patch(color=FAINT, alpha=0.15, linewidth=0, label="impossible: above it"))
    fig.legend(handles=handles, loc="outside upper center", ncols=2 if width == "column" else 4)


def _notes(rows: Sequence[Row]) -> list[str]:
    assumed = [n for n, why in distinct(rows, "tokens", "tokens_from") if why not in {"", "stated"}]
    lengths = ", ".join(f"{float(n):,.0f}" for n in dict.fromkeys(assumed))
    return foot_note(
        [
            "Causal pairs, one position's logits, encoders left out: true rates are higher",
            f"assumed where the source states no length: n = {lengths}" if assumed else "",
        ]
    )
