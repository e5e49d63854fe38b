"""``report``: one readable document about measured rows or result tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from omnizip_cost.cli.figures import CAMPAIGN, FromOption, source_of, tables_of
from omnizip_cost.cli.output import CsvOption, JsonOption, emit, require_one_format
from omnizip_cost.errors import InputFileError, InvalidValueError


def report_command(
    source: FromOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="The document: one self-contained page (.html), or Markdown (.md) about a run. "
            "Default: report.html in the folder, out/report.html for analysis/tables.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """One readable document: result, errors, figures, doubts, and where every number comes from.

    The folder is one that `demo`, `profile --out` or `compare --out` wrote, or one of result
    tables, such as analysis/tables.

    Example: `omnizip-cost report --from out/demo --out out/report.html` (after `demo`)
    """
    from omnizip_cost.cli.document import (
        require_suffix,
        result_folders,
        write_documents,
        write_result_page,
    )

    require_one_format(as_json=as_json, as_csv=as_csv)
    source = source_of(source)
    usual = Path("out") if source == CAMPAIGN else source
    target = out or usual / "report.html"
    require_suffix(target)
    tables = tables_of(source)
    if result_folders(tables):
        if target.suffix.lower() != ".html":
            raise InvalidValueError(
                "report",
                "--out",
                "a name ending in .html for a folder of result tables",
                target.name,
                "result.md beside result.csv is its Markdown",
            )
        path = write_result_page(tables, target)
    else:
        _prepare(source, figures=target.suffix.lower() != ".html")
        command = f"omnizip-cost report --from {source.name}"
        (path,) = write_documents(source, [target], command=command)
    if not emit([{"file": str(path)}], as_json=as_json, as_csv=as_csv):
        print(path)


def _prepare(folder: Path, *, figures: bool) -> None:
    """Make the tables of measured rows where they are not there or older than the rows."""
    from omnizip_cost.cli.compare import read_measurements
    from omnizip_cost.cli.publish import draw_figures, measurements_of, write_tables
    from omnizip_cost.compare import compare

    rows, table = measurements_of(folder) / "rows.parquet", folder / "tables" / "compare.csv"
    if not rows.is_file() and not table.is_file():
        raise InputFileError(
            folder,
            "holds neither measured rows, nor tables/compare.csv, nor result.csv",
            "`omnizip-cost profile ... --out DIR` measures",
        )
    if rows.is_file() and not (
        table.is_file() and table.stat().st_mtime_ns >= rows.stat().st_mtime_ns
    ):
        measured, specs = read_measurements(folder)
        write_tables(folder, measured, compare(measured, specs))
    if figures:
        draw_figures(folder)
