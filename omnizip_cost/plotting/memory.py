"""Peak memory: one stacked bar per configuration, one hatch per part, against what cards hold.

The bar has its method's colour; parts are told by tint and hatch. Vertical lines are what one
process can use of a card; a cross on one says that the configuration does not fit there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator

from omnizip_cost.errors import InvalidValueError, UnknownNameError
from omnizip_cost.plotting.canvas import new_figure, three_digits
from omnizip_cost.plotting.style import (
    FAINT,
    INK,
    LEAST_VISIBLE,
    SegmentLook,
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
    setting_apart,
    text,
    where,
)
from omnizip_cost.units import GIBI

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = ("model", "method", "label", "stage", "part", "bytes", "at_peak")
LIMITS_REQUIRED = ("model", "label", "device", "memory_bytes", "usable_bytes", "fits")
SETTING = ("model", "backend", "scheme", "input")
"""What configurations are compared under; one panel each."""

PARTS: dict[str, SegmentLook] = {
    "weights": SegmentLook(title="weights", share=0.2, hatch=""),
    "inputs": SegmentLook(title="inputs", share=0.0, hatch="-----"),
    "cache": SegmentLook(title="cache", share=0.45, hatch="\\\\\\\\\\"),
    "activations": SegmentLook(title="activations", share=1.0, hatch=""),
    "logits": SegmentLook(title="logits", share=0.0, hatch="|||||"),
    "attention_weights": SegmentLook(title="attention weights", share=0.3, hatch="....."),
    "audio_scores": SegmentLook(title="audio scores", share=0.15, hatch="/////"),
    "selection": SegmentLook(title="selection", share=0.0, hatch="xxxxxxx"),
    "allocator": SegmentLook(title="rounding", share=0.6, hatch="-----"),
}
"""Part of memory -> look, in the order in which bars stack them."""

_BAR_IN = 0.19
_BAR_SHARE = 0.74
_HALO = withStroke(linewidth=2.2, foreground="white")


@styled
def draw_memory(table: pd.DataFrame, limits: pd.DataFrame, *, width: str = "column") -> Figure:
    """Draw the memory tables: bytes per part where they are the most, and what cards can hold.

    Parameters
    ----------
    table
        One row per configuration, stage and part; those with ``at_peak`` are drawn.
    limits
        One row per configuration and device: ``usable_bytes`` of the device, and whether the
        configuration ``fits``. Devices beyond the first that holds everything are left out.
    width
        ``column`` (3.3 in) or ``page`` (6.9 in).

    Returns
    -------
    Figure
        Of the printed size, not attached to pyplot.

    Raises
    ------
    InvalidValueError
        If columns are missing, there is nothing to draw, or a part comes twice in one bar.
    UnknownNameError
        A part of memory that is not known.
    """
    rows = [row for row in rows_of(table, "memory", REQUIRED) if _said(row, "at_peak")]
    if not rows:
        raise InvalidValueError("table of figure 'memory'", "at_peak", "true in some row", "none")
    held = rows_of(limits, "memory", LIMITS_REQUIRED)
    panels = grouped(rows, *SETTING)
    counts = [len(distinct(members, "label")) for members in panels.values()]
    longest = max(_length(bar) for key in panels.values() for bar in grouped(key, "label").values())
    drawn = _within(held, longest)
    fig = new_figure(
        width=width,
        height_in=0.82 + sum(_BAR_IN * count + 0.4 for count in counts),
        notes=_notes(rows, drawn, longest),
    )
    axes = fig.subplots(len(panels), 1, squeeze=False, height_ratios=counts)[:, 0]
    end = longest * (1.24 if width == "column" else 1.1)
    end = max([end, *(1.03 * float(row["usable_bytes"]) for row in drawn)])
    for ax, (key, members) in zip(axes, panels.items(), strict=True):
        own = [row for row in drawn if _setting(row) == key]
        _draw_panel(ax, members, own)
        if len(panels) > 1:
            ax.set_title(setting_apart(members[0], rows, SETTING), color=INK, pad=14)
        ax.set_xlim(0, end)
    axes[-1].set_xlabel("peak memory (GiB)")
    _legend(fig, rows, longest, width)
    return fig


def _setting(row: Row) -> tuple[str, ...]:
    return tuple(text(row, name) for name in SETTING)


def _length(bar: Sequence[Row]) -> float:
    return sum(number(row, "bytes") or 0.0 for row in bar)


def _within(limits: Sequence[Row], longest: float) -> list[Row]:
    """Rows of the devices that something reaches, and of the first that holds everything."""
    above = [float(row["usable_bytes"]) for row in limits if float(row["usable_bytes"]) >= longest]
    most = min(above, default=float("inf"))
    return [row for row in limits if float(row["usable_bytes"]) <= most]


def _draw_panel(ax: Any, rows: Sequence[Row], limits: Sequence[Row]) -> None:
    """Draw the bars of one setting, the first row at the top, and the lines that they may pass."""
    bars = grouped(rows, "label")
    for at, ((label,), members) in enumerate(bars.items()):
        parts = [text(row, "part") for row in members]
        if len(set(parts)) < len(parts):
            raise InvalidValueError(
                "table of figure 'memory'", "part", f"there once for {label!r}", parts
            )
        colour = method_colour(text(members[0], "method"))
        for start, row in _stacked(members):
            look = PARTS[text(row, "part")]
            ax.barh([at], [row["bytes"]], left=[start], height=_BAR_SHARE, edgecolor=colour,
                    facecolor=tint(colour, look.share), hatch=look.hatch,
                    label=f"_{text(row, 'part')}")  # fmt: skip
        total = _length(members)
        ax.annotate(three_digits(total / GIBI), (total, at), xytext=(3, 0),
                    textcoords="offset points", va="center", fontsize=7, color=INK,
                    label="_total", path_effects=[_HALO], zorder=4)  # fmt: skip
    _draw_limits(ax, limits, [label for (label,) in bars])
    ax.set_yticks(range(len(bars)), [label for (label,) in bars])
    ax.set_ylim(len(bars) - 0.45, -0.55)
    ax.tick_params(axis="y", length=0)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / GIBI:.4g}"))
    ax.xaxis.set_major_locator(_GibiLocator())


class _GibiLocator(MaxNLocator):
    """Round numbers of GiB on an axis of bytes."""

    def __init__(self) -> None:
        super().__init__(nbins=5, steps=[1, 2, 2.5, 5, 10])

    def tick_values(self, vmin: float, vmax: float) -> Any:
        """Places of the ticks, in bytes."""
        return [tick * GIBI for tick in super().tick_values(vmin / GIBI, vmax / GIBI)]


def _draw_limits(ax: Any, limits: Sequence[Row], labels: Sequence[str]) -> None:
    """One line per device; a cross where a bar does not fit. Equal sizes are named once."""
    for (device,), members in grouped(limits, "device").items():
        place = float(members[0]["usable_bytes"])
        ax.axvline(place, color=INK, linewidth=0.9, linestyle=(0, (4, 2)), label=f"_limit:{device}")
        over = [labels.index(text(row, "label")) for row in members
                if not _said(row, "fits") and text(row, "label") in labels]  # fmt: skip
        ax.plot([place] * len(over), over, linestyle="", marker="X", markersize=5, color=INK,
                markeredgecolor="white", markeredgewidth=0.6, label=f"_over:{device}")  # fmt: skip
    for members in grouped(limits, "memory_bytes").values():
        sold = f"{float(members[0]['memory_bytes']) / GIBI:.4g} GB"
        ax.annotate(sold, (float(members[0]["usable_bytes"]), 1), xytext=(0, 2),
                    xycoords=("data", "axes fraction"), textcoords="offset points", ha="center",
                    va="bottom", fontsize=7, color=INK, label="_sold")  # fmt: skip


def _said(row: Row, column: str) -> bool:
    """Read a truth value, which a CSV file may hold as text."""
    return text(row, column) == "True"


def _stacked(rows: Sequence[Row]) -> Iterator[tuple[float, Row]]:
    """Parts of one bar in their order, each with the place where it starts, in bytes."""
    start = 0.0
    for row in sorted(rows, key=_rank):
        if number(row, "bytes"):
            yield start, row
        start += number(row, "bytes") or 0.0


def _rank(row: Row) -> int:
    part = text(row, "part")
    if part not in PARTS:
        raise UnknownNameError("part of memory", part, PARTS)
    return list(PARTS).index(part)


def _visible(rows: Sequence[Row], longest: float) -> list[str]:
    """Parts that are wide enough to see in some bar."""
    wide = {text(row, "part") for row in rows
            if (number(row, "bytes") or 0.0) >= LEAST_VISIBLE * longest}  # fmt: skip
    return [part for part in PARTS if part in wide]


def _legend(fig: Figure, rows: Sequence[Row], longest: float, width: str) -> None:
    handles = [
        Patch(facecolor=tint(FAINT, PARTS[part].share), edgecolor=INK, hatch=PARTS[part].hatch,
              label=PARTS[part].title)
        for part in _visible(rows, longest)
    ]  # fmt: skip
    fig.legend(handles=handles, loc="outside upper center", ncols=3 if width == "column" else 6)


def _notes(rows: Sequence[Row], limits: Sequence[Row], longest: float) -> list[str]:
    seen = _visible(rows, longest)
    most = {
        part: max(float(row["bytes"]) for row in rows if text(row, "part") == part)
        for part in PARTS
        if part not in seen and any(text(row, "part") == part and row["bytes"] for row in rows)
    }
    thin = [f"{PARTS[part].title} {three_digits(size / GIBI)}" for part, size in most.items()]
    stages = grouped(rows, "stage")
    lines = [f"{text(row, 'device')}" for row in
             {text(row, "device"): row for row in limits}.values()]  # fmt: skip
    crossed = any(not _said(row, "fits") for row in limits)
    return foot_note([
        where(rows, *SETTING),
        "predicted",
        f"peak in {' or '.join(segment_look(stage).title for (stage,) in stages)}",
        f"lines: what one process can use of {', '.join(lines)}" if lines else "",
        "crosses: does not fit" if crossed else "",
        f"too thin to see, GiB at most: {', '.join(thin)}" if thin else "",
    ])  # fmt: skip
