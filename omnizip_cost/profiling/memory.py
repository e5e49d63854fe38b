"""Peak memory since a moment: what CUDA's allocator counted, or what the process had resident.

Three sources, named in every row:

- ``cuda allocator``: exact for tensors of this process; the CUDA context and other processes are
  outside it.
- ``kernel high-water mark`` (Linux): exact peak of resident pages of the whole process, Python
  and libraries included, to some hundred KiB; the kernel resets the mark on request.
- ``sampled every 2 ms`` (elsewhere): a thread reads the resident size; shorter peaks are missed.
"""

from __future__ import annotations

import ctypes
import gc
import threading
from pathlib import Path
from typing import Protocol, Self

import psutil
import torch

from omnizip_cost.units import KIBI, MILLI

SAMPLING_S = 0.002
"""Pause between two readings of the sampling thread."""

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
"""Parameters of glibc's mallopt(3): from how many free bytes at its end the heap is given back,
and how many blocks may come straight from the kernel."""

_TRIM_THRESHOLD, _MMAP_MAX = 128 * KIBI, 65536
"""Their defaults, same page."""

_NEVER = 2**31 - 1

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_RESET_HIGH_WATER = "5"
"""proc_pid_clear_refs(5): writing 5 sets the peak of resident memory to the present size."""


class PeakMeter(Protocol):
    """Highest memory use since the last reset."""

    source: str

    def reset(self) -> None:
        """Start a new interval."""

    def peaks(self) -> dict[str, int]:
        """Return bytes by column of the measurement row, since the last reset."""

    def close(self) -> None:
        """Stop measuring."""


class CudaPeaks:
    """Bytes of tensors (allocated) and of the caching allocator (reserved) on one device."""

    source = "cuda allocator"

    def __init__(self, device: str | torch.device) -> None:
        self.device = torch.device(device)
        self.reset()

    def reset(self) -> None:
        """Set both peaks to the present values."""
        torch.cuda.reset_peak_memory_stats(self.device)

    def peaks(self) -> dict[str, int]:
        """Peaks in bytes; the allocator counts on the host, so nothing has to be awaited."""
        return {
            "peak_allocated_bytes": torch.cuda.max_memory_allocated(self.device),
            "peak_reserved_bytes": torch.cuda.max_memory_reserved(self.device),
        }

    def close(self) -> None:
        """Nothing to stop."""


class KernelPeaks:
    """The Linux kernel's own record of the most pages resident (VmHWM)."""

    source = "kernel high-water mark"

    def __init__(self) -> None:
        self.reset()

    @staticmethod
    def works() -> bool:
        """Whether this kernel keeps the mark and lets the process reset it."""
        try:
            _CLEAR.write_text(_RESET_HIGH_WATER)
            return _high_water_bytes() > 0
        except (OSError, ValueError):
            return False

    def reset(self) -> None:
        """Set the mark to what is resident now."""
        _CLEAR.write_text(_RESET_HIGH_WATER)

    def peaks(self) -> dict[str, int]:
        """Peak of the resident size in bytes."""
        return {"resident_bytes": _high_water_bytes()}

    def close(self) -> None:
        """Nothing to stop."""


class SampledPeaks:
    """A thread that reads the resident size every few milliseconds."""

    source = f"sampled every {SAMPLING_S / MILLI:.0f} ms"

    def __init__(self) -> None:
        self._most = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.reset()
        self._thread.start()

    def reset(self) -> None:
        """Start from what is resident now."""
        with self._lock:
            self._most = resident_bytes()

    def peaks(self) -> dict[str, int]:
        """Highest reading in bytes, this moment's included."""
        self._note()
        with self._lock:
            return {"resident_bytes": self._most}

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _note(self) -> None:
        now = resident_bytes()
        with self._lock:
            self._most = max(self._most, now)

    def _sample(self) -> None:
        while not self._stop.wait(SAMPLING_S):
            self._note()


def peak_meter(device: str | torch.device) -> PeakMeter:
    """Return the best meter there is for this device."""
    device = torch.device(device)
    if device.type == "cuda":
        return CudaPeaks(device)
    return KernelPeaks() if KernelPeaks.works() else SampledPeaks()


def resident_bytes() -> int:
    """Bytes of this process resident in memory now."""
    return int(psutil.Process().memory_info().rss)


def release_memory(device: str | torch.device) -> None:
    """Collect garbage and give freed memory back, so that one pass does not show in the next."""
    gc.collect()
    if torch.device(device).type == "cuda":
        torch.cuda.empty_cache()
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc only
    if trim is not None:
        trim(0)


def keep_freed_memory(keep: bool = True) -> bool:
    """Let this process keep what it frees, as CUDA's caching allocator does; or no longer.

    By default glibc gives large blocks back at once, and each new tensor of some megabytes pays
    for pages that the kernel zeroes: as much as computing it, and more on a busy machine. Kept
    pages are there in the next pass. :func:`release_memory` gives them back all the same.

    Returns
    -------
    bool
        Whether it could be set (glibc only).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    mapped = mallopt(_M_MMAP_MAX, 0 if keep else _MMAP_MAX)
    trimmed = mallopt(_M_TRIM_THRESHOLD, _NEVER if keep else _TRIM_THRESHOLD)
    return bool(mapped and trimmed)


def _high_water_bytes() -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * KIBI
    return 0
