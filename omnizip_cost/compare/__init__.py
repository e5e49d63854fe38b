"""Predicted against observed: join, signed errors, where the gap goes."""

from omnizip_cost.compare.counts import observed_plan, stage_flops
from omnizip_cost.compare.gap import explain, noise
from omnizip_cost.compare.join import CompareRow, compare
from omnizip_cost.compare.summary import ErrorSummary, noise_floor, summarise
from omnizip_cost.compare.tables import ConventionRow, StageRow, convention_rows, stage_rows

__all__ = [
    "CompareRow",
    "ConventionRow",
    "ErrorSummary",
    "StageRow",
    "compare",
    "convention_rows",
    "explain",
    "noise",
    "noise_floor",
    "observed_plan",
    "stage_flops",
    "stage_rows",
    "summarise",
]
