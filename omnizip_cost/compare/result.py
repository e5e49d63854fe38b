"""Predicted on record against observed: one row per measured configuration."""

from __future__ import annotations

from omnizip_cost.compare.result_row import ResultRow

__all__ = ["ResultRow"]
