"""A grid swept into a folder: finished parts stay, a sweep that was stopped goes on."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from omnizip_cost import __version__
from omnizip_cost.cost import Convention
from omnizip_cost.errors import InputFileError
from omnizip_cost.results.lock import WriterLock
from omnizip_cost.results.parts import part_path, part_rows, write_part
from omnizip_cost.results.row import FlatRow
from omnizip_cost.results.tables import atomic_write_bytes
from omnizip_cost.specs import ModelSpec
from omnizip_cost.sweep.columns import COLUMNS, REPEATED, as_columns, box_blocks
from omnizip_cost.sweep.estimate import Estimate, estimate
from omnizip_cost.sweep.grid import Box, Grid
from omnizip_cost.units import binary_bytes

GRID_FILE = "_grid.json"
LOCK_FILE = "_writer.lock"
FORMAT = 1
"""Version of the folder's layout."""

Report = Callable[[str, int, int], None]
"""``report(what, done, total)``, in configurations."""


class Part(NamedTuple):
    """What one file holds: a box of one model under one convention."""

    spec: ModelSpec
    convention: Convention
    box: Box
    path: Path
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionRow(FlatRow):
    """One model under one convention, as it lies in the folder."""

    model: str
    convention: str
    rows: int
    written_rows: int
    """Of them in this run; the rest was there."""
    files: int
    bytes: int
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What a sweep did."""

    folder: Path
    partitions: tuple[PartitionRow, ...]
    seconds: float
    """From the first part to the last."""

    @property
    def rows(self) -> int:
        """Configurations in the folder."""
        return sum(row.rows for row in self.partitions)

    @property
    def written_rows(self) -> int:
        """Configurations computed and written in this run."""
        return sum(row.written_rows for row in self.partitions)

    @property
    def rows_per_s(self) -> float:
        """Configurations computed and written per second."""
        return self.written_rows / self.seconds if self.seconds > 0 else 0.0


def sweep(
    grid: Grid,
    folder: str | Path,
    *,
    expected: Estimate | None = None,
    report: Report = lambda _what, _done, _total: None,
    clock: Callable[[], float] = perf_counter,
) -> Swept:
    """Compute a grid and write it as ``folder/model=.../convention=.../part-00000.parquet``.

    Memory holds one part at a time, ``chunk_rows`` configurations. A part appears when it is
    complete and on the disk; stopped or killed, the same call goes on with what is missing.
    ``_grid.json`` says which grid this is.

    Parameters
    ----------
    grid : Grid
    folder : path
        New, empty, or that of an earlier sweep of the same grid.
    expected : Estimate, optional
        Made here when left out; a disk that is too small for it is refused beforehand.
    report : callable
        Told after every part what is done.
    clock : callable
        Seconds.

    Raises
    ------
    InputFileError
        The folder holds something else or another grid, is being written to, or is too small.
    InvalidValueError
        A model called like a number.
    """
    folder = Path(folder)
    parts = tuple(_parts(grid, folder))
    lock = WriterLock(folder / LOCK_FILE)
    _refuse_others(folder)
    lock.acquire()
    try:
        _claim(grid, folder)
        missing = [part for part in parts if part_rows(part.path) != part.rows]
        _require_space(folder, expected or estimate(grid), sum(part.rows for part in missing))
        done = grid.size - sum(part.rows for part in missing)
        start = clock()
        for part in missing:
            found = box_blocks(grid, part.spec, part.convention, part.box)
            write_part(part.path, map(as_columns, found), repeated=REPEATED)
            done += part.rows
            report(f"{part.spec.name}, {part.convention.name}", done, grid.size)
        seconds = clock() - start
        _write_record(grid, folder, complete=True)
        return Swept(
            folder=folder,
            partitions=tuple(_partitions(parts, {part.path for part in missing})),
            seconds=seconds,
        )
    finally:
        lock.release()


def _parts(grid: Grid, folder: Path) -> Iterator[Part]:
    for spec in grid.models:
        for convention in grid.conventions:
            keys = {"model": spec.name, "convention": convention.name}
            for number, box in enumerate(grid.boxes()):
                path = part_path(folder, keys, number)
                yield Part(spec, convention, box, path, grid.box_size(box))


def _partitions(parts: tuple[Part, ...], written: set[Path]) -> Iterator[PartitionRow]:
    by_folder: dict[Path, list[Part]] = {}
    for part in parts:
        by_folder.setdefault(part.path.parent, []).append(part)
    for folder, own in by_folder.items():
        yield PartitionRow(
            model=own[0].spec.name,
            convention=own[0].convention.name,
            rows=sum(part.rows for part in own),
            written_rows=sum(part.rows for part in own if part.path in written),
            files=len(own),
            bytes=sum(part.path.stat().st_size for part in own),
            path=str(folder),
        )


# -- whose folder it is -----------------------------------------------------------------------


def identity(grid: Grid) -> dict[str, Any]:
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


def _refuse_others(folder: Path) -> None:
    """Refuse a folder that is in use for something else."""
    if folder.exists() and not folder.is_dir():
        raise InputFileError(folder, "is not a folder", "choose another one")
    if not folder.is_dir() or (folder / GRID_FILE).exists():
        return
    if any(item.name != LOCK_FILE and not item.name.startswith(".") for item in folder.iterdir()):
        raise InputFileError(
            folder, f"holds files but no {GRID_FILE}", "choose a new or an empty folder"
        )


def _claim(grid: Grid, folder: Path) -> None:
    """Note the grid in its folder, or make sure that the folder is of this very grid."""
    path = folder / GRID_FILE
    if not path.exists():
        _write_record(grid, folder, complete=False)
        return
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        known = dict(record["grid"]) if record["format"] == FORMAT else {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputFileError(path, f"does not say what was swept here ({error})") from None
    wanted = identity(grid)
    different = [name for name in {**wanted, **known} if wanted.get(name) != known.get(name)]
    if different:
        raise InputFileError(
            folder,
            f"holds another grid (other {', '.join(different)})",
            "choose another folder",
        )


def _write_record(grid: Grid, folder: Path, *, complete: bool) -> None:
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
        "grid": identity(grid),
    }
    text = json.dumps(record, indent=1, allow_nan=False) + "\n"
    atomic_write_bytes(folder / GRID_FILE, text.encode())


def _require_space(folder: Path, expected: Estimate, rows: int) -> None:
    """Refuse a disk on which what is missing will not fit."""
    needed = expected.bytes * rows // expected.configurations
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InputFileError(
            folder,
            f"{binary_bytes(free)} are free, and {rows:,} configurations take about "
            f"{binary_bytes(needed)}",
            "choose another disk, or fewer configurations",
        )
