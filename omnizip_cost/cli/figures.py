"""``figures``: from tables to drawings, and whether drawings still are what tables say."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from omnizip_cost.cli.output import CsvOption, JsonOption, emit, require_one_format, show
from omnizip_cost.errors import InputFileError, InvalidValueError

FIGURE_NAMES = (
    "speedup",
    "windows",
    "kept",
    "stages",
    "conventions",
    "counters",
    "audit",
    "speedup_limits",
    "attention_share",
    "exact_ratio",
    "predictors",
    "memory",
    "waterfall",
    "roofline",
    "kernel_errors",
    "predicted_speedup",
    "predicted_observed",
    "prefill_bars",
    "memory_bars",
    "clip_length",
    "error_distribution",
    "accuracy",
    "accuracy_av",
    "paper_tables",
    "sensitivity",
    "anchors",
)
"""Written out, so that help loads no drawing library."""

CAMPAIGN = Path("analysis/tables")
"""Where the tables of the measured campaigns lie in a checkout."""

FromOption = Annotated[
    Path | None,
    typer.Option(
        "--from",
        help="Folder of tables, one with such folders in it, or one that `demo` wrote. "
        "Default: analysis/tables where the current folder has it, else out/demo.",
        show_default=False,
    ),
]


def figures_command(
    out: Annotated[Path, typer.Option("--out", help="Folder for PDF, SVG and PNG files.")],
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help=f"Of {', '.join(FIGURE_NAMES)}. Default: all that have a table.",
        ),
    ] = None,
    source: FromOption = None,
    width: Annotated[
        str | None, typer.Option("--width", help="`column` (as default) or `page`.")
    ] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Draw nothing: say what is stale, and why; then exit is 1."),
    ] = False,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Draw figures from finished tables, or say which drawn ones are stale.

    A folder of tables inside the folder is drawn into a folder of its name. What each figure was
    made from is noted beside it in `figures.lock.json`.

    Example: `omnizip-cost figures speedup --from out/demo --out out/figures` (after `demo`)

    Example: `omnizip-cost figures --from out/demo --out out/figures --check` (after the first)
    """
    from omnizip_cost.plotting import entry_of, figure_width_in

    require_one_format(as_json=as_json, as_csv=as_csv)
    figure_width_in(width or "column")
    for name in names or ():
        entry_of(name)
    root = tables_of(source_of(source))
    if check:
        _check(root, out, names, width, as_json=as_json, as_csv=as_csv)
        return
    paths = _drawn(root, out, names, width or "column")
    if not emit([{"file": str(path)} for path in paths], as_json=as_json, as_csv=as_csv):
        print(*paths, sep="\n")


def source_of(given: Path | None) -> Path:
    """Folder to read: the one given, else the campaigns' tables, else what `demo` writes."""
    if given is not None:
        return given
    return CAMPAIGN if CAMPAIGN.is_dir() else Path("out/demo")


def tables_of(folder: Path) -> Path:
    """Folder of tables inside ``folder``, or ``folder`` itself.

    Raises
    ------
    InputFileError
        If there is no such folder.
    """
    if not folder.is_dir():
        raise InputFileError(
            folder, "there is no such folder", "`omnizip-cost demo --out DIR` makes one"
        )
    inner = folder / "tables"
    return inner if inner.is_dir() else folder


def table_folders(root: Path) -> list[Path]:
    """Folders that hold tables, relative to ``root``: itself first, then those right inside."""
    inside = sorted(item.relative_to(root) for item in root.iterdir() if item.is_dir())
    return [Path(), *(item for item in inside if not item.name.startswith("."))]


def _drawn(root: Path, out: Path, names: list[str] | None, width: str) -> list[Path]:
    """Draw what is asked for wherever its tables are; all inputs are found before any is drawn.

    A figure that was not named and has nothing to show is passed over, with a sentence.
    """
    from omnizip_cost.plotting import draw_all, drawable, entry_of, table_paths

    there = {place: drawable(root / place) for place in table_folders(root)}
    for name in names or ():
        if not any(name in found for found in there.values()):
            table_paths(entry_of(name), root)  # refuses, and says what makes the table
    if not any(there.values()):
        raise InputFileError(root, "holds no table of any figure")
    paths: list[Path] = []
    for place, found in there.items():
        chosen = found if names is None else [name for name in names if name in found]
        for name in chosen:
            try:
                paths += draw_all(root / place, out / place, [name], width=width)
            except InvalidValueError as error:
                if names is not None:
                    raise
                print(f"omnizip-cost: {name} is not drawn: {error}", file=sys.stderr)
    return paths


def _check(
    root: Path,
    out: Path,
    names: list[str] | None,
    width: str | None,
    *,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Say of every figure of every folder whether it is stale; exit 1 where one is."""
    from omnizip_cost.plotting import LOCK_NAME, check_drawn, drawable

    rows: list[dict[str, str]] = []
    for place in table_folders(root):
        drawn = (out / place / LOCK_NAME).is_file()
        there = drawable(root / place)
        wanted = names if names is None or drawn else [name for name in names if name in there]
        if drawn or there:
            states = check_drawn(root / place, out / place, wanted, width=width)
            rows += [{"folder": place.as_posix(), **state} for state in states]
    if not rows:
        raise InputFileError(root, "holds no table of these figures, and none was drawn from it")
    stale = sum(row["state"] != "fresh" for row in rows)
    if not emit(rows, as_json=as_json, as_csv=as_csv):
        several = len({row["folder"] for row in rows}) > 1
        show(
            f"Figures in {out}, held against the tables in {root}",
            (*(("folder",) if several else ()), "figure", "state", "why"),
            [
                (*((row["folder"],) if several else ()), row["figure"], row["state"], row["why"])
                for row in rows
            ],
            left=4 if several else 3,
            notes=[
                f"{stale} of {len(rows)} stale." if stale else f"{len(rows)} of {len(rows)} fresh."
            ],
        )
    if stale:
        raise typer.Exit(1)
