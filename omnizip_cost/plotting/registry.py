"""From the catalogue's names to files: find a figure's tables, draw it, save it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from omnizip_cost.errors import OmnizipCostError
from omnizip_cost.plotting.canvas import figure_width_in, save_figure, svg_text
from omnizip_cost.plotting.catalogue import FIGURES
from omnizip_cost.plotting.entry import FigureEntry
from omnizip_cost.plotting.lock import record_drawn
from omnizip_cost.plotting.style import WIDTHS_IN
from omnizip_cost.plotting.tables import entry_of, table_paths
from omnizip_cost.results.store import read_table

if TYPE_CHECKING:
    import pandas as pd


def draw_all(
    tables_dir: str | Path,
    out_dir: str | Path,
    names: Iterable[str] | None = None,
    *,
    width: str = "column",
) -> list[Path]:
    """Draw figures from the tables in a folder and save each as PDF, SVG and PNG.

    What they were made from is noted beside them in ``figures.lock.json``.

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
    entries = [entry_of(name) for name in (FIGURES if names is None else names)]
    figure_width_in(width)
    inputs = [read_tables(entry, tables_dir) for entry in entries]
    written: list[Path] = []
    for entry, tables in zip(entries, inputs, strict=True):
        written += save_figure(entry.draw(*tables, width=width), entry.name, out_dir)
    record_drawn(tables_dir, out_dir, [entry.name for entry in entries], width=width)
    return written


def drawn_svg(tables_dir: str | Path, name: str, *, width: str = "column") -> str:
    """Draw one figure from the tables in a folder, as the text of an SVG file; nothing is written.

    Raises
    ------
    UnknownNameError, InputFileError
        As :func:`draw_all`.
    """
    entry = entry_of(name)
    return svg_text(entry.draw(*read_tables(entry, tables_dir), width=width))


def read_tables(entry: FigureEntry, tables_dir: str | Path) -> list[pd.DataFrame | None]:
    """Read the tables of a figure in the order it takes them, None for one not there."""
    paths = table_paths(entry, tables_dir)
    return [None if path is None else read_table(path) for path in paths]


def run_program(name: str, arguments: Sequence[str] | None = None) -> int:
    """Run the program of one figure: read its table, draw, save, print the files' paths.

    Returns
    -------
    int
        Exit status: 0 done, 2 the input is wrong (one sentence on stderr).
    """
    entry = entry_of(name)
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
