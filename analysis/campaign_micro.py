"""The micro-benchmark of a campaign's device, once per environment."""

from __future__ import annotations

from pathlib import Path

from campaign_steps import known_rows

from omnizip_cost.cli.measured_here import ROWS, write_measured
from omnizip_cost.profiling.micro import micro_benchmark
from omnizip_cost.profiling.micro_cases import half_cases
from omnizip_cost.profiling.micro_device import measured_device
from omnizip_cost.results import write_table

HALVES = 0.1
"""Share of the time that products in 16 bits get on a CPU, as ``devices cpu --measure`` gives."""


def micro_done(folder: Path, name: str, environment_id: str) -> bool:
    """Whether this very machine was measured before."""
    path = folder / f"{name}{ROWS}"
    if not path.is_file():
        return False
    return set(known_rows(path, "environment_id")["environment_id"]) == {environment_id}


def micro_step(folder: Path, name: str, seconds: float, *, device: str, dtype: str) -> None:
    """Measure single operators and write the rows; of a CPU, its own device file as well."""
    if device != "cpu":
        rows, _ = micro_benchmark(device=device, dtype=dtype, seconds=seconds)
        write_table(rows, folder / f"{name}{ROWS}")
        return
    rows, record = micro_benchmark(dtype=dtype, seconds=(1 - HALVES) * seconds)
    halves, _ = micro_benchmark(dtype="bfloat16", seconds=HALVES * seconds, cases=half_cases())
    measured = (*rows, *halves)
    write_measured(measured_device(measured, record), measured, folder / f"{name}.toml")
