"""The paper's tables, typeset: FLOPs as printed beside the same rows counted by each convention.

Rules as in a printed table, a block for each table and model. The square before a row has its
method's colour. At column width FLOPs alone are given, at page width their share of all tokens'.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from matplotlib.figure import Figure

from omnizip_cost.plotting.canvas import figure_width_in, new_figure
from omnizip_cost.plotting.style import FAINT, INK, method_colour, styled
from omnizip_cost.plotting.tablerows import Row, distinct, foot_note, grouped, number, rows_of, text
from omnizip_cost.units import TERA

if TYPE_CHECKING:
    import pandas as pd

CONVENTIONS = {"eq9": "Eq. 9", "sdpa": "sdpa", "torch": "torch", "hardware": "hardware"}
"""Convention and the head of its column."""
REQUIRED = ("table", "model", "method", "label", "tokens", "decode_steps", "printed_t",
            "printed_pct", "equal", "accuracy", "best",
            *(f"{kind}_{name}" for name in CONVENTIONS for kind in ("flops", "share")))  # fmt: skip

_LINE_IN = 0.142
_RULE_IN = 0.06
"""Air about a rule."""
_EDGE_IN = 0.03
_MARK_IN = 0.1
"""Width of the square before a row."""
_HEAVY, _LIGHT = 0.9, 0.45


class _Place(NamedTuple):
    """A column of the sheet: its head and where its right edge is, in inches."""

    key: str
    head: str
    right: float


_PLACES = {
    "column": (
        _Place("printed", "printed", 1.63),
        _Place("eq9", "Eq. 9", 1.95),
        _Place("sdpa", "sdpa", 2.29),
        _Place("torch", "torch", 2.63),
        _Place("hardware", "hardw.", 3.0),
        _Place("accuracy", "acc.", 3.27),
    ),
    "page": (
        _Place("printed", "printed", 2.72),
        _Place("eq9", "Eq. 9", 3.53),
        _Place("sdpa", "sdpa", 4.37),
        _Place("torch", "torch", 5.21),
        _Place("hardware", "hardware", 6.05),
        _Place("accuracy", "accuracy (%)", 6.87),
    ),
}
"""The first column, the setting, begins at the left edge."""


@styled
def draw_paper_tables(table: pd.DataFrame, *, width: str = "page") -> Figure:
    """Typeset the table of the paper's rows under several conventions.

    Parameters
    ----------
    table
        One row per row of the paper.
    width
        ``column`` (3.3 in): FLOPs. ``page`` (6.9 in): their shares too.

    Returns
    -------
    Figure
        Of the printed size, not attached to pyplot.

    Raises
    ------
    InvalidValueError
        If columns are missing or there is nothing to draw.
    """
    rows = rows_of(table, "paper_tables", REQUIRED)
    blocks = grouped(rows, "table", "model")
    height_in = _LINE_IN * (len(rows) + len(blocks) + 1) + _RULE_IN * (2 * len(blocks) + 2)
    fig = new_figure(width=width, height_in=height_in, notes=_notes(rows))
    fig.set_layout_engine("none")
    page_in, total_in = figure_width_in(width), float(fig.get_size_inches()[1])
    foot = (total_in - height_in) / total_in
    ax = fig.add_axes((0.0, foot, 1.0, 1.0 - foot))
    ax.set_axis_off()
    ax.set_xlim(0.0, page_in)
    ax.set_ylim(height_in, 0.0)
    _typeset(ax, list(blocks.items()), width, page_in)
    return fig


def _typeset(
    ax: Any, blocks: Sequence[tuple[tuple[str, ...], list[Row]]], width: str, page_in: float
) -> None:
    at = _rule(ax, _RULE_IN / 2, page_in, _HEAVY)
    _write(ax, _EDGE_IN, at, "FLOPs in 10¹²", align="left")
    for place in _PLACES[width]:
        _write(ax, place.right, at, place.head)
    at += _LINE_IN
    for (source, model), members in blocks:
        at = _rule(ax, at, page_in, _LIGHT)
        _write(ax, _EDGE_IN, at, f"{source}, {model}", align="left", style="italic")
        at += _LINE_IN
        for row in members:
            _write_row(ax, at, row, width)
            at += _LINE_IN
    _rule(ax, at, page_in, _HEAVY)


def _rule(ax: Any, at: float, page_in: float, weight: float) -> float:
    """Draw a rule; return where the next line of text begins."""
    middle = at + _RULE_IN / 2
    ax.plot([_EDGE_IN, page_in - _EDGE_IN], [middle, middle], color=INK, linewidth=weight,
            solid_capstyle="butt", label="_rule")  # fmt: skip
    return at + 1.4 * _RULE_IN


def _write(ax: Any, x: float, at: float, words: str, *, align: str = "right", **look: Any) -> None:
    colour = look.pop("color", INK)
    ax.text(x, at + _LINE_IN / 2, words, ha=align, va="center_baseline", fontsize=7, color=colour,
            parse_math=False, **look)  # fmt: skip


def _write_row(ax: Any, at: float, row: Row, width: str) -> None:
    """One row: square, setting, what is printed and whether Eq. 9 gives it, each count."""
    side = 0.62 * _MARK_IN
    middle = at + _LINE_IN / 2
    ax.fill(
        [_EDGE_IN, _EDGE_IN + side, _EDGE_IN + side, _EDGE_IN],
        [middle - side / 2, middle - side / 2, middle + side / 2, middle + side / 2],
        facecolor=method_colour(text(row, "method")),
        linewidth=0,
        label="_method",
    )
    _write(ax, _EDGE_IN + _MARK_IN, at, _setting(row, width), align="left")
    for place in _PLACES[width]:
        words, bold = _cell(row, place.key, width)
        weight = {"weight": "bold"} if bold else {}
        faint = {"color": FAINT} if words == "–" else {}
        _write(ax, place.right, at, words, **weight, **faint)


def _setting(row: Row, width: str) -> str:
    label = text(row, "label")
    return label.replace(" (V&A)", "") if width == "column" else label


def _cell(row: Row, key: str, width: str) -> tuple[str, bool]:
    """Words of a cell, and whether they are bold."""
    if key == "accuracy":
        return f"{float(row['accuracy']):.1f}", bool(row["best"])
    if key == "printed":
        return _printed(row, width), False
    flops = f"{float(row[f'flops_{key}']) / TERA:.1f}"
    share = f" ({float(row[f'share_{key}']):.0%})" if width == "page" else ""
    return flops + share, False


def _printed(row: Row, width: str) -> str:
    printed = number(row, "printed_t")
    if printed is None:
        return "–"
    share = f" ({number(row, 'printed_pct'):.0f}%)" if width == "page" else ""
    mark = "=" if str(row["equal"]) == "True" else "≠"
    return f"{printed:.1f}{share} {mark}"


def _notes(rows: Sequence[Row]) -> list[str]:
    return foot_note(_sentences(rows))


def _sentences(rows: Sequence[Row]) -> Iterator[str]:
    for tokens, steps in distinct(rows, "tokens", "decode_steps"):
        yield (
            f"{float(tokens):,.0f} audio and video tokens, a bare count; decoding of {steps} "
            "tokens is counted, selection is not"
        )
    yield (
        "sdpa counts every position's logits and the pairs a causal kernel "
        "visits, torch those logits and all pairs, hardware the last position's and causal pairs"
    )
    yield "=: Eq. 9, rounded as the paper rounds, is what is printed"
    if any(str(row["equal"]) == "False" for row in rows):
        yield "≠: it is not"
    yield "the paper divides rounded FLOPs, which moves a ratio by up to one percentage point"
    if any(number(row, "printed_t") is None for row in rows):
        yield "–: no FLOPs are printed there"
    yield "accuracies are published, the best compressed one of each block is bold"
