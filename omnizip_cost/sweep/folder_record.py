"""Which grid a folder is of: a record beside its files, and the refusal of any other."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from omnizip_cost import __version__
from omnizip_cost.errors import InputFileError
from omnizip_cost.results.tables import atomic_write_bytes
from omnizip_cost.sweep.grid import Grid
from omnizip_cost.sweep.table import COLUMNS

GRID_FILE = "_grid.json"
FORMAT = 1
"""Version of the folder's layout."""


def grid_record(grid: Grid) -> dict[str, Any]:
    """Everything the numbers depend on, as JSON holds it: equal for equal grids only."""
    axes = {
        name: {
            "values": len(values),
            "least": values.min().item() if len(values) else None,
            "most": values.max().item() if len(values) else None,
            "sha256": hashlib.sha256(values.tobytes()).hexdigest(),
        }
        for name, values in (
            ("tokens", grid.tokens),
            ("retained", grid.retained),
            ("decode", grid.decode),
        )
    }
    stated = {
        "models": [{"name": spec.name, "decoder": asdict(spec.text)} for spec in grid.models],
        "conventions": [f"{item.name}: {item.choices}" for item in grid.conventions],
        "methods": [f"{method.name}: prunes {method.prunes}" for method in grid.methods],
        **axes,
        "fastv_layer": grid.fastv_layer,
        "chunk_rows": grid.chunk_rows,
        "omnizip_cost": __version__,
    }
    as_json: dict[str, Any] = json.loads(json.dumps(stated))
    return as_json


def refuse_others(folder: Path, lock: str) -> None:
    """Refuse a folder that is in use for something else; a file called ``lock`` is no use of it.

    Raises
    ------
    InputFileError
    """
    if folder.exists() and not folder.is_dir():
        raise InputFileError(folder, "is not a folder", "choose another one")
    if not folder.is_dir() or (folder / GRID_FILE).exists():
        return
    if any(item.name != lock and not item.name.startswith(".") for item in folder.iterdir()):
        raise InputFileError(
            folder, f"holds files but no {GRID_FILE}", "choose a new or an empty folder"
        )


def claim(grid: Grid, folder: Path) -> None:
    """Note the grid in its folder, or make sure that the folder is of this very grid.

    Raises
    ------
    InputFileError
        The folder's record cannot be read, or is of another grid: says what differs.
    """
    path = folder / GRID_FILE
    if not path.exists():
        write_record(grid, folder, complete=False)
        return
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        known = dict(record["grid"]) if record["format"] == FORMAT else {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputFileError(path, f"does not say what was swept here ({error})") from None
    wanted = grid_record(grid)
    different = [name for name in {**wanted, **known} if wanted.get(name) != known.get(name)]
    if different:
        raise InputFileError(
            folder,
            f"holds another grid (other {', '.join(different)})",
            "choose another folder",
        )


def write_record(grid: Grid, folder: Path, *, complete: bool) -> None:
    """Write which grid the folder is of, and whether all of it is there."""
    record = {
        "format": FORMAT,
        "complete": complete,
        "configurations": grid.size,
        "columns": list(COLUMNS),
        "partitions": [
            {
                "model": spec.name,
                "convention": convention.name,
                "rows": grid.partition_size,
                "files": grid.files_per_partition,
            }
            for spec in grid.models
            for convention in grid.conventions
        ],
        "grid": grid_record(grid),
    }
    text = json.dumps(record, indent=1, allow_nan=False) + "\n"
    atomic_write_bytes(folder / GRID_FILE, text.encode())
