"""Attention times against the measured records they were fitted to, and against physics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from omnizip_cost.hardware import bundled_devices, load_device
from omnizip_cost.latency.kernels import OPS, kernel_latency_ms, kernel_latency_s
from omnizip_cost.latency.kernels.gemm import MEASURED
from omnizip_cost.latency.kernels.roofline import compute_s, kernel_flops
from omnizip_cost.latency.kernels.shapes import checked_shape

DIMS = ("batch", "seq", "heads", "kv_heads", "head_dim")
ATTENTION = OPS[1:]

MOST = {"prefill_attention": 0.025, "decode_attention": 0.025, "encoder_attention": 0.03}
"""Median errors that records which the fit saw must not exceed either."""


def drawn(op: str, size: int, seed: int = 0) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed)
    kv_heads = 2.0 ** draw.integers(0, 6, size)
    share = np.ones(size) if op == "encoder_attention" else draw.choice([1, 2, 3, 7, 8, 16], size)
    return {
        "batch": np.ceil(2 ** draw.uniform(0, 8, size)),
        "seq": np.ceil(2 ** draw.uniform(0, 17.6, size)),
        "heads": kv_heads * share,
        "kv_heads": kv_heads,
        "head_dim": draw.choice([32, 64, 72, 80, 96, 128, 192, 256], size),
    }


@pytest.mark.parametrize("device", MEASURED)
def test_measured_records_are_met(device: str, shared: Path) -> None:
    records = pd.read_parquet(shared / "silicon" / f"{device}.parquet")
    for op, most in MOST.items():
        some = records[(records["op"] == op) & (records["seq"] >= 255)][::7]
        if some.empty:
            assert (device, op) == ("a100-sxm", "encoder_attention")
            continue
        times = kernel_latency_ms(device, op, **{name: some[name].to_numpy() for name in DIMS})
        off = np.abs(times / some["latency_ms"].to_numpy() - 1)
        assert np.median(off) < most
        assert np.quantile(off, 0.9) < 0.12


@pytest.mark.parametrize("op", ATTENTION)
@pytest.mark.parametrize("device", bundled_devices())
def test_more_work_never_takes_less_time(device: str, op: str) -> None:
    """On lent times, too."""
    dims = drawn(op, 2_000)
    times = kernel_latency_s(device, op, **dims)
    factor = np.random.default_rng(1).choice([1.001, 1.1, 2, 30], times.size)
    for name in ("seq", "batch"):
        more = kernel_latency_s(device, op, **{**dims, name: np.ceil(dims[name] * factor)})
        assert (more >= times * (1 - 1e-12)).all(), name


@pytest.mark.parametrize("device", sorted(set(bundled_devices()) - set(MEASURED)))
def test_lent_times_of_products_never_fall_as_rows_are_added(device: str) -> None:
    draw = np.random.default_rng(4)
    m, n, k = (np.ceil(2 ** draw.uniform(low, 17, 2_000)) for low in (0, 7, 7))
    times = kernel_latency_s(device, "gemm", m=m, n=n, k=k)
    more = np.ceil(m * draw.choice([1.001, 1.1, 2, 30], m.size))
    longer = kernel_latency_s(device, "gemm", m=more, n=n, k=k)
    assert (longer >= times * (1 - 1e-12)).all()


@pytest.mark.parametrize("op", ATTENTION)
@pytest.mark.parametrize("device", MEASURED)
def test_no_time_beats_the_peak_and_far_away_efficiency_settles(device: str, op: str) -> None:
    dims = drawn(op, 2_000, seed=2)
    shape = checked_shape(op, dims)
    times = kernel_latency_s(device, op, **dims)
    assert (times >= compute_s(load_device(device), op, shape)).all()
    far = {"batch": [1, 1], "seq": [400_000, 800_000], "heads": 28, "head_dim": 128}
    near, twice = kernel_latency_s(device, op, kv_heads=28, **far)
    work = kernel_flops(op, checked_shape(op, {**far, "kv_heads": 28}))
    assert twice / near == pytest.approx(work[1] / work[0], rel=0.03)


@pytest.mark.parametrize("op", ATTENTION)
def test_arrays_and_single_numbers_agree(op: str) -> None:
    dims = drawn(op, 12, seed=3)
    times = kernel_latency_ms("h100-sxm", op, **dims)
    for place, time in enumerate(times):
        one = {name: float(values[place]) for name, values in dims.items()}
        alone = kernel_latency_ms("h100-sxm", op, **one)
        assert isinstance(alone, float)
        assert alone == pytest.approx(time, rel=1e-12)


def test_a_chunk_lies_between_one_query_and_the_whole_prompt() -> None:
    queries = np.array([1, 16, 128, 1_000, 4_000, 8_000, 8_191, 8_192])
    dims = {"batch": 1, "seq": 8_192, "heads": 28, "kv_heads": 4, "head_dim": 128}
    times = kernel_latency_ms("h100-sxm", "prefill_attention", queries=queries, **dims)
    assert (np.diff(times) >= 0).all()
    assert times[-1] == kernel_latency_ms("h100-sxm", "prefill_attention", **dims)
    # half of the rows, with three quarters of the pairs
    assert times[4] / times[-1] == pytest.approx(0.738, abs=0.06)


def test_decode_reads_a_shared_cache_once() -> None:
    dims = {"batch": 16, "seq": 32_768, "heads": 32, "head_dim": 128}
    eight, four = (
        kernel_latency_s("h100-sxm", "decode_attention", kv_heads=kv_heads, **dims)
        for kv_heads in (8, 4)
    )
    assert eight / four == pytest.approx(2, rel=0.1)
    cached = 16 * 32_768 * 8 * 128 * 2 * 2
    rate = cached / eight / load_device("h100-sxm").bandwidth_bytes_per_s
    assert 0.7 < rate < 1


@pytest.mark.parametrize("op", OPS)
def test_every_bundled_device_answers(op: str) -> None:
    dims = (
        {"m": 10_000, "n": 18_944, "k": 3_584}
        if op == "gemm"
        else {"batch": 1, "seq": 10_000, "heads": 28, "kv_heads": 28, "head_dim": 128}
    )
    shape = checked_shape(op, dims)
    for device in bundled_devices().values():
        time = kernel_latency_s(device, op, **dims)
        if op == "decode_attention":
            assert time > 0
        else:
            share = float(compute_s(device, op, shape)) / time
            assert 0.3 < share < 1, device.name
