"""Which figures there are: name, function, input table, and the command that makes the table."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from omnizip_cost.errors import InputFileError, OmnizipCostError, UnknownNameError
from omnizip_cost.plotting.attention_share import draw_attention_share
from omnizip_cost.plotting.audit import draw_audit
from omnizip_cost.plotting.canvas import FORMATS, save_figure
from omnizip_cost.plotting.conventions import draw_conventions
from omnizip_cost.plotting.counters import draw_counters
from omnizip_cost.plotting.exact_ratio import draw_exact_ratio
from omnizip_cost.plotting.kept import draw_kept
from omnizip_cost.plotting.kernel_errors import draw_kernel_errors
from omnizip_cost.plotting.memory import draw_memory
from omnizip_cost.plotting.predictors import draw_predictors
from omnizip_cost.plotting.roofline import draw_roofline
from omnizip_cost.plotting.speedup import draw_speedup
from omnizip_cost.plotting.speedup_limits import draw_speedup_limits
from omnizip_cost.plotting.stages import draw_stages
from omnizip_cost.plotting.style import WIDTHS_IN
from omnizip_cost.plotting.waterfall import draw_waterfall
from omnizip_cost.plotting.windows import draw_windows
from omnizip_cost.results.store import read_table

TABLE_FORMATS = ("csv", "parquet")
"""Endings under which a table is looked for, in this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureEntry:
    """One figure: these inputs, this function, these files."""

    name: str
    title: str
    table: str
    """Stem of the input table's file."""
    made_by: str
    """Command that writes the table."""
    draw: Callable[..., Figure]
    beside: tuple[str, ...] = ()
    """Stems of further tables that are drawn with it, in the order ``draw`` takes them."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the files the figure is saved as."""
        return tuple(f"{self.name}.{kind}" for kind in FORMATS)


FIGURES: dict[str, FigureEntry] = {
    entry.name: entry
    for entry in (
        FigureEntry(
            name="speedup",
            title="Speed-up of the prefill against the retained ratio",
            table="compare",
            made_by="omnizip-cost compare ROWS --out DIR",
            draw=draw_speedup,
        ),
        FigureEntry(
            name="windows",
            title="Audio retention and video pruning rate, window by window",
            table="windows",
            made_by="omnizip-cost demo --clip CLIP --out DIR",
            draw=draw_windows,
        ),
        FigureEntry(
            name="kept",
            title="Tokens kept of one clip, on its frames and its sound",
            table="kept",
            beside=("windows", "kept_frames"),
            made_by="omnizip-cost allocate CLIP --video-pruning R --out DIR",
            draw=draw_kept,
        ),
        FigureEntry(
            name="stages",
            title="Time per stage",
            table="stages",
            made_by="omnizip-cost compare ROWS --out DIR",
            draw=draw_stages,
        ),
        FigureEntry(
            name="conventions",
            title="FLOPs of one configuration under every convention",
            table="conventions",
            made_by="omnizip-cost demo --clip CLIP --out DIR",
            draw=draw_conventions,
        ),
        FigureEntry(
            name="counters",
            title="What other FLOP counters report beside the exact count",
            table="counters",
            made_by="python analysis/counters.py --out DIR",
            draw=draw_counters,
        ),
        FigureEntry(
            name="audit",
            title="Implied rate of every timed claim against the dense peak of its card",
            table="audit",
            made_by="omnizip-cost audit --out DIR",
            draw=draw_audit,
        ),
        FigureEntry(
            name="speedup_limits",
            title="Prefill FLOPs, full over kept, between 1/r and 1/r^2",
            table="speedup_limits",
            made_by="omnizip-cost derive --out DIR",
            draw=draw_speedup_limits,
        ),
        FigureEntry(
            name="attention_share",
            title="Attention's share of the prefill against the length",
            table="attention_share",
            made_by="omnizip-cost derive --out DIR",
            draw=draw_attention_share,
        ),
        FigureEntry(
            name="exact_ratio",
            title="The exact count over Eq. 9's against the length",
            table="exact_ratio",
            made_by="omnizip-cost derive --out DIR",
            draw=draw_exact_ratio,
        ),
        FigureEntry(
            name="predictors",
            title="Speed-ups that different predictors promise",
            table="predictors",
            made_by="python analysis/predictors.py --out DIR",
            draw=draw_predictors,
        ),
        FigureEntry(
            name="memory",
            title="Peak memory by part, against what devices hold",
            table="memory",
            beside=("memory_limits",),
            made_by="omnizip-cost predict --model M --device D --seconds S --pixels HxW --out DIR",
            draw=draw_memory,
        ),
        FigureEntry(
            name="waterfall",
            title="From the speed-up of Eq. 9 to the observed one, an effect at a time",
            table="waterfall",
            made_by="omnizip-cost compare ROWS --explain --out DIR",
            draw=draw_waterfall,
        ),
        FigureEntry(
            name="roofline",
            title="Operators under the roof of a device, before and after compression",
            table="roofline",
            made_by="python analysis/roofline.py --out DIR",
            draw=draw_roofline,
        ),
        FigureEntry(
            name="kernel_errors",
            title="Errors of kernel times on measurements left out",
            table="kernel_errors",
            made_by="python analysis/predictors.py --records DIR --out DIR",
            draw=draw_kernel_errors,
        ),
    )
}


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
    inputs = [[read_table(path) for path in table_paths(entry, tables_dir)] for entry in entries]
    written: list[Path] = []
    for entry, tables in zip(entries, inputs, strict=True):
        written += save_figure(entry.draw(*tables, width=width), entry.name, out_dir)
    return written


def table_paths(entry: FigureEntry, tables_dir: str | Path) -> list[Path]:
    """Find the tables of a figure in a folder, in the order it takes them.

    Raises
    ------
    InputFileError
        If one is not there.
    """
    found = []
    for stem in (entry.table, *entry.beside):
        places = [Path(tables_dir) / f"{stem}.{kind}" for kind in TABLE_FORMATS]
        present = [place for place in places if place.is_file()]
        if not present:
            raise InputFileError(
                places[0],
                f"the table of figure {entry.name!r} is not there",
                f"`{entry.made_by}` makes it",
            )
        found.append(present[0])
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
