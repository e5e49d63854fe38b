"""From the catalogue's names to files: find a figure's tables, draw it, save it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from omnizip_cost.errors import InputFileError, OmnizipCostError, UnknownNameError
from omnizip_cost.plotting.canvas import save_figure
from omnizip_cost.plotting.catalogue import FIGURES
from omnizip_cost.plotting.entry import FigureEntry
from omnizip_cost.plotting.style import WIDTHS_IN
from omnizip_cost.results.store import read_table

TABLE_FORMATS = ("csv", "parquet")
"""Endings under which a table is looked for, in this order."""


def draw_all(
    tables_dir: str | Path,
    out_dir: str | Path,
    names: Iterable[str] | None = None,
    *,
    width: str = "column",
) -> list[Path]:
    """Draw figures from the tables in a folder and save each as PDF, SVG and PNG.

    Parameters
    ----------
    tables_dir
        Folder that holds the tables, as CSV or Parquet.
    out_dir
        Folder for the figures; made when absent.
    names
        Figures to draw, all of them by default. Every table is read before a file is written.
    width
        ``column`` or ``page``.

    Returns
    -------
    list of Path
        The files written, three per figure.

    Raises
    ------
    UnknownNameError
        If a name is not a figure's.
    InputFileError
        If a table is missing (the message names the command that makes it) or a file fails.
    """
    entries = [_entry(name) for name in (FIGURES if names is None else names)]
    inputs = [
        [None if path is None else read_table(path) for path in table_paths(entry, tables_dir)]
        for entry in entries
    ]
    written: list[Path] = []
    for entry, tables in zip(entries, inputs, strict=True):
        written += save_figure(entry.draw(*tables, width=width), entry.name, out_dir)
    return written


def table_paths(entry: FigureEntry, tables_dir: str | Path) -> list[Path | None]:
    """Find the tables of a figure in a folder, in the order it takes them.

    One that the figure can do without is None where it is not there.

    Raises
    ------
    InputFileError
        If one is not there.
    """
    found: list[Path | None] = []
    for stem in (entry.table, *entry.beside, *entry.maybe):
        places = [Path(tables_dir) / f"{stem}.{kind}" for kind in TABLE_FORMATS]
        present = [place for place in places if place.is_file()]
        if not present and stem not in entry.maybe:
            raise InputFileError(
                places[0],
                f"the table of figure {entry.name!r} is not there",
                f"`{entry.made_by}` makes it",
            )
        found.append(present[0] if present else None)
    return found


def drawable(tables_dir: str | Path) -> list[str]:
    """Name the figures all of whose tables are in a folder."""
    names = []
    for name, entry in FIGURES.items():
        with suppress(InputFileError):
            table_paths(entry, tables_dir)
            names.append(name)
    return names


def run_program(name: str, arguments: Sequence[str] | None = None) -> int:
    """Run the program of one figure: read its table, draw, save, print the files' paths.

    Returns
    -------
    int
        Exit status: 0 done, 2 the input is wrong (one sentence on stderr).
    """
    entry = _entry(name)
    parser = argparse.ArgumentParser(
        prog=f"figures/{name}.py",
        description=f"{entry.title}, from {entry.table}.csv (made by `{entry.made_by}`).",
    )
    parser.add_argument(
        "--from", dest="tables", required=True, metavar="DIR", help="folder of the tables"
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the figures")
    parser.add_argument(
        "--width", choices=list(WIDTHS_IN), default="column", help="printed width (%(default)s)"
    )
    asked = parser.parse_args(arguments)
    try:
        paths = draw_all(asked.tables, asked.out, [name], width=asked.width)
    except OmnizipCostError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write("".join(f"{path}\n" for path in paths))
    return 0


def _entry(name: str) -> FigureEntry:
    if name not in FIGURES:
        raise UnknownNameError("figure", name, FIGURES)
    return FIGURES[name]
