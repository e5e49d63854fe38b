"""What a cross-validation must know of an operator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Columns = Mapping[str, Floats]
"""Sizes of all records, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """One way of leaving out."""

    name: str
    together: tuple[str, ...] = ()
    """Records that agree in these columns are left out together; none: each by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """How one operator is read, split, fitted and judged."""

    read: Callable[[Path, str], tuple[Columns, Floats]]
    """Folder and device -> sizes and seconds of all records."""
    fit: Callable[[str, Columns, Floats], Callable[[Columns], Floats]]
    """Device and some records -> a function from sizes to seconds."""
    splits: tuple[Split, ...]
    sizes: Mapping[str, Callable[[Columns], NDArray[np.bool_]]]
    """Which left-out records are counted, by what is said of them; those that matter most first."""
    target: Callable[[str, str, str], float | None]
    """Device, split and sizes -> most that the median error should be."""
    store: Callable[[str, Mapping[str, Mapping[str, float]]], None]
    """Write errors, by split and sizes, into the device's data file."""
