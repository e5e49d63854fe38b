"""Tabulated times of one attention kernel, read between the corners of small grids.

    milliseconds = exp(core[class](seq, lanes) + factor(share, seq)) + count * exp(extra(a, b))

Lanes are what runs side by side: sequences times heads, or times key heads in decode, which reads
the cache once for all heads that share it. Every grid is linear in logarithms between corners;
beyond them times grow as the work does. The core, with any factor, never falls along ``seq`` or
``lanes``, and the extra time never falls along its counts: so neither does the sum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from omnizip_cost.latency.kernels.shapes import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Logarithms on the corners of a grid, shape (len(first), len(second))."""

    first: Floats
    second: Floats
    logs: Floats

    def at(self, first: Floats, second: Floats) -> Floats:
        """Interpolate; a point beyond an axis takes the axis' end."""
        i, a = _cell(self.first, first)
        j, b = _cell(self.second, second)
        low = self.logs[i, j] * (1 - b) + self.logs[i, j + 1] * b
        high = self.logs[i + 1, j] * (1 - b) + self.logs[i + 1, j + 1] * b
        mixed: Floats = low * (1 - a) + high * a
        return mixed


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One device, operator and head size."""

    core: tuple[Grid, ...]
    """On (seq, lanes); one, or in decode one per number of key heads and way of grouping."""
    factor: Grid
    """On (heads that share a key head, seq), or for encoders on (heads, seq)."""
    extra: Grid | None
    """Per token written to the cache, on (key heads, tokens), in prefill; per query row, on
    (rows, heads that share a key head), in decode."""
    growth: float
    """Power of ``seq`` with which time grows beyond the grid: 2 for prefill, 1 for decode."""

    def core_ms(self, kind: NDArray[np.int64], seq: Floats, lanes: Floats, share: Floats) -> Floats:
        """Milliseconds of the attention itself.

        Parameters
        ----------
        kind : int array
            Which of :attr:`core` each point is of.
        seq, lanes, share : float64 array
            One shape.
        """
        grid = self.core[0]
        logs = np.empty_like(seq)
        for number, each in enumerate(self.core):
            own = kind == number
            logs[own] = each.at(seq[own], lanes[own])
        logs += self.factor.at(share, seq)
        logs += self.growth * _beyond(grid.first, seq) + _beyond(grid.second, lanes)
        return np.exp(logs)

    def extra_ms(self, first: Floats, second: Floats, count: Floats) -> Floats:
        """Milliseconds on top, ``count`` times what the grid says for one."""
        if self.extra is None:
            return np.zeros_like(count)
        return count * np.exp(self.extra.at(first, second))

    def launch_ms(self) -> float:
        """The least time of any shape."""
        return float(np.exp(min(grid.logs.min() for grid in self.core)))


def _cell(axis: Floats, value: Floats) -> tuple[NDArray[np.int64], Floats]:
    logs = np.log(axis)
    inside = np.clip(np.log(value), logs[0], logs[-1])
    cell = np.clip(np.searchsorted(logs, inside, side="right") - 1, 0, len(logs) - 2)
    share: Floats = (inside - logs[cell]) / (logs[cell + 1] - logs[cell])
    return cell, share


def _beyond(axis: Floats, value: Floats) -> Floats:
    """How far past the end of an axis, as a logarithm; 0 inside."""
    past: Floats = np.log(np.maximum(value / axis[-1], 1))
    return past
