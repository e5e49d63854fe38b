"""Times of a kernel on a device without tables, from the times of one that has them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from omnizip_cost.hardware.device import Device
from omnizip_cost.latency.kernels.roofline import (
    compute_s,
    roofline_s,
    tabled_peak,
    transfer_s,
)
from omnizip_cost.latency.kernels.shapes import Floats

BUSY = 0.4
"""Share of the roofline below which time is mostly waiting, which goes with no rate."""
MULTIPLYING = 0.5
"""Share of its peak at which a kernel multiplies while that is what it waits for."""
MOVING = 1.0
"""Share of the bandwidth at which it moves bytes while that is what it waits for."""
# Chosen where measured devices lend to each other (analysis/kernel_lending.py), among
# BUSY 0, 0.2, 0.4, 0.7; MULTIPLYING 0.4, 0.5, 0.6, 0.8; MOVING 0.8, 0.9, 1.0, 1.15.


def borrowed_s(
    device: Device,
    lender: Device,
    op: str,
    shape: Mapping[str, Floats],
    lent_s: Floats,
    launch_s: float,
) -> Floats:
    """Return seconds on ``device`` at the lender's efficiency for the same shape.

    The lender's time less its launch floor is stretched by the quotient of the rates: all of it
    by the smaller of the two quotients (peak and bandwidth), and as much of it as the side with
    the larger quotient can be responsible for by the larger. Where the device is slower in both,
    time that the lender spent waiting stays as it is. Never below the plain roofline of
    ``device``. Every term grows with the work, so more work never takes less time.

    Parameters
    ----------
    lent_s : float64 array
        The lender's seconds at these shapes.
    launch_s : float
        The lender's seconds at the least shape.
    """
    work = np.maximum(lent_s - launch_s, 0.0)
    multiplying, moving = compute_s(lender, op, shape), transfer_s(lender, op, shape)
    by_peak = tabled_peak(lender) / tabled_peak(device)
    by_bandwidth = lender.bandwidth_bytes_per_s / device.bandwidth_bytes_per_s
    least, most = sorted((by_peak, by_bandwidth))
    most_of = multiplying / MULTIPLYING if by_peak > by_bandwidth else moving / MOVING
    busy = work if least < 1 else np.minimum(work, np.hypot(multiplying, moving) / BUSY)
    seconds: Floats = (
        launch_s + work + (least - 1) * busy + (most - least) * np.minimum(work, most_of)
    )
    longer: Floats = np.maximum(seconds, roofline_s(device, op, shape))
    return longer
