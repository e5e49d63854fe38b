"""How times of products grow: with m always, towards a constant rate, never below the floors."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from omnizip_cost.latency.kernels.gemm import MEASURED, gemm_latency_s, gemm_model

ROUNDING = 1e-12
Floats = NDArray[np.float64]


def drawn_shapes(count: int, most_m: float = 2e5) -> tuple[Floats, Floats, Floats]:
    """Whole numbers of every order of magnitude, far beyond what was measured."""
    draw = np.random.default_rng(5)
    tops = (most_m, 2e5, 1e5)
    m, n, k = (np.exp(draw.uniform(0, np.log(top), count)).round() for top in tops)
    return m, n, k


@pytest.mark.parametrize("device", MEASURED)
def test_one_more_row_never_takes_less_time(device: str) -> None:
    m, n, k = drawn_shapes(6_000)
    now = gemm_latency_s(device, m, n, k)
    assert (gemm_latency_s(device, m + 1, n, k) >= now * (1 - ROUNDING)).all()
    assert (gemm_latency_s(device, m * 1.05 + 1, n, k) >= now * (1 - ROUNDING)).all()


@pytest.mark.parametrize("device", MEASURED)
def test_time_rises_along_every_m_of_a_model_layer(device: str) -> None:
    m = np.arange(1.0, 6001.0)
    for n, k in ((4608, 3584), (3584, 18944), (152064, 3584), (1280, 1280), (513, 515)):
        assert np.diff(gemm_latency_s(device, m, n, k)).min() >= -1e-18


@pytest.mark.parametrize("device", MEASURED)
def test_no_product_beats_the_peak_the_launch_or_its_bytes(device: str) -> None:
    m, n, k = drawn_shapes(6_000)
    seconds, physics = gemm_latency_s(device, m, n, k), gemm_model(device).physics
    moved = 2 * (m * k + n * k + m * n)
    assert (seconds >= 2 * m * n * k / physics.peak_flop_per_s).all()
    assert (seconds >= gemm_model(device).shortest_s).all()
    bandwidth = gemm_model(device).bandwidth_bytes_per_s
    assert (seconds >= (moved - physics.cache_bytes) / bandwidth).all()


@pytest.mark.parametrize("device", MEASURED)
def test_far_outside_the_rate_is_steady(device: str) -> None:
    """Twice the rows take twice the time within 5%, at a rate that was seen inside."""
    n, k = np.array([3584.0, 18944, 152064]), np.array([18944.0, 3584, 3584])
    peak = gemm_model(device).physics.peak_flop_per_s
    at = {m: gemm_latency_s(device, m, n, k) for m in (32_768, 100_000, 200_000)}
    assert at[200_000] / at[100_000] == pytest.approx(2, rel=0.05)
    share = 2 * 200_000 * n * k / at[200_000] / peak
    inside = 2 * 32_768 * n * k / at[32_768] / peak
    assert share == pytest.approx(inside, rel=0.1)
    assert (share > 0.5).all()


@pytest.mark.parametrize("device", MEASURED)
def test_arrays_scalars_and_broadcasting_agree(device: str) -> None:
    m, n, k = drawn_shapes(50)
    together = gemm_latency_s(device, m[:, None], n, k)
    assert together.shape == (50, 50)
    assert together.dtype == np.float64
    one_by_one = [float(gemm_latency_s(device, m[i], n[i], k[i])) for i in range(50)]
    assert together.diagonal().tolist() == one_by_one
    assert gemm_latency_s(device, [], n[:0], 8).shape == (0,)


def test_decode_is_bound_by_reading_the_weights() -> None:
    """One row times the 7B's head, 1.09 GB: the card's bandwidth, less a quarter at most."""
    for device in MEASURED:
        rate = 2 * 152_064 * 3584 / gemm_latency_s(device, 1, 152_064, 3584)
        share = float(rate) / gemm_model(device).bandwidth_bytes_per_s
        assert 0.6 < share <= 1, f"{device}: {share:.2f}"
