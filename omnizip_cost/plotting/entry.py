"""One figure as the catalogue knows it: its name, its tables, who makes them, who draws them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure

from omnizip_cost.plotting.canvas import FORMATS


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureEntry:
    """One figure: these inputs, this function, these files."""

    name: str
    title: str
    table: str
    """Stem of the input table's file."""
    made_by: str
    """Command that writes the table."""
    draw: Callable[..., Figure]
    beside: tuple[str, ...] = ()
    """Stems of further tables that are drawn with it, in the order ``draw`` takes them."""
    maybe: tuple[str, ...] = ()
    """Stems of tables that it can do without: ``draw`` takes each after the others, or None."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the files the figure is saved as."""
        return tuple(f"{self.name}.{kind}" for kind in FORMATS)
