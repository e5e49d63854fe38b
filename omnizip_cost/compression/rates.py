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
    initial = rho_max - (rho_max - rho_min) * shares
    rates = np.full(len(shares), float(video_pruning))
    notes: list[str] = []
    bounds = (rho_min, rho_max)
    if audible.any():
        solve = _shift if mode == "paper" else _official
        if mode == "paper":
            bounds = (min(rho_min, video_pruning), max(rho_max, video_pruning))
            if bounds != (rho_min, rho_max):
                notes.append(
                    f"rho_v = {video_pruning:g} lies outside [{rho_min:g}, {rho_max:g}]: "
                    "every window with audio gets rho_v"
                )
        rates[audible] = solve(initial[audible], weights[audible], video_pruning, bounds)
    return Allocation(
        retention=shares,
        initial_rates=initial,
        rates=rates,
        weights=weights,
        budget=float(video_pruning),
        bounds=bounds,
        notes=tuple(notes),
    )


def _shift(
    initial: NDArray[np.float64],
    weights: NDArray[np.float64],
    budget: float,
    bounds: tuple[float, float],
) -> NDArray[np.float64]:
    """One shift c for all windows: mean of clip(initial + c, lo, hi) equals the budget.

    The weighted mean is piecewise linear and non-decreasing in c, so the segment that holds the
    budget is found among its breakpoints and solved exactly.
    """
    lo, hi = bounds
    if budget <= lo or budget >= hi:
        return np.full(len(initial), budget)
    if not weights.any():
        weights = np.ones_like(weights)
    target = budget * math.fsum(weights)
    breakpoints = np.unique(np.concatenate([lo - initial, hi - initial]))

    def total(shift: float) -> float:
        return math.fsum(weights * np.clip(initial + shift, lo, hi))

    below, above = 0, len(breakpoints) - 1
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (middle, above) if total(breakpoints[middle]) <= target else (below, middle)
    probe = (breakpoints[below] + breakpoints[above]) / 2
    free = (initial + probe > lo) & (initial + probe < hi)
    slope = math.fsum(weights[free])
    if not slope:
        return _clipped(initial + breakpoints[below], bounds)
    fixed = math.fsum(weights[~free] * np.clip(initial[~free] + probe, lo, hi))
    shift = (target - fixed - math.fsum(weights[free] * initial[free])) / slope
    return _clipped(initial + shift, bounds)


def _clipped(rates: NDArray[np.float64], bounds: tuple[float, float]) -> NDArray[np.float64]:
    clipped: NDArray[np.float64] = np.clip(rates, *bounds)
    return clipped


def _official(
    initial: NDArray[np.float64],
    weights: NDArray[np.float64],
    budget: float,
    bounds: tuple[float, float],
) -> NDArray[np.float64]:
    """The published normalisation, which misses its budget whenever the clip binds."""
    lo, hi = bounds
    target = budget * float(weights.sum())
    rates = np.clip(initial, lo, hi)
    if len(rates) <= 2 or abs(float((weights * rates).sum()) - target) < _OFFICIAL_TOLERANCE_TOKENS:
        return rates
    free = np.ones(len(rates), dtype=bool)
    free[[int(np.argmin(initial)), int(np.argmax(initial))]] = False
    if not free.any():
        return rates
    frozen = float((weights[~free] * rates[~free]).sum())
    movable = float((weights[free] * rates[free]).sum())
    if movable > 0:
        rates[free] = np.clip(rates[free] * (target - frozen) / movable, lo, hi)
    size = float(weights[free].sum())
    if size > 0:
        missing = target - float((weights * rates).sum())
        rates[free] = np.clip(rates[free] + missing / size, lo, hi)
    return rates


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
