"""``devices cpu --measure``: this machine, measured on the spot and written to a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from omnizip_cost.cli.progress import progress_bar, say
from omnizip_cost.errors import InvalidValueError, OptionsError

if TYPE_CHECKING:
    from omnizip_cost.hardware import Device
    from omnizip_cost.results.micro import MicroRow

ROWS = ".micro.csv"
"""Ending of a table of the micro-benchmark."""


def measure_cpu(out: Path | None, seconds: float | None) -> Device:
    """Measure the CPU, write ``out`` and the raw rows beside it; return what was written."""
    from omnizip_cost.profiling.micro_cases import half_cases

    if out is None or out.suffix.lower() != ".toml":
        raise OptionsError("devices", "`cpu --measure` needs --out FILE.toml")
    limit = _seconds(seconds)
    from omnizip_cost.profiling.micro import micro_benchmark
    from omnizip_cost.profiling.micro_device import measured_device

    say(f"measuring this CPU for about {limit:g} s; let nothing else run meanwhile")
    with progress_bar() as report:
        rows, record = micro_benchmark(dtype="float32", seconds=0.9 * limit, progress=report)
        halves, _ = micro_benchmark(dtype="bfloat16", seconds=0.1 * limit, cases=half_cases())
    measured = (*rows, *halves)
    device = measured_device(measured, record)
    write_measured(device, measured, out)
    return device


def measure_cuda(out: Path | None, seconds: float | None) -> Sequence[MicroRow]:
    """Measure the GPU that torch sees first and write the rows, for ``calibrate``."""
    if out is None or not out.name.endswith(ROWS):
        raise OptionsError("devices", f"`cuda --measure` needs --out FILE{ROWS}")
    limit = _seconds(seconds)
    from omnizip_cost.profiling.micro import micro_benchmark
    from omnizip_cost.results import write_table

    say(f"measuring the GPU for about {limit:g} s; let nothing else run meanwhile")
    with progress_bar() as report:
        rows, _ = micro_benchmark(device="cuda", dtype="bfloat16", seconds=limit, progress=report)
    write_table(rows, out)
    return rows


def write_measured(device: Device, rows: Sequence[MicroRow], out: Path) -> Path:
    """Write the device's file and, beside it, the rows behind it; return the rows' path."""
    from omnizip_cost.hardware.load import device_text
    from omnizip_cost.results import write_table
    from omnizip_cost.results.tables import atomic_write_bytes

    table = out.with_suffix(ROWS)
    write_table(rows, table)
    atomic_write_bytes(out, device_text(device).encode())
    return table


def _seconds(seconds: float | None) -> float:
    from omnizip_cost.profiling.micro_cases import MOST_SECONDS, SECONDS

    limit = SECONDS if seconds is None else seconds
    if not 0 < limit <= MOST_SECONDS:
        raise InvalidValueError(
            "devices", "--seconds", f"above 0 and at most {MOST_SECONDS:g}", seconds
        )
    return limit
