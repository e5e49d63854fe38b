"""``devices cpu --measure``: this machine's CPU, measured on the spot and written to a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from omnizip_cost.cli.progress import progress_bar, say
from omnizip_cost.errors import InvalidValueError, OptionsError

if TYPE_CHECKING:
    from omnizip_cost.hardware import Device


def measure_cpu(name: str | None, out: Path | None, seconds: float | None) -> Device:
    """Measure, write ``out`` and the raw rows beside it, and return what was written."""
    from omnizip_cost.profiling.micro_cases import MOST_SECONDS, SECONDS, half_cases

    if name != "cpu":
        raise OptionsError("devices", "--measure goes with `cpu`, the one device measured here")
    if out is None or out.suffix.lower() != ".toml":
        raise OptionsError("devices", "--measure needs --out FILE.toml")
    limit = SECONDS if seconds is None else seconds
    if not 0 < limit <= MOST_SECONDS:
        raise InvalidValueError(
            "devices", "--seconds", f"above 0 and at most {MOST_SECONDS:g}", seconds
        )
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


def write_measured(device: Device, rows: object, out: Path) -> Path:
    """Write the device's file and, beside it, the rows behind it; return the rows' path."""
    from omnizip_cost.hardware.load import device_text
    from omnizip_cost.results import write_table
    from omnizip_cost.results.tables import atomic_write_bytes

    table = out.with_suffix(".micro.csv")
    write_table(rows, table)  # type: ignore[arg-type]
    atomic_write_bytes(out, device_text(device).encode())
    return table
