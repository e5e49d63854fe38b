"""What a sweep will take, from a sample of the very same grid, computed and written here."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from omnizip_cost.results.parts import write_blocks
from omnizip_cost.results.row import FlatRow
from omnizip_cost.sweep.grid import Grid
from omnizip_cost.sweep.table import REPEATED, as_columns, box_blocks

SAMPLE_ROWS = 100_000
"""Configurations of a sample: a few hundredths of a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate(FlatRow):
    """Size of a grid, and what writing it takes if the rest goes like the sample."""

    configurations: int
    files: int
    sample_rows: int
    rows_per_s: float
    """Of the sample, on this machine, now."""
    seconds: float
    bytes: int
    """Of all files."""


def estimate(grid: Grid, clock: Callable[[], float] = perf_counter) -> Estimate:
    """Compute and write a sample in memory, twice: the second time counts.

    It is of the first model under the first convention, with values from all along each axis.
    """
    sample = _sample(grid)
    box = next(sample.boxes())
    rows = sample.box_size(box)
    for _warm in (False, True):
        file = io.BytesIO()
        start = clock()
        found = box_blocks(sample, sample.models[0], sample.conventions[0], box)
        write_blocks(file, map(as_columns, found), repeated=REPEATED)
        taken_s = max(clock() - start, 1e-9)
    return Estimate(
        configurations=grid.size,
        files=grid.files,
        sample_rows=rows,
        rows_per_s=rows / taken_s,
        seconds=grid.size * taken_s / rows,
        bytes=round(grid.size * file.tell() / rows),
    )


def _sample(grid: Grid) -> Grid:
    """Thin the axes: ratios and decode lengths where there are very many, then token counts."""
    ratios, decode = _thinned(grid.retained, 200), _thinned(grid.decode, 50)
    per_token = max(len(ratios), 1) * len(decode) * len(grid.methods)
    return replace(
        grid,
        tokens=_thinned(grid.tokens, max(SAMPLE_ROWS // per_token, 1)),
        retained=ratios,
        decode=decode,
        chunk_rows=max(SAMPLE_ROWS, per_token),
    )


def _thinned(values: NDArray[Any], most: int) -> NDArray[Any]:
    """At most that many of the values, evenly spaced, the first and the last among them."""
    if len(values) <= most:
        return values
    return values[np.linspace(0, len(values) - 1, most).round().astype(np.int64)]
