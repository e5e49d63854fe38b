"""One row of an account, and sums of what may not be known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from omnizip_cost.results.row import FlatRow


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRow(FlatRow):
    """One operator class of one component, in one phase and one group of equal layers."""

    model: str
    method: str
    retained: float
    """Nominal ratio."""
    rho_a: float | None
    rho_v: float | None
    convention: str
    definition: str | None
    """Choices of a convention that is not built in, in words; None of those that are."""
    attention: str | None
    """Attention of the stock module; None under conventions that describe no stock module."""
    dtype: str | None
    """Of weights and activations; None where no bytes are counted."""
    phase: str
    component: str
    operator: str
    """Operator class: of products projection, attention, ffn, ...; else norm, rotary, ..."""
    layers: str | None
    """Numbers of the layers of the group, "0-4" or "7, 15, 23, 31"; None outside the layers."""
    layer_count: int | None
    counted: bool
    """Whether it holds products or convolutions: what the convention counts. (torch's counter has
    no formula for grouped experts.)"""
    aten: str | None
    """Names of the operators that torch dispatches; None where they are not known one by one."""
    flops: int
    """Of products and convolutions, under the convention."""
    flops_share: float
    """Of all FLOPs of the phase."""
    unseen_flops: int | None
    """Other arithmetic, which no counter of products sees; None where it is not counted."""
    bytes_read: int | None
    bytes_written: int | None
    bytes_moved: int | None
    """Read and written together; None where it is not counted."""
    bytes_share: float | None
    """Of all bytes of the phase; None where some of them are not known."""
    intensity: float | None
    """FLOPs per byte, unseen ones included where they are counted."""
    kernels: int | None
    """Operators dispatched, or products of an ideal engine; None where they are not counted."""


def added(values: Iterable[int | None]) -> int | None:
    """Add numbers up; None where one of them is not known.

    >>> added((2, 3)), added((2, None)), added(())
    (5, None, 0)
    """
    total = 0
    for value in values:
        if value is None:
            return None
        total += value
    return total
