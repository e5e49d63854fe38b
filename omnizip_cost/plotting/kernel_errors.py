"""Errors of kernel times on measurements that were left out, against the targets.

A panel per device and kind of kernel, a line per way of leaving records out. Bar: median error of
our own times; tick: target; hollow marker: AIConfigurator's interpolation of the same records.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, PercentFormatter

from omnizip_cost.plotting.canvas import new_figure
from omnizip_cost.plotting.style import FAINT, INK, styled, tint
from omnizip_cost.plotting.tablerows import Row, distinct, foot_note, number, rows_of, text

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = ("predictor", "device", "op", "left_out", "median", "target")
OURS, RIVAL = "ours", "AIConfigurator's interpolation"
"""Predictors that are drawn; the table holds others, ten times as far off."""
_GROUPS = (
    ("products", ("gemm",)),
    ("attention", ("prefill_attention", "decode_attention", "encoder_attention")),
)
_LINE_IN = 0.125
_PANEL_IN = 0.4
_HEAD_IN = 0.42
_BAR = 0.62
"""Height of a bar, in lines."""


@styled
def draw_kernel_errors(table: pd.DataFrame, *, width: str = "column") -> Figure:
    """Draw the table of errors on kernels.

    Parameters
    ----------
    table
        One row per predictor, device, operator and way of leaving records out.
    width
        ``column`` (3.3 in): a line of panels per device. ``page`` (6.9 in): a line per kind.

    Returns
    -------
    Figure
        Of the printed size, not attached to pyplot.

    Raises
    ------
    InvalidValueError
        If columns are missing or there is nothing to draw.
    """
    rows = rows_of(table, "kernel_errors", REQUIRED)
    shown = [row for row in rows if text(row, "predictor") in (OURS, RIVAL)]
    devices = [device for (device,) in distinct(shown, "device")]
    lines = [_lines(shown, ops) for _, ops in _GROUPS]
    groups = [(title, own) for (title, _), own in zip(_GROUPS, lines, strict=True) if own]
    tall = width == "column"
    fig = new_figure(width=width, height_in=_height_in(groups, devices, tall), notes=_notes(rows))
    shape = (len(devices), len(groups)) if tall else (len(groups), len(devices))
    ratios = [len(own) for _, own in groups]
    heights = {} if tall else {"height_ratios": ratios}
    axes = fig.subplots(*shape, squeeze=False, gridspec_kw=heights)
    for across, device in enumerate(devices):
        for along, (title, own) in enumerate(groups):
            ax = axes[across, along] if tall else axes[along, across]
            _draw_panel(ax, [row for row in shown if text(row, "device") == device], own)
            ax.set_title(title if along else f"{device}, {title}" if tall else device, color=INK,
                         fontsize=7.5)  # fmt: skip
            ax.set_yticks(range(len(own)), [_label(*line) for line in own])
            if not tall and across:
                ax.tick_params(labelleft=False)
    _legend(fig, any(text(row, "predictor") == RIVAL for row in shown), tall)
    return fig


def _lines(rows: Sequence[Row], ops: Sequence[str]) -> list[tuple[str, str]]:
    """Operators and ways of leaving out that there are, operator by operator."""
    found = distinct(rows, "op", "left_out")
    return [(own, way) for op in ops for own, way in found if own == op]


def _label(op: str, left_out: str) -> str:
    return left_out if op == "gemm" else f"{op.removesuffix('_attention')}, {left_out}"


def _height_in(groups: Sequence[tuple[str, Any]], devices: Sequence[str], tall: bool) -> float:
    counts = [len(own) for _, own in groups]
    stacked = [max(counts)] * len(devices) if tall else counts
    return _HEAD_IN + sum(_PANEL_IN + _LINE_IN * count for count in stacked)


def _draw_panel(ax: Any, rows: Sequence[Row], lines: Sequence[tuple[str, str]]) -> None:
    ax.grid(axis="x")
    ax.tick_params(axis="y", length=0)
    measured = distinct(rows, "op", "left_out")
    for y in (y for y, line in enumerate(lines) if line not in measured):
        ax.text(0.03, y, "no records", transform=ax.get_yaxis_transform(), va="center",
                fontsize=7, color=FAINT, label="_none")  # fmt: skip
    for row in rows:
        line = (text(row, "op"), text(row, "left_out"))
        if line not in lines:
            continue
        y, median, target = lines.index(line), number(row, "median"), number(row, "target")
        if text(row, "predictor") == RIVAL:
            ax.plot([median], [y], color=INK, linestyle="", marker="d", markersize=4.2,
                    markerfacecolor="white", markeredgewidth=0.7, zorder=3.2,
                    label="_rival")  # fmt: skip
            continue
        ax.barh([y], [median], height=_BAR, color=tint(INK, 0.45), zorder=2, label="_ours")
        if target is not None:
            ax.plot([target, target], [y - 0.46, y + 0.46], color=INK, linewidth=1.6, zorder=3,
                    solid_capstyle="butt", label="_target")  # fmt: skip
    ax.set_ylim(len(lines) - 0.4, -0.6)
    ax.margins(x=0.08)
    ax.set_xlim(left=0)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def _legend(fig: Figure, rival: bool, tall: bool) -> None:
    handles: list[Any] = [
        Patch(facecolor=tint(INK, 0.45), label="median error"),
        Line2D([], [], color=INK, linewidth=0, marker="|", markersize=7, markeredgewidth=1.6,
               label="target"),
    ]  # fmt: skip
    if rival:
        handles.append(Line2D([], [], color=INK, linestyle="", marker="d", markersize=4.2,
                              markerfacecolor="white", label=RIVAL))  # fmt: skip
    fig.legend(handles=handles, loc="outside upper center", ncols=2 if tall else 3)


def _notes(rows: Sequence[Row]) -> list[str]:
    return foot_note([
        "Measured kernels that the fit did not see: rows at random, whole pairs or values",
        "products of 64 rows and more, 512 on either side; attention over 256 tokens and more",
        _roofline_note(rows),
    ])  # fmt: skip


def _roofline_note(rows: Sequence[Row]) -> str:
    """Least and largest median of what is not drawn, being ten times as far off."""
    own = sorted(float(row["median"]) for row in rows if text(row, "predictor") == "roofline")
    return f"the plain roofline misses by {own[0]:.0%} to {own[-1]:.0%}" if own else ""
