"""How far a predicted time may be off, and which part of that two predictions share.

The time of an operator is off for two reasons. Its *shape* may lie between the tables' shapes or on
a tile's edge, or the record of it was noisy. That error is the shape's own: it averages over unlike
shapes, and a shape that two runs have is off by the same in both. Its *class* as a whole may run
faster or slower than the tables: another library, clock or power limit, or an efficiency that was
borrowed. That error is one number for all operators of the class, so it does not average away in a
sum, and in a ratio of two runs on one machine it cancels as far as both spend like shares of their
time in that class.

How large each is, was looked up in the records (``analysis/speedup_noise.py``). Of one product at
two lengths the residuals correlate by less than 0.1 on each of five devices, so that within the
records hardly anything is the class's; a shape is given the 90th percentile of the errors of
records that were left out. Between two machines of one die, the H100 and the H200, whole classes
differ by 1.2% (products) and 0.3% (attention) at the median; another library differs by more
(:data:`ANOTHER_MACHINE`). Of a device that borrows its efficiency the class is off by what lending
was measured to cost, and a shape by what the lender's are; since two devices lose efficiency with
length at unlike rates, even a ratio of two lengths is off, the more the further they lie apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import hypot
from types import MappingProxyType

from omnizip_cost.hardware.device import Device
from omnizip_cost.latency.assumptions import Assumed, host_seconds, launch_floor, stream_share
from omnizip_cost.latency.calibration import Calibration
from omnizip_cost.latency.kernels import OPS, kernel_uncertainty
from omnizip_cost.latency.kernels.lender import lender_of
from omnizip_cost.latency.schemes import UNPACKING_SPREAD
from omnizip_cost.latency.timed_op import TimedOp

ANOTHER_MACHINE = 0.1
"""Half-width of a whole class on a machine and with a library that are not those of the tables:
as much as a published decode step of compiled products lies beside its prediction
(tests/witnesses/test_published_steps.py)."""

DRIFT: Mapping[str, float] = MappingProxyType({"neighbour": 0.15, "generation": 0.2})
"""Half-width of how far a lent efficiency drifts apart with length: of the logarithm of a ratio of
two sums over seven products, for each unit of the logarithm of the ratio. Where measured devices
lend to each other nine in ten lie within 0.05 to 0.29 (near kin) and 0.08 to 0.44 (others), of
which the noise of the records is a part, the more the nearer the lengths
(``analysis/speedup_noise.py``)."""

_MEDIAN_TO_P90 = 1.645 / 0.6745
"""Ninetieth percentile of a normal error's size over its median."""

STREAM = "memory"
"""Class of what goes by its bytes."""

FLOOR = "launch"
"""Class of what has so few bytes that it takes the launch floor."""

_GIVEN_COST = 0.1
"""Relative spread left in a cost of host or launch that was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorModel:
    """Relative half-widths at nine in ten, class by class, of one device."""

    device: str
    shared: Mapping[str, float]
    """Of a class as a whole: kernels by name, ``memory`` and ``launch`` for the rest."""
    own: Mapping[str, float]
    """Of a single shape."""
    host_low: float
    """Least and most that the host may cost, as multiples of what is taken."""
    host_high: float
    drift: float = 0.0
    """Of a lent efficiency with length (:data:`DRIFT`); 0 where the device was measured."""
    stages: Mapping[str, float] = field(default_factory=dict)
    """Of stages that a calibration met and did not fit: in place of their classes' errors."""
    host_s: float = 0.0
    """Host seconds of an operator that those stages' errors hold for too: on a CPU, which adds
    them."""

    @classmethod
    def of(cls, device: Device, calibration: Calibration) -> ErrorModel:
        """Read the kernels' errors; those on a calibration's held-out rows replace them.

        A kernel that goes by the plain roofline is off as a class by its median error at least: a
        roofline e too short leaves a time e / (1 - e) longer than it.
        """
        own, shared = {}, {}
        for kernel in OPS:
            found = kernel_uncertainty(device, kernel)
            lender = found.borrowed_from
            own[kernel] = found.p90 if lender is None else kernel_uncertainty(lender, kernel).p90
            here = max(ANOTHER_MACHINE, found.median / (1 - found.median))
            shared[kernel] = here if lender is None else found.p90
        shared[STREAM] = _spread(stream_share(device))
        shared[FLOOR] = _spread(launch_floor(device))
        fit = calibration.fit
        if fit is not None and fit.median_error_held_out is not None:
            measured = fit.median_error_held_out * _MEDIAN_TO_P90
            own, shared = dict.fromkeys(own, measured), dict.fromkeys(shared, measured)
        elif calibration.launch_s is not None:
            shared[FLOOR] = _GIVEN_COST
        host = host_seconds(device)
        low, high = host.low / host.value, host.high / host.value
        if calibration.host_s is not None:
            low, high = 1 - _GIVEN_COST, 1 + _GIVEN_COST
        lent = lender_of(device)
        return cls(
            device=device.name,
            shared=shared,
            own=own,
            host_low=low,
            host_high=high,
            drift=DRIFT[lent.kin] if lent is not None and fit is None else 0.0,
            stages={} if fit is None else fit.errors_not_fitted,
            host_s=0.0 if device.asynchronous else calibration.host_s or host.value,
        )

    def parts(self, ops: Iterable[TimedOp]) -> dict[tuple[str, ...], float]:
        """Seconds by which a sum of operators may be off, cause by cause.

        A cause that two sums share has one key in both.
        """
        found: dict[tuple[str, ...], float] = {}
        for op in ops:
            if op.stage in self.stages:
                whole: tuple[str, ...] = (self.device, "stage", op.stage)
                off = self.stages[op.stage] * (op.seconds + op.kernels * self.host_s)
                found[whole] = found.get(whole, 0.0) + off
                continue
            floored = op.kernel is None and op.launch_s >= op.seconds
            name = op.kernel or (FLOOR if floored else STREAM)
            causes: list[tuple[tuple[str, ...], float]] = [((self.device, name), self.shared[name])]
            if op.unpacked:
                causes.append(((self.device, "unpacking"), UNPACKING_SPREAD))
            if op.kernel is not None:
                causes.append(((self.device, name, op.sides), self.own[name]))
            for cause, share in causes:
                found[cause] = found.get(cause, 0.0) + share * op.seconds
        return found


def total(parts: Mapping[tuple[str, ...], float]) -> float:
    """Half-width of a sum whose causes have nothing to do with each other."""
    return hypot(*parts.values())


def _spread(assumed: Assumed) -> float:
    """Relative half-width of an assumed number; 0 of one that is 0."""
    widest = max(assumed.high - assumed.value, assumed.value - assumed.low)
    return widest / assumed.value if assumed.value else 0.0
