"""``sweep``: every combination of a few lists, computed at once and written as Parquet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from omnizip_cost.cli.output import CsvOption, JsonOption, emit, require_one_format, show
from omnizip_cost.errors import OptionsError

if TYPE_CHECKING:
    from omnizip_cost.sweep.estimate import Estimate
    from omnizip_cost.sweep.folder import Swept

GridArgument = Annotated[
    str | None,
    typer.Argument(metavar="GRID.toml", help="What to combine; `--example` prints one."),
]
ExampleOption = Annotated[
    bool, typer.Option("--example", help="Print a grid's TOML file to start from.")
]
OutOption = Annotated[
    str | None,
    typer.Option("--out", help="Folder of the table: new, empty, or of the same grid."),
]
DryRunOption = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Say how large the grid is and what it will take; write nothing."
    ),
]


def sweep_command(
    grid: GridArgument = None,
    example: ExampleOption = False,
    out: OutOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Totals of any grid of configurations, streamed to partitioned Parquet in bounded memory.

    FLOPs are those of `flops --tokens`, as integers where they are below 2^53 (column `exact`).
    Run again after a stop, it computes only what is missing.

    Models are names or paths of a config.json, conventions names or paths of a TOML file. tokens,
    retained and decode are a list, or a table of start, stop and step or count (spacing linear or
    log). Optional: fastv_layer = 5, chunk_rows = 1000000 (configurations per file).

    Example: `omnizip-cost sweep --example > grid.toml`

    Example: `omnizip-cost sweep grid.toml --out sweep`
    """
    from omnizip_cost.cli.progress import progress_bar, say
    from omnizip_cost.sweep.estimate import estimate
    from omnizip_cost.sweep.folder import sweep
    from omnizip_cost.sweep.grid_file import EXAMPLE, load_grid

    if example:
        print(EXAMPLE, end="")
        return
    require_one_format(as_json=as_json, as_csv=as_csv)
    if grid is None:
        raise OptionsError("sweep", "GRID.toml must be given; --example prints one")
    if out is None and not dry_run:
        raise OptionsError("sweep", "--out must be given, unless --dry-run is")
    wanted = load_grid(grid)
    expected = estimate(wanted)
    if dry_run:
        if not emit([expected], as_json=as_json, as_csv=as_csv):
            _print_estimate(grid, expected)
        return
    assert out is not None
    say(_sentence(expected))
    with progress_bar() as report:
        swept = sweep(wanted, out, expected=expected, report=report)
    if not emit(swept.partitions, as_json=as_json, as_csv=as_csv):
        _print(swept)


def _sentence(expected: Estimate) -> str:
    from omnizip_cost.units import binary_bytes

    return (
        f"{_counted(expected.configurations, 'configuration')}: about "
        f"{_duration(expected.seconds)} and {binary_bytes(expected.bytes)} in "
        f"{_counted(expected.files, 'file')}"
    )


def _print_estimate(name: str, expected: Estimate) -> None:
    from omnizip_cost.units import binary_bytes

    show(
        f"{name}: what a sweep of it takes",
        ("fact", "value"),
        [
            ("configurations", f"{expected.configurations:,}"),
            ("files", f"{expected.files:,}"),
            ("time", f"about {_duration(expected.seconds)}"),
            ("on disk", f"about {binary_bytes(expected.bytes)}"),
        ],
        notes=(
            f"From a sample of {expected.sample_rows:,} of them, computed and written in memory "
            f"just now ({expected.rows_per_s:,.0f} per second). Nothing is written.",
        ),
    )


def _print(swept: Swept) -> None:
    from omnizip_cost.units import binary_bytes

    kept = swept.rows - swept.written_rows
    done = (
        f"{_counted(swept.written_rows, 'configuration')} computed and written in "
        f"{_duration(swept.seconds)}, {swept.rows_per_s:,.0f} per second"
        if swept.written_rows
        else "Nothing was left to do"
    )
    show(
        f"{_counted(swept.rows, 'configuration')} in {swept.folder}",
        ("model", "convention", "rows", "files", "on disk"),
        [
            (row.model, row.convention, f"{row.rows:,}", f"{row.files:,}", binary_bytes(row.bytes))
            for row in swept.partitions
        ],
        notes=(
            f"{done}{f'; {kept:,} were there before' if kept else ''}.",
            f"Read it: pandas.read_parquet({str(swept.folder)!r})",
        ),
        left=2,
    )


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _duration(seconds: float) -> str:
    """Write a time with the unit that a person would use.

    >>> _duration(0.0312), _duration(75), _duration(5400)
    ('0.031 s', '75 s', '1.5 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
