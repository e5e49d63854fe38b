"""What figures of a campaign's errors share: bands of error, and a legend of methods and models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from omnizip_cost.plotting.canvas import legend_columns
from omnizip_cost.plotting.contexts import method_rank
from omnizip_cost.plotting.style import INK, METHOD_TITLES, method_colour, tint
from omnizip_cost.plotting.tablerows import Row, distinct

BANDS = ((0.10, 0.09), (0.05, 0.2))
"""Half-width of each band, and its share of ink, the wider one first."""


def point_legend(
    fig: Figure,
    rows: Sequence[Row],
    markers: Mapping[str, str],
    others: Iterable[Line2D],
    *,
    width: str,
    size: float,
) -> None:
    """Put a legend above: colours of the methods, markers of the models, others, the bands."""
    methods = sorted((method for (method,) in distinct(rows, "method")), key=method_rank)
    point: dict[str, Any] = {"linestyle": "", "markersize": size}
    handles: list[Any] = [
        *(Line2D([], [], marker="o", color=method_colour(name),
                 label=METHOD_TITLES.get(name, name), **point) for name in methods),
        *(Line2D([], [], marker=marker, color=INK, label=model, **point)
          for model, marker in markers.items()),
        *others,
        *(Patch(facecolor=tint(INK, share), label=f"within {half:.0%}")
          for half, share in reversed(BANDS)),
    ]  # fmt: skip
    names = [str(handle.get_label()) for handle in handles]
    columns = legend_columns(names, width, 3 if width == "column" else 6)
    fig.legend(handles=handles, loc="outside upper center", ncols=columns, columnspacing=1.0)
