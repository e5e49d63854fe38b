"""``figures`` and ``report``: from tables to drawings and one readable document."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

FromOption = Annotated[
    Path, typer.Option("--from", help="Folder of tables, or a folder that `demo` wrote.")
]


def figures_command(
    out: Annotated[Path, typer.Option("--out", help="Folder for PDF, SVG and PNG files.")],
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME..]", help="Default: all of them.")
    ] = None,
    source: FromOption = Path("out/demo"),
    width: Annotated[str, typer.Option("--width", help="`column` or `page`.")] = "column",
) -> None:
    """Draw figures from finished tables.

    Example: `omnizip-cost figures speedup --from out/demo --out figures-out`
    """
    from omnizip_cost.plotting import draw_all

    for path in draw_all(tables_of(source), out, names or None, width=width):
        print(path)


def tables_of(folder: Path) -> Path:
    """Folder of tables inside ``folder``, or ``folder`` itself."""
    inner = folder / "tables"
    return inner if inner.is_dir() else folder
