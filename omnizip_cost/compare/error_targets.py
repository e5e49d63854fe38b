"""Mean errors that we ask of predictions, by kind of device: set before anything was measured."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from omnizip_cost.compare.reported_devices import reported_name

SOURCE = (
    "our targets, set before the campaign was measured; nobody else's claim, and no fitted value"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The largest mean error, in size, with which a predictor counts as good enough."""

    mean_error: float
    source: str = SOURCE


_SPEEDUPS = ("prefill speed-up", "first-token speed-up", "end-to-end speed-up")
_ON_RECORD = ("predicted", "calibrated")


def _ratios(mean_error: float) -> dict[tuple[str, str], Target]:
    return {
        (quantity, predictor): Target(mean_error=mean_error)
        for quantity in _SPEEDUPS
        for predictor in _ON_RECORD
    }


_HOPPER = {
    **_ratios(0.04),
    ("prefill", "predicted"): Target(mean_error=0.08),
    ("prefill", "held out"): Target(mean_error=0.03),
    ("decode", "calibrated"): Target(mean_error=0.05),
    ("decode", "held out"): Target(mean_error=0.05),
    ("decode under graphs", "predicted"): Target(mean_error=0.10),
    ("peak memory", "predicted"): Target(mean_error=0.03),
}
"""Decode that Python dispatches is asked of a fit only: the host's time for one operator is a
property of the machine around the card."""

TARGETS = MappingProxyType({"h100-sxm": _HOPPER, "h200-sxm": _HOPPER, "cpu": _ratios(0.08)})
"""By device, then by quantity and predictor. The H200 is the same processor as the H100 with more
and faster memory."""


def target_of(device: str, quantity: str, predictor: str) -> Target | None:
    """Return what we ask of a predictor on a device, as its driver reports it; None for nothing.

    >>> target_of("NVIDIA H100 80GB HBM3", "prefill", "predicted").mean_error
    0.08
    >>> target_of("cpu", "prefill", "predicted") is None
    True
    """
    return TARGETS.get(reported_name(device) or device, {}).get((quantity, predictor))
