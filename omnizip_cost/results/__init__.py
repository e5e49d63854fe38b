"""The tidy row: columns, units and keys; the store that never loses a measurement."""

from omnizip_cost.results.row import FlatRow

__all__ = ["FlatRow"]
