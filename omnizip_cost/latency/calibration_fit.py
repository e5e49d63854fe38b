"""Fitting the calibrated numbers to measured stages: bounded least squares in logarithms.

Residuals are log(predicted / observed): a stage that is off by 10% counts alike, be it long or
short. Outliers count less (soft L1). What the rows cannot tell is held where it was, and named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.latency.calibration import PARAMETERS, Estimate
from omnizip_cost.latency.calibration_terms import StageTerms, TermTable

Floats = NDArray[np.float64]

OUTLIER = 0.05
"""Residual from which a stage begins to count less: 5%, some times a steady machine's noise."""

TOUCHED = 0.01
"""A parameter that moves no stage by 1% when it changes by all of itself is not told by them."""

COSTS = ("launch_s", "host_s")
"""Parameters that bind only where they exceed something else: a fit begins at several of them."""

APART = 4.0
"""Factor between those beginnings: a quarter, once, four times."""

IDLE = f"no row's time depends on it by {TOUCHED:.0%}"

ALIKE = 1e-3
"""Smallest singular value of the scaled Jacobian over its largest, below which two parameters do
the same to every stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitResult:
    """Estimates of all parameters, and how far predicted and observed stages lie apart."""

    estimates: tuple[Estimate, ...]
    correlations: Mapping[str, float]
    """Of the errors of two fitted parameters, under "first second"."""
    errors_used: tuple[float, ...]
    """Predicted over observed less 1, of the stages that were fitted, in their order."""
    errors_held_out: tuple[float, ...]
    """The same of those that were not."""

    def values(self) -> dict[str, float]:
        """Return the numbers by name."""
        return {one.name: one.value for one in self.estimates}


def fit(
    stages: Sequence[StageTerms], held_out: Sequence[bool], start: Mapping[str, float]
) -> FitResult:
    """Fit every parameter that the stages tell.

    Parameters
    ----------
    stages : sequence of StageTerms
    held_out : sequence of bool
        Which of them the fit must not see.
    start : mapping of str to float
        Where a parameter starts, and where it stays when the stages do not tell it: the neutral
        value of the model it belongs to.

    Raises
    ------
    InvalidValueError
        No stage left to fit, or fewer than there are parameters to tell.
    """
    table = TermTable(stages)
    if all(held_out):
        raise InvalidValueError("calibration", "rows", "some that are not held out", 0)
    used = table.only([not held for held in held_out])
    values = {name: _inside(name, start[name]) for name in PARAMETERS}
    held = _untouched(used, values)
    while True:
        free = [name for name in PARAMETERS if name not in held]
        if len(used.stages) <= len(free):
            raise InvalidValueError(
                "calibration",
                "rows",
                f"more stages than the {len(free)} parameters they are to tell",
                len(used.stages),
                "profile more lengths or ratios",
            )
        found, jacobian, spread = _solve(used, values, free)
        lost = _told_apart(jacobian, free)
        if lost is None:
            break
        held[lost[0]] = lost[1]
    values |= found
    errors, correlations = _uncertainty(jacobian, free, spread)
    seconds = table.seconds(values) / table.observed_s - 1
    return FitResult(
        estimates=tuple(
            Estimate(
                name=name,
                value=values[name],
                standard_error=errors.get(name),
                held=held.get(name, ""),
            )
            for name in PARAMETERS
        ),
        correlations=correlations,
        errors_used=tuple(float(e) for e, out in zip(seconds, held_out, strict=True) if not out),
        errors_held_out=tuple(float(e) for e, out in zip(seconds, held_out, strict=True) if out),
    )


def _inside(name: str, value: float) -> float:
    bounds = PARAMETERS[name]
    return min(max(value, bounds.low), bounds.high)


def _untouched(table: TermTable, values: Mapping[str, float]) -> dict[str, str]:
    """Name parameters that no stage depends on, whatever they are within a factor of eight."""
    held = {}
    for name in PARAMETERS:
        low, high = (
            table.seconds({**values, name: _inside(name, values[name] * factor)})
            for factor in (1 / (2 * APART), 2 * APART)
        )
        if float(np.max(np.abs(np.log(high / low)))) < TOUCHED:
            held[name] = IDLE
    if not any(one.asynchronous for one in table.stages):
        held["launch_s"] = "a CPU launches nothing"
    return held


def _solve(
    table: TermTable, values: Mapping[str, float], free: Sequence[str]
) -> tuple[dict[str, float], Floats, float]:
    """Return the best values, the Jacobian there, and the squared spread of the residuals."""
    if not free:
        return {}, np.zeros((len(table.stages), 0)), 0.0
    low = np.log([PARAMETERS[name].low for name in free])
    high = np.log([PARAMETERS[name].high for name in free])

    def residuals(logarithms: Floats) -> Floats:
        now = {**values, **dict(zip(free, np.exp(logarithms), strict=True))}
        return np.asarray(np.log(table.seconds(now) / table.observed_s))

    beginnings = product(*((1 / APART, 1.0, APART) if name in COSTS else (1.0,) for name in free))
    inner = 1e-9 * (high - low)
    tries = [
        least_squares(
            residuals,
            np.clip(
                np.log([values[name] * f for name, f in zip(free, factors, strict=True)]),
                low + inner,
                high - inner,
            ),
            bounds=(low, high),
            loss="soft_l1",
            f_scale=OUTLIER,
            xtol=1e-10,
            ftol=1e-10,
            gtol=1e-10,
        )
        for factors in beginnings
    ]
    best = min(tries, key=lambda one: float(one.cost))
    found = {name: _inside(name, float(np.exp(x))) for name, x in zip(free, best.x, strict=True)}
    spread = 2 * float(best.cost) / (len(table.stages) - len(free))
    return found, np.asarray(best.jac), spread


def _told_apart(jacobian: Floats, free: Sequence[str]) -> tuple[str, str] | None:
    """Return a parameter that cannot be told, and why; None where all can be."""
    if not free:
        return None
    sizes = np.linalg.norm(jacobian, axis=0)
    idle = int(np.argmin(sizes))
    if sizes[idle] < TOUCHED:
        return free[idle], IDLE
    _, singular, directions = np.linalg.svd(jacobian / sizes, full_matrices=False)
    if singular[-1] >= ALIKE * singular[0]:
        return None
    order = np.argsort(-np.abs(directions[-1]))
    first, second = sorted(order[:2], key=lambda place: sizes[place])
    return free[first], f"no row tells it apart from {free[second]}"


def _uncertainty(
    jacobian: Floats, free: Sequence[str], spread: float
) -> tuple[dict[str, float], dict[str, float]]:
    """Relative standard errors and their correlations, from the inverse of J'J."""
    if not free:
        return {}, {}
    covariance = np.linalg.inv(jacobian.T @ jacobian) * spread
    errors = np.sqrt(np.diag(covariance))
    shared = (
        covariance / np.where(errors > 0, errors, 1.0)[:, None] / np.where(errors > 0, errors, 1)
    )
    pairs = {
        f"{free[i]} {free[j]}": float(np.clip(shared[i, j], -1, 1))
        for i in range(len(free))
        for j in range(i + 1, len(free))
    }
    return dict(zip(free, map(float, errors), strict=True)), pairs
