"""Seconds of a matrix product in bf16 on a measured device: physics, times what it missed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from omnizip_cost.latency.kernels.gemm_physics import WIDTH, GemmPhysics
from omnizip_cost.latency.kernels.gemm_table import GemmTables
from omnizip_cost.latency.kernels.shapes import Floats

_DATA = Path(__file__).with_name("data")

MEASURED = ("h100-sxm", "h200-sxm", "a100-sxm", "l40s", "rtx-pro-6000")
"""Devices whose products were timed."""

_AT_ONCE = 1 << 10
"""Shapes worked on together, so that all arrays between stay in the processor's cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GemmModel:
    """All that one data file says."""

    physics: GemmPhysics
    tables: GemmTables
    bandwidth_bytes_per_s: float
    """Of the datasheet, for the floor."""
    shortest_s: float
    """Shortest time that was measured of any product: the floor of a launch."""
    errors: Mapping[str, Mapping[str, float]]
    """Relative errors on records left out of the fit: per kind of split, ``median`` and ``p90``."""
    source: str

    def latency_s(self, m: Floats, n: Floats, k: Floats) -> Floats:
        """Seconds of products, float64 arrays of one shape; never below :meth:`floor_s`."""
        modelled = self.physics.latency_s(m, n, k)
        progress = progress_of(self.physics, modelled, n, k)
        seconds = modelled * self.tables.factor(m, n, k, progress)
        return np.maximum(seconds, self.floor_s(m, n, k))

    def floor_s(self, m: Floats, n: Floats, k: Floats) -> Floats:
        """Seconds that no product can beat: peak, launch, and bytes that fit no cache.

        A small product's operands may still lie in the cache from the call before, as they did
        when these times were taken; so a cache's worth of bytes comes free.
        """
        physics = self.physics
        moved = WIDTH * (m * k + n * k + m * n) - physics.cache_bytes
        bound = np.maximum(
            2 * m * n * k / physics.peak_flop_per_s, moved / self.bandwidth_bytes_per_s
        )
        return np.maximum(bound, self.shortest_s)


def gemm_latency_s(device: str, m: Any, n: Any, k: Any) -> Floats:
    """Return the seconds of ``x[m, k]`` times ``W[n, k]`` transposed, in bf16.

    Parameters
    ----------
    device : str
        A name of :data:`MEASURED`; others are the caller's business.
    m, n, k : number or array
        Counts of at least 1, whole or expected; arrays broadcast.

    Returns
    -------
    float64 array of the broadcast shape
        Rises with m, or stays where a tile or wave has room left.
    """
    model = gemm_model(device)
    arrays = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in (m, n, k)))
    flat = [np.ravel(array) for array in arrays]
    seconds = np.empty(flat[0].shape)
    for start in range(0, len(seconds), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        seconds[part] = model.latency_s(*(array[part] for array in flat))
    return seconds.reshape(arrays[0].shape)


@cache
def gemm_model(device: str, folder: Path = _DATA) -> GemmModel:
    """Read the data files of a measured device (``analysis/fit_gemm.py`` wrote them)."""
    record = json.loads((folder / f"gemm-{device}.json").read_text())
    corners = record["corners"]
    with np.load(folder / f"gemm-{device}.npz", allow_pickle=False) as steps:
        corrections = {name: steps[name] * record["step"] for name in ("by_m", "by_progress")}
    return GemmModel(
        physics=GemmPhysics.from_record(record["physics"]),
        tables=GemmTables(
            **{axis: np.array(values, dtype=np.float64) for axis, values in corners.items()},
            **corrections,
        ),
        bandwidth_bytes_per_s=record["bandwidth_bytes_per_s"],
        shortest_s=record["shortest_s"],
        errors=record["errors"],
        source=record["source"],
    )


def progress_of(physics: GemmPhysics, modelled_s: Floats, n: Floats, k: Floats) -> Floats:
    """Modelled time over the time that a launch and reading the weights take."""
    return modelled_s / (physics.launch_s + WIDTH * n * k / physics.memory_bytes_per_s)
