"""``figures`` and ``report``: from tables to drawings and one readable document."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from omnizip_cost.cli.output import CsvOption, JsonOption, emit

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
)
"""Written out, so that help loads no drawing library."""

FromOption = Annotated[
    Path, typer.Option("--from", help="Folder of tables, or a folder that `demo` wrote.")
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
    source: FromOption = Path("out/demo"),
    width: Annotated[str, typer.Option("--width", help="`column` or `page`.")] = "column",
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Draw figures from finished tables.

    Example: `omnizip-cost figures speedup --from out/demo --out out/figures` (after `demo`)
    """
    from omnizip_cost.plotting import draw_all, drawable

    tables = tables_of(source)
    chosen = names or drawable(tables)
    paths = draw_all(tables, out, chosen or None, width=width)
    if not emit([{"file": str(path)} for path in paths], as_json=as_json, as_csv=as_csv):
        print(*paths, sep="\n")


def tables_of(folder: Path) -> Path:
    """Folder of tables inside ``folder``, or ``folder`` itself."""
    inner = folder / "tables"
    return inner if inner.is_dir() else folder


def report_command(
    source: FromOption = Path("out/demo"),
    out: Annotated[
        Path | None, typer.Option("--out", help="The document; report.md in the folder else.")
    ] = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """One readable document about measured rows: tables, figures, doubts.

    Example: `omnizip-cost report --from out/demo --out out/report.md` (after `demo`)
    """
    from omnizip_cost.cli.compare import read_measurements
    from omnizip_cost.cli.publish import draw_figures, write_report, write_tables
    from omnizip_cost.compare import compare

    measured, specs = read_measurements(source)
    compared = compare(measured, specs)
    write_tables(source, measured, compared)
    draw_figures(source)
    target = out or source / "report.md"
    command = f"omnizip-cost report --from {source.name}"
    path = write_report(source, target, measured, compared, command=command)
    if not emit([{"file": str(path)}], as_json=as_json, as_csv=as_csv):
        print(path)
