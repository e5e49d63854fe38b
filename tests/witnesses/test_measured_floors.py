"""Floors of launches and shares of bandwidth, stated as constants, against the measured records."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from omnizip_cost.hardware import load_device
from omnizip_cost.latency.assumptions import launch_floor, stream_share
from omnizip_cost.latency.kernels.gemm import MEASURED, gemm_model
from omnizip_cost.units import MILLI


@pytest.mark.parametrize("name", MEASURED)
def test_constants_are_what_the_records_say(name: str, shared: Path) -> None:
    columns = ["m", "n", "k", "latency_ms"]
    records = pd.read_parquet(
        shared / "silicon" / f"{name}.parquet", columns=columns, filters=[("op", "==", "gemm")]
    ).astype(float)
    device = load_device(name)
    shortest_s = records["latency_ms"].min() * MILLI
    assert launch_floor(device).value == pytest.approx(shortest_s, rel=2e-3)
    assert gemm_model(name).shortest_s == pytest.approx(shortest_s, rel=1e-4)
    weights = 2 * records["n"] * records["k"]
    reading = records[(records["m"] <= 16) & (weights >= 300e6)]
    rates = weights[reading.index] / (reading["latency_ms"] * MILLI)
    low, share, high = np.quantile(rates / device.bandwidth_bytes_per_s, (0.25, 0.5, 0.75))
    stated = stream_share(device)
    assert stated.value == pytest.approx(share, abs=4e-3)
    assert stated.low < low < high < stated.high
