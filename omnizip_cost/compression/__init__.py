"""What a method *keeps*: plans and Algorithm 1, with no tensors.

Plans load at once; what needs NumPy (Algorithm 1, window tables) loads on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from omnizip_cost.compression.build import make_plan
from omnizip_cost.compression.layered import layered_plan, parse_layer_tokens
from omnizip_cost.compression.method import Counts, Method
from omnizip_cost.compression.methods import (
    METHODS,
    PAPER_SETTINGS,
    Setting,
    all_methods,
    default_settings,
    require_method,
    resolve_pruning,
)
from omnizip_cost.compression.plan import Plan, WindowPlan
from omnizip_cost.compression.settings import FASTV_FORMS, FASTV_LAYER, MODES, FastvForm

if TYPE_CHECKING:
    from omnizip_cost.compression.rates import Allocation, allocate, allocation
    from omnizip_cost.compression.windows import (
        WindowRow,
        audio_keep,
        window_retention,
        window_rows,
    )

__all__ = [
    "FASTV_FORMS",
    "FASTV_LAYER",
    "METHODS",
    "MODES",
    "PAPER_SETTINGS",
    "Allocation",
    "Counts",
    "FastvForm",
    "Method",
    "Plan",
    "Setting",
    "WindowPlan",
    "WindowRow",
    "all_methods",
    "allocate",
    "allocation",
    "audio_keep",
    "default_settings",
    "layered_plan",
    "make_plan",
    "parse_layer_tokens",
    "require_method",
    "resolve_pruning",
    "window_retention",
    "window_rows",
]

_LAZY = {
    "Allocation": "rates",
    "allocate": "rates",
    "allocation": "rates",
    "WindowRow": "windows",
    "audio_keep": "windows",
    "window_retention": "windows",
    "window_rows": "windows",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
