"""Many configurations at once: whole arrays of counts, exact as far as float64 is."""

from omnizip_cost.sweep.grid import Grid, make_grid
from omnizip_cost.sweep.table import COLUMNS, Block, blocks, columns
from omnizip_cost.sweep.totals import Totals, totals

__all__ = ["COLUMNS", "Block", "Grid", "Totals", "blocks", "columns", "make_grid", "totals"]
