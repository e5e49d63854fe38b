"""A record of this machine's CPU, from what the micro-benchmark measured on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import psutil

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.hardware.device import CPU, Device, plain_dtype
from omnizip_cost.results.micro import MicroRow
from omnizip_cost.units import MEBI, MEGA

NAME = "cpu"
"""As in measured rows."""


def measured_device(rows: Iterable[MicroRow], record: Mapping[str, Any]) -> Device:
    """Return the CPU as it was measured.

    The peak of a format is the best rate of its products; the bandwidth is the better of copying
    and adding at the largest size that was measured. Both are what this process reached, with the
    threads it had: an efficiency against them says what a model loses to its own shapes.

    Parameters
    ----------
    rows : iterable of MicroRow
        Of one machine, in one format or several.
    record : mapping
        The environment's record.

    Raises
    ------
    InvalidValueError
        Rows of another device, without a product, or without a copy.
    """
    done = [row for row in rows if row.status == "ok"]
    others = {row.device for row in done} - {NAME}
    if others:
        raise InvalidValueError("cpu", "rows", "measured on the cpu", ", ".join(sorted(others)))
    peaks: dict[str, int] = {}
    for row in done:
        if row.op == "gemm" and row.flop_per_s:
            short = plain_dtype(row.dtype)
            rate = round(row.flop_per_s / MEGA) * MEGA
            peaks[short] = max(peaks.get(short, 0), rate)
    moved = [row for row in done if row.op in ("copy", "add") and row.amount and row.bytes_per_s]
    if not peaks or not moved:
        raise InvalidValueError("cpu", "rows", "at least one product and one copy", len(done))
    largest = max(row.bytes_moved / (2 if row.op == "copy" else 3) for row in moved)
    rates = [
        row.bytes_per_s or 0.0
        for row in moved
        if row.bytes_moved / (2 if row.op == "copy" else 3) == largest
    ]
    memory = psutil.virtual_memory()
    day = str(record["created_utc"])[:10]
    threads, model = record["torch_threads"], record["cpu"] or "unnamed CPU"
    plural = "" if threads == 1 else "s"
    return Device(
        name=NAME,
        title=f"{model}, {threads} thread{plural}",
        architecture=CPU,
        peak_flop_per_s=MappingProxyType(peaks),
        bandwidth_bytes_per_s=round(max(rates) / MEGA) * MEGA,
        memory_bytes=memory.total // MEBI * MEBI,
        reported_bytes=min(memory.available, memory.total) // MEBI * MEBI,
        reported_source=f"what the system said was available on {day}",
        source=f"measured on this machine on {day} with torch {record['torch']}: the best of "
        f"{sum(row.op == 'gemm' for row in done)} products, and copies of {largest / MEGA:.0f} MB",
        notes=_notes(done),
    )


def _notes(rows: list[MicroRow]) -> tuple[str, ...]:
    """What to doubt: a machine that others used as well."""
    busy = sum(any("other processes" in doubt for doubt in row.doubts) for row in rows)
    if busy <= len(rows) // 10:
        return ()
    return (
        f"Other processes took part of the cores in {busy} of {len(rows)} measurements: "
        "measure again on a quiet machine.",
    )
