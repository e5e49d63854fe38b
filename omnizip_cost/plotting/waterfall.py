"""Where the gap goes: bars from the speed-up of Eq. 9 down, or up, to the observed one.

A panel per configuration, a line per step. The axis is logarithmic, since steps multiply: bars of
equal length are equal factors wherever they stand. The two ends are the speed-ups of Eq. 9 (hollow)
and of the clock (filled); between them a step that takes away is shaded, one that adds is white and
hatched, what nothing explains is black. The thin line across the last step is the prediction's
interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from omnizip_cost.plotting.canvas import new_figure, three_digits
from omnizip_cost.plotting.style import FAINT, INK, METHOD_TITLES, method_colour, styled, tint
from omnizip_cost.plotting.tablerows import (
    Row,
    distinct,
    foot_note,
    grouped,
    number,
    rows_of,
    setting_apart,
    text,
    where,
)

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = ("model", "method", "label", "timer", "step", "speedup", "factor",
            "predicted_low", "predicted_high")  # fmt: skip

STEP_TITLES = {
    "eq9": "Eq. 9",
    "text": "text tokens",
    "built": "sizes as built",
    "causal": "causal pairs",
    "logits": "logits",
    "kernels": "kernel rates",
    "bytes": "bound by bytes",
    "launches": "launches",
    "host": "host",
    "selection": "selection",
    "encoders": "encoders",
    "decode": "decode",
    "remainder": "not explained",
}

OBSERVED = "observed"
_TIMERS = {
    "prefill": "prefill and selection",
    "ttft": "time to first token",
    "end-to-end": "end to end",
}
_LINE_IN = 0.132
_PANEL_IN = 0.42
_SHADE = 0.45
_ADDS = "////"
_LEAST_MARGIN = 1.04
"""The axis goes a little beyond the furthest bar on both sides, as a factor."""


@styled
def draw_waterfall(table: pd.DataFrame, *, width: str = "column") -> Figure:
    """Draw the waterfall table: of each method, the configuration that keeps the least.

    Parameters
    ----------
    table
        Rows of ``compare --explain``, the steps of a configuration one after another.
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
    rows = rows_of(table, "waterfall", REQUIRED)
    panels = _panels(rows)
    columns = min(len(panels), 1 if width == "column" else 2)
    lines = -(-len(panels) // columns)
    several = any(setting_apart(steps[0], rows) for steps in panels)
    most = max(len(steps) for steps in panels) + 1
    fig = new_figure(
        width=width,
        height_in=lines * (_PANEL_IN + several * _LINE_IN + _LINE_IN * most),
        xlabel="speed-up over full tokens",
        notes=_notes(rows, panels, several=several),
    )
    axes = fig.subplots(lines, columns, sharex=True, squeeze=False)
    for place, ax in enumerate(axes.flat):
        if place < len(panels):
            _draw_panel(ax, panels[place], rows)
        else:
            ax.set_visible(False)
    _finish(axes, panels)
    return fig


def _panels(rows: Sequence[Row]) -> list[list[Row]]:
    """Steps of the drawn configurations: the last by realised share of each method and setting."""
    chosen = []
    for group in grouped(rows, "model", "clip", "device", "method", "mode").values():
        cells = list(grouped(group, "label").values())
        kept = [number(steps[0], "realised") for steps in cells]
        least = min(
            range(len(cells)), key=lambda i: 1.0 if kept[i] is None else float(kept[i] or 0)
        )
        chosen.append(cells[least])
    return chosen


def _draw_panel(ax: Any, steps: Sequence[Row], rows: Sequence[Row]) -> None:
    """One configuration, its steps from top to bottom and the observed value under them."""
    colour = method_colour(text(steps[0], "method"))
    values = [float(row["speedup"]) for row in steps]
    for place, row in enumerate(steps):
        if place:
            _draw_step(ax, place, values[place - 1], values[place], row, colour)
        below = place + 1
        ax.plot([values[place]] * 2, [place, below], color=FAINT, linewidth=0.5, label="_link")
    _draw_end(ax, 0, values[0], "white", colour)
    _draw_end(ax, len(steps), values[-1], colour, colour)
    interval = number(steps[-1], "predicted_low"), number(steps[-1], "predicted_high")
    if None not in interval:
        ax.plot(interval, [len(steps) - 1] * 2, color=INK, linewidth=0.7, marker="|",
                markersize=4, zorder=4, label="_interval")  # fmt: skip
    ax.set_yticks(
        range(len(steps) + 1),
        [*(STEP_TITLES.get(text(row, "step"), text(row, "step")) for row in steps), OBSERVED],
    )
    ax.set_ylim(len(steps) + 0.6, -0.6)
    ax.tick_params(axis="y", length=0)
    context = setting_apart(steps[0], rows)
    title = f"{_title(steps[0])}\n{context}" if context else _title(steps[0])
    ax.set_title(title, color=INK, loc="left")


def _draw_step(ax: Any, place: int, before: float, after: float, row: Row, colour: str) -> None:
    """The bar of one step, and its factor at the right of the panel."""
    unexplained = text(row, "step") == "remainder"
    adds = after > before
    fill = INK if unexplained else "white" if adds else tint(colour, _SHADE)
    ax.barh(place, after - before, left=before, height=0.74, facecolor=fill, edgecolor=INK,
            linewidth=0.5, hatch=_ADDS if adds and not unexplained else "", zorder=3,
            label=f"_{text(row, 'step')}")  # fmt: skip
    _at_right(ax, place, f"\u00d7{float(row['factor']):.3f}", "_factor")


def _draw_end(ax: Any, place: int, value: float, fill: str, colour: str) -> None:
    """The bar of Eq. 9 or of the clock, from 1, and its value."""
    ax.barh(place, value - 1, left=1, height=0.74, facecolor=fill, edgecolor=colour,
            linewidth=1.0, zorder=3, label="_end")  # fmt: skip
    _at_right(ax, place, f"{three_digits(value)}\u00d7", "_value")


def _at_right(ax: Any, place: int, words: str, label: str) -> None:
    ax.text(1.02, place, words, transform=ax.get_yaxis_transform(), ha="left", va="center",
            fontsize=7, color=INK, label=label)  # fmt: skip


def _title(row: Row) -> str:
    name = METHOD_TITLES.get(text(row, "method"), text(row, "method"))
    kept = number(row, "realised")
    return name if kept is None else f"{name}, {kept:.1%} kept"


def _finish(axes: Any, panels: Sequence[Sequence[Row]]) -> None:
    """One logarithmic axis for all panels, ticks at plain numbers."""
    ends = [float(row["speedup"]) for steps in panels for row in steps]
    ends += [bound for steps in panels for name in ("predicted_low", "predicted_high")
             if (bound := number(steps[-1], name)) is not None]  # fmt: skip
    low, high = min(1.0, *ends) / _LEAST_MARGIN, max(ends) * _LEAST_MARGIN
    for ax in axes.flat:
        ax.set_xscale("log")
        ax.set_xlim(low, high)
        ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0)))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}\u00d7"))
        ax.grid(axis="x")
        ax.axvline(1.0, color=FAINT, linewidth=0.8, linestyle=(0, (1, 1.5)), label="_unity")
    for column in axes.T:
        [ax for ax in column if ax.get_visible()][-1].tick_params(labelbottom=True)


def _notes(rows: Sequence[Row], panels: Sequence[Sequence[Row]], *, several: bool) -> list[str]:
    timers = ", ".join(_TIMERS.get(name, name) for (name,) in distinct(rows, "timer"))
    left = len(distinct(rows, "model", "clip", "device", "label", "mode")) - len(panels)
    predicted = where(rows, "predicted_on")
    calibrated = {text(row, "calibrated") for row in rows} == {"True"}
    return foot_note([
        where(rows, "model", "device") if several else where(rows, "model", "device", "clip"),
        f"timed: {timers}",
        f"predicted on {predicted}{', calibrated' if calibrated else ''}" if predicted else "",
        "shaded: takes away; hatched: adds; black: not explained; thin line: interval of the "
        "prediction; factors multiply",
        f"of each method, the least kept ({left} more in the table)" if left else "",
    ])  # fmt: skip
