"""Share of prefill that attention's products take, against the length, model by model.

A panel per convention. Hollow markers: attention overtakes the FFN; filled ones: it overtakes all
the rest, at half of the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator, PercentFormatter

from omnizip_cost.plotting.by_length import Looks, draw_panels
from omnizip_cost.plotting.style import FAINT, INK, styled
from omnizip_cost.plotting.tablerows import Row, grouped, number, rows_of, text

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = ("model", "convention", "kind", "tokens", "share")
_TITLES = {
    "eq9": "Eq. 9",
    "torch": "counted by torch: all pairs, logits everywhere",
    "hardware": "needed (hardware): causal pairs, logits once",
}


@styled
def draw_attention_share(table: pd.DataFrame, *, width: str = "column") -> Figure:
    """Draw the table of attention's share.

    Parameters
    ----------
    table
        Rows of kind ``curve``, ``ffn`` and ``rest``.
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
    rows = rows_of(table, "attention_share", REQUIRED)
    return draw_panels(
        rows,
        _draw_panel,
        width=width,
        panel_in=1.15,
        titles=_TITLES,
        ylabel="attention's share of prefill FLOPs",
        notes=[
            "Hollow markers: attention takes more than the FFN from here on",
            "filled: more than all the rest together",
        ],
    )


def _draw_panel(ax: Any, rows: Sequence[Row], looks: Looks) -> None:
    ax.axhline(0.5, color=FAINT, linewidth=0.8, linestyle=(0, (1, 1.5)), label="_half")
    for (model,), members in grouped(rows, "model").items():
        marker, line = looks[model]
        curve = sorted(
            (float(row["tokens"]), float(row["share"])) for row in members if row["kind"] == "curve"
        )
        ax.plot([x for x, _ in curve], [y for _, y in curve], color=INK, linestyle=line,
                linewidth=1.0, label="_curve")  # fmt: skip
        for row in members:
            kind = text(row, "kind")
            if kind != "curve" and number(row, "share") is not None:
                ax.plot([number(row, "tokens")], [number(row, "share")], linestyle="",
                        marker=marker, color=INK, markersize=4.2, zorder=3, label=f"_{kind}",
                        markeredgewidth=0.8,
                        markerfacecolor="white" if kind == "ffn" else INK)  # fmt: skip
    ax.set_ylim(0, 1)
    ax.yaxis.set_major_locator(MultipleLocator(0.25))
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
