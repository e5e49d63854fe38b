"""The exact count of the decoder's layers over Eq. 9's, against the length, with both limits.

A panel per convention. Ticks at the sides are the limits for short and long prompts, the upright
line is the paper's length.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from omnizip_cost.plotting.by_length import Looks, draw_panels
from omnizip_cost.plotting.style import FAINT, INK, styled
from omnizip_cost.plotting.tablerows import Row, number, rows_of

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = ("model", "convention", "kind", "tokens", "ratio")
_TITLES = {
    "torch": "counted by torch: all pairs",
    "hardware": "needed (hardware): causal pairs",
}
_SIDE_SHARE = 0.035
"""Length of a limit's tick, in shares of the axis."""


@styled
def draw_exact_ratio(table: pd.DataFrame, *, width: str = "column") -> Figure:
    """Draw the table of ratios to Eq. 9.

    Parameters
    ----------
    table
        Rows of kind ``curve``, ``paper``, ``short`` and ``long`` (limits).
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
    rows = rows_of(table, "exact_ratio", REQUIRED)
    return draw_panels(
        rows,
        _draw_panel,
        width=width,
        panel_in=1.35,
        titles=_TITLES,
        ylabel="prefill FLOPs over Eq. 9's",
        notes=_notes(rows),
    )


def _draw_panel(ax: Any, rows: Sequence[Row], looks: Looks) -> None:
    for place, (model, (marker, line)) in enumerate(looks.items()):
        members = [row for row in rows if row["model"] == model]
        curve = sorted(
            (float(row["tokens"]), float(row["ratio"])) for row in members if row["kind"] == "curve"
        )
        # One marker each, side by side: at one length they would cover each other.
        marked = len(curve) * (2 * place + 1) // (4 * len(looks))
        ax.plot([x for x, _ in curve], [y for _, y in curve], color=INK, linestyle=line,
                linewidth=1.0, marker=marker, markevery=[marked], markersize=4.6, zorder=2.5,
                markeredgecolor="white", markeredgewidth=0.6, label="_curve")  # fmt: skip
        _draw_limits(ax, members)
    for at in {number(row, "tokens") for row in rows if row["kind"] == "paper"}:
        ax.axvline(at, color=FAINT, linewidth=0.8, linestyle=(0, (1, 1.5)), label="_paper")
    ax.margins(y=0.08)
    ax.set_ylim(bottom=0)
    ax.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_formatter("{x:g}×")


def _draw_limits(ax: Any, rows: Sequence[Row]) -> None:
    sides = {"short": (0.0, _SIDE_SHARE), "long": (1.0 - _SIDE_SHARE, 1.0)}
    for row in (row for row in rows if row["kind"] in sides):
        ratio = number(row, "ratio")
        ax.plot(sides[row["kind"]], [ratio, ratio], transform=ax.get_yaxis_transform(), color=INK,
                linewidth=2.0, solid_capstyle="butt", label=f"_{row['kind']}")  # fmt: skip


def _notes(rows: Sequence[Row]) -> list[str]:
    paper = next((row for row in rows if row["kind"] == "paper"), None)
    notes = ["The decoder's layers, without LM head", "bars at the sides: limits"]
    if paper is not None:
        notes.append(f"upright line: the paper's n = {number(paper, 'tokens'):,.0f}")
    return notes
