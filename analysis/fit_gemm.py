"""Fit the times of matrix products, and write the data files that the package predicts from.

    python analysis/fit_gemm.py SILICON [--device NAME ...] [--starts 2] [--out DIR]

SILICON is the folder of measured kernel times, one ``DEVICE.parquet`` each, with the columns
``op, m, n, k, latency_ms``. Writes ``gemm-DEVICE.json`` (the numbers of the physics, corners of the
tables, errors of the cross-validation where ``analysis/kernel_crossval.py`` has written them) and
``gemm-DEVICE.npz`` (the tables, in steps). The same input gives the same files.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from chips import CHIPS, chip_of
from fit_gemm_physics import Floats, fit_physics
from fit_gemm_tables import fit_tables

from omnizip_cost.hardware.load import load_device
from omnizip_cost.latency.kernels import gemm
from omnizip_cost.latency.kernels.gemm_physics import GemmPhysics
from omnizip_cost.latency.kernels.gemm_table import GemmTables
from omnizip_cost.units import MILLI

DATA = Path(gemm.__file__).with_name("data")
STEP = 0.0005
"""Of the stored tables: 0.05%."""
SOURCE = (
    "Measured kernel times of NVIDIA AIConfigurator (aiconfigurator-core 0.12.0, Apache-2.0, "
    "copyright NVIDIA CORPORATION & AFFILIATES), vLLM records, bf16; fitted by analysis/fit_gemm.py"
)


def read_products(silicon: Path, device: str) -> tuple[Floats, Floats]:
    """Return shapes (3, N) and seconds (N,) of one device's measured products."""
    table = pd.read_parquet(silicon / f"{device}.parquet")
    products = table[table["op"] == "gemm"]
    shapes = np.array([products[axis].to_numpy(np.float64) for axis in "mnk"])
    return shapes, products["latency_ms"].to_numpy(np.float64) * MILLI


def write_model(
    device: str, physics: GemmPhysics, tables: GemmTables, shortest_s: float, out: Path
) -> None:
    """Write both data files of a device; errors of a cross-validation that stand there stay."""
    path = out / f"gemm-{device}.json"
    errors = json.loads(path.read_text())["errors"] if path.exists() else {}
    record = {
        "source": SOURCE,
        "chip": CHIPS[device][2],
        "bandwidth_bytes_per_s": load_device(device).bandwidth_bytes_per_s,
        "shortest_s": _rounded(shortest_s),
        "physics": _rounded(asdict(physics)),
        "corners": {axis: getattr(tables, axis).tolist() for axis in ("n", "k", "m", "progress")},
        "step": STEP,
        "errors": errors,
    }
    path.write_text(json.dumps(record, indent=1) + "\n")
    steps = {
        name: np.round(getattr(tables, name) / STEP).astype(np.int16)
        for name in ("by_m", "by_progress")
    }
    np.savez_compressed(out / f"gemm-{device}.npz", **steps)


def _rounded(value: Any) -> Any:
    """Five digits of every fitted number: far more than the measurements carry."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def main() -> None:
    """Fit each device asked for and write its files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("silicon", type=Path)
    parser.add_argument("--device", action="append", choices=tuple(CHIPS))
    parser.add_argument("--starts", type=int, default=2)
    parser.add_argument("--out", type=Path, default=DATA)
    options = parser.parse_args()
    for device in options.device or CHIPS:
        shapes, seconds = read_products(options.silicon, device)
        physics = fit_physics(shapes, seconds, chip_of(device), starts=options.starts)
        physics = GemmPhysics.from_record(_rounded(asdict(physics)))
        tables = fit_tables(physics, shapes, seconds)
        write_model(device, physics, tables, float(seconds.min()), options.out)
        gemm.gemm_model.cache_clear()
        modelled = gemm.gemm_model(device, options.out).latency_s(*shapes)
        missed = np.abs(modelled / seconds - 1)
        large = (shapes[0] >= 64) & (shapes[1:] >= 512).all(axis=0)
        print(
            f"{device}: median error {np.median(missed[large]):.2%} on the {large.sum()} fitted "
            f"records with m >= 64, n and k >= 512; {np.median(missed):.2%} on all",
            flush=True,
        )


if __name__ == "__main__":
    main()
