"""A table as a page shows it: cells with their text, their mark, and the key they sort by."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from omnizip_cost.report.cells import absent
from omnizip_cost.report.tables import Column, Mark, Row, marks

_LEADING = re.compile(r"[+\-−]?[\d,]*\.?\d+")
"""A number at the start of a text, as the writers of cells put it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HtmlCell:
    """One cell: text (not yet escaped), mark, and the number it sorts by, if it has one."""

    text: str
    mark: Mark
    sort: str
    """A number as text, or empty: such cells sort by their text, or come last among numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HtmlTable:
    """A table ready for the page."""

    caption: str
    columns: tuple[Column, ...]
    groups: tuple[tuple[str, int], ...]
    """What stands over neighbouring columns, with how many they are; empty if over none."""
    rows: tuple[tuple[HtmlCell, ...], ...]
    named_by: int
    """Place of the column that names a row."""


def html_table(
    caption: str,
    columns: Sequence[Column],
    rows: Sequence[Row],
    *,
    unranked: Collection[int] = (),
) -> HtmlTable:
    """Lay a table out for the page; parameters as of :func:`markdown_table`.

    A row is named by its column ``label``, or by its first column where there is none.
    """
    found = [marks(column, rows, unranked) for column in columns]
    keys = [column.key for column in columns]
    return HtmlTable(
        caption=caption,
        columns=tuple(columns),
        groups=_groups(columns),
        rows=tuple(
            tuple(_cell(column, row, found[at][place]) for at, column in enumerate(columns))
            for place, row in enumerate(rows)
        ),
        named_by=keys.index("label") if "label" in keys else 0,
    )


def _groups(columns: Sequence[Column]) -> tuple[tuple[str, int], ...]:
    groups = tuple(
        (over, len(list(members))) for over, members in groupby(columns, key=lambda c: c.over)
    )
    return groups if any(over for over, _ in groups) else ()


def _cell(column: Column, row: Row, mark: Mark) -> HtmlCell:
    value = row.get(column.key)
    text = column.write(value)
    return HtmlCell(text=text, mark=mark, sort=_sort_key(value, text, column))


def _sort_key(value: Any, text: str, column: Column) -> str:
    """Give the number behind a cell: the value, or what a text of a right-hand column starts with.

    >>> _sort_key(0.25, "25.0%", Column(key="a", title="a"))
    '0.25'
    >>> _sort_key("2.21× (2.08–2.32)", "2.21× (2.08–2.32)", Column(key="a", title="a"))
    '2.21'
    """
    if absent(value):
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(value)
    if hasattr(value, "item"):
        return repr(value.item())
    leading = _LEADING.match(text) if column.align == "right" else None
    return leading.group().replace(",", "").replace("−", "-").lstrip("+") if leading else ""
