"""Times of a kernel on a device without tables, from the efficiency of one that has them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from omnizip_cost.hardware.device import Device
from omnizip_cost.latency.kernels.roofline import compute_s, roofline_s, transfer_s
from omnizip_cost.latency.kernels.shapes import Floats

SHARPNESS = 2.0
"""How the two sides of a roofline join: at the ridge, time is 2^(1/2) of either side."""

BUSY = 0.4
"""Efficiency below which time is mostly waiting, which goes with no rate; of 0, 0.2, 0.4 and 0.7
the one with the least errors where measured devices lend to each other."""


def borrowed_s(
    device: Device,
    lender: Device,
    op: str,
    shape: Mapping[str, Floats],
    lent_s: Floats,
    launch_s: float,
) -> Floats:
    """Return seconds on ``device`` with the lender's efficiency at the same shape.

    The lender's smooth roofline (FLOPs at the peak, bytes at the bandwidth) over its time less its
    launch floor is its efficiency; ``device`` gets the same efficiency of its own roofline, and
    the same launch floor. A slower device is not slower in all: where the lender was idle for most
    of its time, the idle part stays as it is. Never below the plain roofline of ``device``.

    Parameters
    ----------
    lent_s : float64 array
        The lender's seconds at these shapes.
    launch_s : float
        The lender's seconds at the least shape.
    """
    work = np.maximum(lent_s - launch_s, 0.0)
    lender_s = _joined(lender, op, shape)
    slower = _joined(device, op, shape) / lender_s - 1
    busy = np.where(slower > 0, np.minimum(work, lender_s / BUSY), work)
    seconds: Floats = np.maximum(launch_s + work + busy * slower, roofline_s(device, op, shape))
    return seconds


def _joined(device: Device, op: str, shape: Mapping[str, Floats]) -> Floats:
    """Roofline without a corner: near the larger side, more where both are alike."""
    sides = compute_s(device, op, shape), transfer_s(device, op, shape)
    joined: Floats = (sides[0] ** SHARPNESS + sides[1] ** SHARPNESS) ** (1 / SHARPNESS)
    return joined
