"""Where the tables of a figure lie: found by stem in a folder, as CSV or as Parquet."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from omnizip_cost.errors import InputFileError, UnknownNameError
from omnizip_cost.plotting.catalogue import FIGURES
from omnizip_cost.plotting.entry import FigureEntry

TABLE_FORMATS = ("csv", "parquet")
"""Endings under which a table is looked for, in this order."""


def entry_of(name: str) -> FigureEntry:
    """Look a figure up.

    Raises
    ------
    UnknownNameError
        If there is none of that name.
    """
    if name not in FIGURES:
        raise UnknownNameError("figure", name, FIGURES)
    return FIGURES[name]


def table_paths(entry: FigureEntry, tables_dir: str | Path) -> list[Path | None]:
    """Find the tables of a figure in a folder, in the order it takes them.

    One that the figure can do without is None where it is not there.

    Raises
    ------
    InputFileError
        If one that it needs is not there (the message names the command that makes it).
    """
    found: list[Path | None] = []
    for stem in (entry.table, *entry.beside, *entry.maybe):
        path = _table(stem, tables_dir)
        if path is None and stem not in entry.maybe:
            raise InputFileError(
                Path(tables_dir) / f"{stem}.{TABLE_FORMATS[0]}",
                f"the table of figure {entry.name!r} is not there",
                f"`{entry.made_by}` makes it",
            )
        found.append(path)
    return found


def present_tables(entry: FigureEntry, tables_dir: str | Path) -> list[Path]:
    """Find those tables of a figure that are in a folder."""
    stems = (entry.table, *entry.beside, *entry.maybe)
    return [path for stem in stems if (path := _table(stem, tables_dir)) is not None]


def drawable(tables_dir: str | Path) -> list[str]:
    """Name the figures all of whose tables are in a folder."""
    names = []
    for name, entry in FIGURES.items():
        with suppress(InputFileError):
            table_paths(entry, tables_dir)
            names.append(name)
    return names


def _table(stem: str, tables_dir: str | Path) -> Path | None:
    places = (Path(tables_dir) / f"{stem}.{kind}" for kind in TABLE_FORMATS)
    return next((place for place in places if place.is_file()), None)
