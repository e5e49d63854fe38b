"""What measured rows say about one machine: a few named, bounded numbers with their errors.

A model of time starts from what a device could do at best. The numbers here say how far the
machine stays below that, and what it pays for each operator. They scale whole classes of
operators and never a single one, so that rows of a few configurations speak for others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from math import isfinite
from types import MappingProxyType
from typing import Any, Self

from omnizip_cost.errors import InvalidValueError, UnknownNameError
from omnizip_cost.units import MICRO


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Between which values a parameter must lie, and what it means."""

    low: float
    high: float
    unit: str
    """Empty for a share."""
    says: str

    def holds(self, value: float) -> bool:
        """Whether the value lies between the bounds, both included."""
        return self.low <= value <= self.high


PARAMETERS: Mapping[str, Bounds] = MappingProxyType(
    {
        "gemm": Bounds(
            low=0.02,
            high=2.0,
            unit="",
            says="speed of matrix products over the speed of the model's kernel or roofline",
        ),
        "attention": Bounds(
            low=0.005,
            high=2.0,
            unit="",
            says="speed of attention over the speed of the model's kernel or roofline",
        ),
        "memory": Bounds(
            low=0.005,
            high=20.0,
            unit="",
            says="bytes per second of all other operators over the device's bandwidth; "
            "above 1 where tensors stay in a cache",
        ),
        "launch_s": Bounds(
            low=0.01 * MICRO,
            high=100 * MICRO,
            unit="s",
            says="least time of one operator on the device",
        ),
        "host_s": Bounds(
            low=0.01 * MICRO,
            high=1000 * MICRO,
            unit="s",
            says="time of the host for each operator that it dispatches",
        ),
    }
)
"""Bounds are wide on purpose: a fit that ends on one says that the model misses something.

The shares may pass 1 a little: a device's bandwidth is that of its memory, and what was just
written is read again from a cache; peaks of a CPU are measured, with an error of their own.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One parameter as fitted, or the reason why it was held."""

    name: str
    value: float
    standard_error: float | None = None
    """Relative, since fits are made in logarithms; None where the parameter was held."""
    held: str = ""
    """Why it was not fitted; empty where it was."""

    def __post_init__(self) -> None:
        if self.name not in PARAMETERS:
            raise UnknownNameError("parameter", self.name, PARAMETERS)
        _require_bounds(f"parameter {self.name!r}", "value", self.name, self.value)
        error = self.standard_error
        if error is not None and not (isfinite(error) and error >= 0):
            raise InvalidValueError(
                f"parameter {self.name!r}", "standard_error", "a share, 0 or more", error
            )
        if (error is None) != bool(self.held):
            raise InvalidValueError(
                f"parameter {self.name!r}",
                "held",
                "a reason where there is no standard error, else empty",
                self.held,
            )

    @property
    def on_bound(self) -> bool:
        """Whether the fit ended within a thousandth of a bound."""
        bounds = PARAMETERS[self.name]
        near = 1.001
        return not self.held and not bounds.low * near < self.value < bounds.high / near


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Where a calibration comes from, and how far to believe it."""

    device: str
    """Device whose peaks and bandwidth the shares refer to."""
    models: tuple[str, ...]
    created_utc: str
    versions: Mapping[str, str]
    """Software behind the rows and behind the fit, by name."""
    environments: tuple[str, ...]
    """Ids of the environments in which the rows were measured."""
    rows_used: int
    rows_held_out: int
    held_out_rule: str
    cells_used: tuple[str, ...]
    cells_held_out: tuple[str, ...]
    median_error_used: float
    """Median of |predicted / observed - 1| over the rows used."""
    worst_error_used: float
    median_error_held_out: float | None
    """The same over the rows that the fit never saw; None where none were held out."""
    worst_error_held_out: float | None
    estimates: tuple[Estimate, ...]
    correlations: Mapping[str, float]
    """Of the errors of two fitted parameters, under "first second"."""
    errors_not_fitted: Mapping[str, float] = field(default_factory=dict)
    """Of stages that no fit looks at: the size of error that nine in ten of their rows stay within,
    predicted with what the fitted stages told."""

    @property
    def on_bound(self) -> tuple[str, ...]:
        """Parameters that ended on a bound."""
        return tuple(one.name for one in self.estimates if one.on_bound)

    @property
    def held(self) -> tuple[str, ...]:
        """Parameters that the rows could not tell."""
        return tuple(one.name for one in self.estimates if one.held)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Shares and costs by which the model of time is corrected; all neutral by default.

    A share divides: an operator that would take t takes t / share.
    """

    gemm: float = 1.0
    attention: float = 1.0
    memory: float = 1.0
    launch_s: float | None = None
    """None: not measured, and the model's stated assumption stands."""
    host_s: float | None = None
    """None: not measured, and the model's stated assumption stands."""
    mel_s_per_s: float | None = None
    """Host seconds to turn one second of sound into log-mel; None: not measured."""
    patch_s_per_pixel: float | None = None
    """Host seconds to normalise and cut one pixel of a resized frame; None: not measured."""
    fit: Fit | None = None
    """Where the numbers come from; None for the neutral one and for numbers given by hand."""

    def __post_init__(self) -> None:
        for name in PARAMETERS:
            value = getattr(self, name)
            if value is not None:
                _require_bounds("calibration", name, name, value)
        for name in ("mel_s_per_s", "patch_s_per_pixel"):
            value = getattr(self, name)
            if value is not None and not (isfinite(value) and value >= 0):
                raise InvalidValueError("calibration", name, "seconds, 0 or more", value)

    @classmethod
    def none(cls) -> Self:
        """Return the neutral one: nothing was measured on this machine."""
        return cls()

    @property
    def measured(self) -> bool:
        """Whether anything in it was measured or given."""
        return self != Calibration()

    def values(self) -> dict[str, float | None]:
        """Return the numbers by name."""
        return {item.name: getattr(self, item.name) for item in fields(self) if item.name != "fit"}


def _require_bounds(owner: str, field: str, name: str, value: Any) -> None:
    bounds = PARAMETERS[name]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not bounds.holds(value):
        unit = f" {bounds.unit}" if bounds.unit else ""
        raise InvalidValueError(
            owner, field, f"between {bounds.low:g} and {bounds.high:g}{unit}", value
        )
