"""How programs of the paper's tables are called: write them, or check that they still hold."""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from omnizip_cost.errors import OmnizipCostError
from omnizip_cost.results import read_table, write_table

TABLES = Path(__file__).resolve().parent / "tables" / "paper"
"""Where the committed tables lie."""
TOLERANCE = 1e-6
"""Relative difference of two numbers that another machine's libraries may account for."""

Table = Iterable[Any] | str
"""Rows of a CSV table, or a whole text."""

Make = Callable[[], Mapping[str, Table]]
"""Make every file of a program: by name, rows or text."""


def run(make: Make, description: str, words: Sequence[str] | None = None) -> int:
    """Write a program's files, or with ``--check`` compare those in ``--out`` with new ones.

    Returns
    -------
    int
        0 done or as committed, 1 a file is absent or differs, 2 the input is wrong.
    """
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--out", type=Path, default=TABLES, metavar="DIR")
    parser.add_argument("--check", action="store_true", help="write nothing; compare")
    asked = parser.parse_args(words)
    try:
        if asked.check:
            return _checked(make(), asked.out)
        for path in written(make(), asked.out):
            sys.stdout.write(f"{path}\n")
    except OmnizipCostError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def written(tables: Mapping[str, Table], folder: Path) -> list[Path]:
    """Write each file; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, table in tables.items():
        path = folder / name
        if isinstance(table, str):
            path.write_text(table, encoding="utf-8")
        else:
            write_table(table, path)
        paths.append(path)
    return paths


def _checked(tables: Mapping[str, Table], folder: Path) -> int:
    stale = differences(tables, folder)
    for sentence in stale:
        sys.stderr.write(f"{sentence}\n")
    return 1 if stale else 0


def differences(tables: Mapping[str, Table], folder: Path) -> list[str]:
    """Say, a sentence for each file, in what it is not what is made now; empty when all hold."""
    with tempfile.TemporaryDirectory() as place:
        fresh = written(tables, Path(place))
        return [said for path in fresh if (said := _difference(path, folder / path.name))]


def _difference(fresh: Path, stored: Path) -> str:
    if not stored.is_file():
        return f"{stored}: is not there"
    if fresh.suffix != ".csv":
        same = fresh.read_text(encoding="utf-8") == stored.read_text(encoding="utf-8")
        return "" if same else f"{stored}: is not what is written now"
    now, then = read_table(fresh), read_table(stored)
    if list(now.columns) != list(then.columns) or len(now) != len(then):
        return f"{stored}: {len(then)} rows of other columns or another number than now"
    for column in now.columns:
        for line, (new, old) in enumerate(zip(now[column], then[column], strict=True), start=2):
            if not _alike(new, old):
                return f"{stored}: line {line}, {column}: {old} is stored, {new} comes out now"
    return ""


def _alike(new: Any, old: Any) -> bool:
    """Whether two cells are equal, numbers up to rounding; two empty cells are."""
    numbers = (int, float)
    if isinstance(new, numbers) and isinstance(old, numbers):
        if math.isnan(new) or math.isnan(old):
            return math.isnan(new) and math.isnan(old)
        return math.isclose(new, old, rel_tol=TOLERANCE)
    return str(new) == str(old)
