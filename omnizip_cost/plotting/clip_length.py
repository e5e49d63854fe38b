"""Prefill, first token, end to end and peak memory against the length of the clip.

A line per method is what is predicted, in its method's colour and with dashes of its own; filled
markers are what was measured. A line that ends in a cross stops there because longer clips do not
fit the device. Dotted lines are lengths past which the model is given no more sound or frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.plotting.canvas import new_figure, three_digits
from omnizip_cost.plotting.style import FAINT, INK, method_colour, model_markers, styled
from omnizip_cost.plotting.tablerows import (
    Row,
    distinct,
    foot_note,
    grouped,
    number,
    rows_of,
    status_notes,
    text,
    weight_note,
    where,
)
from omnizip_cost.units import GIBI

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = (
    "model", "device", "timed", "kind", "method", "label", "seconds", "status", "prefill_s",
    "ttft_s", "end_to_end_s", "peak_memory_bytes", "usable_bytes", "fits_up_to_s", "sound_ends_s",
    "frames_end_s",
)  # fmt: skip
PANELS = {"prefill_s": "prefill (s)", "ttft_s": "first token (s)",
          "end_to_end_s": "end to end (s)", "peak_memory_bytes": "peak memory (GiB)"}  # fmt: skip
MEMORY = "peak_memory_bytes"

_DASHES: dict[str, Any] = {
    "full": "-", "omnizip": "-", "random": (0, (1, 1.2)), "dycoke": (0, (4, 1.3, 1.2, 1.3)),
    "fastv": (0, (4.5, 1.6)),
}  # fmt: skip
_OTHER_DASHES: Any = (0, (4, 1.2, 1, 1.2, 1, 1.2))
"""Of a method's second line, and of methods of other packages."""
_TICKS_S = (5, 20, 60, 200, 600)
_NEAR = 2.0
"""A device that can hold at most this many times the largest thing drawn has its line."""
_BEYOND = 1.1
_WIDE = 20.0
"""Memory spread over more than this factor has a logarithmic axis."""
_HALO = withStroke(linewidth=2.2, foreground="white")


@styled
def draw_clip_length(table: pd.DataFrame, *, width: str = "column") -> Figure:
    """Draw the clip length table of one model on one device.

    Parameters
    ----------
    table
        One row per method and length, predicted or observed (``timed``).
    width
        ``column`` (3.3 in, panels two by two) or ``page`` (6.9 in, all side by side).

    Returns
    -------
    Figure
        Of the printed size, not attached to pyplot.

    Raises
    ------
    InvalidValueError
        If columns are missing, there is nothing to draw, or the table has several models or
        devices.
    """
    rows = rows_of(table, "clip_length", REQUIRED)
    pairs = distinct(rows, "model", "device")
    if len(pairs) > 1:
        raise InvalidValueError("table of figure 'clip_length'", "model, device", "one", pairs)
    narrow = width == "column"
    fig = new_figure(
        width=width,
        height_in=3.75 if narrow else 2.35,
        xlabel="clip length (s)",
        notes=_notes(rows),
    )
    axes = fig.subplots(2 if narrow else 1, 2 if narrow else 4, sharex=True, squeeze=False)
    for ax, (column, title) in zip(axes.flat, PANELS.items(), strict=True):
        ax.set_title(title, color=INK)
        _draw_ends(ax, rows)
        for label, (colour, dashes) in _looks(rows).items():
            mine = [row for row in rows if text(row, "label") == label]
            _draw_line(ax, [row for row in mine if not _observed(row)], column, colour, dashes)
            _draw_points(ax, [row for row in mine if _observed(row)], column, colour)
        _finish(ax, rows, column)
    _legend(fig, rows, narrow=narrow)
    return fig


def _observed(row: Row) -> bool:
    return text(row, "timed") == "observed"


def _looks(rows: Sequence[Row]) -> dict[str, tuple[str, Any]]:
    """Colour and dashes of each line, in the order of the table."""
    looks: dict[str, tuple[str, Any]] = {}
    for (method,), members in grouped(rows, "method").items():
        for at, (label,) in enumerate(distinct(members, "label")):
            dashes = _DASHES.get(method, _OTHER_DASHES) if at == 0 else _OTHER_DASHES
            looks[label] = method_colour(method), dashes
    return looks


def _fitting(rows: Sequence[Row], column: str) -> list[Row]:
    """Rows of configurations that fit and have the column, by length."""
    there = [row for row in rows if text(row, "status") == "ok" and number(row, column) is not None]
    return sorted(there, key=lambda row: float(row["seconds"]))


def _draw_line(ax: Any, rows: Sequence[Row], column: str, colour: str, dashes: Any) -> None:
    """Draw what is predicted as far as it fits, and a cross where that is not everywhere."""
    points = _fitting(rows, column)
    at, heights = [float(row["seconds"]) for row in points], [number(row, column) for row in points]
    ax.plot(at, heights, color=colour, linestyle=dashes, linewidth=1.2, marker="", zorder=2.5,
            label="_predicted")  # fmt: skip
    if points and len(points) < len(rows):
        ax.plot(at[-1:], heights[-1:], color=INK, linestyle="", marker="X", markersize=5,
                markeredgecolor="white", markeredgewidth=0.6, zorder=3.2,
                label="_stops")  # fmt: skip


def _draw_points(ax: Any, rows: Sequence[Row], column: str, colour: str) -> None:
    points = _fitting(rows, column)
    if points:
        shape = model_markers([text(points[0], "model")])[text(points[0], "model")]
        ax.plot([float(row["seconds"]) for row in points], [number(row, column) for row in points],
                color=colour, linestyle="", marker=shape, markersize=3.6, markeredgecolor=INK,
                markeredgewidth=0.5, zorder=3, label="_observed")  # fmt: skip


def _draw_ends(ax: Any, rows: Sequence[Row]) -> None:
    """Mark the lengths past which the model is given no more of something."""
    for column in ("sound_ends_s", "frames_end_s"):
        if (at := number(rows[0], column)) is not None:
            ax.axvline(at, color=FAINT, linewidth=0.8, linestyle=(0, (1, 1.5)), zorder=1.2,
                       label=f"_{column}")  # fmt: skip


def _finish(ax: Any, rows: Sequence[Row], column: str) -> None:
    """Scale the axes, and draw what the device can hold where that is near."""
    drawn = [number(row, column) or 0.0 for row in _fitting(rows, column)]
    least, most = min(drawn, default=1.0), max(drawn, default=1.0)
    ax.set_xscale("log")
    ax.grid(axis="y")
    logarithmic = column != MEMORY or most > _WIDE * least
    if logarithmic:
        ax.set_yscale("log")
        subs = (1.0,) if most > 30 * least else (1.0, 2.0, 5.0)
        ax.yaxis.set_major_locator(_Log(GIBI if column == MEMORY else 1, subs))
        ax.yaxis.set_minor_locator(NullLocator())
    if column == MEMORY:
        usable = float(rows[0]["usable_bytes"])
        near = usable <= _NEAR * most
        if near:
            ax.axhline(usable, color=INK, linewidth=0.9, linestyle=(0, (4, 2)), zorder=1.5,
                       label="_limit")  # fmt: skip
            ax.annotate(three_digits(usable / GIBI), (0.03, usable), xytext=(0, -3), va="top",
                        xycoords=("axes fraction", "data"), textcoords="offset points", fontsize=7,
                        color=INK, path_effects=[_HALO], label="_usable")  # fmt: skip
        if not logarithmic:
            ax.set_ylim(0, _BEYOND * max(most, usable if near else 0.0))
            ax.yaxis.set_major_locator(_Linear())
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / GIBI:.4g}"))
    else:
        ax.yaxis.set_major_formatter("{x:g}")
    lengths = [float(row["seconds"]) for row in rows]
    ax.set_xlim(min(lengths) * 0.88, max(lengths) * 1.14)
    ax.xaxis.set_major_locator(FixedLocator(_TICKS_S))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter("{x:g}")


class _Linear(MaxNLocator):
    """Round numbers of GiB on an axis of bytes."""

    def __init__(self) -> None:
        super().__init__(nbins=5, steps=[1, 2, 2.5, 5, 10])

    def tick_values(self, vmin: float, vmax: float) -> Any:
        """Places of the ticks, in bytes."""
        return [tick * GIBI for tick in super().tick_values(vmin / GIBI, vmax / GIBI)]


class _Log(LogLocator):
    """Round numbers of a unit on a logarithmic axis."""

    def __init__(self, unit: int, subs: tuple[float, ...]) -> None:
        super().__init__(10, subs=subs)
        self._unit = unit

    def tick_values(self, vmin: float, vmax: float) -> Any:
        """Places of the ticks."""
        found = super().tick_values(vmin / self._unit, vmax / self._unit)
        return [tick * self._unit for tick in found]


def _legend(fig: Figure, rows: Sequence[Row], *, narrow: bool) -> None:
    handles = [
        Line2D([], [], color=colour, linestyle=dashes, linewidth=1.2, label=label)
        for label, (colour, dashes) in _looks(rows).items()
    ]
    model = text(rows[0], "model")
    if any(_observed(row) for row in rows):
        handles.append(Line2D([], [], color=INK, linestyle="", marker=model_markers([model])[model],
                              markersize=4.0, label="observed"))  # fmt: skip
    if any(number(row, "fits_up_to_s") is not None for row in rows):
        handles.append(Line2D([], [], color=INK, linestyle="", marker="X", markersize=5,
                              label="longer ones do not fit"))  # fmt: skip
    if any(line.get_label() == "_limit" for ax in fig.axes for line in ax.lines):
        handles.append(Line2D([], [], color=INK, linewidth=0.9, linestyle=(0, (4, 2)),
                              label="device can hold"))  # fmt: skip
    fig.legend(handles=handles, loc="outside upper center", ncols=2 if narrow else 5,
               handlelength=3.0)  # fmt: skip


def _notes(rows: Sequence[Row]) -> list[str]:
    predicted = [row for row in rows if not _observed(row)]
    observed = [row for row in rows if _observed(row)]
    kinds = ", ".join(kind for (kind,) in distinct(predicted, "kind") if kind)
    steps = ", ".join(value for (value,) in distinct(rows, "decode_steps") if value)
    fits = [f"{label} {number(members[0], 'fits_up_to_s'):.4g} s"
            for (label,), members in grouped(predicted, "label").items()
            if number(members[0], "fits_up_to_s") is not None]  # fmt: skip
    sound, frames = (number(rows[0], name) for name in ("sound_ends_s", "frames_end_s"))
    ends = [f"past {sound:g} s no more sound"] if sound is not None else []
    ends += [f"past {frames:g} s no more frames"] if frames is not None else []
    usable = float(rows[0]["usable_bytes"]) / GIBI
    return foot_note([
        where(rows, "model", "device", "dtype", "attention"),
        f"lines: predicted, {kinds}" if kinds else "",
        f"markers: observed, {weight_note(observed) or 'checkpoint weights'}" if observed else
        "nothing was measured",
        f"end to end: {steps} decoded tokens" if steps else "",
        f"the device can hold {three_digits(usable)} GiB",
        f"longest that fit: {', '.join(fits)}" if fits else "all fit",
        f"dotted: {', '.join(ends)}" if ends else "",
        *status_notes(observed),
    ])  # fmt: skip
