"""How far a predicted time may be off, and which part of that two predictions share.

The time of an operator is off for two reasons. Its *class* as a whole may run faster or slower
than the tables: another library, clock or power limit. That error is one number for all operators
of the class, so it does not average away in a sum, and in a ratio of two runs on one machine it
cancels as far as both spend like shares of their time in that class. Its *shape* may lie between
the tables' shapes or on a tile's edge. That error is the shape's own, so it averages over unlike
shapes; a shape that both runs have is off by the same in both.

What is known are errors on records that were left out of the fit. Their 90th percentile is taken
for the class: wide rather than narrow, since those records share a library and a machine with the
fit. Their median makes the standard deviation of a shape (a normal error's median is 0.674 of it).
Shapes' errors are taken as unrelated, which they are in the records: of one product at two lengths
the residuals correlate by less than 0.1 on each of five devices (``analysis/speedup_noise.py``).
Where a device borrows its efficiency, what borrowing adds is an error of the class, since it comes
from clocks, power and caches; a shape's own error is the lender's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import hypot

from omnizip_cost.hardware.device import Device
from omnizip_cost.latency.assumptions import Assumed, host_seconds, stream_share
from omnizip_cost.latency.calibration import Calibration
from omnizip_cost.latency.kernels import OPS, kernel_uncertainty
from omnizip_cost.latency.timed_op import TimedOp

MEDIAN_TO_SIGMA = 1 / 0.6745
"""Standard deviation of a normal error over the median of its size."""

SIGMA_TO_P90 = 1.645
"""Half-width that holds nine in ten of a normal error."""

STREAM = "memory"
"""Class of everything that goes by its bytes."""

_CALIBRATED_HOST = 0.1
"""Relative spread left in a host cost that was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorModel:
    """Relative half-widths at nine in ten, class by class, of one device."""

    device: str
    shared: Mapping[str, float]
    """Of a class as a whole, by kernel; ``memory`` for what goes by bytes."""
    own: Mapping[str, float]
    """Of a single shape."""
    host_low: float
    """Least and most that the host may cost, as multiples of what is taken."""
    host_high: float

    @classmethod
    def of(cls, device: Device, calibration: Calibration) -> ErrorModel:
        """Read the kernels' errors; a calibration's own replaces those of whole classes."""
        kernels = {kernel: kernel_uncertainty(device, kernel) for kernel in OPS}
        lenders = {
            kernel: one
            if one.borrowed_from is None
            else kernel_uncertainty(one.borrowed_from, kernel)
            for kernel, one in kernels.items()
        }
        own = {
            kernel: one.median * MEDIAN_TO_SIGMA * SIGMA_TO_P90 for kernel, one in lenders.items()
        }
        shared = {kernel: one.p90 for kernel, one in kernels.items()}
        shared[STREAM] = _spread(stream_share(device))
        fit = calibration.fit
        if fit is not None and fit.median_error_held_out is not None:
            measured = fit.median_error_held_out * MEDIAN_TO_SIGMA * SIGMA_TO_P90
            shared = dict.fromkeys(shared, measured)
        host = host_seconds(device)
        low, high = host.low / host.value, host.high / host.value
        if calibration.host_s is not None:
            low, high = 1 - _CALIBRATED_HOST, 1 + _CALIBRATED_HOST
        return cls(device=device.name, shared=shared, own=own, host_low=low, host_high=high)

    def parts(self, ops: Iterable[TimedOp]) -> dict[tuple[str, ...], float]:
        """Seconds by which a sum of operators may be off, cause by cause.

        A cause that two sums share has one key in both.
        """
        found: dict[tuple[str, ...], float] = {}
        for op in ops:
            name = op.kernel or STREAM
            causes: list[tuple[tuple[str, ...], float]] = [((self.device, name), self.shared[name])]
            if op.kernel is not None:
                causes.append(((self.device, name, op.sides), self.own[name]))
            for cause, share in causes:
                found[cause] = found.get(cause, 0.0) + share * op.seconds
        return found


def total(parts: Mapping[tuple[str, ...], float]) -> float:
    """Half-width of a sum whose causes have nothing to do with each other."""
    return hypot(*parts.values())


def _spread(assumed: Assumed) -> float:
    return max(assumed.high - assumed.value, assumed.value - assumed.low) / assumed.value
