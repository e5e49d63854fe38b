"""``report``: one readable document about measured rows or result tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from omnizip_cost.cli.figures import FromOption, source_of
from omnizip_cost.cli.output import CsvOption, JsonOption, emit


def report_command(
    source: FromOption = None,
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

    source = source_of(source)
    measured, specs = read_measurements(source)
    compared = compare(measured, specs)
    write_tables(source, measured, compared)
    draw_figures(source)
    target = out or source / "report.md"
    command = f"omnizip-cost report --from {source.name}"
    path = write_report(source, target, measured, compared, command=command)
    if not emit([{"file": str(path)}], as_json=as_json, as_csv=as_csv):
        print(path)
