"""How long it *did* take: timed stages, memory peaks, operator tables, environment records.

Loaded on first use, torch with it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omnizip_cost.profiling.cell import Cell as Cell
    from omnizip_cost.profiling.cell import paper_cells as paper_cells
    from omnizip_cost.profiling.environment import environment_record as environment_record
    from omnizip_cost.profiling.harness import Repeats as Repeats
    from omnizip_cost.profiling.harness import Samples as Samples
    from omnizip_cost.profiling.harness import measure as measure
    from omnizip_cost.profiling.profiled_pass import PassProfile as PassProfile
    from omnizip_cost.profiling.profiled_pass import profile_operators as profile_operators
    from omnizip_cost.profiling.profiled_pass import profile_pass as profile_pass
    from omnizip_cost.profiling.session import profile_cell as profile_cell
    from omnizip_cost.profiling.session import profile_grid as profile_grid

_PUBLIC = {
    "Cell": "cell",
    "PassProfile": "profiled_pass",
    "Repeats": "harness",
    "Samples": "harness",
    "environment_record": "environment",
    "measure": "harness",
    "paper_cells": "cell",
    "profile_cell": "session",
    "profile_grid": "session",
    "profile_operators": "profiled_pass",
    "profile_pass": "profiled_pass",
}

__all__ = sorted(_PUBLIC)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
