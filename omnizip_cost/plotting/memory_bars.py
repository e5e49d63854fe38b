"""Peak memory of every configuration as a bar, the prediction as a mark on it, cards as lines.

One panel per model and clip; the configurations are named once, at the left of each line of
panels. Dashed lines are what one process can use of a card, named by the gigabytes that it is sold
with; a cross on a line says that the configuration does not fit there. What ran out of memory has
the word in its place and keeps the mark of its prediction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from omnizip_cost.plotting.canvas import figure_width_in, new_figure, three_digits
from omnizip_cost.plotting.cell_bars import BAR_SHARE, HALO, LINE_IN, WORDS
from omnizip_cost.plotting.contexts import (
    CONFIGURATION,
    MOST_PANELS,
    SETTING,
    Panel,
    Sheet,
    configuration,
    configuration_names,
    prediction_kind,
    sheet_of,
)
from omnizip_cost.plotting.stages import fullest
from omnizip_cost.plotting.style import FAINT, INK, method_colour, styled
from omnizip_cost.plotting.tablerows import (
    Row,
    distinct,
    foot_note,
    grouped,
    number,
    rows_of,
    text,
    weight_note,
    where,
)
from omnizip_cost.units import GIBI, MEBI

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = (
    "model", "clip", "full_tokens", "method", "label", "status", "peak_memory_bytes",
    "peak_memory_predicted_bytes", "memory_basis",
)  # fmt: skip
LIMITS_REQUIRED = ("device", "memory_bytes", "usable_bytes")

FAR = 1.5
"""A card that holds everything is drawn where it holds at most this many times the longest bar."""
BEYOND = 1.12
"""The axis ends at this many times the largest card that is drawn: longer bars are cut there."""
ONE_SCALE = 0.5
"""Panels whose axis is at least this share of the longest one share it."""

_PANEL_IN = 1.1
_NUMBER_IN = 0.27
"""Width of a number beside a bar, with its distance."""

Names = Mapping[tuple[str, ...], str]


@styled
def draw_memory_bars(table: pd.DataFrame, limits: pd.DataFrame, *, width: str = "column") -> Figure:
    """Draw the result table: peak memory, predicted and observed, and what cards can hold.

    Parameters
    ----------
    table
        The result table, one row per measured configuration, full tokens included.
    limits
        ``usable_bytes`` and ``memory_bytes`` of each device. A device is drawn where a bar or a
        prediction reaches it, and so is the next larger one if it is near.
    width
        ``column`` (3.3 in, two panels to a line) or ``page`` (6.9 in, four).

    Returns
    -------
    Figure
        Of the printed size, not attached to pyplot. Every axis starts at zero.

    Raises
    ------
    InvalidValueError
        If columns are missing or there is nothing to draw.
    """
    rows = rows_of(table, "memory_bars", REQUIRED)
    held = rows_of(limits, "memory_bars", LIMITS_REQUIRED)
    cards = _cards(held)
    narrow = width == "column"
    sheet, left_out = _sheet(rows, narrow=narrow)
    shown = [row for panel in sheet.panels for row in panel]
    kind = prediction_kind(shown, "peak_memory_{}_bytes")
    names = [configuration_names([row for panel in line for row in panel or ()])
             for line in sheet.lines]  # fmt: skip
    longest = max(_reach(row, kind) for row in shown)
    drawn = _near(cards, longest)
    unit = (GIBI, "GiB") if longest >= GIBI else (MEBI, "MiB")
    fig = new_figure(
        width=width,
        height_in=0.62 + sum(LINE_IN * len(own) + 0.38 + 0.12 * sheet.title_lines for own in names),
        xlabel=f"peak memory ({unit[1]})",
        notes=_notes(sheet, kind, held, drawn, (*sheet.left_out, left_out)),
    )
    axes = fig.subplots(
        len(sheet.lines), len(sheet.lines[0]), sharey="row", squeeze=False,
        height_ratios=[len(own) + 0.1 for own in names],
    )  # fmt: skip
    number_share = _NUMBER_IN / _axis_in(width, len(sheet.lines[0]))
    ends = _ends(sheet.panels, kind, drawn, 1 / (1 - number_share))
    titles = iter(sheet.titles.values())
    for cells, line, own in zip(axes, sheet.lines, names, strict=True):
        for ax, panel in zip(cells, line, strict=True):
            if panel is None:
                ax.set_visible(False)
                continue
            end = ends[id(panel)]
            near = {sold: usable for sold, usable in drawn.items() if usable <= end}
            ax.set_xlim(0, end)
            _draw_cards(ax, near)
            _draw_panel(ax, panel, own, kind, near, unit)
            for row in panel:
                _write(ax, list(own).index(configuration(row)), row, kind, unit[0],
                       crossed=_crossed(_reach(row, kind), number_share * end, near))  # fmt: skip
            ax.set_title(next(titles), color=INK, fontsize=7.5, pad=13 if drawn else 4)
        cells[0].set_yticks(range(len(own)), own.values())
        cells[0].set_ylim(len(own) - 0.45, -0.55)
    _legend(fig, shown, kind, drawn)
    return fig


def _sheet(rows: Sequence[Row], *, narrow: bool) -> tuple[Sheet, str]:
    """Lay out the panels with the most configurations, and say how many others there are."""
    panels = list(grouped(rows, *SETTING).values())
    kept = fullest(panels, 4 if narrow else MOST_PANELS)
    gone = len(panels) - len(kept)
    chosen = [row for panel in kept for row in panel]
    sheet = sheet_of(chosen, columns=2 if narrow else 4, panel_in=_PANEL_IN)
    return sheet, f"{gone} more clips and settings of the table have no room" if gone else ""


def _cards(limits: Sequence[Row]) -> dict[float, float]:
    """Usable bytes by the bytes a card is sold with, the smallest first; of equals the least."""
    found: dict[float, float] = {}
    for row in sorted(limits, key=lambda row: float(row["usable_bytes"])):
        found.setdefault(float(row["memory_bytes"]), float(row["usable_bytes"]))
    return found


def _axis_in(width: str, panels: int) -> float:
    """Width of one of some panels side by side, in inches, the names of the bars taken off."""
    return (figure_width_in(width) - 1.15) / panels - 0.1


def _near(cards: Mapping[float, float], longest: float) -> dict[float, float]:
    """Cards that something reaches, and the first that holds everything unless it is far."""
    above = [usable for usable in cards.values() if usable >= longest]
    most = above[0] if above and above[0] <= FAR * longest else longest
    return {sold: usable for sold, usable in cards.items() if usable <= most}


def _ends(
    panels: Sequence[Panel], kind: str, cards: Mapping[float, float], room: float
) -> dict[int, float]:
    """Where the axis of each panel ends: a common place, or one of its own where far from it."""
    cut = BEYOND * max(cards.values(), default=float("inf"))
    ends = {}
    for panel in panels:
        longest = max(_reach(row, kind) for row in panel)
        above = [room * usable for usable in cards.values() if longest <= usable <= FAR * longest]
        ends[id(panel)] = max([min(room * longest, cut), *above[:1]]) or 1.0
    most = max(ends.values())
    return dict.fromkeys(ends, most) if min(ends.values()) >= ONE_SCALE * most else ends


def _reach(row: Row, kind: str) -> float:
    """Where the last thing drawn of a row ends, in bytes."""
    return max(number(row, "peak_memory_bytes") or 0.0, _mark(row, kind) or 0.0)


def _mark(row: Row, kind: str) -> float | None:
    return number(row, f"peak_memory_{kind}_bytes")


def _draw_cards(ax: Any, cards: Mapping[float, float]) -> None:
    for sold, usable in cards.items():
        ax.axvline(usable, color=INK, linewidth=0.9, linestyle=(0, (4, 2)), zorder=1.5,
                   label=f"_limit:{sold / GIBI:.4g}")  # fmt: skip
        ax.annotate(f"{sold / GIBI:.4g}", (usable, 1), xytext=(0, 2), ha="center", va="bottom",
                    xycoords=("data", "axes fraction"), textcoords="offset points", fontsize=7,
                    color=INK, label="_sold")  # fmt: skip


def _draw_panel(
    ax: Any,
    rows: Sequence[Row],
    names: Names,
    kind: str,
    cards: Mapping[float, float],
    unit: tuple[float, str],
) -> None:
    """Draw all configurations of one model and clip."""
    lines, end = list(names), ax.get_xlim()[1]
    for row in rows:
        at, observed = lines.index(configuration(row)), number(row, "peak_memory_bytes")
        if observed is not None:
            ax.barh([at], [observed], height=BAR_SHARE, zorder=2, label="_observed",
                    color=method_colour(text(row, "method")), linewidth=0)  # fmt: skip
        if (mark := _mark(row, kind)) is not None and mark <= end:
            ax.plot([mark, mark], [at - 0.46, at + 0.46], color=INK, linewidth=1.5, zorder=3,
                    solid_capstyle="butt", path_effects=[HALO], label="_mark")  # fmt: skip
        over = [usable for usable in cards.values() if usable < _reach(row, kind)]
        ax.plot(over, [at] * len(over), linestyle="", marker="X", markersize=5, color=INK,
                markeredgecolor="white", markeredgewidth=0.6, zorder=3.5,
                label="_over")  # fmt: skip
    measured = [configuration(row) for row in rows]
    for at in (at for at, key in enumerate(lines) if key not in measured):
        ax.annotate("–", (0, at), xytext=(2, 0), textcoords="offset points", va="center",
                    fontsize=7, color=FAINT, label="_not_run")  # fmt: skip
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x")
    ax.xaxis.set_major_locator(_BinaryLocator(unit[0]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / unit[0]:.4g}"))


class _BinaryLocator(MaxNLocator):
    """Round numbers of GiB or MiB on an axis of bytes."""

    def __init__(self, unit: float) -> None:
        super().__init__(nbins=4, steps=[1, 2, 2.5, 5, 10])
        self._unit = unit

    def tick_values(self, vmin: float, vmax: float) -> Any:
        """Places of the ticks, in bytes."""
        found = super().tick_values(vmin / self._unit, vmax / self._unit)
        return [tick * self._unit for tick in found]


def _crossed(reach: float, wide: float, cards: Mapping[float, float]) -> float:
    """Where a number can stand without a line through it: at the bar's end, or beyond the line."""
    for usable in sorted(cards.values()):
        if reach <= usable < reach + wide:
            reach = usable
    return reach


def _write(ax: Any, at: int, row: Row, kind: str, factor: float, *, crossed: float) -> None:
    """Write what was observed beside the bar, or why nothing was and what was predicted."""
    observed, mark, end = number(row, "peak_memory_bytes"), _mark(row, kind), ax.get_xlim()[1]
    words = WORDS.get(text(row, "status"), "" if observed is not None else "not measured")
    look: dict[str, Any] = {"label": "_missing" if words else "_total",
                            "weight": "bold" if words else "normal"}  # fmt: skip
    words = words or three_digits((observed or 0.0) / factor)
    place, shift, side = crossed, 3, "left"
    if _reach(row, kind) > end:  # cut: what was predicted stands at the edge, behind an arrow
        words = f"{words}, {three_digits((mark or 0.0) / factor)} ▸"
        place, shift, side = end, 0, "right"
        look["bbox"] = {"facecolor": "white", "linewidth": 0, "pad": 0.8}
    ax.annotate(words, (place, at), xytext=(shift, 0), textcoords="offset points", va="center",
                ha=side, fontsize=7, color=INK, path_effects=[HALO], zorder=4,
                **look)  # fmt: skip


def _legend(fig: Figure, rows: Sequence[Row], kind: str, cards: Mapping[float, float]) -> None:
    handles = []
    if kind:
        handles.append(Line2D([], [], linestyle="", marker="|", markersize=8, color=INK,
                              markeredgewidth=1.5, label="predicted"))  # fmt: skip
    if cards:
        handles.append(Line2D([], [], color=INK, linewidth=0.9, linestyle=(0, (4, 2)),
                              label="card of so many GB"))  # fmt: skip
    if any(usable < _reach(row, kind) for row in rows for usable in cards.values()):
        handles.append(Line2D([], [], linestyle="", marker="X", markersize=5, color=INK,
                              label="does not fit"))  # fmt: skip
    if handles:
        fig.legend(handles=handles, loc="outside upper center", ncols=len(handles))


def _notes(
    sheet: Sheet,
    kind: str,
    limits: Sequence[Row],
    drawn: Mapping[float, float],
    left_out: Sequence[str],
) -> list[str]:
    rows = [row for panel in sheet.panels for row in panel]
    without = sum(_mark(row, kind) is None for row in rows)
    alone = [name for name in ("model", "clip") if len(distinct(rows, name)) == 1]
    bases = [basis for (basis,) in distinct(rows, "memory_basis") if basis]
    least = min(limits, key=lambda row: float(row["usable_bytes"]))
    usable = three_digits(float(least["usable_bytes"]) / GIBI)
    gaps = any(
        len(distinct(panel, *CONFIGURATION)) < len(distinct(
            [row for other in line for row in other or ()], *CONFIGURATION))
        for line in sheet.lines for panel in line if panel is not None
    )  # fmt: skip
    return foot_note([
        where(rows, *alone, "device", "dtype", "attention"),
        weight_note(rows),
        f"bars: {'; '.join(bases)}" if bases else "no memory was measured",
        "predictions: written before the measurement, no calibration enters them" if kind else
        "no prediction is on record",
        f"{without} of {len(rows)} configurations have none" if kind and without else "",
        "lines: what one process can use of a card" if drawn else
        f"all fit in the {usable} GiB that one process can use of {text(least, 'device')}",
        "–: not run" if gaps else "",
        *left_out,
    ])  # fmt: skip
