"""The exact count of the decoder's layers over Eq. 9's, against the length, with both limits.

A panel per convention. Ticks at the sides are the limits for short and long prompts, markers the
paper's length.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from omnizip_cost.plotting.attention_share import length_axis, model_legend, model_looks
from omnizip_cost.plotting.canvas import new_figure
from omnizip_cost.plotting.style import INK, styled
from omnizip_cost.plotting.tablerows import Row, foot_note, grouped, number, rows_of

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = ("model", "convention", "kind", "tokens", "ratio")
_TITLES = {
    "torch": "as torch counts: all pairs",
    "hardware": "as an engine must: causal pairs",
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
    panels = grouped(rows, "convention")
    fig = new_figure(
        width=width,
        height_in=0.75 + 1.35 * len(panels),
        xlabel="tokens n",
        notes=_notes(rows),
    )
    axes = fig.subplots(len(panels), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    looks = model_looks(rows)
    for ax, ((convention,), members) in zip(axes, panels.items(), strict=True):
        _draw_panel(ax, members, looks)
        ax.set_title(_TITLES.get(convention, convention), color=INK)
    length_axis(axes[-1])
    fig.supylabel("prefill FLOPs over Eq. 9's", fontsize=8)
    model_legend(fig, looks, width)
    return fig


def _draw_panel(ax: Any, rows: Sequence[Row], looks: dict[str, tuple[str, Any]]) -> None:
    ax.set_xscale("log")
    for (model,), members in grouped(rows, "model").items():
        marker, line = looks[model]
        curve = sorted(
            (float(row["tokens"]), float(row["ratio"])) for row in members if row["kind"] == "curve"
        )
        ax.plot([x for x, _ in curve], [y for _, y in curve], color=INK, linestyle=line,
                linewidth=1.0, label="_curve")  # fmt: skip
        for row in members:
            ratio = number(row, "ratio")
            if row["kind"] == "paper":
                ax.plot([number(row, "tokens")], [ratio], linestyle="", marker=marker, color=INK,
                        markeredgecolor="white", markeredgewidth=0.6, markersize=5.2, zorder=3,
                        label="_paper")  # fmt: skip
            elif row["kind"] in ("short", "long"):
                side = (0.0, _SIDE_SHARE) if row["kind"] == "short" else (1.0 - _SIDE_SHARE, 1.0)
                ax.plot(side, [ratio, ratio], transform=ax.get_yaxis_transform(), color=INK,
                        linewidth=2.0, solid_capstyle="butt", label=f"_{row['kind']}")  # fmt: skip
    ax.margins(y=0.08)
    ax.set_ylim(bottom=0)
    ax.grid(axis="both")
    ax.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_formatter("{x:g}×")


def _notes(rows: Sequence[Row]) -> list[str]:
    paper = next((row for row in rows if row["kind"] == "paper"), None)
    notes = ["The decoder's layers, without LM head", "bars at the sides: limits"]
    if paper is not None:
        notes.append(f"markers: n = {number(paper, 'tokens'):,.0f}, the paper's")
    return foot_note(notes)
