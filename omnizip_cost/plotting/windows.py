"""Window by window: how much audio is kept, and how much video is pruned for it.

As the paper's Fig. 7: bars are the audio retention S_a(i), the line is the video pruning rate
that Algorithm 1 gives, the faint line the rate of Eq. 5 before it. Both are shares, so they stand
on one axis. Windows without audio are hatched; the score source is printed in the figure. Clips
stand side by side, each as wide as it has windows; configurations one above the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from omnizip_cost.plotting.canvas import new_figure
from omnizip_cost.plotting.style import FAINT, INK, NO_DATA, method_colour, styled, tint
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

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = ("window", "retention", "initial_rate", "rate", "scores", "rho_v")
MARKED_WINDOWS = 30
"""Up to so many windows each value of the lines carries a marker."""
_BAR = "#DADADA"
_COLOUR = method_colour("omnizip")
_INITIAL: dict[str, Any] = {
    "color": tint(_COLOUR, 0.65),
    "linewidth": 0.8,
    "linestyle": (0, (1, 1)),
}
_PANEL = ("label", "mode", "scores", "rho_v")
_HEAD_IN = 0.13
"""The line that names clips."""
_LEAST_WIDTH = 0.68
"""Of a clip's panel, as a share of the widest."""


@styled
def draw_windows(table: pd.DataFrame, *, width: str = "column") -> Figure:
    """Draw the windows table: audio retention and video pruning rate in each time window.

    Parameters
    ----------
    table
        The windows table, one row per window. An empty ``retention`` is a window without audio.
        Several labels, modes or budgets give one panel each.
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
    rows = rows_of(table, "windows", REQUIRED)
    clips, lines = grouped(rows, "clip"), grouped(rows, *_PANEL)
    several = len(clips) > 1
    timed = all(number(row, "start_s") is not None for row in rows)
    xlabel = "start of the time window (s)" if timed else "time window"
    fig = new_figure(
        width=width,
        height_in=0.8 + 1.45 * len(lines) + (_HEAD_IN if several else 0.0),
        xlabel=xlabel if several else "",
        notes=_notes(rows),
    )
    axes = fig.subplots(len(lines), len(clips), sharex="col", sharey=True, squeeze=False,
                        width_ratios=_widths(list(clips.values())))  # fmt: skip
    for at, ((clip,), own) in enumerate(clips.items()):
        panels = grouped(own, *_PANEL)
        for ax, place in zip(axes[:, at], lines, strict=True):
            if place not in panels:
                ax.set_visible(False)
                continue
            _draw_panel(ax, panels[place])
            title = _title(panels[place][0], rows) if not at else ""
            head = f"{clip}\n" if several and ax is axes[0, at] else ""
            ax.set_title(head + title, color=INK)
        _finish_axes(list(axes[:, at]), own, timed=timed)
    for ax in axes[:, 0]:
        ax.set_ylabel("share of tokens")
    if not several:
        axes[-1, 0].set_xlabel(xlabel)
    _legend(fig, rows, width)
    return fig


def _widths(clips: Sequence[Sequence[Row]]) -> list[float]:
    """Give each clip its share of the width: by its windows, but never too narrow for its name."""
    counts = [len(distinct(rows, "window")) for rows in clips]
    return [max(count, _LEAST_WIDTH * max(counts)) for count in counts]


def _draw_panel(ax: Any, rows: Sequence[Row]) -> None:
    """Bars, hatched gaps and lines of one configuration."""
    heard = [row for row in rows if number(row, "retention") is not None]
    ax.bar([row["window"] for row in heard], [number(row, "retention") for row in heard],
           width=0.82 if len(rows) <= MARKED_WINDOWS else 1.0, color=_BAR, linewidth=0,
           label="_retention")  # fmt: skip
    for first, last in _silent_runs(rows):
        ax.axvspan(first - 0.5, last + 0.5, facecolor="none", edgecolor=NO_DATA, hatch="////",
                   linewidth=0, label="_no_audio")  # fmt: skip
    budget = number(rows[0], "rho_v")
    if budget is not None:
        ax.axhline(budget, color=INK, linewidth=0.8, linestyle=(0, (4, 2)), label="_budget")
    for column, look in (
        ("initial_rate", _INITIAL),
        ("rate", _rate_look(rows)),
    ):
        heights = [number(row, column) for row in rows]
        ax.plot([row["window"] for row in rows],
                [float("nan") if height is None else height for height in heights],
                label=f"_{column}", **look)  # fmt: skip


def _rate_look(rows: Sequence[Row]) -> dict[str, Any]:
    few = len(distinct(rows, "window")) <= MARKED_WINDOWS
    return {"color": _COLOUR, "marker": "o" if few else "", "markersize": 3.2}


def _silent_runs(rows: Sequence[Row]) -> list[tuple[float, float]]:
    """First and last window of each unbroken run without audio."""
    runs = []
    for silent, members in groupby(rows, key=lambda row: number(row, "retention") is None):
        if silent:
            windows = [float(row["window"]) for row in members]
            runs.append((windows[0], windows[-1]))
    return runs


def _title(row: Row, rows: Sequence[Row]) -> str:
    """Name the panel by its label and by whatever else sets it apart from the others."""
    parts = [text(row, "label") or text(row, "method")]
    parts.append(setting_apart(row, rows, ("mode", "scores")))
    budget = setting_apart(row, rows, ("rho_v",))
    parts.append(f"budget {budget}" if budget else "")
    return ", ".join(part for part in parts if part)


def _finish_axes(axes: Sequence[Any], rows: Sequence[Row], *, timed: bool) -> None:
    first = min(float(row["window"]) for row in rows)
    last = max(float(row["window"]) for row in rows)
    starts = {int(row["window"]): number(row, "start_s") for row in rows} if timed else {}
    for ax in axes:
        ax.set_xlim(first - 0.6, last + 0.6)
        ax.set_ylim(0.0, 1.03)
        ax.set_yticks([0.0, 0.25, 0.5, 0.75, 1.0])
        ax.yaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_major_locator(
            MaxNLocator(nbins=8, integer=True, steps=[1, 2, 5, 10], min_n_ticks=1)
        )
        if timed:
            ax.xaxis.set_major_formatter(FuncFormatter(lambda at, _: _start_label(starts, at)))


def _start_label(starts: dict[int, float | None], at: float) -> str:
    start = starts.get(int(at))
    return "" if start is None else f"{start:g}"


def _legend(fig: Figure, rows: Sequence[Row], width: str) -> None:
    budgets = distinct(rows, "rho_v")
    budget = f"budget {float(budgets[0][0]):g}" if len(budgets) == 1 else "budget"
    handles = [
        Patch(facecolor=_BAR, label="audio kept"),
        Line2D([], [], **_rate_look(rows), label="video pruned"),
        Line2D([], [], **_INITIAL, label="before Algorithm 1"),
        Line2D([], [], color=INK, linewidth=0.8, linestyle=(0, (4, 2)), label=budget),
    ]
    if any(number(row, "retention") is None for row in rows):
        handles.append(
            Patch(facecolor="none", edgecolor=FAINT, hatch="//////", linewidth=0, label="no audio")
        )
    ncols = (2 if len(handles) == 4 else 3) if width == "column" else 5
    fig.legend(handles=handles, loc="outside upper center", ncols=ncols)


def _notes(rows: Sequence[Row]) -> list[str]:
    sources = ", ".join(source for (source,) in distinct(rows, "scores") if source)
    modes = ", ".join(mode for (mode,) in distinct(rows, "mode") if mode)
    notes = [f"Scores: {sources or 'unknown source'}"]
    notes += [f"mode: {modes}"] if modes else []
    several = len(distinct(rows, "clip")) > 1  # then each clip stands over its panels
    context = where(rows, *(name for name in CONTEXT if not (several and name == "clip")))
    return foot_note([*notes, f"input: {context}" if context else "", weight_note(rows)])
