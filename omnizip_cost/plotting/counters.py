"""What other FLOP counters report, as a share of the exact count: a line per tool.

A table whose cells carry their number and a shade: the darker, the further from the exact count.
The number ``1`` alone means equal as whole numbers, ``1.00`` means near.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from omnizip_cost.plotting.canvas import new_figure
from omnizip_cost.plotting.style import INK, NO_DATA, styled, tint
from omnizip_cost.plotting.tablerows import (
    Row,
    distinct,
    foot_note,
    grouped,
    number,
    rows_of,
    text,
)

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = ("tool", "case", "part", "model", "layers", "ratio")
DARKEST = 0.4
"""Distance from the exact count at which a cell is as dark as it gets."""
_DARK_SHARE = 0.68
_LIGHT_TEXT_FROM = 0.55
"""Share of ink in a cell from which a white number stands out more than a dark one."""
_LINE_IN = 0.19
_HEAD_IN = 1.05
_FAILED, _UNASKED = "//////", "...."
_SAID_UNASKED = "not asked"
"""What an error says where a tool was not asked at all."""
WAYS = {
    "meta": "FlopCounterMode's meta and CPU: device of the tensors",
    "CPU": "FlopCounterMode's meta and CPU: device of the tensors",
    "math": "math: attention written out as products",
}
"""What the words after the comma of a FlopCounterMode mean."""


@styled
def draw_counters(table: pd.DataFrame, *, width: str = "column") -> Figure:
    """Draw the counters table: the ratio of what each tool reports to the exact count.

    Parameters
    ----------
    table
        One row per tool and case; ``ratio`` is empty where there is no reading. An optional column
        ``error`` says why: the tool failed there, or it was not asked.
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
    rows = rows_of(table, "counters", REQUIRED)
    tools = [tool for (tool,) in distinct(rows, "tool")]
    cases = [case for (case,) in distinct(rows, "case")]
    fig = new_figure(width=width, height_in=_HEAD_IN + _LINE_IN * len(tools), notes=_notes(rows))
    ax = fig.subplots()
    for row in rows:
        place = cases.index(text(row, "case"))
        _draw_cell(ax, place, tools.index(text(row, "tool")), row)
    ax.set_xlim(-0.5, len(cases) - 0.5)
    ax.set_ylim(len(tools) - 0.5, -0.5)
    ax.set_yticks(range(len(tools)), tools)
    heads = [case.replace(", ", "\n") for case in cases]
    ax.set_xticks(range(len(cases)), heads, rotation=90, multialignment="left")
    ax.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False, pad=2)
    ax.spines[:].set_visible(False)
    return fig


def _draw_cell(ax: Any, x: int, y: int, row: Row) -> None:
    """One cell: its shade and its number; a pattern where the tool gives none."""
    ratio = number(row, "ratio")
    share = 0.0 if ratio is None else _DARK_SHARE * min(1.0, abs(1.0 - ratio) / DARKEST)
    ax.add_patch(
        Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=tint(INK, share), edgecolor=NO_DATA,
                  hatch=_pattern(row), label="_cell")
    )  # fmt: skip
    if ratio is not None:
        ax.text(x, y, "1" if ratio == 1 else f"{ratio:.2f}", ha="center", va="center", fontsize=7,
                color="white" if share >= _LIGHT_TEXT_FROM else INK, label="_ratio")  # fmt: skip


def _pattern(row: Row) -> str:
    if number(row, "ratio") is not None:
        return ""
    return _UNASKED if _SAID_UNASKED in text(row, "error") else _FAILED


def _notes(rows: Sequence[Row]) -> list[str]:
    models = grouped(rows, "model")
    first = next(iter(models))
    others = [f"{_names(own, 'case').rpartition(', ')[2]}: {model}"
              for (model,), own in models.items() if (model,) != first]  # fmt: skip
    encoders = [row for row in rows if text(row, "part").endswith("encoder")]
    layers = [f"{part}: {count} layers" for part, count in distinct(encoders, "part", "layers")]
    ways = [tool.partition(", ")[2] for (tool,) in distinct(rows, "tool")]
    patterns = {_pattern(row) for row in rows}
    return foot_note([
        "; ".join((*first, *others)),
        "; ".join(layers),
        "numbers: FLOPs reported / exact count of the same pass",
        "1 alone: equal as whole numbers",
        "hatched: fails there" if _FAILED in patterns else "",
        "dotted: not asked" if _UNASKED in patterns else "",
        "; ".join(dict.fromkeys(WAYS[way] for way in ways if way in WAYS)),
    ])  # fmt: skip


def _names(rows: Sequence[Row], column: str) -> str:
    return ", ".join(name for (name,) in distinct(rows, column))
