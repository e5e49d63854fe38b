"""One table, three notations: Markdown, LaTeX (booktabs) and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.report.cells import absent, plain

Row = Mapping[str, Any]
Mark = Literal["", "best", "second"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: where its values are found, its heading, and how they are written."""

    key: str
    title: str
    write: Callable[[Any], str] = plain
    align: Literal["left", "right"] = "right"
    better: Literal["", "high", "low", "zero"] = ""
    """Which value is best: the highest, the lowest, or the nearest to zero; where given, it is set
    bold, the second underlined."""
    over: str = ""
    """What neighbours share: set once above them in LaTeX, before each title elsewhere."""

    @property
    def heading(self) -> str:
        """The title, with what stands over it."""
        return f"{self.over}, {self.title}" if self.over else self.title

    def __post_init__(self) -> None:
        if self.align not in ("left", "right"):
            raise InvalidValueError("column", "align", "'left' or 'right'", self.align)
        if self.better not in ("", "high", "low", "zero"):
            raise InvalidValueError("column", "better", "'high', 'low', 'zero' or ''", self.better)


def markdown_table(
    columns: Sequence[Column | str], rows: Sequence[Row], *, unranked: Collection[int] = ()
) -> str:
    r"""Write a table in Markdown (GitHub's pipe tables).

    Parameters
    ----------
    columns
        Columns, or plain keys that serve as their own headings.
    rows
        One mapping per row; an absent key or value is written as a dash.
    unranked
        Places of rows, such as the reference, that take no part in bold and underline.

    Returns
    -------
    str
        Lines without a trailing newline.

    >>> print(markdown_table(["method", "n"], [{"method": "a|b", "n": 1200}]))
    | method | n |
    |---:|---:|
    | a\|b | 1,200 |
    """
    full = _columns(columns)
    cells = _cells(full, rows, unranked, _markdown_cell)
    lines = [[_markdown_text(column.heading) for column in full]]
    rule = "|".join("---:" if column.align == "right" else ":---" for column in full)
    body = [f"| {' | '.join(line)} |" for line in [*lines, *cells]]
    return "\n".join([body[0], f"|{rule}|", *body[1:]])


def latex_table(
    columns: Sequence[Column | str], rows: Sequence[Row], *, unranked: Collection[int] = ()
) -> str:
    r"""Write a table as a LaTeX ``tabular`` with the rules of ``booktabs``.

    Everything LaTeX would read as a command is escaped. Needs ``\usepackage{booktabs}``.
    Parameters are those of :func:`markdown_table`.
    """
    full = _columns(columns)
    cells = _cells(full, rows, unranked, _latex_cell)
    head = " & ".join(latex_text(column.title) for column in full)
    body = [f"{' & '.join(line)} \\\\" for line in cells]
    spec = "".join("r" if column.align == "right" else "l" for column in full)
    lines = [
        f"\\begin{{tabular}}{{{spec}}}",
        "\\toprule",
        *_latex_over(full),
        f"{head} \\\\",
        "\\midrule",
        *body,
        "\\bottomrule",
        "\\end{tabular}",
    ]
    return "\n".join(lines)


def csv_table(columns: Sequence[Column | str], rows: Sequence[Row]) -> str:
    """Write a table as CSV: keys as headings, values in full precision, absent ones empty."""
    full = _columns(columns)
    sheet = io.StringIO()
    writer = csv.writer(sheet, lineterminator="\n")
    writer.writerow([column.key for column in full])
    for row in rows:
        values = [row.get(column.key) for column in full]
        writer.writerow(["" if absent(value) else value for value in values])
    return sheet.getvalue()


def _latex_over(columns: Sequence[Column]) -> list[str]:
    """Write what columns share above their titles, each over a rule as wide as they are."""
    if not any(column.over for column in columns):
        return []
    cells, rules, first = [], [], 1
    for over, shared in groupby(columns, key=lambda column: column.over):
        count = len(list(shared))
        last = first + count - 1
        text = latex_text(over)
        cells.append(f"\\multicolumn{{{count}}}{{c}}{{{text}}}" if over else " & " * (count - 1))
        if over:
            rules.append(f"\\cmidrule(lr){{{first}-{last}}}")
        first = last + 1
    return [f"{' & '.join(cells)} \\\\", " ".join(rules)]


_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "×": r"$\times$", "−": r"$-$", "–": "--", "ρ": r"$\rho$", "·": r"$\cdot$", "µ": r"$\mu$",
    "≥": r"$\geq$", "≤": r"$\leq$", "±": r"$\pm$", "\n": " ",
    "[": "{[}", "*": "{*}",
}  # fmt: skip
"""A bracket or a star that begins a line would be an option of the ``\\\\`` before it."""


def latex_text(text: str) -> str:
    r"""Escape a text for LaTeX, one character at a time.

    >>> latex_text("50% & a_b")
    '50\\% \\& a\\_b'
    """
    return "".join(_LATEX.get(character, character) for character in text)


def _columns(columns: Sequence[Column | str]) -> list[Column]:
    return [Column(key=c, title=c) if isinstance(c, str) else c for c in columns]


def _cells(
    columns: Sequence[Column],
    rows: Sequence[Row],
    unranked: Collection[int],
    dress: Callable[[str, Mark], str],
) -> list[list[str]]:
    """Write every cell, best and second marked."""
    marked = [marks(column, rows, unranked) for column in columns]
    return [
        [dress(column.write(row.get(column.key)), marked[c][r]) for c, column in enumerate(columns)]
        for r, row in enumerate(rows)
    ]


def marks(column: Column, rows: Sequence[Row], unranked: Collection[int] = ()) -> list[Mark]:
    """Mark the best value of a column and the second; values that print alike rank alike.

    Nothing is marked where no two values differ: there is no better one.
    """
    if not column.better:
        return [""] * len(rows)
    values = [
        None if at in unranked else _number(row.get(column.key)) for at, row in enumerate(rows)
    ]
    if column.better == "zero":
        values = [None if value is None else abs(value) for value in values]
    ranked = sorted({v for v in values if v is not None}, reverse=column.better == "high")
    printed = list(dict.fromkeys(column.write(value) for value in ranked))
    places: dict[str, Mark] = {}
    if len(printed) > 1:
        places = {printed[0]: "best", printed[1]: "second"}
    return ["" if v is None else places.get(column.write(v), "") for v in values]


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and not absent(value) else None


def _markdown_text(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")


def _markdown_cell(text: str, mark: Mark) -> str:
    dressed = {"best": "**{}**", "second": "<u>{}</u>"}.get(mark, "{}")
    return dressed.format(_markdown_text(text))


def _latex_cell(text: str, mark: Mark) -> str:
    dressed = {"best": "\\textbf{%s}", "second": "\\underline{%s}"}.get(mark, "%s")
    return dressed % latex_text(text)
