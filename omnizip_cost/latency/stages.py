"""One stage of a pass: device and host side by side, and what its time is spent on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from omnizip_cost.latency.error_model import ErrorModel, total
from omnizip_cost.latency.timed_op import Bound, TimedOp
from omnizip_cost.results.row import FlatRow

StageBound = Literal["compute", "memory", "launch", "host"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTime(FlatRow):
    """Seconds of one stage.

    Where the device runs by itself, host and device overlap and the slower of the two is the
    stage; a CPU does both, one after the other.
    """

    stage: str
    seconds: float
    low_s: float
    """Nine in ten such predictions should lie between this and ``high_s``."""
    high_s: float
    device_s: float
    """Sum of its operators."""
    host_s: float
    """Of dispatching them; 0 where none is dispatched one by one."""
    compute_s: float
    """Of operators that arithmetic binds; with the next two, all of ``device_s``."""
    memory_s: float
    launch_s: float
    kernels: int

    @property
    def bound(self) -> StageBound:
        """What its time is mostly spent on."""
        if self.host_s > self.device_s:
            return "host"
        spent: dict[StageBound, float] = {
            "compute": self.compute_s,
            "memory": self.memory_s,
            "launch": self.launch_s,
        }
        return max(spent, key=lambda name: spent[name])


def stage_time(
    stage: str,
    ops: Iterable[TimedOp],
    host_s: float,
    errors: ErrorModel,
    *,
    asynchronous: bool,
) -> StageTime:
    """Add up the operators of one stage.

    Parameters
    ----------
    stage : str
    ops : iterable of TimedOp
    host_s : float
        Seconds of the host for each operator; 0 where none is dispatched one by one.
    errors : ErrorModel
    asynchronous : bool
        Whether the device runs while the host goes on.
    """
    listed = tuple(ops)
    device_s = sum(op.seconds for op in listed)
    kernels = sum(op.kernels for op in listed)
    host = kernels * host_s
    off = total(errors.parts(listed))
    quickest = min(device_s, max(device_s - off, least_s(listed)))
    spent: dict[Bound, float] = {"compute": 0.0, "memory": 0.0, "launch": 0.0}
    for op in listed:
        spent[op.bound] += op.seconds
    return StageTime(
        stage=stage,
        seconds=overlapped(device_s, host, asynchronous=asynchronous),
        low_s=overlapped(quickest, errors.host_low * host, asynchronous=asynchronous),
        high_s=overlapped(device_s + off, errors.host_high * host, asynchronous=asynchronous),
        device_s=device_s,
        host_s=host,
        compute_s=spent["compute"],
        memory_s=spent["memory"],
        launch_s=spent["launch"],
        kernels=kernels,
    )


def least_s(ops: Iterable[TimedOp]) -> float:
    """Seconds below which no products of these shapes can be: the roofline at full rates.

    Attention and elementwise work are left out: what they read may lie in a cache.
    """
    return sum(max(op.compute_s, op.memory_s) for op in ops if op.kernel == "gemm")


def overlapped(device_s: float, host_s: float, *, asynchronous: bool) -> float:
    """Seconds of both: the longer where they overlap, else their sum."""
    return max(device_s, host_s) if asynchronous else device_s + host_s
