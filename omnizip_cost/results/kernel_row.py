"""One row per kernel that took long: the top of each phase, and all others summed."""

from __future__ import annotations

from dataclasses import dataclass

from omnizip_cost.results.row import FlatRow

__all__ = ["OTHERS", "KernelRow"]

OTHERS = "all others"
"""Name and group of the row that sums what is not among the top."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelRow(FlatRow):
    """All launches of one kernel by one part of the model, in one phase of one profiled pass.

    On a CPU, where operators are the kernels, operators stand in their place.
    """

    model: str
    method: str
    label: str
    retained: float | None
    device: str
    clip: str
    decode_steps: int
    phase: str
    """"prefill" (encoders and selection included) or "decode" (all steps together)."""
    rank: int
    """1 is the longest of its phase; one more than the last for the others."""
    group: str
    """Part of the model, as in :class:`~omnizip_cost.results.schema.OperatorRow`."""
    kernel: str
    """Readable name; one that had to be cut ends in a mark of the whole name."""
    calls: int
    device_s: float
    """Time on the device, all calls together; 0 on a CPU."""
    self_cpu_s: float
    """Host time of the operators that launched it, what they call apart; an operator that
    launches several kernels counts for each in equal parts."""
    share: float
    """Of its phase: of the device's time on CUDA, of the host's on a CPU."""
