"""Ratio of two predictions on one device, in which errors that both share cancel."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, hypot, log

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.latency.prediction import Prediction
from omnizip_cost.latency.stages import overlapped


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """How many times faster, with the interval that nine in ten should fall into."""

    ratio: float
    low: float
    high: float


def speedup(prediction: Prediction, full: Prediction, *stages: str) -> Ratio | None:
    """How many times faster than ``full`` a plan's stages are.

    A class of operators that runs slower than the tables slows both, so that of its error counts
    only the difference between the shares of time that both spend in it; errors of single shapes
    count where one run has the shape and the other has not
    (:mod:`~omnizip_cost.latency.error_model`). The host's cost is one number for both: the
    interval spans the ratios at its least, its stated and its most.

    Parameters
    ----------
    prediction, full : Prediction
        On one device.
    *stages : str
        Which stages together; prefill where none is named.

    Returns
    -------
    Ratio or None
        None where the stages take no time.

    Raises
    ------
    InvalidValueError
        Two devices: their errors have nothing in common.
    """
    if prediction.device != full.device:
        raise InvalidValueError(
            "speed-up", "device", f"the same in both, {full.device.name}", prediction.device.name
        )
    chosen = stages or ("prefill",)
    if not prediction.seconds(*chosen):
        return None
    errors = full.errors
    at_host = [
        _at(prediction, full, chosen, times) for times in (errors.host_low, 1.0, errors.host_high)
    ]
    return Ratio(
        ratio=at_host[1][0],
        low=min(ratio * exp(-off) for ratio, off in at_host),
        high=max(ratio * exp(off) for ratio, off in at_host),
    )


def _at(
    prediction: Prediction, full: Prediction, stages: tuple[str, ...], host_times: float
) -> tuple[float, float]:
    """Ratio where the host costs so many times its value, and the half-width of its logarithm."""
    mine, my_parts, _ = _seconds_and_parts(prediction, stages, host_times)
    theirs, their_parts, by_kernels = _seconds_and_parts(full, stages, host_times)
    causes = {*my_parts, *their_parts}
    apart = (
        their_parts.get(cause, 0.0) / theirs - my_parts.get(cause, 0.0) / mine for cause in causes
    )
    drift = full.errors.drift * by_kernels / theirs * log(theirs / mine)
    return theirs / mine, hypot(drift, *apart)


def _seconds_and_parts(
    prediction: Prediction, stages: tuple[str, ...], host_times: float
) -> tuple[float, dict[tuple[str, ...], float], float]:
    """Seconds of some stages, how far each cause may move them, and seconds of tabled kernels.

    Where the host binds a stage, what its operators take on the device moves nothing.
    """
    overlaps = prediction.device.asynchronous
    total, moved = 0.0, set()
    for one in prediction.stages:
        if one.stage in stages:
            host = host_times * one.host_s
            total += overlapped(one.device_s, host, asynchronous=overlaps)
            if not overlaps or one.device_s >= host:
                moved.add(one.stage)
    ops = [op for op in prediction.ops if op.stage in moved]
    by_kernels = sum(op.seconds for op in ops if op.kernel is not None)
    return total, prediction.errors.parts(ops), by_kernels
