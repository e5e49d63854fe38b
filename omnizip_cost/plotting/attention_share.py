"""Share of prefill that attention's products take, against the length, model by model.

A panel per convention. Hollow markers: attention overtakes the FFN; filled ones: it overtakes all
the rest, at half of the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import (
    FuncFormatter,
    LogLocator,
    MultipleLocator,
    NullLocator,
    PercentFormatter,
)

from omnizip_cost.plotting.canvas import new_figure
from omnizip_cost.plotting.style import FAINT, INK, model_markers, styled
from omnizip_cost.plotting.tablerows import Row, distinct, foot_note, grouped, number, rows_of, text
from omnizip_cost.units import KILO, MEGA

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = ("model", "convention", "kind", "tokens", "share")
TITLES = {
    "eq9": "Eq. 9",
    "torch": "as torch counts: all pairs, logits everywhere",
    "hardware": "as an engine must: causal pairs, logits once",
}
MODEL_LINES = ("-", (0, (4, 1.6)), (0, (1.2, 1.2)), (0, (4, 1.4, 1.2, 1.4)))
"""One for each model, in the table's order: markers sit only where something is overtaken."""


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
    panels = grouped(rows, "convention")
    fig = new_figure(
        width=width,
        height_in=0.75 + 1.15 * len(panels),
        xlabel="tokens n",
        notes=foot_note(
            [
                "Hollow markers: attention takes more than the FFN from here on",
                "filled: more than all the rest together",
            ]
        ),
    )
    axes = fig.subplots(len(panels), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    looks = model_looks(rows)
    for ax, ((convention,), members) in zip(axes, panels.items(), strict=True):
        _draw_panel(ax, members, looks)
        ax.set_title(TITLES.get(convention, convention), color=INK)
    axes[len(axes) // 2].set_ylabel("attention's share of prefill FLOPs")
    length_axis(axes[-1])
    model_legend(fig, looks, width)
    return fig


def model_looks(rows: Sequence[Row]) -> dict[str, tuple[str, Any]]:
    """Marker and line of each model; markers are those of every figure."""
    models = [model for (model,) in distinct(rows, "model")]
    markers = model_markers(models)
    return {
        model: (markers[model], MODEL_LINES[place % len(MODEL_LINES)])
        for place, model in enumerate(models)
    }


def model_legend(fig: Figure, looks: dict[str, tuple[str, Any]], width: str) -> None:
    """Name the models above the axes."""
    handles = [
        Line2D([], [], color=INK, linestyle=line, marker=marker, markersize=3.8, label=model)
        for model, (marker, line) in looks.items()
    ]
    fig.legend(handles=handles, loc="outside upper center", ncols=2 if width == "column" else 4)


def length_axis(ax: Any) -> None:
    """Label lengths by powers of ten, in words a reader says: 10k, 1M."""
    ax.xaxis.set_major_locator(LogLocator(10))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))


def _short(tokens: float) -> str:
    if tokens >= MEGA:
        return f"{tokens / MEGA:g}M"
    return f"{tokens / KILO:g}k" if tokens >= KILO else f"{tokens:g}"


def _draw_panel(ax: Any, rows: Sequence[Row], looks: dict[str, tuple[str, Any]]) -> None:
    ax.set_xscale("log")
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
    ax.grid(axis="both")
    ax.yaxis.set_major_locator(MultipleLocator(0.25))
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
