"""What G, the tokens merged into each anchor, changes in cost, a panel per quantity.

Axes begin at zero, so that what does not change is flat and what hardly changes is seen to. The
numbers are those at the least and at the largest G; the dotted line is the published default.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator

from omnizip_cost.plotting.canvas import new_figure, three_digits
from omnizip_cost.plotting.style import FAINT, INK, method_colour, styled
from omnizip_cost.plotting.tablerows import Row, distinct, foot_note, grouped, rows_of, text, where
from omnizip_cost.units import GIGA, TERA

if TYPE_CHECKING:
    import pandas as pd


class _Quantity(NamedTuple):
    """A panel: its column, its title, what its values are divided by, how they are written."""

    column: str
    title: str
    factor: float
    write: Callable[[float], str]


def _whole(value: float) -> str:
    return f"{value:,.0f}"


_QUANTITIES = (
    _Quantity("av_kept", "tokens kept", 1, _whole),
    _Quantity("prefill_flops", "prefill, 10¹² FLOPs", TERA, three_digits),
    _Quantity("selection_flops", "selection, 10⁹ FLOPs", GIGA, three_digits),
    _Quantity("selection_bytes", "selection, GB moved", GIGA, three_digits),
    _Quantity("selection_operators", "selection, operators", 1, _whole),
    _Quantity("selection_ms", "selection, ms (predicted)", 1, three_digits),
)
REQUIRED = ("model", "device", "backend", "clip", "av_tokens", "label", "method", "merge",
            "default", *(quantity.column for quantity in _QUANTITIES))  # fmt: skip
_FILLS = ("full", "none", "left", "right")
"""How markers of the settings are filled, in the table's order."""
_SIZES = (2.8, 4.6, 4.6, 4.6)
_PANEL_IN = {"column": 0.94, "page": 1.1}


@styled
def draw_anchors(table: pd.DataFrame, *, width: str = "column") -> Figure:
    """Draw the table of costs against G.

    Parameters
    ----------
    table
        One row per setting and G, of one model on one device.
    width
        ``column`` (3.3 in): two panels a line. ``page`` (6.9 in): three.

    Returns
    -------
    Figure
        Of the printed size, not attached to pyplot.

    Raises
    ------
    InvalidValueError
        If columns are missing or there is nothing to draw.
    """
    rows = rows_of(table, "anchors", REQUIRED)
    columns = 2 if width == "column" else 3
    lines = len(_QUANTITIES) // columns
    fig = new_figure(
        width=width,
        height_in=(0.44 if width == "column" else 0.3) + 0.13 + lines * (_PANEL_IN[width] + 0.16),
        xlabel="G, tokens merged into each anchor",
        notes=_notes(rows),
    )
    axes = fig.subplots(lines, columns, sharex=True, squeeze=False)
    settings = list(grouped(rows, "label").values())
    for ax, quantity in zip(axes.flat, _QUANTITIES, strict=True):
        _draw_panel(ax, settings, quantity)
    _legend(fig, rows, width)
    return fig


def _draw_panel(ax: Any, settings: Sequence[Sequence[Row]], quantity: _Quantity) -> None:
    """Draw one quantity of all settings; write its ends above the highest and below the lowest."""
    highest = max(_values(rows, quantity)[-1] for rows in settings)
    ax.set_ylim(0.0, 1.42 * max(max(_values(rows, quantity)) for rows in settings))
    defaults = {float(row["merge"]) for rows in settings for row in rows if _is_default(row)}
    for default in defaults:
        ax.axvline(default, color=FAINT, linewidth=0.8, linestyle=(0, (1, 1.5)), label="_default")
    told = set()
    for place, rows in enumerate(settings):
        values = _values(rows, quantity)
        ax.plot([float(row["merge"]) for row in rows], values, linewidth=0.8,
                color=method_colour(text(rows[0], "method")), marker="o",
                markersize=_SIZES[place % len(_SIZES)], fillstyle=_FILLS[place % len(_FILLS)],
                zorder=3 - 0.1 * place, label=f"_{quantity.column}")  # fmt: skip
        words = f"{quantity.write(values[0])} → {quantity.write(values[-1])}"
        if words in told:
            continue
        told.add(words)
        above = values[-1] == highest
        _say(ax, rows, values[-1], words, above=above)
    ax.set_title(quantity.title, color=INK, fontsize=7.5)
    ax.xaxis.set_major_locator(FixedLocator([0, 3, 6, 9, 12, 15]))
    ax.yaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]))
    ax.yaxis.set_major_formatter("{x:,g}")
    ax.grid(axis="y")


def _values(rows: Sequence[Row], quantity: _Quantity) -> list[float]:
    ordered = sorted(rows, key=lambda row: float(row["merge"]))
    return [float(row[quantity.column]) / quantity.factor for row in ordered]


def _is_default(row: Row) -> bool:
    return str(row["default"]) == "True"


def _say(ax: Any, rows: Sequence[Row], height: float, words: str, *, above: bool) -> None:
    """Write words at the right end of a line, clear of its markers."""
    right = max(float(row["merge"]) for row in rows)
    ax.annotate(words, (right, height), xytext=(0, 4 if above else -4), fontsize=7, color=INK,
                textcoords="offset points", ha="right", va="bottom" if above else "top",
                label="_ends")  # fmt: skip


def _legend(fig: Figure, rows: Sequence[Row], width: str) -> None:
    handles = [
        Line2D([], [], color=method_colour(method), linewidth=0.8, marker="o", label=label,
               markersize=_SIZES[place % len(_SIZES)], fillstyle=_FILLS[place % len(_FILLS)])
        for place, (label, method) in enumerate(distinct(rows, "label", "method"))
    ]  # fmt: skip
    if any(_is_default(row) for row in rows):
        (default,) = distinct([row for row in rows if _is_default(row)], "merge")[0]
        handles.append(Line2D([], [], color=FAINT, linewidth=0.8, linestyle=(0, (1, 1.5)),
                              label=f"published default, {float(default):g}"))  # fmt: skip
    fig.legend(handles=handles, loc="outside upper center", ncols=2 if width == "column" else 4)


def _notes(rows: Sequence[Row]) -> list[str]:
    tokens = float(rows[0]["av_tokens"])
    return foot_note([
        f"{where(rows, 'model', 'clip')}, {tokens:,.0f} audio and video tokens",
        "G = 0: no anchors. From 1 on no size depends on G: every token that is left over is "
        "ranked inside its anchor's group, however many are merged",
        f"times are predicted for {where(rows, 'device', 'backend')}, not measured",
        "each arrow leads from the least G to the largest",
    ])  # fmt: skip
