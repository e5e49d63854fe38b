"""A grid swept into a folder: finished parts stay, a sweep that was stopped goes on."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from omnizip_cost.cost import Convention
from omnizip_cost.errors import InputFileError
from omnizip_cost.results.lock import WriterLock
from omnizip_cost.results.parts import part_path, part_rows, write_part
from omnizip_cost.results.row import FlatRow
from omnizip_cost.specs import ModelSpec
from omnizip_cost.sweep.estimate import Estimate, estimate
from omnizip_cost.sweep.folder_record import claim, refuse_others, write_record
from omnizip_cost.sweep.grid import Box, Grid
from omnizip_cost.sweep.table import REPEATED, as_columns, box_blocks
from omnizip_cost.units import binary_bytes

LOCK_FILE = "_writer.lock"

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
    refuse_others(folder, LOCK_FILE)
    lock.acquire()
    try:
        claim(grid, folder)
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
        write_record(grid, folder, complete=True)
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
