"""Fitting the two tables of what the physics of products misses, so that times rise with m.

The tables are those that miss the measured times least, by absolute errors (repeated weighted
least squares), among smooth ones: bending and tilting along each axis cost, and every corner is
held to zero. Gaps that fall further than they may are pulled back harder from round to round, and
what is left of that is levelled at the end (isotonic regression, column by column).
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression
from scipy.sparse.linalg import cg

from omnizip_cost.latency.kernels.gemm import progress_of
from omnizip_cost.latency.kernels.gemm_physics import GemmPhysics
from omnizip_cost.latency.kernels.gemm_table import GemmTables, place

Floats = NDArray[np.float64]
Sparse = Any  # SciPy's sparse matrices carry no types

CORNERS_NK = np.array(
    [
        *(32, 64, 128, 256, 512, 768, 1024, 1536, 2048, 2560, 3584, 4096, 5120, 6144, 7168, 8192),
        *(12288, 16384, 32768, 65536),
    ],
    dtype=np.float64,
)
CORNERS_M = np.array(
    [
        *(1, 2, 8, 16, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1280, 1536, 2048, 2560),
        *(3072, 3584, 4352, 6144, 8192, 16384, 32768),
    ],
    dtype=np.float64,
)
CORNERS_PROGRESS = np.exp(
    [*(0, 0.05, 0.1, 0.2, 0.35, 0.5), *np.arange(0.75, 3.51, 0.25), 4, 4.5, 5, 6]
).round(4)
FALL = 0.95
"""Most that the second table may fall, per unit that its axis rises: below one, or times fall."""

TILT = 0.003
"""Cost of a slope of one, per unit of a logarithm."""
BEND = 0.003
"""Cost of a change of slope of one."""
HELD = 0.01
"""Cost of a corner's distance from zero."""
SMALLEST = 0.01
"""Errors below 1% count by their square: less than the measurements repeat to."""
PULLS = (0, 0, 0, 1, 3, 10, 30, 30, 100, 100, 100, 100, 100, 100)
"""Cost of falling too far, per round."""


def fit_tables(physics: GemmPhysics, shapes: Floats, seconds: Floats) -> GemmTables:
    """Return the tables for physics and records (shapes float64 (3, N), seconds (N,))."""
    m, n, k = shapes
    modelled = physics.latency_s(m, n, k)
    missed = np.log(seconds / modelled)
    progress = progress_of(physics, modelled, n, k)
    lasts = (CORNERS_M, CORNERS_PROGRESS)
    mixing = sp.hstack(
        [
            mixing_matrix((n, k, values), (CORNERS_NK, CORNERS_NK, last))
            for values, last in zip((m, progress), lasts, strict=True)
        ]
    ).tocsr()
    smooth = sp.block_diag([smoothness((CORNERS_NK, CORNERS_NK, last)) for last in lasts])
    columns = len(CORNERS_NK) ** 2
    steps = sp.block_diag([sp.kron(sp.identity(columns), _gaps(len(last))) for last in lasts])
    falls = np.concatenate(
        [
            np.zeros(columns * (len(CORNERS_M) - 1)),
            np.tile(-FALL * np.diff(np.log(CORNERS_PROGRESS)), columns),
        ]
    )
    found = _smooth_fit(missed, mixing, smooth, steps.tocsr(), falls)
    by_m, by_progress = np.split(found, [columns * len(CORNERS_M)])
    square = (len(CORNERS_NK), len(CORNERS_NK), -1)
    allowed = FALL * np.log(CORNERS_PROGRESS)
    return GemmTables(
        n=CORNERS_NK,
        k=CORNERS_NK,
        m=CORNERS_M,
        progress=CORNERS_PROGRESS,
        by_m=_levelled(by_m.reshape(square)),
        by_progress=_levelled(by_progress.reshape(square) + allowed) - allowed,
    )


def _smooth_fit(
    missed: Floats, mixing: Sparse, smooth: Sparse, steps: Sparse, falls: Floats
) -> Floats:
    """Corners whose mixture misses least, smooth, and whose steps stay above ``falls``."""
    found = np.zeros(mixing.shape[1])
    for pull in PULLS:
        heavy = SMALLEST / np.maximum(np.abs(missed - mixing @ found), SMALLEST)
        left = mixing.T @ sp.diags(heavy) @ mixing + smooth
        right = mixing.T @ (heavy * missed)
        if pull:
            below = steps @ found < falls
            left = left + pull * (steps[below].T @ steps[below])
            right = right + pull * (steps[below].T @ falls[below])
        left = left.tocsr()
        scale = sp.diags(1 / left.diagonal())
        found, _ = cg(left, right, x0=found, rtol=1e-4, maxiter=300, M=scale)
    return found


def mixing_matrix(points: tuple[Floats, ...], axes: tuple[Floats, ...]) -> Sparse:
    """Shares of the corners around each point, as rows of a sparse matrix."""
    places = [place(values, corners) for values, corners in zip(points, axes, strict=True)]
    count = len(points[0])
    columns, shares = [], []
    for upper in itertools.product((0, 1), repeat=len(axes)):
        column = np.zeros(count, dtype=np.intp)
        share = np.ones(count)
        for (below, on), up, axis in zip(places, upper, axes, strict=True):
            column = column * len(axis) + below + up
            share = share * (on if up else 1 - on)
        columns.append(column)
        shares.append(share)
    rows = np.tile(np.arange(count), len(columns))
    entries = (np.concatenate(shares), (rows, np.concatenate(columns)))
    return sp.csr_matrix(entries, shape=(count, int(np.prod([len(axis) for axis in axes]))))


def smoothness(axes: tuple[Floats, ...]) -> Sparse:
    """The quadratic form that tilting, bending and distance from zero cost."""
    total = HELD * sp.identity(int(np.prod([len(axis) for axis in axes])))
    for along, axis in enumerate(axes):
        gaps = np.diff(np.log(axis))
        slope = sp.diags(1 / gaps) @ _gaps(len(axis))
        tilt = sp.diags(np.sqrt(gaps)) @ slope
        bend = sp.diags(np.sqrt(2 / (gaps[1:] + gaps[:-1]))) @ _gaps(len(gaps)) @ slope
        for cost, change in ((TILT, tilt), (BEND, bend)):
            form = sp.identity(1)
            for other, corners in enumerate(axes):
                form = sp.kron(form, change if other == along else sp.identity(len(corners)))
            total = total + cost * (form.T @ form)
    return total


def _gaps(corners: int) -> Sparse:
    """Each corner's value less the one's before."""
    return sp.diags([-1.0, 1.0], [0, 1], shape=(corners - 1, corners))


def _levelled(table: Floats) -> Floats:
    """The nearest table that never falls along its last axis."""
    flat = table.reshape(-1, table.shape[2])
    return np.array([isotonic_regression(column).x for column in flat]).reshape(table.shape)
