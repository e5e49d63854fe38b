"""Speed-up of the prefill, selection inside, against the retained ratio: predicted and observed.

One panel per method, on common axes. In it: the count of Eq. 9 (dashed, hollow markers), the
exact count (line), and what the clock said (filled markers, bars over the spread). The exact count
and the clock hold selection, whose price the saving must earn; Eq. 9 has none. Settings that
share one ratio are set apart by a few points on the page and named; their data stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter
from matplotlib.transforms import ScaledTranslation

from omnizip_cost.plotting.canvas import new_figure
from omnizip_cost.plotting.style import (
    FAINT,
    INK,
    METHOD_TITLES,
    method_colour,
    model_markers,
    styled,
)
from omnizip_cost.plotting.tablerows import (
    CONTEXT,
    Row,
    distinct,
    foot_note,
    grouped,
    number,
    rows_of,
    setting_apart,
    status_notes,
    text,
    weight_note,
    where,
)
from omnizip_cost.results import STATUS_WORDS

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = (
    "model", "method", "label", "realised", "speedup_eq9", "speedup_exact",
    "speedup_observed", "speedup_observed_low", "speedup_observed_high", "status",
)  # fmt: skip
SHARED_RATIO = 0.012
"""Two settings closer than this in retained ratio would be drawn over one another."""
_XLABEL = "audio and video tokens retained (realised)"
_APART_POINTS = 3.2
_ORDER = ("random", "fastv", "dycoke", "visionzip", "omnizip")


@styled
def draw_speedup(table: pd.DataFrame, *, width: str = "column") -> Figure:
    """Draw the compare table: predicted and observed speed-up at each retained ratio.

    Parameters
    ----------
    table
        The compare table, one row per configuration. Rows of full tokens are the reference and
        show as the line at 1.
    width
        ``column`` (3.3 in) or ``page`` (6.9 in).

    Returns
    -------
    Figure
        Of the printed size, not attached to pyplot.

    Raises
    ------
    InvalidValueError
        If columns are missing or there is nothing to draw.
    """
    rows = rows_of(table, "speedup", REQUIRED)
    reduced = [row for row in rows if row["method"] != "full"] or rows
    panels = _panels(reduced, columns=2 if width == "column" else 4)
    contexts = distinct(reduced, *CONTEXT)
    height_in = 0.75 + (1.28 if len(contexts) == 1 else 1.4) * len(panels)
    fig = new_figure(width=width, height_in=height_in, xlabel=_XLABEL, notes=_notes(rows))
    axes = fig.subplots(len(panels), len(panels[0]), sharex=True, sharey=True, squeeze=False)
    markers = model_markers(model for (model,) in distinct(reduced, "model"))
    for ax, members in zip(axes.flat, (panel for line in panels for panel in line), strict=True):
        if not members:
            ax.set_visible(False)
            continue
        _draw_panel(ax, members, markers)
        title = METHOD_TITLES.get(text(members[0], "method"), text(members[0], "method"))
        context = setting_apart(members[0], reduced)
        ax.set_title(f"{title}\n{context}" if context else title, color=INK)
    _finish_axes(axes)
    _legend(fig, markers, width)
    return fig


def _panels(rows: Sequence[Row], *, columns: int) -> list[list[list[Row]]]:
    """Rows by panel, panels by line: methods side by side, a new line for each context."""
    methods = [method for (method,) in distinct(rows, "method")]
    methods.sort(key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER))
    columns = min(columns, len(methods))
    lines = []
    for group in grouped(rows, *CONTEXT).values():
        panels = [[row for row in group if row["method"] == method] for method in methods]
        panels += [[]] * (-len(panels) % columns)
        lines += [panels[at : at + columns] for at in range(0, len(panels), columns)]
    return [line for line in lines if any(line)]


def _draw_panel(ax: Any, rows: Sequence[Row], markers: dict[str, str]) -> None:
    """Draw all configurations of one method; say why where nothing was measured."""
    ax.axhline(1.0, color=FAINT, linewidth=0.8, linestyle=(0, (1, 1.5)), label="_unity")
    placed = _by_ratio(rows)
    colour = method_colour(text(rows[0], "method"))
    for members in grouped(placed, "mode").values():
        for column, linestyle in (("speedup_exact", "-"), ("speedup_eq9", (0, (3, 1.6)))):
            points = [row for row in members if number(row, column) is not None]
            ax.plot([number(row, "realised") for row in points],
                    [number(row, column) for row in points],
                    color=colour, linestyle=linestyle, marker="",
                    label=f"_{column}:line")  # fmt: skip
    for row, offset, name, line in _set_apart(placed):
        _draw_point(ax, row, markers[text(row, "model")], colour, offset)
        if name:
            _name_setting(ax, row, offset, name, line)
    broken = [text(row, "status") for row in rows if number(row, "speedup_observed") is None]
    if len(broken) == len(rows):
        ax.text(0.97, 0.95, STATUS_WORDS.get(broken[0], "not measured"), transform=ax.transAxes,
                ha="right", va="top", fontsize=7, style="italic", color=FAINT,
                label="_missing")  # fmt: skip


def _draw_point(ax: Any, row: Row, marker: str, colour: str, offset: float) -> None:
    """One configuration: a tick (exact), a hollow marker (Eq. 9), a filled one with its bar."""
    place = ax.transData + ScaledTranslation(offset / 72, 0, ax.figure.dpi_scale_trans)
    x = float(row["realised"])
    drawn = {"color": colour, "linestyle": "", "transform": place}
    exact, eq9 = number(row, "speedup_exact"), number(row, "speedup_eq9")
    observed = number(row, "speedup_observed")
    low, high = number(row, "speedup_observed_low"), number(row, "speedup_observed_high")
    heights = [height for height in (exact, eq9, observed, low, high) if height is not None]
    if heights:  # artists shifted on the page do not stretch the axes by themselves
        ax.update_datalim([(x, height) for height in heights])
    if exact is not None:
        ax.plot([x], [exact], marker="_", markersize=8, zorder=3.1, label="_speedup_exact", **drawn)
    if low is not None and high is not None:
        ax.plot([x, x], [low, high], color=INK, linewidth=0.8, marker="_", markersize=3.2,
                transform=place, zorder=3.2, label="_speedup_observed_spread")  # fmt: skip
    if observed is not None:
        ax.plot([x], [observed], marker=marker, markersize=4.0, markeredgecolor=INK,
                markeredgewidth=0.5, zorder=3.4, label="_speedup_observed", **drawn)  # fmt: skip
    if eq9 is not None:
        ax.plot([x], [eq9], marker=marker, markersize=6.4, markerfacecolor="white", zorder=3.0,
                label="_speedup_eq9", **drawn)  # fmt: skip


def _by_ratio(rows: Iterable[Row]) -> list[Row]:
    """Rows whose realised ratio is known, smallest first."""
    known = [row for row in rows if number(row, "realised") is not None]
    return sorted(known, key=lambda row: float(row["realised"]))


def _set_apart(rows: Sequence[Row]) -> list[tuple[Row, float, str, int]]:
    """Give each row its shift on the page, in points, and a name where it shares a ratio.

    The last value counts the names above the point, so that three do not overprint.
    """
    clusters: list[list[Row]] = []
    for row in rows:
        if clusters and float(row["realised"]) - float(clusters[-1][0]["realised"]) < SHARED_RATIO:
            clusters[-1].append(row)
        else:
            clusters.append([row])
    placed = []
    for cluster in clusters:
        for index, row in enumerate(cluster):
            offset = (2 * index - (len(cluster) - 1)) * _APART_POINTS
            name = _setting(row, rows) if len(cluster) > 1 else ""
            placed.append((row, offset, name, max(0, index - 1)))
    return placed


def _setting(row: Row, rows: Sequence[Row]) -> str:
    """Name a configuration by its pruning ratios, and by its mode where there are two."""
    rho_a, rho_v = number(row, "rho_a"), number(row, "rho_v")
    pair = "" if rho_a is None or rho_v is None else f"{rho_a:g}, {rho_v:g}"
    return " ".join(part for part in (setting_apart(row, rows, ("mode",)), pair) if part)


def _name_setting(ax: Any, row: Row, offset: float, name: str, line: int) -> None:
    """Write ``rho_a, rho_v`` beside a point: left and low, or right and high."""
    heights = [number(row, c) for c in ("speedup_observed_high", "speedup_observed", "speedup_eq9")]
    known = [height for height in heights if height is not None]
    if not known:
        return
    left = offset < 0
    ax.annotate(
        name,
        (float(row["realised"]), min(known) if left else max(known)),
        xytext=(offset + (-3.5 if left else 3.5), -3 if left else 3 + 8 * line),
        textcoords="offset points",
        ha="right" if left else "left",
        va="top" if left else "bottom",
        fontsize=7,
        color=INK,
        label="_setting",
    )


def _finish_axes(axes: Any) -> None:
    for ax in axes.flat:
        ax.grid(axis="y")
        ax.margins(x=0.12, y=0.1)
        ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        ax.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
        ax.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
        ax.yaxis.set_major_formatter("{x:g}×")
    for ax in axes[:, 0]:
        ax.set_ylabel("prefill speed-up")
    for column in axes.T:  # the lowest panel in sight carries the tick labels
        [ax for ax in column if ax.get_visible()][-1].tick_params(labelbottom=True)


def _legend(fig: Figure, markers: dict[str, str], width: str) -> None:
    shape = next(iter(markers.values())) if len(markers) == 1 else "o"
    handles = [
        Line2D([], [], color=INK, linestyle=(0, (3, 1.6)), marker=shape, markerfacecolor="white",
               label="predicted, Eq. 9"),
        Line2D([], [], color=INK, marker="_", markersize=7, label="predicted, exact count"),
        Line2D([], [], color=INK, linestyle="", marker=shape, label="observed"),
        Line2D([], [], color=FAINT, linewidth=0.8, linestyle=(0, (1, 1.5)), label="full tokens"),
    ]  # fmt: skip
    fig.legend(handles=handles, loc="outside upper center", ncols=2 if width == "column" else 4)


def _notes(rows: Sequence[Row]) -> list[str]:
    notes = [where(rows, *CONTEXT), weight_note(rows), *status_notes(rows)]
    if any(number(row, "speedup_observed_low") is not None for row in rows):
        notes.append("bars: quartiles")
    notes.append("selection is inside the exact count and the observed time, Eq. 9 has none")
    groups = grouped(rows, "method", *CONTEXT).values()
    if any(name for group in groups for _, _, name, _ in _set_apart(_by_ratio(group))):
        notes.append("pairs beside points: audio, video pruning ratio")
    return foot_note(notes)
