"""Smooth tables of logarithms, fitted together: each a grid on two axes, bent as little as can be.

A measured time is taken as ``core * exp(sum of core tables) + extra * exp(extra table)``, where
``core`` and ``extra`` come from a form with a meaning (``attention_forms``). What the form misses
is learnt on the corners of grids and interpolated between them; a penalty on the change of slope
along each axis decides how much of it is believed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import isotonic_regression
from scipy.sparse.linalg import spsolve

Floats = NDArray[np.float64]

OUTLIER = 0.03
"""Relative error beyond which a record counts in proportion to its error, not to its square."""
ROUNDS = 6
"""Gauss-Newton steps."""
ALTERNATIONS = 40
"""Projections onto tables that rise along one axis, then along the other."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """One table: its two axes, where each record lies on them, and how stiff it is."""

    first: Floats
    second: Floats
    at_first: Floats
    at_second: Floats
    stiff: tuple[float, float]
    """Penalty on squared change of slope along the first and the second axis."""
    pull: float = 1e-3
    """Penalty on squared values: what no record touches stays near the form."""
    extra: bool = False
    """Whether it bends the extra time in place of the core."""
    where: NDArray[np.bool_] | None = None
    """Records it applies to; None is all."""

    @property
    def size(self) -> int:
        """Corners of the grid."""
        return len(self.first) * len(self.second)

    def weights(self) -> sparse.csr_matrix:
        """Interpolation, (records, corners)."""
        found = corner_weights(self.first, self.second, self.at_first, self.at_second)
        return found if self.where is None else sparse.diags(self.where * 1.0) @ found

    def penalty(self) -> sparse.csr_matrix:
        """Quadratic form of stiffness and pull, (corners, corners)."""
        along_first = sparse.kron(_bends(self.first), sparse.eye(len(self.second)))
        along_second = sparse.kron(sparse.eye(len(self.first)), _bends(self.second))
        return (
            self.stiff[0] * along_first.T @ along_first
            + self.stiff[1] * along_second.T @ along_second
            + self.pull * sparse.eye(self.size)
        )


def corner_weights(first: Floats, second: Floats, x: Floats, y: Floats) -> sparse.csr_matrix:
    """Weights of the four corners around each point, linear in the logarithms of both axes."""
    i, a = _place(first, x)
    j, b = _place(second, y)
    wide = len(second)
    columns = np.stack([i * wide + j, i * wide + j + 1, (i + 1) * wide + j, (i + 1) * wide + j + 1])
    values = np.stack([(1 - a) * (1 - b), (1 - a) * b, a * (1 - b), a * b])
    rows = np.broadcast_to(np.arange(len(x)), columns.shape)
    shape = (len(x), len(first) * wide)
    return sparse.csr_matrix((values.ravel(), (rows.ravel(), columns.ravel())), shape=shape)


def solve(core: Floats, extra: Floats, measured: Floats, blocks: list[Block]) -> list[Floats]:
    """Return the table of each block, by iteratively reweighted Gauss-Newton on relative errors."""
    maps = [block.weights() for block in blocks]
    penalty = sparse.block_diag([block.penalty() for block in blocks]).tocsc()
    ends = np.cumsum([0, *(block.size for block in blocks)])
    values = np.zeros(ends[-1])
    trust = np.ones(len(measured))
    for step in range(ROUNDS):
        bent = [m @ values[a:b] for m, a, b in zip(maps, ends, ends[1:], strict=False)]
        inner = core * np.exp(sum(v for v, k in zip(bent, blocks, strict=True) if not k.extra))
        outer = extra * np.exp(sum(v for v, k in zip(bent, blocks, strict=True) if k.extra))
        error = np.log(measured / (inner + outer))
        if step:
            trust = 1 / np.maximum(1, np.abs(error) / OUTLIER)
        share = inner / (inner + outer)
        slopes = sparse.hstack(
            [
                sparse.diags(1 - share if block.extra else share) @ m
                for block, m in zip(blocks, maps, strict=True)
            ]
        ).tocsr()
        curvature = slopes.T @ sparse.diags(trust) @ slopes + penalty
        values += spsolve(curvature.tocsc(), slopes.T @ (trust * error) - penalty @ values)
    pairs = zip(blocks, ends, ends[1:], strict=False)
    return [values[a:b].reshape(len(block.first), len(block.second)) for block, a, b in pairs]


def rising(logs: Floats, factor: Floats) -> Floats:
    """Return the nearest table (least squares) that never falls along either axis.

    Along the first axis it rises at least as fast as any row of the factor falls, so that their
    sum does not fall either. Dykstra's alternating projections, then what rounding left.
    """
    steepest_fall = np.maximum(0, -np.diff(factor, axis=1)).max(axis=0)
    slack = np.concatenate([[0.0], np.cumsum(steepest_fall)])[:, None]
    table = logs - slack
    kept = [np.zeros_like(table), np.zeros_like(table)]
    for _ in range(ALTERNATIONS):
        for axis in (0, 1):
            before = table + kept[axis]
            table = np.apply_along_axis(lambda line: isotonic_regression(line).x, axis, before)
            kept[axis] = before - table
    return np.maximum.accumulate(np.maximum.accumulate(table, axis=0), axis=1) + slack


def falling_no_faster(each: Floats, counts: Floats, axis: int) -> Floats:
    """Return the nearest costs of one such that the cost of all never falls with their number."""
    shape = [1, 1]
    shape[axis] = len(counts)
    number = np.log(counts).reshape(shape)
    total = np.apply_along_axis(lambda line: isotonic_regression(line).x, axis, each + number)
    return total - number


def _place(axis: Floats, value: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Cell of the axis and share of the way through it; ends are held."""
    logs = np.log(axis)
    inside = np.clip(np.log(value), logs[0], logs[-1])
    cell = np.clip(np.searchsorted(logs, inside, side="right") - 1, 0, len(logs) - 2)
    return cell, (inside - logs[cell]) / (logs[cell + 1] - logs[cell])


def _bends(axis: Floats) -> sparse.csr_matrix:
    """Change of slope at each inner corner, scaled so that a finer axis is no stiffer."""
    width = np.diff(np.log(axis))
    scale = 0.5 / np.sqrt((width[:-1] + width[1:]) / 2)
    inner = len(axis) - 2
    return sparse.diags(
        [scale / width[:-1], -scale * (1 / width[:-1] + 1 / width[1:]), scale / width[1:]],
        [0, 1, 2],
        shape=(inner, len(axis)),
    ).tocsr()
