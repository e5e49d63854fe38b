"""Where the time goes: one stacked bar per configuration, one hatch per stage.

The bar has its method's colour; the stage is told by tint and hatch, so that a greyscale print
reads the same. A dark line at the end of a stage spans its measured spread. The figure at the end
of a bar is the bar's length. Where a table also holds what was predicted of a configuration, that
stack is the thin bar under the measured one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import inf
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.plotting.canvas import figure_width_in, new_figure, three_digits
from omnizip_cost.plotting.contexts import Panel, Sheet, sheet_of
from omnizip_cost.plotting.style import (
    FAINT,
    INK,
    LEAST_VISIBLE,
    METHOD_TITLES,
    method_colour,
    segment_look,
    styled,
    tint,
)
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
from omnizip_cost.results import STAGES, STATUS_WORDS
from omnizip_cost.units import MICRO, MILLI

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = ("model", "label", "method", "stage", "seconds", "low_s", "high_s", "status")
SETTING = (
    "model", "device", "dtype", "attention", "execution", "clip", "full_tokens", "decode_steps",
)  # fmt: skip
"""What bars are compared under: a panel each."""

VISIBLE_SPREAD = 0.01
"""Spreads under this share of the longest bar would be dots, not lines."""
ONE_SCALE = 0.5
"""Panels whose longest bar is at least this share of the longest of all share its scale."""

_BAR_IN = {False: 0.19, True: 0.25}
"""Room of a configuration, alone and with its prediction."""
_ALONE, _MEASURED, _PREDICTED = (0.0, 0.74), (-0.13, 0.52), (0.3, 0.22)
"""Place and thickness of bars, in rooms."""
_SHEET_IN = 8.6
"""Height of panels that a printed page has room for."""
_LABELS_IN = 1.15
_PANEL_IN = 1.65
"""Narrower panels would have no room for what stands at the end of a bar."""
_HALO = withStroke(linewidth=2.6, foreground="white")


@styled
def draw_stages(table: pd.DataFrame, *, width: str = "column") -> Figure:
    """Draw the stages table: seconds per stage, stacked, one bar per configuration.

    Parameters
    ----------
    table
        The stages table, one row per configuration and stage. Models, clips and devices get a
        panel each, as many as a page holds. Empty ``seconds`` draw nothing. Rows that ``timed``
        calls predicted, or by the kind of prediction, stand under those that were measured.
    width
        ``column`` (3.3 in) or ``page`` (6.9 in).

    Returns
    -------
    Figure
        Of the printed size, not attached to pyplot.

    Raises
    ------
    InvalidValueError
        If columns are missing, there is nothing to draw, or a stage comes twice in one bar.
    """
    rows = rows_of(table, "stages", REQUIRED)
    sheet, left_out = _sheet(rows, width)
    shown = [row for panel in sheet.panels for row in panel]
    scales = _scales(sheet.panels)
    fullest = sorted(sheet.panels, key=lambda panel: -len(distinct(panel, "label")))
    order = [label for (label,) in distinct((row for panel in fullest for row in panel), "label")]
    named = [[label for label in order if label in _labels(line)] for line in sheet.lines]
    room_in = _BAR_IN[_both(shown)]
    title_in = 0.12 * sheet.title_lines
    fig = new_figure(
        width=width,
        height_in=0.7 + sum(room_in * len(labels) + 0.22 + title_in for labels in named),
        notes=_notes(shown, sheet, scales, left_out),
    )
    axes = fig.subplots(
        len(named), len(sheet.lines[0]), squeeze=False, height_ratios=[len(one) for one in named]
    )
    titles = iter(sheet.titles.values())
    for line, labels, beside in zip(sheet.lines, named, axes, strict=True):
        for ax, panel in zip(beside, line, strict=True):
            if panel is None:
                ax.set_visible(False)
                continue
            scale = scales[id(panel)]
            unit = time_unit(scale, of_all_s=max(scales.values()))
            _draw_panel(ax, panel, labels, scale, unit)
            if ax is not beside[0]:
                ax.set_yticklabels([])
            ax.set_title(next(titles), color=INK, fontsize=7.5)
            ax.set_xlim(0, scale * _room_beyond(width, len(sheet.lines[0])))
    _name_axes(axes, sheet, scales)
    _legend(fig, _in_sight(sheet.panels, scales, seen=True), width)
    return fig


def time_unit(longest_s: float, *, of_all_s: float = 0.0) -> tuple[float, str]:
    """Choose the unit in which the longest bar is easy to read: its seconds, and its name.

    A panel takes the unit of the longest bar of all where it reads 0.1 or more in it.
    """
    common, name = time_unit(of_all_s) if of_all_s else (0.0, "")
    if common and longest_s >= 0.1 * common:
        return common, name
    if longest_s >= 1.0:
        return 1.0, "s"
    return (MILLI, "ms") if longest_s >= MILLI else (MICRO, "µs")


def _sheet(rows: Sequence[Row], width: str) -> tuple[Sheet, int]:
    """Lay the panels out, and count those that the sheet has no room for."""
    beside_in = figure_width_in(width) - _LABELS_IN
    columns = max(1, int(beside_in / _PANEL_IN))
    panels = list(grouped(rows, *SETTING).values())
    tallest = max(len(distinct(panel, "label")) for panel in panels)
    lines = max(1, int(_SHEET_IN / (_BAR_IN[_both(rows)] * tallest + 0.4)))
    kept = fullest(panels, columns * lines)
    sheet = sheet_of(
        [row for panel in kept for row in panel],
        columns=columns,
        panel_in=beside_in / columns,
        most=len(kept),
        setting=SETTING,
    )
    return sheet, len(panels) - len(kept)


def fullest(panels: Sequence[Panel], room: int) -> list[Panel]:
    """Keep as many panels as there is room for; what stays keeps its order.

    Models take turns: first the panel with the most configurations of each, then the one of its
    longest prompt, then the others by their configurations.
    """
    ranked: list[tuple[int, int]] = []
    by_model: dict[str, list[int]] = {}
    for at in sorted(range(len(panels)), key=lambda at: -len(distinct(panels[at], "label"))):
        by_model.setdefault(text(panels[at][0], "model"), []).append(at)
    for first, *others in by_model.values():
        longest = max(
            others, key=lambda at: number(panels[at][0], "full_tokens") or 0.0, default=first
        )
        ranked += enumerate(dict.fromkeys([first, longest, *others]))
    return [panels[at] for at in sorted(at for _, at in sorted(ranked)[:room])]


def _room_beyond(width: str, columns: int) -> float:
    """Length of the axis in longest bars: what is beyond is for the figures at the bars' ends."""
    return 1.1 if width == "page" and columns == 1 else 1.28


def _labels(line: Sequence[Panel | None]) -> set[str]:
    """Configurations of the panels side by side."""
    return {text(row, "label") for panel in line if panel is not None for row in panel}


def _both(rows: Sequence[Row]) -> bool:
    """Whether some of the rows were measured and others predicted."""
    return len({_predicted(row) for row in rows}) == 2


def _predicted(row: Row) -> bool:
    return text(row, "timed") not in ("", "observed")


def _kind(rows: Sequence[Row]) -> str:
    """Name the kinds of prediction among the rows."""
    named = [text(row, "timed") for row in rows if _predicted(row)]
    return " and ".join(dict.fromkeys(named))


def _longest(rows: Sequence[Row]) -> float:
    """Seconds of the longest bar."""
    return max(_length(bar) for bar in grouped(rows, *SETTING, "label", "timed").values())


def _length(bar: Sequence[Row]) -> float:
    return sum(number(row, "seconds") or 0.0 for row in bar)


def _scales(panels: Sequence[Panel]) -> dict[int, float]:
    """Longest bar that each panel's axis is made for: a common one where lengths are near."""
    own = {id(panel): _longest(panel) for panel in panels}
    most = max(own.values())
    together = min(own.values()) >= ONE_SCALE * most
    return dict.fromkeys(own, most) if together else {at: one or most for at, one in own.items()}


def _draw_panel(
    ax: Any, rows: Sequence[Row], labels: Sequence[str], longest_s: float, unit: tuple[float, str]
) -> None:
    """Draw the bars of one model and clip, the first label at the top."""
    bars = grouped(rows, "label", "timed")
    both = _both(rows)
    for (label, _), members in bars.items():
        stages = [text(row, "stage") for row in members]
        if len(set(stages)) < len(stages):
            raise InvalidValueError(
                "table of figure 'stages'", "stage", f"there once for {label!r}", stages
            )
        place, thick = _ALONE
        if both:
            place, thick = _PREDICTED if _predicted(members[0]) else _MEASURED
        at = labels.index(label) + place
        if _draw_bar(ax, at, thick, members) and not (both and _predicted(members[0])):
            _draw_end(ax, at, members, VISIBLE_SPREAD * longest_s, unit)
    ax.set_yticks(range(len(labels)), labels)
    ax.set_ylim(len(labels) - 0.45, -0.55)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x")
    ax.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / unit[0]:.4g}"))


def _draw_bar(ax: Any, at: float, thick: float, rows: Sequence[Row]) -> bool:
    """Stack the stages of one configuration, or say why there are none; returns which."""
    broken = [text(row, "status") for row in rows if text(row, "status") in STATUS_WORDS]
    if broken:
        ax.text(0.0, at, f" {STATUS_WORDS[broken[0]]}", va="center", ha="left", fontsize=7,
                color=FAINT, style="italic", label="_missing")  # fmt: skip
        return False
    colour = method_colour(text(rows[0], "method"))
    kind = "predicted:" if thick == _PREDICTED[1] else ""
    for start, row in _stacked(rows):
        seconds, look = number(row, "seconds"), segment_look(text(row, "stage"))
        if seconds:
            ax.barh([at], [seconds], left=[start], height=thick, edgecolor=colour,
                    facecolor=tint(colour, look.share), hatch=look.hatch,
                    label=f"_{kind}{text(row, 'stage')}")  # fmt: skip
    return True


def _draw_end(
    ax: Any, at: float, rows: Sequence[Row], finest_s: float, unit: tuple[float, str]
) -> None:
    """Draw the spreads of a bar's stages, and write its length beyond them."""
    end, (factor, name) = _length(rows), unit
    reach = _draw_spread(ax, at, rows, finest_s=finest_s)
    ax.annotate(f"{three_digits(end / factor)} {name}", (max(end, reach), at), xytext=(3, 0),
                textcoords="offset points", va="center", fontsize=7, color=INK,
                label="_total")  # fmt: skip


def _stacked(rows: Sequence[Row]) -> Iterator[tuple[float, Row]]:
    """Stages of one bar in their order, each with the place where it starts, in seconds."""
    start = 0.0
    for row in sorted(rows, key=_rank):
        yield start, row
        start += number(row, "seconds") or 0.0


def _draw_spread(ax: Any, at: float, rows: Sequence[Row], *, finest_s: float) -> float:
    """Draw a line from low to high at the end of each stage; returns how far they reach."""
    reach = 0.0
    for start, row in _stacked(rows):
        low, high = number(row, "low_s"), number(row, "high_s")
        if not number(row, "seconds") or low is None or high is None or high - low < finest_s:
            continue
        ax.plot([start + low, start + high], [at, at], color=INK, linewidth=1.1, marker="",
                solid_capstyle="butt", path_effects=[_HALO],
                label=f"_spread:{text(row, 'stage')}")  # fmt: skip
        reach = start + high
    return reach


def _rank(row: Row) -> int:
    segment_look(text(row, "stage"))
    return STAGES.index(text(row, "stage"))


def _name_axes(axes: Any, sheet: Sheet, scales: dict[int, float]) -> None:
    """Write the unit under the lowest panel of each column, or under all where units differ."""
    most = max(scales.values())
    units = {at: time_unit(scale, of_all_s=most)[1] for at, scale in scales.items()}
    several = len(set(units.values())) > 1
    for column, panels in zip(axes.T, zip(*sheet.lines, strict=True), strict=True):
        there = [(ax, panel) for ax, panel in zip(column, panels, strict=True) if panel is not None]
        for ax, panel in there if several else there[-1:]:
            ax.set_xlabel(f"time ({units[id(panel)]})")


def _legend(fig: Figure, rows: Sequence[Row], width: str) -> None:
    shown = {text(row, "stage") for row in rows if number(row, "seconds")}
    handles = segment_handles([stage for stage in STAGES if stage in shown])
    fig.legend(handles=handles, loc="outside upper center", ncols=3 if width == "column" else 6)


def segment_handles(segments: Sequence[str]) -> list[Patch]:
    """Legend entries of stages or components, in a neutral grey."""
    looks = [segment_look(segment) for segment in segments]
    return [
        Patch(facecolor=tint(FAINT, look.share), edgecolor=INK, hatch=look.hatch, label=look.title)
        for look in looks
    ]


def _in_sight(panels: Sequence[Panel], scales: dict[int, float], *, seen: bool) -> list[Row]:
    """Rows whose stage can be seen, or those of selections too thin to see."""
    return [
        row
        for panel in panels
        for row in panel
        if seen == (row["stage"] != "selection"
                    or (number(row, "seconds") or 0.0) >= LEAST_VISIBLE * scales[id(panel)])
    ]  # fmt: skip


def thin_note(
    segment: str,
    rows: Sequence[Row],
    column: str,
    longest: float,
    write: Callable[[float], str],
) -> str:
    """Give segments too thin to see as numbers, least and largest of each method; else empty."""
    ranges = []
    for (method,), members in grouped(rows, "method").items():
        lengths = [number(row, column) or 0.0 for row in members]
        thin = sorted(length for length in lengths if 0 < length < LEAST_VISIBLE * longest)
        if thin:
            ends = dict.fromkeys(write(length) for length in (thin[0], thin[-1]))
            ranges.append(f"{METHOD_TITLES.get(method, method)} {' to '.join(ends)}")
    return f"{segment}, where too thin to see: {', '.join(ranges)}" if ranges else ""


def _notes(rows: Sequence[Row], sheet: Sheet, scales: dict[int, float], left_out: int) -> list[str]:
    same = [name for name in ("model", "device", "dtype", "attention", "clip")
            if len(distinct(rows, name)) == 1]  # fmt: skip
    graphs = distinct(rows, "execution") == [("graph",)]
    named = [*same, "execution"] if graphs else same
    predicted = [_predicted(row) for row in rows]
    if all(predicted):
        named.append("timed")
    spread = any(number(row, "low_s") is not None for row in rows if not _predicted(row))
    lines = "where nine in ten should end" if all(predicted) else "spread of the stage they end"
    whiskers = f"dark lines: {lines}" if spread or all(predicted) else ""
    tokens = [steps for (steps,) in distinct(rows, "decode_steps") if steps]
    decode = f"decode: {', '.join(tokens)} tokens" if tokens else ""
    thin = [row for row in _in_sight(sheet.panels, scales, seen=False)
            if all(predicted) or not _predicted(row)]  # fmt: skip
    return foot_note([
        where(rows, *named),
        weight_note(rows),
        f"thin bars: {_kind(rows)}, written before the measurement" if _both(rows) else "",
        decode,
        whiskers,
        "panels have scales of their own" if len(set(scales.values())) > 1 else "",
        thin_note("selection", thin, "seconds", inf, _milliseconds),
        f"{left_out} more clips and settings of the table have no room" if left_out else "",
    ])  # fmt: skip


def _milliseconds(seconds: float) -> str:
    return f"{three_digits(seconds / MILLI)} ms"
