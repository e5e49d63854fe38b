"""Fitting the table of what the physics of products misses, so that times still rise with m.

The table holds logarithms of measured over modelled time at corners, linear between them. It is
the one that misses the measured ones least, by absolute errors (repeated weighted least squares),
among smooth tables: bending and tilting along each axis cost, and every corner is held to zero.
Where it falls with m it may fall no faster than the physics rises there.
"""

from __future__ import annotations

import itertools

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression
from scipy.sparse.linalg import cg

from omnizip_cost.latency.kernels.gemm_physics import GemmPhysics
from omnizip_cost.latency.kernels.gemm_table import GemmTable, between

Floats = NDArray[np.float64]

CORNERS_M = (
    *(1, 2, 8, 16, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1280, 1536),
    *(2048, 2560, 3072, 3584, 4352, 6144, 8192, 16384, 32768),
)
CORNERS_NK = (
    *(32, 64, 128, 256, 512, 768, 1024, 1536, 2048, 2560, 3584, 4096, 5120, 6144, 7168, 8192),
    *(12288, 16384, 32768, 65536),
)
TILT = 0.01
"""Cost of a slope of one, per unit of a logarithm."""
BEND = 0.01
"""Cost of a change of slope of one."""
HELD = 0.01
"""Cost of a corner's distance from zero."""
SMALLEST = 0.01
"""Errors below 1% count by their square: less than the measurements repeat to."""
ROUNDS = 8
SAFETY = 0.7
"""Share of the physics' least slope in m that the table may take back."""


def fit_table(
    physics: GemmPhysics, shapes: Floats, seconds: Floats, start: Floats | None = None
) -> GemmTable:
    """Return the table for physics and records (shapes float64 (3, N), seconds (N,))."""
    axes = [np.array(a, dtype=np.float64) for a in (CORNERS_NK, CORNERS_NK, CORNERS_M)]
    m, n, k = shapes
    mixing = mixing_matrix((n, k, m), axes)
    missed = np.log(seconds / physics.latency_s(m, n, k))
    smooth = smoothness([np.log(axis) for axis in axes])
    found = np.zeros(mixing.shape[1])
    for _ in range(ROUNDS):
        far = np.maximum(np.abs(missed - mixing @ found), SMALLEST)
        heavy = SMALLEST / far
        left = (mixing.T @ sp.diags(heavy) @ mixing + smooth).tocsr()
        scale = sp.diags(1 / left.diagonal())
        found, _ = cg(left, mixing.T @ (heavy * missed), x0=found, rtol=1e-5, maxiter=500, M=scale)
    table = found.reshape([len(axis) for axis in axes])
    return GemmTable(
        m=axes[2], n=axes[0], k=axes[1], log_ratio=risen(table, least_rise(physics, axes))
    )


def mixing_matrix(points: tuple[Floats, ...], axes: list[Floats]) -> sp.csr_matrix:
    """Shares of the eight corners around each point, as rows of a sparse matrix."""
    sides = [between(values, corners) for values, corners in zip(points, axes, strict=True)]
    count = len(points[0])
    columns, shares = [], []
    for upper in itertools.product((0, 1), repeat=len(axes)):
        column = np.zeros(count, dtype=np.intp)
        share = np.ones(count)
        for (below, on), up, axis in zip(sides, upper, axes, strict=True):
            column = column * len(axis) + below + up
            share = share * (on if up else 1 - on)
        columns.append(column)
        shares.append(share)
    rows = np.tile(np.arange(count), len(columns))
    entries = (np.concatenate(shares), (rows, np.concatenate(columns)))
    return sp.csr_matrix(entries, shape=(count, int(np.prod([len(axis) for axis in axes]))))


def smoothness(logs: list[Floats]) -> sp.csr_matrix:
    """The quadratic form that tilting, bending and distance from zero cost."""
    total = HELD * sp.identity(int(np.prod([len(axis) for axis in logs])))
    for along, axis in enumerate(logs):
        gaps = np.diff(axis)
        slope = sp.diags([-1 / gaps, 1 / gaps], [0, 1], shape=(len(gaps), len(axis)))
        bend = sp.diags([-1.0, 1.0], [0, 1], shape=(len(gaps) - 1, len(gaps))) @ slope
        tilt = sp.diags(np.sqrt(gaps)) @ slope
        turn = sp.diags(1 / np.sqrt((gaps[1:] + gaps[:-1]) / 2)) @ bend
        for cost, step in ((TILT, tilt), (BEND, turn)):
            form = sp.identity(1)
            for other, corners in enumerate(logs):
                form = sp.kron(form, step if other == along else sp.identity(len(corners)))
            total = total + cost * (form.T @ form)
    return sp.csr_matrix(total)


def least_rise(physics: GemmPhysics, axes: list[Floats]) -> Floats:
    """Least rise of log time over each gap of m, in the cells around each corner of n and k.

    Sampled between corners; steps up at a new tile or wave are left out, as they only help.
    """
    n, k, m = axes
    inside = np.array([1e-3, 0.33, 0.67, 0.999])

    def sampled(corners: Floats, share: Floats) -> Floats:
        return np.exp(np.log(corners[:-1, None]) + share * np.diff(np.log(corners))[:, None])

    nn, kk, mm = np.meshgrid(
        sampled(n, inside).ravel(),
        sampled(k, inside).ravel(),
        sampled(m, inside).ravel(),
        indexing="ij",
    )
    step = 1e-6
    rise = (
        np.log(physics.latency_s(mm * (1 + step), nn, kk)) - np.log(physics.latency_s(mm, nn, kk))
    ) / np.log1p(step)
    cells = rise.reshape(len(n) - 1, 4, len(k) - 1, 4, len(m) - 1, 4).min(axis=(1, 3, 5))
    padded = np.pad(cells, ((1, 1), (1, 1), (0, 0)), constant_values=np.inf)
    around = np.minimum.reduce(
        [padded[a : a + len(n), b : b + len(k)] for a in (0, 1) for b in (0, 1)]
    )
    return SAFETY * np.maximum(around, 0) * np.diff(np.log(m))


def risen(table: Floats, rise: Floats) -> Floats:
    """The nearest table whose falls along m stay within ``rise``: isotonic, column by column."""
    raised = np.concatenate([np.zeros((*rise.shape[:2], 1)), np.cumsum(rise, axis=2)], axis=2)
    flat = (table + raised).reshape(-1, table.shape[2])
    return (
        np.array([isotonic_regression(column).x for column in flat]).reshape(table.shape) - raised
    )
