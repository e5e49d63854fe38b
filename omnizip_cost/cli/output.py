"""Rows out: a readable table by default, ``--json`` or ``--csv`` for programs."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import typer

from omnizip_cost.errors import OptionsError

JsonOption = Annotated[bool, typer.Option("--json", help="A JSON list of flat rows on stdout.")]
CsvOption = Annotated[bool, typer.Option("--csv", help="Rows as CSV on stdout.")]

_PLAIN_WIDTH = 150
"""Columns of a table that is not written to a terminal."""
_GAP = 3
"""Columns between two cells."""


def emit(rows: Sequence[Mapping[str, Any] | Any], *, as_json: bool, as_csv: bool) -> bool:
    """Write rows as JSON or CSV when asked to; return whether anything was written."""
    require_one_format(as_json=as_json, as_csv=as_csv)
    if not (as_json or as_csv):
        return False
    flat = [{key: _plain(row[key]) for key in row.keys()} for row in rows]  # noqa: SIM118
    if as_json:
        print(json.dumps(flat, allow_nan=False))
    else:
        columns = list(dict.fromkeys(key for row in flat for key in row))
        writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(flat)
    return True


def require_one_format(*, as_json: bool, as_csv: bool) -> None:
    """Refuse two formats at once; for commands whose work takes long, before it starts."""
    if as_json and as_csv:
        raise OptionsError("output", "give one of --json and --csv, not both")


def _plain(value: Any) -> Any:
    """Turn NumPy scalars into Python ones, and NaN into null."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def show(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    notes: Sequence[str] = (),
    left: int = 1,
) -> None:
    """Print a table on stdout: the first ``left`` columns flush left, numbers flush right.

    Names wrap between words; numbers and headings are never cropped: where they do not fit, the
    table is wider than the terminal.
    """
    from rich.box import SIMPLE_HEAD
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table

    lines = [list(row) for row in rows]
    least, full = [], []
    for place, column in enumerate(columns):
        cells = [column, *(line[place] for line in lines)]
        parts = [word for cell in cells for word in cell.split()] if place < left else cells
        full.append(max(map(cell_len, cells)))
        least.append(max(map(cell_len, parts), default=0))
    terminal = sys.stdout.isatty()
    console = Console(width=None if terminal else _PLAIN_WIDTH, markup=False, highlight=False)
    edges = 1 + _GAP * len(columns)
    widths = _shared(console.width - edges, least, full)
    console.width = max(console.width, edges + sum(widths))
    table = Table(box=SIMPLE_HEAD)
    for place, (column, width) in enumerate(zip(columns, widths, strict=True)):
        table.add_column(
            column,
            justify="left" if place < left else "right",
            overflow="fold",
            no_wrap=place >= left,
            width=width,
        )
    for line in lines:
        table.add_row(*line)
    console.print(title, style="bold", soft_wrap=True)
    console.print(table)
    for note in notes:
        console.print(note, soft_wrap=True)


def _shared(room: int, least: Sequence[int], full: Sequence[int]) -> list[int]:
    """Share ``room`` among columns: all as wide as they would be, or the widest cut first.

    No column gets less than its ``least``, so that together they may need more than there is.

    >>> _shared(30, [4, 6, 5], [4, 9, 40]), _shared(10, [4, 6, 5], [4, 9, 40])
    ([4, 9, 17], [4, 6, 5])
    """
    widths = list(least)
    while (spare := room - sum(widths)) > 0:
        growing = [place for place, width in enumerate(widths) if width < full[place]]
        if not growing:
            break
        lowest = min(widths[place] for place in growing)
        for place in [place for place in growing if widths[place] == lowest][:spare]:
            widths[place] += 1
    return widths
