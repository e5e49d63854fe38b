"""Peak memory of predictions as tables: every part at every stage, and what devices can hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from omnizip_cost.hardware.device import Device
from omnizip_cost.latency.prediction import Prediction
from omnizip_cost.results.row import FlatRow


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRow(FlatRow):
    """Bytes of one part of memory when a stage needs the most."""

    model: str
    backend: str
    scheme: str
    input: str
    method: str
    label: str
    retained: float
    tokens: int
    """Of the whole prompt, text included."""
    kept_tokens: int
    stage: str
    part: str
    bytes: int
    at_peak: bool
    """Whether the stage is the one that needs the most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryLimitRow(FlatRow):
    """One configuration held against what one device can hold."""

    model: str
    backend: str
    scheme: str
    input: str
    method: str
    label: str
    device: str
    memory_bytes: int
    """As the device is sold."""
    usable_bytes: int
    """What one process can use."""
    peak_memory_bytes: int
    fits: bool


def memory_rows(prediction: Prediction, *, input: str, label: str) -> list[MemoryRow]:
    """Lay the memory of one prediction out, stage by stage and part by part.

    Parameters
    ----------
    prediction : Prediction
    input, label : str
        What the prompt is, and what tables call the configuration.
    """
    memory, plan = prediction.memory, prediction.plan
    return [
        MemoryRow(
            model=prediction.spec.name,
            backend=prediction.backend.name,
            scheme=prediction.scheme.name,
            input=input,
            method=plan.method,
            label=label,
            retained=plan.retained,
            tokens=memory.tokens,
            kept_tokens=memory.kept_tokens,
            stage=stage.stage,
            part=part,
            bytes=size,
            at_peak=stage is memory.peak,
        )
        for stage in memory.stages
        for part, size in stage.parts.items()
    ]


def limit_rows(
    prediction: Prediction, devices: Iterable[Device], *, input: str, label: str
) -> Iterator[MemoryLimitRow]:
    """Hold the peak of one prediction against each of some devices."""
    for device in devices:
        yield MemoryLimitRow(
            model=prediction.spec.name,
            backend=prediction.backend.name,
            scheme=prediction.scheme.name,
            input=input,
            method=prediction.plan.method,
            label=label,
            device=device.name,
            memory_bytes=device.memory_bytes,
            usable_bytes=device.usable_bytes,
            peak_memory_bytes=prediction.memory.peak_bytes,
            fits=prediction.memory.peak_bytes <= device.usable_bytes,
        )
