"""Watches the machine during a measurement: who else used the cores, was the GPU held back."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import psutil
import torch

from omnizip_cost.profiling.environment import gpu_state, held_down_seconds, throttling

TAKEN_SHARE = 0.1
"""Share of all cores in others' hands from which times are doubted (our choice)."""

HELD_DOWN_SHARE = 0.01
"""Share of the time with clocks held down from which times are doubted (our choice)."""

LEAST_PAUSE_S = 5.0
"""Between two questions to nvidia-smi, which takes up to a second to answer; our choice."""

CpuReading = tuple[float, float, float]
"""Moment, busy core-seconds of the whole machine, core-seconds of this process."""


class GpuState:
    """What nvidia-smi says, asked at most every few seconds: for work in small pieces."""

    def __init__(
        self,
        ask: Callable[[str | torch.device], dict[str, Any]] = gpu_state,
        *,
        moment_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask, self._moment_s = ask, moment_s
        self._known: dict[str, Any] = {}
        self._asked_s = float("-inf")

    def __call__(self, device: str | torch.device) -> dict[str, Any]:
        """Return the latest answer, a new one when it is old."""
        if self._moment_s() - self._asked_s >= LEAST_PAUSE_S:
            self._known = self._ask(device)
            self._asked_s = self._moment_s()
        return self._known


class MachineWatch:
    """Begins to watch when made; :meth:`doubts` says what disturbed the time since then."""

    def __init__(
        self,
        device: str | torch.device,
        *,
        read: Callable[[], CpuReading] | None = None,
        state: Callable[[str | torch.device], dict[str, Any]] = gpu_state,
        held_down: Callable[[str | torch.device], dict[str, float]] = held_down_seconds,
    ) -> None:
        self._device = device
        self._read = read or read_cpu
        self._state, self._held_down = state, held_down
        self._held_before = held_down(device)
        self._start = self._read()

    def others_cores(self) -> float:
        """Cores that other processes (or other virtual machines) kept busy, on average."""
        moment, busy_s, own_s = (
            now - then for now, then in zip(self._read(), self._start, strict=True)
        )
        return max(busy_s - own_s, 0.0) / moment if moment > 0 else 0.0

    def _throttled(self) -> tuple[str, ...]:
        """Reasons since the watch began; those of this moment where the driver keeps no count.

        When a round is over the device idles, and a cap that held it down is gone.
        """
        if not self._held_before:
            return throttling(self._state(self._device))
        passed_s = self._read()[0] - self._start[0]
        held = self._held_down(self._device)
        return tuple(
            words
            for words, before_s in self._held_before.items()
            if held.get(words, before_s) - before_s > HELD_DOWN_SHARE * passed_s
        )

    def doubts(self) -> tuple[str, ...]:
        """Return why not to trust times taken since the watch began."""
        return (
            *(f"the GPU was throttled: {words}" for words in self._throttled()),
            *contention(self.others_cores(), os.cpu_count() or 1, torch.get_num_threads()),
        )


def contention(others: float, cores: int, threads: int) -> tuple[str, ...]:
    """Return a doubt when others held enough cores to leave fewer than our threads need."""
    if others > TAKEN_SHARE * cores and cores - others < threads:
        return (f"other processes kept {others:.1f} of {cores} cores busy",)
    return ()


def read_cpu() -> CpuReading:
    """Read the machine's and this process's use of the cores since they started."""
    times = psutil.cpu_times()._asdict()
    quiet = {"idle", "iowait", "guest", "guest_nice"}  # guests are counted in user time already
    busy_s = sum(value for name, value in times.items() if name not in quiet)
    own = psutil.Process().cpu_times()
    return time.monotonic(), busy_s, own.user + own.system
