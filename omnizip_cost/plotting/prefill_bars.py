"""Prefill of every configuration as a bar, the speed-up at its end, the prediction as a mark on it.

One panel per model and clip; the configurations are named once, at the left of each line of
panels. The bar has its method's colour: selection first, hatched, then prefill. What ran out of
memory has the word in its place and keeps the mark of its prediction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from omnizip_cost.plotting.canvas import new_figure, three_digits
from omnizip_cost.plotting.cell_bars import BAR_SHARE, HALO, LINE_IN, WORDS
from omnizip_cost.plotting.contexts import (
    KINDS,
    MOST_PANELS,
    SETTING,
    Sheet,
    configuration,
    configuration_names,
    prediction_kind,
    sheet_of,
)
from omnizip_cost.plotting.stages import segment_handles, thin_note, time_unit
from omnizip_cost.plotting.style import (
    FAINT,
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
    number,
    rows_of,
    text,
    weight_note,
    where,
)
from omnizip_cost.units import MILLI

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = (
    "model", "clip", "full_tokens", "method", "label", "status", "prefill_s", "prefill_low_s",
    "prefill_high_s", "selection_s", "speedup_observed", "prefill_predicted_s",
    "selection_predicted_s", "prefill_calibrated_s", "selection_calibrated_s",
)  # fmt: skip

Names = Mapping[tuple[str, ...], str]


@styled
def draw_prefill_bars(table: pd.DataFrame, *, width: str = "column") -> Figure:
    """Draw the result table: seconds of prefill and selection, predicted and observed.

    Parameters
    ----------
    table
        The result table, one row per measured configuration, full tokens included.
    width
        ``column`` (3.3 in, two panels to a line) or ``page`` (6.9 in, four).

    Returns
    -------
    Figure
        Of the printed size, not attached to pyplot. Each panel has its own scale from zero.

    Raises
    ------
    InvalidValueError
        If columns are missing or there is nothing to draw.
    """
    rows = rows_of(table, "prefill_bars", REQUIRED)
    narrow = width == "column"
    sheet = sheet_of(
        rows,
        columns=2 if narrow else 4,
        panel_in=1.1,
        most=4 if narrow else MOST_PANELS,
        least=5,
    )
    shown = [row for panel in sheet.panels for row in panel]
    names = [configuration_names([row for panel in line for row in panel or ()])
             for line in sheet.lines]  # fmt: skip
    kind = prediction_kind(shown, "prefill_{}_s")
    longest = max(_reach(row, kind) for row in shown)
    fig = new_figure(
        width=width,
        height_in=0.55 + sum(LINE_IN * len(own) + 0.3 + 0.12 * sheet.title_lines for own in names),
        xlabel=f"prefill and selection ({time_unit(longest)[1]})",
        notes=_notes(shown, sheet, kind),
    )
    axes = fig.subplots(
        len(sheet.lines), len(sheet.lines[0]), sharey="row", squeeze=False,
        height_ratios=[len(own) + 0.1 for own in names],
    )  # fmt: skip
    titles = iter(sheet.titles.values())
    for cells, line, own in zip(axes, sheet.lines, names, strict=True):
        for ax, panel in zip(cells, line, strict=True):
            if panel is None:
                ax.set_visible(False)
                continue
            _draw_panel(ax, panel, own, kind, longest)
            ax.set_title(next(titles), color=INK, fontsize=7.5)
        cells[0].set_yticks(range(len(own)), own.values())
        cells[0].set_ylim(len(own) - 0.45, -0.55)
    _legend(fig, shown, kind, narrow)
    return fig


def _draw_panel(ax: Any, rows: Sequence[Row], names: Names, kind: str, longest: float) -> None:
    """Draw all configurations of one model and clip on a scale of their own."""
    unit = time_unit(longest)
    lines = list(names)
    for row in rows:
        at = lines.index(configuration(row))
        if number(row, "prefill_s") is not None:
            _draw_bar(ax, at, row)
        if (mark := _mark(row, kind)) is not None:
            ax.plot([mark, mark], [at - 0.46, at + 0.46], color=INK, linewidth=1.5, zorder=3,
                    solid_capstyle="butt", path_effects=[HALO], label="_mark")  # fmt: skip
        _write(ax, at, row, kind, unit)
    measured = [configuration(row) for row in rows]
    for at in (at for at, key in enumerate(lines) if key not in measured):
        ax.annotate("not run", (0, at), xytext=(2, 0), textcoords="offset points", va="center",
                    fontsize=7, color=FAINT, style="italic", label="_missing")  # fmt: skip
    ax.set_xlim(0, (max(_reach(row, kind) for row in rows) or 1.0) * 1.42)
    ax.grid(axis="x")
    ax.tick_params(axis="y", length=0)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=3, steps=[1, 2, 2.5, 5, 10]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / unit[0]:.4g}"))


def _reach(row: Row, kind: str) -> float:
    """Where the last thing drawn of a row ends, in seconds."""
    before = number(row, "selection_s") or 0.0
    ends = [number(row, column) or 0.0 for column in ("prefill_s", "prefill_high_s")]
    return max([before + end for end in ends] + [_mark(row, kind) or 0.0])


def _mark(row: Row, kind: str) -> float | None:
    """Where the predicted bar would end: its selection, then its prefill."""
    prefill = number(row, f"prefill_{kind}_s")
    return None if prefill is None else prefill + (number(row, f"selection_{kind}_s") or 0.0)


def _draw_bar(ax: Any, at: int, row: Row) -> None:
    """Selection, then prefill, and the quartiles of the prefill at its end."""
    colour, start = method_colour(text(row, "method")), 0.0
    for stage in ("selection", "prefill"):
        seconds, look = number(row, f"{stage}_s"), segment_look(stage)
        if seconds:
            ax.barh([at], [seconds], left=[start], height=BAR_SHARE, edgecolor=colour,
                    facecolor=tint(colour, look.share), hatch=look.hatch, zorder=2,
                    label=f"_{stage}")  # fmt: skip
        start += (seconds or 0.0) if stage == "selection" else 0.0
    low, high = number(row, "prefill_low_s"), number(row, "prefill_high_s")
    if low is not None and high is not None:
        ax.plot([start + low, start + high], [at, at], color=INK, linewidth=1.0, marker="",
                solid_capstyle="butt", path_effects=[HALO], zorder=3.2,
                label="_spread")  # fmt: skip


def _write(ax: Any, at: int, row: Row, kind: str, unit: tuple[float, str]) -> None:
    """Write at the end: seconds of full tokens, else the speed-up, or why there is no bar."""
    seconds, speedup = number(row, "prefill_s"), number(row, "speedup_observed")
    if seconds is None:
        words, label = WORDS.get(text(row, "status"), "not measured"), "_missing"
    elif text(row, "method") == "full" or speedup is None:
        words, label = f"{three_digits(seconds / unit[0])} {unit[1]}", "_seconds"
    else:
        words, label = f"{speedup:.2f}×", "_speedup"
    ax.annotate(words, (_reach(row, kind), at), xytext=(3, 0), textcoords="offset points",
                va="center", fontsize=7, color=INK, label=label,
                weight="bold" if seconds is None else "normal")  # fmt: skip


def _legend(fig: Figure, rows: Sequence[Row], kind: str, narrow: bool) -> None:
    handles: list[Any] = segment_handles(["selection"] if _selection_seen(rows, kind) else [])
    if kind:
        handles.append(Line2D([], [], linestyle="", marker="|", markersize=8, color=INK,
                              markeredgewidth=1.5, label="predicted"))  # fmt: skip
    if any(number(row, "prefill_low_s") is not None for row in rows):
        handles.append(Line2D([], [], color=INK, linewidth=1.0, label="quartiles"))
    if handles:
        fig.legend(handles=handles, loc="outside upper center", ncols=3 if narrow else 4)


def _selection_seen(rows: Sequence[Row], kind: str) -> bool:
    """Whether selection is wide enough in some panel to show its hatch."""
    longest: dict[tuple[str, ...], float] = {}
    for row in rows:
        key = tuple(text(row, name) for name in SETTING)
        longest[key] = max(longest.get(key, 0.0), _reach(row, kind))
    return any(
        (number(row, "selection_s") or 0.0)
        >= LEAST_VISIBLE * longest[tuple(text(row, name) for name in SETTING)]
        for row in rows
    )


def _notes(rows: Sequence[Row], sheet: Sheet, kind: str) -> list[str]:
    longest = max(_reach(row, kind) for row in rows)
    without = sum(_mark(row, kind) is None for row in rows)
    alone = [name for name in ("model", "clip") if len(distinct(rows, name)) == 1]
    return foot_note([
        where(rows, *alone, "device", "dtype", "attention"),
        weight_note(rows),
        "at the bars: observed speed-up of prefill and selection",
        f"prediction: {KINDS[kind]}, written before the measurement" if kind else
        "no prediction is on record",
        f"{without} of {len(rows)} configurations have none" if kind and without else "",
        "each panel has its own scale" if len(sheet.panels) > 1 else "",
        "" if _selection_seen(rows, kind) else
        thin_note("selection", rows, "selection_s", longest, _milliseconds),
        *sheet.left_out,
    ])  # fmt: skip


def _milliseconds(seconds: float) -> str:
    return f"{three_digits(seconds / MILLI)} ms"
