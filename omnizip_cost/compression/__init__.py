"""What a method *keeps*: plans and Algorithm 1, with no tensors."""

from omnizip_cost.compression.allocation import MODES, Allocation, allocate, allocation
from omnizip_cost.compression.build import make_plan
from omnizip_cost.compression.plan import Plan, WindowPlan
from omnizip_cost.compression.settings import (
    FASTV_LAYER,
    METHODS,
    PAPER_SETTINGS,
    Method,
    Setting,
    require_method,
    resolve_pruning,
)
from omnizip_cost.compression.windows import WindowRow, audio_keep, window_retention, window_rows

__all__ = [
    "FASTV_LAYER",
    "METHODS",
    "MODES",
    "PAPER_SETTINGS",
    "Allocation",
    "Method",
    "Plan",
    "Setting",
    "WindowPlan",
    "WindowRow",
    "allocate",
    "allocation",
    "audio_keep",
    "make_plan",
    "require_method",
    "resolve_pruning",
    "window_retention",
    "window_rows",
]
