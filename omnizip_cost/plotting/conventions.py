"""One configuration counted under every convention: the same model, up to 2.5 times apart.

A pair of bars for each convention, full tokens above compressed, stacked by component. The ratio
at the end of a compressed bar is the table's own; nothing is divided here. Selection is a segment
where the convention counts it and one can see it, else a number below the figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.plotting.canvas import new_figure, three_digits
from omnizip_cost.plotting.stages import segment_handles, thin_note
from omnizip_cost.plotting.style import (
    INK,
    LEAST_VISIBLE,
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
    where,
)
from omnizip_cost.units import GIGA, MEGA, TERA, si

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = ("model", "convention", "method", "phase", "component", "flops")
ORDER = ("audio_encoder", "vision_encoder", "selection", "prefill", "decode", "lm_head")
_TITLES = {"prefill": "decoder, prefill", "decode": "decoder, decode"}
MOST_CONFIGURATIONS = 5
"""Bars of one convention: of nine conventions, more would be higher than a page (9 in)."""
_BAR_IN = 0.15
_BAR_SHARE = 0.86
_NAME_LETTERS = 14


@styled
def draw_conventions(table: pd.DataFrame, *, width: str = "column") -> Figure:
    """Draw the conventions table: FLOPs by convention, full against compressed.

    Parameters
    ----------
    table
        The conventions table, one row per convention, configuration, phase and component. Optional
        columns: ``ratio`` is printed at the end of the bars of compressed configurations,
        ``input`` and ``decode_steps`` (R) below the figure.
    width
        ``column`` (3.3 in) or ``page`` (6.9 in).

    Returns
    -------
    Figure
        Of the printed size, not attached to pyplot. The axis is linear: stacked lengths add up.

    Raises
    ------
    InvalidValueError
        If columns are missing, there is nothing to draw, or there are more configurations than
        ``MOST_CONFIGURATIONS``.
    """
    rows = rows_of(table, "conventions", REQUIRED)
    _require_few(rows)
    panels = grouped(rows, "model")
    bars = {key: _bars(members) for key, members in panels.items()}
    longest = max(_length(bar) for lines in bars.values() for bar in lines.values())
    factor, power = _scale(longest)
    fig = new_figure(
        width=width,
        height_in=0.82 + sum(_BAR_IN * len(lines) + 0.4 for lines in bars.values()),
        notes=_notes(rows, longest),
    )
    axes = fig.subplots(len(panels), 1, squeeze=False,
                        height_ratios=[len(lines) for lines in bars.values()])[:, 0]  # fmt: skip
    for ax, (key, lines) in zip(axes, bars.items(), strict=True):
        _draw_panel(ax, lines, factor)
        if len(panels) > 1:
            ax.set_title(key[0], color=INK)
        ax.set_xlim(0, longest * (1.3 if width == "column" else 1.14))
    axes[-1].set_xlabel(f"FLOPs by convention ({power})")
    _legend(fig, [row for row in rows if _visible(row, longest)], width)
    return fig


def _require_few(rows: Sequence[Row]) -> None:
    most = max(len(distinct(own, "method", "label")) for own in grouped(rows, "model").values())
    if most > MOST_CONFIGURATIONS:
        raise InvalidValueError(
            "figure conventions", "table", f"of at most {MOST_CONFIGURATIONS} configurations", most
        )


def _bars(rows: Sequence[Row]) -> dict[tuple[str, ...], list[Row]]:
    """Rows of each bar, keyed by convention and configuration, conventions kept together."""
    bars: dict[tuple[str, ...], list[Row]] = {}
    for (convention,), members in grouped(rows, "convention").items():
        for (method, label), bar in grouped(members, "method", "label").items():
            bars[(convention, method, label)] = bar
    return bars


def _length(bar: Sequence[Row]) -> float:
    return sum(number(row, "flops") or 0.0 for row in bar)


def _scale(longest: float) -> tuple[int, str]:
    for factor, power in ((TERA, "10¹²"), (GIGA, "10⁹")):
        if longest >= factor:
            return factor, power
    return MEGA, "10⁶"


def _segment(row: Row) -> str:
    """Stack segment of a row: the decoder stack by phase, everything else by component."""
    return text(row, "phase") if row["component"] == "llm" else text(row, "component")


def _draw_panel(ax: Any, bars: dict[tuple[str, ...], list[Row]], factor: int) -> None:
    """Draw the bars of one model; a gap parts the conventions."""
    at, ticks = 0.0, dict[str, list[float]]()
    for (convention, method, _), bar in bars.items():
        if ticks and convention not in ticks:
            at += 0.45
        end = _draw_bar(ax, at, bar, method)
        ratio = next((value for row in bar if (value := number(row, "ratio")) is not None), None)
        share = f" ({ratio:.0%})" if ratio is not None and method != "full" else ""
        ax.annotate(f"{three_digits(end / factor)}{share}", (end, at), xytext=(3, 0), va="center",
                    textcoords="offset points", fontsize=7, color=INK, label="_total")  # fmt: skip
        ticks.setdefault(convention, []).append(at)
        at += 1.0
    middles = [(places[0] + places[-1]) / 2 for places in ticks.values()]
    ax.set_yticks(middles, [_two_lines(name) for name in ticks])
    ax.set_ylim(at - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x")
    ax.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / factor:.4g}"))


def _two_lines(name: str) -> str:
    """A convention's name, long ones on two lines: a pair of bars is no higher."""
    lines = wrap(name, _NAME_LETTERS, max_lines=2, placeholder="…")
    return "\n".join(lines)


def _draw_bar(ax: Any, at: float, rows: Sequence[Row], method: str) -> float:
    """Stack the components of one bar; returns where it ends, in FLOPs."""
    colour = method_colour(method)
    end = 0.0
    for row in sorted(rows, key=_rank):
        flops, look = number(row, "flops"), segment_look(_segment(row))
        if not flops:
            continue
        ax.barh([at], [flops], left=[end], height=_BAR_SHARE, edgecolor=colour,
                facecolor=tint(colour, look.share), hatch=look.hatch,
                label=f"_{_segment(row)}")  # fmt: skip
        end += flops
    return end


def _rank(row: Row) -> int:
    segment_look(_segment(row))
    return ORDER.index(_segment(row))


def _legend(fig: Figure, rows: Sequence[Row], width: str) -> None:
    shown = {_segment(row) for row in rows if number(row, "flops")}
    handles = [
        Patch(facecolor=method_colour(method), label=label or method)
        for method, label in distinct(rows, "method", "label")
    ]
    order = [segment for segment in ORDER if segment in shown]
    for segment, handle in zip(order, segment_handles(order), strict=True):
        handle.set_label(_TITLES.get(segment, handle.get_label()))
        handles.append(handle)
    fig.legend(handles=handles, loc="outside upper center", ncols=2 if width == "column" else 4)


def _visible(row: Row, longest: float) -> bool:
    """Whether a row's segment belongs in the legend: selection may be too thin to see."""
    flops = number(row, "flops") or 0.0
    return row["component"] != "selection" or flops >= LEAST_VISIBLE * longest


def _notes(rows: Sequence[Row], longest: float) -> list[str]:
    ratio = any(number(row, "ratio") is not None for row in rows)
    explained = "in brackets: share of the full count, same convention" if ratio else ""
    chosen = [row for row in rows if row["component"] == "selection"]
    selection = thin_note("selection", chosen, "flops", longest, _flops)
    return foot_note([_counted(rows), explained, selection])


def _counted(rows: Sequence[Row]) -> str:
    """Name the model, what it was given and, where steps are counted, how many."""
    steps = distinct((row for row in rows if row["phase"] == "decode"), "decode_steps")
    known = [f"R = {value}" for (value,) in steps if value]
    return ", ".join([where(rows, "model", "input"), *known])


def _flops(flops: float) -> str:
    return si(flops, "FLOP", digits=3)
