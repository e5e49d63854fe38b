"""A table as plain rows, checked for its columns, and the sentences that go under a figure."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.results import STATUS_WORDS

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]

CONTEXT = ("model", "device", "dtype", "attention", "clip", "timed")
"""What configurations are compared under; columns a table lacks are passed over."""


def rows_of(table: pd.DataFrame, figure: str, required: Sequence[str]) -> list[Row]:
    """Rows of a table as dicts, once its columns are known to be there.

    Raises
    ------
    InvalidValueError
        If a required column is absent, or the table has no row.
    """
    missing = [name for name in required if name not in table.columns]
    if missing:
        raise InvalidValueError(
            f"table of figure {figure!r}",
            "columns",
            f"at least {', '.join(required)}",
            list(table.columns),
            f"missing: {', '.join(missing)}",
        )
    rows: list[Row] = [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]
    if not rows:
        raise InvalidValueError(f"table of figure {figure!r}", "rows", "at least one", 0)
    return rows


def present(value: object) -> bool:
    """Whether a cell holds something: neither None, nor NaN, nor an empty text."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return False
    return not (isinstance(value, float) and math.isnan(value)) and str(value) != "<NA>"


def number(row: Row, column: str) -> float | None:
    """Read a cell as a float; None where the column is absent or the cell is empty."""
    value = row.get(column)
    return float(value) if value is not None and present(value) else None


def text(row: Row, column: str) -> str:
    """Read a cell as text; empty where the column is absent or the cell is empty."""
    value = row.get(column)
    return str(value) if present(value) else ""


def distinct(rows: Iterable[Row], *columns: str) -> list[tuple[str, ...]]:
    """Different values of some columns together, in order of first appearance."""
    return list(dict.fromkeys(tuple(text(row, name) for name in columns) for row in rows))


def grouped(rows: Iterable[Row], *columns: str) -> dict[tuple[str, ...], list[Row]]:
    """Rows by the values of some columns, in order of first appearance."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(text(row, name) for name in columns), []).append(row)
    return groups


def where(rows: Iterable[Row], *columns: str) -> str:
    """Name what the rows were run on, such as ``omni-tiny, cpu, float32``."""
    seen: dict[Hashable, None] = {}
    for column in columns:
        for (value,) in distinct(rows, column):
            if value:
                seen[value] = None
    return ", ".join(str(value) for value in seen)


def setting_apart(row: Row, rows: Sequence[Row], columns: Sequence[str] = CONTEXT) -> str:
    """Name a row by those columns alone in which the rows differ.

    >>> setting_apart({"model": "a", "device": "cpu"}, [{"model": "a"}, {"model": "b"}])
    'a'
    """
    differing = [name for name in columns if len(distinct(rows, name)) > 1]
    return ", ".join(text(row, name) for name in differing if text(row, name))


def weight_note(rows: Sequence[Row]) -> str:
    """Give the warning that random-weight results carry; empty for trained weights only."""
    rows = [row for row in rows if text(row, "weights")]
    random = [row for row in rows if text(row, "weights").startswith("random")]
    if not random:
        return ""
    note = "random weights: timing only"
    models = [model for (model,) in distinct(random, "model") if model]
    return note if len(random) == len(rows) else f"{note} ({', '.join(models)})"


def status_notes(rows: Sequence[Row]) -> list[str]:
    """Sentences about the configurations that have no measurement, one per kind of failure."""
    several = len(distinct(rows, "model")) > 1
    notes = []
    for status, words in STATUS_WORDS.items():
        labels = [
            f"{row['label']} ({row['model']})" if several else str(row["label"])
            for row in rows
            if text(row, "status") == status
        ]
        if labels:
            notes.append(f"{words}: {'; '.join(dict.fromkeys(labels))}")
    return notes


def foot_note(sentences: Iterable[str]) -> list[str]:
    """Join sentences into the paragraph at the foot of a figure; no sentence, no paragraph."""
    kept = [sentence for sentence in sentences if sentence]
    joined = ". ".join(
        sentence[0].upper() + sentence[1:] if at else sentence for at, sentence in enumerate(kept)
    )
    return [f"{joined}."] if joined else []
