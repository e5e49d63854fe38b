"""What the physics of products misses: two tables of factors, which keep times rising with m.

Both hold logarithms of measured over modelled time at corners, linear in logarithms between them.
One goes by m, n and k and never falls along m. The other goes by n, k and *progress*: the modelled
time over the time that reading the weights takes, which grows with m as the modelled time does.
It falls along that axis less than one for one. So the modelled time, times both, never falls as m
grows. Where the physics stands still, in a wave with room left, the second table does, too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from omnizip_cost.latency.kernels.shapes import Floats

Place = tuple[NDArray[np.intp], Floats]
"""The corner below each value, and the share of the way to the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GemmTables:
    """Corrections of one device; beyond the outermost corners these go on unchanged."""

    n: Floats
    k: Floats
    m: Floats
    progress: Floats
    """Corners along each axis, rising."""
    by_m: Floats
    """Of shape (len(n), len(k), len(m)), rising along m."""
    by_progress: Floats
    """Of shape (len(n), len(k), len(progress))."""

    def factor(self, m: Floats, n: Floats, k: Floats, progress: Floats) -> Floats:
        """Measured over modelled time, at float64 arrays of one shape."""
        row, column = place(n, self.n), place(k, self.k)
        by_m = _interpolated(self.by_m, row, column, place(m, self.m))
        by_progress = _interpolated(self.by_progress, row, column, place(progress, self.progress))
        return np.exp(by_m + by_progress)


def place(values: Floats, corners: Floats) -> Place:
    """Find each value between the corners, in logarithms; outside, at the outermost one."""
    logs = np.log(corners)
    inside = np.clip(np.log(values), logs[0], logs[-1])
    below = np.clip(np.searchsorted(logs, inside, side="right") - 1, 0, len(logs) - 2)
    return below, (inside - logs[below]) / (logs[below + 1] - logs[below])


def _interpolated(table: Floats, row: Place, column: Place, depth: Place) -> Floats:
    """Linear between the eight corners around each place."""
    _, columns, depths = table.shape
    flat = table.ravel()
    first = (row[0] * columns + column[0]) * depths + depth[0]

    def along_depth(start: NDArray[np.intp]) -> Floats:
        near = flat[start]
        return near + depth[1] * (flat[start + 1] - near)

    def along_column(start: NDArray[np.intp]) -> Floats:
        near = along_depth(start)
        return near + column[1] * (along_depth(start + depths) - near)

    near = along_column(first)
    return near + row[1] * (along_column(first + columns * depths) - near)
