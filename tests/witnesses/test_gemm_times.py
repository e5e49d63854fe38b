"""Times of products against records measured on real GPUs, and against what no GPU can beat."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from omnizip_cost.hardware.load import load_device
from omnizip_cost.latency.kernels.gemm import MEASURED, gemm_latency_s, gemm_model

WANTED = {
    "h100-sxm": 0.035,
    "h200-sxm": 0.035,
    "a100-sxm": 0.030,
    "l40s": 0.055,
    "rtx-pro-6000": 0.025,
}
"""Median error that left-out products of language-model sizes must stay below."""


def products(shared: Path, device: str) -> pd.DataFrame:
    """Measured products of a device, m, n and k as float64."""
    columns = ["m", "n", "k", "latency_ms"]
    records = pd.read_parquet(
        shared / "silicon" / f"{device}.parquet", columns=columns, filters=[("op", "==", "gemm")]
    )
    return records.astype(float)


@pytest.mark.parametrize("device", MEASURED)
def test_measured_times_are_met_as_nearly_as_the_data_file_says(shared: Path, device: str) -> None:
    records = products(shared, device).iloc[::7]
    seconds = gemm_latency_s(device, records["m"], records["n"], records["k"])
    missed = np.abs(seconds * 1e3 / records["latency_ms"] - 1)
    large = (records["m"] >= 64) & (records["n"] >= 512) & (records["k"] >= 512)
    decode = (records["m"] < 64) & (records["n"] >= 512) & (records["k"] >= 512)
    stated = gemm_model(device).errors["rows"]
    assert np.median(missed[large]) <= stated["median"] <= WANTED[device]
    assert np.quantile(missed[large], 0.9) <= stated["p90"]
    assert np.median(missed[decode]) <= 0.06


@pytest.mark.parametrize("device", MEASURED)
def test_nothing_is_biased(shared: Path, device: str) -> None:
    records = products(shared, device).iloc[3::7]
    seconds = gemm_latency_s(device, records["m"], records["n"], records["k"])
    ratio = seconds * 1e3 / records["latency_ms"]
    assert np.median(ratio) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("device", MEASURED)
def test_the_data_file_agrees_with_the_datasheet(device: str) -> None:
    model, known = gemm_model(device), load_device(device)
    assert model.physics.peak_flop_per_s == known.peak("bf16")
    assert model.bandwidth_bytes_per_s == known.bandwidth_bytes_per_s
    assert model.physics.memory_bytes_per_s < known.bandwidth_bytes_per_s
    assert all(0 < tile.share_of_peak < 1 for tile in model.physics.tiles)
