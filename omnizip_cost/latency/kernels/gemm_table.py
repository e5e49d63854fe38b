"""What the physics of products misses, as a table over m, n and k: a factor per corner."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from omnizip_cost.latency.kernels.shapes import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class GemmTable:
    """Logarithms of measured over modelled time at corners, linear in log m, log n and log k.

    Outside its corners the outermost ones go on: far away only the physics speaks, times a
    constant. Between corners a time may not fall as m grows; the fit sees to that.
    """

    m: Floats
    n: Floats
    k: Floats
    """Corners along each axis, rising."""
    log_ratio: Floats
    """Of shape (len(n), len(k), len(m))."""

    def factor(self, m: Floats, n: Floats, k: Floats) -> Floats:
        """Measured over modelled time, at float64 arrays of one shape."""
        row, row_share = between(n, self.n)
        column, column_share = between(k, self.k)
        depth, depth_share = between(m, self.m)
        width, height = len(self.m), len(self.k)
        first = (row * height + column) * width + depth
        flat = self.log_ratio.ravel()

        def along_m(start: NDArray[np.intp]) -> Floats:
            near = flat[start]
            return near + depth_share * (flat[start + 1] - near)

        def along_k(start: NDArray[np.intp]) -> Floats:
            near = along_m(start)
            return near + column_share * (along_m(start + width) - near)

        near = along_k(first)
        far = along_k(first + width * height)
        return np.exp(near + row_share * (far - near))


def between(values: Floats, corners: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Return the corner below each value, and how far on to the next it is, in logarithms."""
    logs = np.log(corners)
    inside = np.clip(np.log(values), logs[0], logs[-1])
    below = np.clip(np.searchsorted(logs, inside, side="right") - 1, 0, len(logs) - 2)
    return below, (inside - logs[below]) / (logs[below + 1] - logs[below])
