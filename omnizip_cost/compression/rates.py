"""Algorithm 1: how much video to prune in each window, guided by the audio kept there.

Source: OmniZip, Eq. 5 and supplement, Alg. 1; the published code for ``official``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from omnizip_cost.compression.settings import MODES, RHO_MAX, RHO_MIN, Mode, require_bounds
from omnizip_cost.errors import InvalidValueError, UnknownNameError, require_ratio

_OFFICIAL_TOLERANCE_TOKENS = 1e-3
"""The published code stops when the weighted sum is this near its target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """Rates per window; NaN in ``retention`` and ``initial_rates`` marks a window without audio."""

    retention: NDArray[np.float64]
    initial_rates: NDArray[np.float64]
    rates: NDArray[np.float64]
    weights: NDArray[np.float64]
    """Video tokens per window."""
    budget: float
    """rho_v: the rate the windows with audio were to reach together."""
    bounds: tuple[float, float]
    notes: tuple[str, ...] = ()

    @property
    def realised(self) -> float:
        """Token-weighted mean rate of the windows with audio (NaN without any)."""
        audible = ~np.isnan(self.retention)
        total = math.fsum(self.weights[audible])
        if not total:
            return math.nan
        return math.fsum(self.weights[audible] * self.rates[audible]) / total


Array = Any
"""A one-dimensional NumPy array or tensor."""

Retention = ArrayLike | Sequence[float | None]
"""Shares of audio kept per window; NaN or None where there is no audio."""


def allocate(
    retention: Retention,
    *,
    video_pruning: float,
    video_tokens: ArrayLike | None = None,
    mode: Mode = "paper",
    rho_min: float = RHO_MIN,
    rho_max: float = RHO_MAX,
) -> NDArray[np.float64]:
    """Video pruning rate of each window (Algorithm 1).

    Parameters
    ----------
    retention : array of float, shape (windows,)
        Share of audio tokens kept in each window, S_a(i) in [0, 1]; NaN (or None) where the
        window has no audio.
    video_pruning : float
        rho_v, the budget for the whole clip.
    video_tokens : array of int, shape (windows,), optional
        Weights; equal when left out.
    mode : {"paper", "official"}
        ``paper`` keeps budget, bounds and order exactly; ``official`` follows the published code.
    rho_min, rho_max : float
        Bounds of a window's rate.

    Returns
    -------
    array of float, shape (windows,)

    Raises
    ------
    InvalidValueError
        A ratio outside [0, 1], bounds out of order, or lengths that differ.

    Examples
    --------
    >>> allocate([1.0, 0.0], video_pruning=0.6).tolist()
    [0.44999999999999996, 0.75]
    """
    return allocation(
        retention,
        video_pruning=video_pruning,
        video_tokens=video_tokens,
        mode=mode,
        rho_min=rho_min,
        rho_max=rho_max,
    ).rates


def allocation(
    retention: Retention,
    *,
    video_pruning: float,
    video_tokens: ArrayLike | None = None,
    mode: Mode = "paper",
    rho_min: float = RHO_MIN,
    rho_max: float = RHO_MAX,
) -> Allocation:
    """Algorithm 1 with its intermediate values; parameters and errors as :func:`allocate`."""
    shares = _shares(retention)
    weights = _weights(video_tokens, len(shares))
    require_ratio("allocation", "video_pruning", video_pruning)
    require_bounds("allocation", rho_min, rho_max)
    if mode not in MODES:
        raise UnknownNameError("mode", str(mode), MODES)

    audible = ~np.isnan(shares)
    initial = initial_rates(shares, rho_min, rho_max)
    rates = np.full(len(shares), float(video_pruning))
    bounds = (rho_min, rho_max)
    notes: tuple[str, ...] = ()
    if audible.any():
        bounds, notes = widened(mode, video_pruning, rho_min, rho_max)
        rates[audible] = normalised(
            mode, initial[audible], balanced(mode, weights[audible]), video_pruning, bounds, np
        )
    return Allocation(
        retention=shares,
        initial_rates=initial,
        rates=rates,
        weights=weights,
        budget=float(video_pruning),
        bounds=bounds,
        notes=notes,
    )


def initial_rates(retention: Array, rho_min: float, rho_max: float) -> Array:
    """rho'_v(i) = rho_max - (rho_max - rho_min) S_a(i) (OmniZip, Eq. 5)."""
    return rho_max - (rho_max - rho_min) * retention


def balanced(mode: Mode, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights of the windows with audio; in ``paper`` mode equal ones where none has video."""
    return np.ones_like(weights) if mode == "paper" and not weights.any() else weights


def widened(
    mode: Mode, budget: float, rho_min: float, rho_max: float
) -> tuple[tuple[float, float], tuple[str, ...]]:
    """Bounds that a budget can be met within, and what to say where they had to move.

    ``paper`` mode moves the bound that ``budget`` violates to it; ``official`` moves none.
    """
    if mode != "paper" or rho_min <= budget <= rho_max:
        return (rho_min, rho_max), ()
    note = (
        f"rho_v = {budget:g} lies outside [{rho_min:g}, {rho_max:g}]: "
        "every window with audio gets rho_v"
    )
    return (min(rho_min, budget), max(rho_max, budget)), (note,)


def normalised(
    mode: Mode,
    initial: Array,
    weights: Array,
    budget: float,
    bounds: tuple[float, float],
    xp: Any,
) -> Array:
    """Normalise the windows' initial rates to the budget (the loop of Algorithm 1).

    Straight-line arithmetic: no branch on a value, no value read, so that on an accelerator the
    host never waits.

    Parameters
    ----------
    mode : {"paper", "official"}
    initial : array of float64, shape (windows,)
        rho'_v(i) of the windows with audio; at least one.
    weights : array of float64, shape (windows,)
        Their video tokens, :func:`balanced`.
    budget : float
        rho_v.
    bounds : (float, float)
        From :func:`widened`.
    xp : module
        ``numpy`` or ``torch``: whose arrays these are.

    Returns
    -------
    array of float64, shape (windows,)
    """
    if mode == "official":
        return _official(initial, weights, budget, bounds, xp)
    return _shift(initial, weights, budget, bounds, xp)


def _shift(
    initial: Array, weights: Array, budget: float, bounds: tuple[float, float], xp: Any
) -> Array:
    """One shift c for all windows: mean of clip(initial + c, lo, hi) equals the budget.

    The weighted sum is piecewise linear and non-decreasing in c: it bends where a window leaves
    ``lo`` or reaches ``hi``. The segment that holds the budget is found among these breakpoints
    and solved exactly.
    """
    lo, hi = bounds
    if budget <= lo or budget >= hi:
        return xp.zeros_like(initial) + budget
    target = budget * weights.sum()
    points = xp.concatenate((lo - initial, hi - initial))
    order = xp.argsort(points)
    points = points[order]
    slopes = xp.cumsum(xp.concatenate((weights, -weights))[order], 0)
    rises = xp.cumsum(slopes[:-1] * (points[1:] - points[:-1]), 0)
    wanted = (target - lo * weights.sum()).reshape(1)
    segment = xp.clip(xp.searchsorted(rises, wanted), 0, len(rises) - 1)
    left, right = points[segment], points[segment + 1]
    middle = xp.clip(initial + (left + right) / 2, lo, hi)
    free = (middle > lo) & (middle < hi)
    slope = (weights * free).sum()
    fixed = (weights * middle * ~free).sum()
    solved = (target - fixed - (weights * initial * free).sum()) / (slope + (slope == 0))
    return xp.clip(initial + xp.where(slope > 0, solved, left), lo, hi)


def _official(
    initial: Array, weights: Array, budget: float, bounds: tuple[float, float], xp: Any
) -> Array:
    """The published normalisation, which misses its budget whenever the clip binds.

    Sums run from the first window to the last and the factor is taken before it is applied: the
    published code's order, which the golden rates show in their last bit.
    """
    lo, hi = bounds
    rates = xp.clip(initial, lo, hi)
    if len(initial) <= 2:
        return rates

    def total(values: Array) -> Array:
        return xp.cumsum(values, 0)[-1]

    target = budget * total(weights)
    place = xp.cumsum(xp.ones_like(initial), 0) - 1
    free = (place != xp.argmin(initial)) & (place != xp.argmax(initial))
    movable, size = total(weights * rates * free), total(weights * free)
    frozen = total(weights * rates * ~free)
    factor = (target - frozen) / (movable + (movable == 0))
    scaled = xp.clip(rates * factor, lo, hi)
    scaled = xp.where(free & (movable > 0), scaled, rates)
    missing = target - total(weights * scaled)
    moved = xp.clip(scaled + missing / (size + (size == 0)), lo, hi)
    moved = xp.where(free & (size > 0), moved, scaled)
    met = abs(total(weights * rates) - target) < _OFFICIAL_TOLERANCE_TOKENS
    return xp.where(met, rates, moved)


def _shares(retention: Retention) -> NDArray[np.float64]:
    raw: Any = retention
    if isinstance(raw, Sequence):
        raw = [math.nan if value is None else value for value in raw]
    try:
        shares = np.asarray(raw, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidValueError("allocation", "retention", "numbers in [0, 1]", retention) from None
    if shares.ndim != 1 or not shares.size:
        raise InvalidValueError(
            "allocation", "retention", "one number per window, at least one", shares.tolist()
        )
    given = shares[~np.isnan(shares)]
    if given.size and not ((given >= 0) & (given <= 1)).all():
        worst = given[(given < 0) | (given > 1)][0]
        raise InvalidValueError("allocation", "retention", "in [0, 1]", float(worst))
    return shares


def _weights(video_tokens: ArrayLike | None, windows: int) -> NDArray[np.float64]:
    if video_tokens is None:
        return np.ones(windows)
    try:
        weights = np.asarray(video_tokens, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidValueError(
            "allocation", "video_tokens", "whole numbers", video_tokens
        ) from None
    if weights.shape != (windows,):
        raise InvalidValueError(
            "allocation",
            "video_tokens",
            f"one count for each of {windows} windows",
            weights.tolist(),
        )
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise InvalidValueError("allocation", "video_tokens", "zero or more", weights.tolist())
    return weights
