"""The door: seconds of one kernel, or of arrays of them, on a measured device or another."""

from __future__ import annotations

from typing import Any

import numpy as np

from omnizip_cost.hardware.device import Device
from omnizip_cost.hardware.load import load_device
from omnizip_cost.latency.kernels.attention import attention_latency_s, panels
from omnizip_cost.latency.kernels.borrowed import borrowed_s
from omnizip_cost.latency.kernels.gemm import gemm_latency_s, gemm_model
from omnizip_cost.latency.kernels.lender import is_measured, lender_of
from omnizip_cost.latency.kernels.roofline import compute_s, roofline_s
from omnizip_cost.latency.kernels.shapes import DIMENSIONS, Floats, checked_shape
from omnizip_cost.units import MILLI

OPS = tuple(DIMENSIONS)
"""Kernels whose times are known."""


def kernel_latency_s(device: str | Device, op: str, **dims: Any) -> Any:
    """Return the seconds that one kernel runs, in bf16.

    Parameters
    ----------
    device : str or Device
        A bundled device, the path of a TOML file of one's own, or a record of either.
    op : str
        One of :data:`OPS`.
    **dims : number or array
        What the operator needs (:data:`~omnizip_cost.latency.kernels.shapes.DIMENSIONS`); arrays
        broadcast.

    Returns
    -------
    float, or float64 array of the broadcast shape
        A float where every dimension is a single number.

    Raises
    ------
    UnknownNameError
        No such device, operator or dimension.
    OptionsError
        A dimension is missing, or the arrays do not broadcast.
    InvalidValueError
        A dimension that is no count, or that does not fit another.
    """
    shape = checked_shape(op, dims)
    known = load_device(device) if not isinstance(device, Device) else device
    seconds = _seconds(known, op, shape)
    return float(seconds) if np.ndim(seconds) == 0 else seconds


def kernel_latency_ms(device: str | Device, op: str, **dims: Any) -> Any:
    """Return the milliseconds that one kernel runs (see :func:`kernel_latency_s`)."""
    return kernel_latency_s(device, op, **dims) / MILLI


def _seconds(device: Device, op: str, shape: dict[str, Floats]) -> Floats:
    if is_measured(device):
        return measured_s(device, op, shape)
    lender = lender_of(device)
    if lender is None:
        return roofline_s(device, op, shape)
    lending = load_device(lender.device)
    lent = measured_s(lending, op, shape)
    return borrowed_s(device, lending, op, shape, lent, launch_s(lender.device, op))


def measured_s(device: Device, op: str, shape: dict[str, Floats]) -> Floats:
    """Seconds on a device with tables, of a checked shape; never below its peak."""
    if op == "gemm":
        return gemm_latency_s(device.name, shape["m"], shape["n"], shape["k"])
    least = compute_s(device, op, shape)
    longer: Floats = np.maximum(attention_latency_s(device.name, op, shape), least)
    return longer


def launch_s(device: str, op: str) -> float:
    """Seconds of the least shape on a device with tables."""
    if op == "gemm":
        return gemm_model(device).physics.launch_s
    return min(panel.launch_ms() for panel in panels(device, op).values()) * MILLI
