"""Where the time goes: one stacked bar per configuration, one hatch per stage.

The bar has its method's colour; the stage is told by tint and hatch, so that a greyscale print
reads the same. A dark line at the end of a stage spans its measured spread. The figure at the end
of a bar is the bar's length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.plotting.canvas import new_figure, three_digits
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
    CONTEXT,
    Row,
    distinct,
    foot_note,
    grouped,
    number,
    rows_of,
    setting_apart,
    text,
    weight_note,
    where,
)
from omnizip_cost.results import STAGES, STATUS_WORDS
from omnizip_cost.units import MICRO, MILLI

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = ("model", "label", "method", "stage", "seconds", "low_s", "high_s", "status")
_BAR_IN = 0.19
_BAR_SHARE = 0.74
VISIBLE_SPREAD = 0.01
"""Spreads under this share of the longest bar would be dots, not lines."""
_HALO = withStroke(linewidth=2.6, foreground="white")


@styled
def draw_stages(table: pd.DataFrame, *, width: str = "column") -> Figure:
    """Draw the stages table: seconds per stage, stacked, one bar per configuration.

    Parameters
    ----------
    table
        The stages table, one row per configuration and stage. Models and devices get a panel
        each. Empty ``seconds`` draw nothing.
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
    panels = grouped(rows, *CONTEXT)
    counts = [len(distinct(members, "label")) for members in panels.values()]
    longest = max(_length(bar) for key in panels.values() for bar in grouped(key, "label").values())
    fig = new_figure(
        width=width,
        height_in=0.7 + sum(_BAR_IN * count + 0.24 for count in counts),
        notes=_notes(rows, longest),
    )
    axes = fig.subplots(len(panels), 1, squeeze=False, height_ratios=counts)[:, 0]
    for ax, members in zip(axes, panels.values(), strict=True):
        _draw_panel(ax, members, longest_s=longest)
        if len(panels) > 1:
            ax.set_title(setting_apart(members[0], rows), color=INK)
        ax.set_xlim(0, longest * (1.24 if width == "column" else 1.1))
    axes[-1].set_xlabel(f"time ({time_unit(longest)[1]})")
    _legend(fig, [row for row in rows if _visible(row, longest)], width)
    return fig


def time_unit(longest_s: float) -> tuple[float, str]:
    """Choose the unit in which the longest bar is easy to read: its seconds, and its name."""
    if longest_s >= 1.0:
        return 1.0, "s"
    return (MILLI, "ms") if longest_s >= MILLI else (MICRO, "µs")


def _length(bar: Sequence[Row]) -> float:
    return sum(number(row, "seconds") or 0.0 for row in bar)


def _draw_panel(ax: Any, rows: Sequence[Row], *, longest_s: float) -> None:
    """Draw the bars of one model on one device, the first row at the top."""
    factor, unit = time_unit(longest_s)
    bars = grouped(rows, "label")
    for at, ((label,), members) in enumerate(bars.items()):
        stages = [text(row, "stage") for row in members]
        if len(set(stages)) < len(stages):
            raise InvalidValueError(
                "table of figure 'stages'", "stage", f"there once for {label!r}", stages
            )
        broken = [text(row, "status") for row in members if text(row, "status") in STATUS_WORDS]
        missing = STATUS_WORDS[broken[0]] if broken else ""
        if missing:
            ax.text(0.0, at, f" {missing}", va="center", ha="left", fontsize=7, color=FAINT,
                    style="italic", label="_missing")  # fmt: skip
            continue
        end = _draw_bar(ax, at, members)
        reach = _draw_spread(ax, at, members, finest_s=VISIBLE_SPREAD * longest_s)
        total = f"{three_digits(end / factor)} {unit}"
        ax.annotate(total, (max(end, reach), at), xytext=(3, 0), textcoords="offset points",
                    va="center", fontsize=7, color=INK, label="_total")  # fmt: skip
    ax.set_yticks(range(len(bars)), [label for (label,) in bars])
    ax.set_ylim(len(bars) - 0.45, -0.55)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x")
    ax.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / factor:.4g}"))


def _stacked(rows: Sequence[Row]) -> Iterator[tuple[float, Row]]:
    """Stages of one bar in their order, each with the place where it starts, in seconds."""
    start = 0.0
    for row in sorted(rows, key=_rank):
        yield start, row
        start += number(row, "seconds") or 0.0


def _draw_bar(ax: Any, at: int, rows: Sequence[Row]) -> float:
    """Stack the stages of one configuration; returns where the bar ends, in seconds."""
    colour = method_colour(text(rows[0], "method"))
    for start, row in _stacked(rows):
        seconds, look = number(row, "seconds"), segment_look(text(row, "stage"))
        if seconds:
            ax.barh([at], [seconds], left=[start], height=_BAR_SHARE, edgecolor=colour,
                    facecolor=tint(colour, look.share), hatch=look.hatch,
                    label=f"_{text(row, 'stage')}")  # fmt: skip
    return _length(rows)


def _draw_spread(ax: Any, at: int, rows: Sequence[Row], *, finest_s: float) -> float:
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


def _visible(row: Row, longest_s: float) -> bool:
    """Whether a row's stage belongs in the legend: selection may be too thin to see."""
    return row["stage"] != "selection" or (number(row, "seconds") or 0.0) >= (
        LEAST_VISIBLE * longest_s
    )


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


def _notes(rows: Sequence[Row], longest_s: float) -> list[str]:
    spread = any(number(row, "low_s") is not None for row in rows)
    predicted = any(text(row, "timed") == "predicted" for row in rows)
    lines = "where nine in ten should end" if predicted else "spread of the stage they end"
    whiskers = f"dark lines: {lines}" if spread else ""
    tokens = [steps for (steps,) in distinct(rows, "decode_steps") if steps]
    decode = f"decode: {', '.join(tokens)} tokens" if tokens else ""
    chosen = [row for row in rows if row["stage"] == "selection"]
    selection = thin_note("selection", chosen, "seconds", longest_s, _milliseconds)
    return foot_note([where(rows, *CONTEXT), weight_note(rows), decode, whiskers, selection])


def _milliseconds(seconds: float) -> str:
    return f"{three_digits(seconds / MILLI)} ms"
