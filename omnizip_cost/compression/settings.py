"""The settings of methods beyond their ratios: defaults with sources, and what they may be."""

from __future__ import annotations

from typing import Literal

from omnizip_cost.compression.counts import ROUNDINGS
from omnizip_cost.errors import InvalidValueError, UnknownNameError, require_ratio

Mode = Literal["paper", "official"]
MODES: tuple[str, ...] = ("paper", "official")
"""What the paper says, and what its published code does."""

RHO_MIN = 0.35
"""Smallest video pruning rate of a window: OmniZip, Sec. 4.1."""
RHO_MAX = 0.75
"""Largest video pruning rate of a window: OmniZip, Sec. 4.1."""

FASTV_LAYER = 5
"""K, the number of layers FastV runs on all tokens: OmniZip's FLOPs column implies K = 5."""

FastvForm = Literal["materialised", "last-query"]
FASTV_FORMS: tuple[FastvForm, ...] = ("materialised", "last-query")
"""Ways to obtain the last token's attention: the published h x n x n matrix, or its last row."""


def require_bounds(owner: str, rho_min: float, rho_max: float) -> None:
    """Refuse bounds of a window's rate that are no ratios, or out of order."""
    require_ratio(owner, "rho_min", rho_min)
    require_ratio(owner, "rho_max", rho_max)
    if rho_min > rho_max:
        raise InvalidValueError(owner, "rho_min", f"at most rho_max ({rho_max})", rho_min)


def require_settings(
    owner: str,
    *,
    anchor_share: float,
    merge: int,
    mode: str,
    rho_min: float,
    rho_max: float,
    rounding: str,
) -> None:
    """Refuse OmniZip settings (Secs. 3.2-3.3) that plans and selections cannot follow alike.

    Raises
    ------
    UnknownNameError, InvalidValueError
    """
    require_ratio(owner, "anchor_share", anchor_share)
    require_bounds(owner, rho_min, rho_max)
    if isinstance(merge, bool) or not isinstance(merge, int) or merge < 0:
        raise InvalidValueError(owner, "merge", "a whole number, zero or more", merge)
    if mode not in MODES:
        raise UnknownNameError("mode", str(mode), MODES)
    if rounding not in ROUNDINGS:
        raise UnknownNameError("rounding", str(rounding), ROUNDINGS)
    if mode == "official" and rounding != "floor":
        raise InvalidValueError(
            owner, "rounding", "'floor' in official mode", rounding, "use mode='paper'"
        )
