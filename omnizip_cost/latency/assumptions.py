"""What is assumed where nothing was measured: each number with its reason, and how wide it is.

A calibration replaces them (:mod:`~omnizip_cost.latency.calibration`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from omnizip_cost.hardware.device import Device
from omnizip_cost.latency.kernels import kernel_uncertainty
from omnizip_cost.units import MICRO


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """A number that no measurement of this machine gave, and the range in which it may lie."""

    value: float
    low: float
    high: float
    source: str


HOST_S = Assumed(
    value=12 * MICRO,
    low=6 * MICRO,
    high=25 * MICRO,
    source="seconds of the host for each operator that Python dispatches eagerly. Decode steps of "
    "one sequence over the operators of a step: 8.4 ms for Llama 3.1 8B on an H100 host "
    "(cloudai.pt/tag/cuda-graphs) make 7 us; 39 ms for Llama 7B on an A100 host "
    "(pytorch.org/blog/accelerating-generative-ai-2: 25.5 tokens/s, bound by the CPU) make 25 us",
)
"""Hosts differ by several times; this is the first thing that ``calibrate`` should measure."""

CPU_HOST_S = Assumed(
    value=5 * MICRO,
    low=2 * MICRO,
    high=15 * MICRO,
    source="seconds of one operator on a CPU beside its work: dispatch alone, no launch",
)

_FLOORS: Mapping[str, float] = MappingProxyType(
    {
        "h100-sxm": 2.45 * MICRO,
        "h200-sxm": 2.44 * MICRO,
        "a100-sxm": 2.45 * MICRO,
        "l40s": 1.65 * MICRO,
        "rtx-pro-6000": 1.80 * MICRO,
    }
)
"""Shortest GEMM among the measured records of each device (silicon tables)."""

_STREAMS: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        "h100-sxm": (0.885, 0.866, 0.899),
        "h200-sxm": (0.843, 0.815, 0.858),
        "a100-sxm": (0.774, 0.741, 0.814),
        "l40s": (0.833, 0.796, 0.839),
        "rtx-pro-6000": (0.829, 0.818, 0.837),
    }
)
"""Share of the datasheet's bandwidth at which the longest products of at most 16 rows ran: their
time is that of reading weights of 300 MB or more. Median and quartiles of 71 to 476 records each
(silicon tables)."""

_OTHER_STREAM = (0.833, 0.74, 0.90)
"""Of a device without a measured relative: the median of the five, and all that they span."""


def launch_floor(device: Device) -> Assumed:
    """Least seconds of one kernel on the device itself, launched without waiting for the host."""
    if not device.asynchronous:
        return Assumed(value=0.0, low=0.0, high=0.0, source="a CPU launches nothing")
    name = _relative(device)
    floors = tuple(_FLOORS.values())
    value = _FLOORS.get(name, max(floors))
    whose = name if name in _FLOORS else "any measured device, the longest of them"
    return Assumed(
        value=value, low=min(floors), high=2 * value, source=f"shortest measured GEMM of {whose}"
    )


def stream_share(device: Device) -> Assumed:
    """Share of the bandwidth that elementwise operators and copies reach.

    1 on a CPU, whose bandwidth is itself measured by copying.
    """
    if not device.asynchronous:
        return Assumed(value=1.0, low=0.7, high=1.3, source="bandwidth measured by copying")
    name = _relative(device)
    if name not in _STREAMS:
        value, low, high = _OTHER_STREAM
        source = "reading of weights on the measured devices, their median and span"
        return Assumed(value=value, low=low, high=high, source=source)
    value, low, high = _STREAMS[name]
    lent = name != device.name
    margin = 0.05 if lent else 0.02
    return Assumed(
        value=value,
        low=low - margin,
        high=min(high + margin, 1.0),
        source=f"reading of weights on {name}" + (", lent" if lent else ""),
    )


def host_seconds(device: Device) -> Assumed:
    """Seconds of the host for each operator that is dispatched one by one."""
    return HOST_S if device.asynchronous else CPU_HOST_S


def _relative(device: Device) -> str:
    """The device itself where it was measured, else the one whose efficiency it borrows."""
    return kernel_uncertainty(device, "gemm").borrowed_from or device.name
