"""What the author of a compression method imports: the one door for other packages.

A method is a subclass of :class:`Method`, offered under the entry-point group
``omnizip_cost.methods``. ``planned`` says how many tokens of each window survive, ``select`` which
ones; ``check_method`` (or ``omnizip-cost methods NAME --check``) holds the two against each other.
Nothing here loads torch before a name that needs it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from omnizip_cost.compression.counts import grid_sizes, kept_count
from omnizip_cost.compression.method import Counts, Method, spread_evenly
from omnizip_cost.compression.request import PlanRequest
from omnizip_cost.compression.selection_op import SelectionOp

if TYPE_CHECKING:
    from omnizip_cost.runtime.conformance import check_method
    from omnizip_cost.runtime.selection import Layout, Selection, SelectionRequest

__all__ = [
    "Counts",
    "Layout",
    "Method",
    "PlanRequest",
    "Selection",
    "SelectionOp",
    "SelectionRequest",
    "check_method",
    "grid_sizes",
    "kept_count",
    "spread_evenly",
]

_LAZY = {
    "Layout": "runtime.selection",
    "Selection": "runtime.selection",
    "SelectionRequest": "runtime.selection",
    "check_method": "runtime.conformance",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"omnizip_cost.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
