"""The tidy row: columns, units and keys; the store that never loses a measurement.

The row classes load at once; what needs pandas or pyarrow loads on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from omnizip_cost.results.kernel_row import KernelRow
from omnizip_cost.results.row import FlatRow
from omnizip_cost.results.schema import (
    STAGES,
    STATUS_WORDS,
    MeasurementRow,
    OperatorRow,
    environment_id,
)

if TYPE_CHECKING:
    from omnizip_cost.results.store import MeasurementStore
    from omnizip_cost.results.tables import read_table, write_table

__all__ = [
    "STAGES",
    "STATUS_WORDS",
    "FlatRow",
    "KernelRow",
    "MeasurementRow",
    "MeasurementStore",
    "OperatorRow",
    "environment_id",
    "read_table",
    "write_table",
]

_LAZY = {"MeasurementStore": "store", "read_table": "tables", "write_table": "tables"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
