"""Predicted against observed: join, signed errors, where the gap goes."""

from omnizip_cost.compare.counts import observed_plan, phase_flops
from omnizip_cost.compare.gap import explain
from omnizip_cost.compare.join import CompareRow, compare
from omnizip_cost.compare.summary import ErrorSummary, summarise

__all__ = [
    "CompareRow",
    "ErrorSummary",
    "compare",
    "explain",
    "observed_plan",
    "phase_flops",
    "summarise",
]
