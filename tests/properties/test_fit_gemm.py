"""The fit of products: what was planted is found, what is left out together stays together."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from omnizip_cost.latency.kernels.gemm import gemm_model, progress_of

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "analysis"))
from chips import chip_of
from fit_gemm_physics import Unknowns, refit_physics
from fit_gemm_tables import FALL, fit_tables
from kernel_crossval_folds import folds

DEVICE = "a100-sxm"
Floats = NDArray[np.float64]


def drawn(count: int, seed: int) -> Floats:
    """Sizes (3, count) between the outermost corners of the tables."""
    draw = np.random.default_rng(seed)
    tops = np.log([20_000, 30_000, 30_000])
    return np.exp(draw.uniform(np.log(64), tops[:, None], (3, count))).round()


def planted_factor(shapes: Floats) -> Floats:
    """A smooth error of up to 20%, which rises with m."""
    m, n, k = np.log(shapes)
    return np.exp(0.03 * (m - 6) + 0.08 * np.sin(n) * np.cos(0.7 * k))


def test_tables_find_a_planted_error_on_sizes_they_have_not_seen() -> None:
    physics = gemm_model(DEVICE).physics
    shapes, others = drawn(3_000, 0), drawn(500, 1)
    tables = fit_tables(physics, shapes, physics.latency_s(*shapes) * planted_factor(shapes))
    modelled = physics.latency_s(*others)
    m, n, k = others
    found = tables.factor(m, n, k, progress_of(physics, modelled, n, k))
    before = np.abs(1 / planted_factor(others) - 1)
    after = np.abs(found / planted_factor(others) - 1)
    assert np.median(before) > 0.04
    assert np.median(after) < 0.01


def test_tables_never_fall_further_than_they_may() -> None:
    """Times that fall as m grows cannot be met: the tables stay within their bounds."""
    physics = gemm_model(DEVICE).physics
    shapes = drawn(2_000, 2)
    tables = fit_tables(physics, shapes, physics.latency_s(*shapes) * shapes[0] ** -1.5)
    assert np.diff(tables.by_m, axis=2).min() >= -1e-12
    falls = np.diff(tables.by_progress, axis=2) / np.diff(np.log(tables.progress))
    assert falls.min() == pytest.approx(-FALL)


def test_physics_comes_back_from_its_vector_and_from_its_own_times() -> None:
    physics, chip = gemm_model(DEVICE).physics, chip_of(DEVICE)
    unknowns = Unknowns(chip=chip, tiles=tuple((t.rows, t.columns) for t in physics.tiles))
    shapes = drawn(400, 3)
    seconds = physics.latency_s(*shapes)
    again = unknowns.physics(unknowns.vector(physics))
    assert again.latency_s(*shapes) == pytest.approx(seconds, rel=1e-9)
    slower = replace(physics, launch_s=3 * physics.launch_s, memory_bytes_per_s=1e12)
    found = refit_physics(slower, shapes, seconds, chip, steps=6)
    before = np.median(np.abs(slower.latency_s(*shapes) / seconds - 1))
    after = np.median(np.abs(found.latency_s(*shapes) / seconds - 1))
    assert after < 0.2 * before


@pytest.mark.parametrize("together", [(), ("n",), ("n", "k")])
def test_records_that_belong_together_are_left_out_together(together: tuple[str, ...]) -> None:
    draw = np.random.default_rng(4)
    columns = {name: draw.integers(1, 9, 600).astype(float) for name in ("n", "k")}
    part = folds(columns, together)
    assert set(part.tolist()) == set(range(5))
    if together:
        keys = list(zip(*(columns[name] for name in together), strict=True))
        assert len(set(zip(keys, part.tolist(), strict=True))) == len(set(keys))
    else:
        assert np.bincount(part).tolist() == [120] * 5
