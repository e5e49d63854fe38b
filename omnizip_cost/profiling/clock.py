"""Clocks: where a moment is marked, and how many seconds lie between two marks.

The clock is an argument everywhere, so that everything above it is tested with recorded times.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, Protocol

import torch

from omnizip_cost.units import MILLI, NANO


class Clock(Protocol):
    """Marks moments on the device's own timeline; seconds are read after the work is done."""

    def mark(self) -> Any:
        """Note this moment, without waiting for the device."""

    def synchronise(self) -> None:
        """Wait until all work given to the device is done; marks can then be compared."""

    def elapsed_s(self, start: Any, stop: Any) -> float:
        """Return the seconds from one mark to a later one."""


class HostClock:
    """The CPU's monotonic clock; work on the CPU is done when the call returns."""

    def mark(self) -> int:
        """Nanoseconds of ``time.perf_counter_ns``."""
        return time.perf_counter_ns()

    def synchronise(self) -> None:
        """Nothing to wait for."""

    def elapsed_s(self, start: int, stop: int) -> float:
        """Seconds between two marks."""
        return (stop - start) * NANO


class ProcessClock:
    """Seconds that this process spent on the CPU: pauses in which others ran do not count.

    For a machine that others use too, and a process of one thread: with several, their seconds
    add up. Cores that share a cache or a multiplier with others are slower all the same.
    """

    def mark(self) -> int:
        """Nanoseconds of ``time.process_time_ns``."""
        return time.process_time_ns()

    def synchronise(self) -> None:
        """Nothing to wait for."""

    def elapsed_s(self, start: int, stop: int) -> float:
        """Seconds between two marks."""
        return (stop - start) * NANO


class CudaClock:
    """CUDA events on the current stream: moments when the device, not the host, got there.

    Gaps in which the device waits for the host are inside the interval in which they fall.
    """

    def __init__(self, device: str | torch.device) -> None:
        self.device = torch.device(device)

    def mark(self) -> torch.cuda.Event:
        """Put an event behind the work given to the device so far."""
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self.device))
        return event

    def synchronise(self) -> None:
        """Wait for the device."""
        torch.cuda.synchronize(self.device)

    def elapsed_s(self, start: torch.cuda.Event, stop: torch.cuda.Event) -> float:
        """Seconds between two events (CUDA gives milliseconds, to about half a microsecond)."""
        return float(start.elapsed_time(stop)) * MILLI


class RecordedClock:
    """A clock that reads given moments, in seconds, one per mark: for tests and replays."""

    def __init__(self, moments_s: Iterable[float]) -> None:
        self._moments = iter(moments_s)
        self.synchronised = 0

    def mark(self) -> float:
        """Return the next recorded moment."""
        return next(self._moments)

    def synchronise(self) -> None:
        """Count the call."""
        self.synchronised += 1

    def elapsed_s(self, start: float, stop: float) -> float:
        """Seconds between two recorded moments."""
        return stop - start


def clock_for(device: str | torch.device) -> Clock:
    """Return the clock that measures work on this torch device."""
    device = torch.device(device)
    return CudaClock(device) if device.type == "cuda" else HostClock()
