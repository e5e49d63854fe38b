"""Speed-up over both pruning ratios as a heat map, with lines of equal FLOPs.

Shades of OmniZip's colour are the predicted speed-up, on a logarithmic scale; ink lines are shares
of all tokens' FLOPs by the exact count. Rings are the paper's settings; the dashed line holds the
pairs that single retained ratios are turned into.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.plotting.canvas import new_figure
from omnizip_cost.plotting.style import INK, method_colour, styled, tint
from omnizip_cost.plotting.tablerows import Row, distinct, foot_note, number, rows_of, text, where

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = ("kind", "model", "device", "backend", "clip", "av_tokens", "anchor_share", "label",
            "rho_a", "rho_v", "speedup", "flops_share")  # fmt: skip
_COLOUR = method_colour("omnizip")
_DARK = "#4A1F00"
"""The end of OmniZip's shades: its colour, nearly black."""
_SHADES = LinearSegmentedColormap.from_list("omnizip", ["#FFFFFF", tint(_COLOUR, 0.45), _COLOUR,
                                                        _DARK])  # fmt: skip
_SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Shares of all tokens' FLOPs to which lines are drawn."""
_NAMES_AT = (0.885, 0.15)
"""Audio pruning at which lines are named: the first that a line reaches."""
_SPEEDUPS = (1, 1.5, 2, 3, 4, 6, 8, 10, 15, 20, 30, 50)
_NAMED_RATIOS = ("70%", "25%", "15%")
"""Retained ratios named on the dashed line, beside those of the paper's settings."""
_HALO = [withStroke(linewidth=1.8, foreground="white")]
_LINE: dict[str, Any] = {"color": INK, "linewidth": 1.0, "linestyle": (0, (3, 1.5))}
_RING: dict[str, Any] = {"linestyle": "", "marker": "o", "markersize": 5.2, "markeredgecolor": INK,
                         "markerfacecolor": "white", "markeredgewidth": 1.0}  # fmt: skip
_HEIGHT_IN = {"column": 3.25, "page": 4.3}


@styled
def draw_sensitivity(table: pd.DataFrame, marks: pd.DataFrame, *, width: str = "column") -> Figure:
    """Draw the speed-up at every pair of pruning ratios.

    Parameters
    ----------
    table
        One row per pair of a grid, of one model on one device.
    marks
        Rows of kind ``setting`` (the paper's) and ``line`` (pairs of retained ratios).
    width
        ``column`` (3.3 in) or ``page`` (6.9 in).

    Returns
    -------
    Figure
        Of the printed size, not attached to pyplot.

    Raises
    ------
    InvalidValueError
        If columns are missing, there is nothing to draw, the pairs are no full grid, or several
        models or devices stand in one table.
    """
    rows = rows_of(table, "sensitivity", REQUIRED)
    marked = rows_of(marks, "sensitivity", REQUIRED)
    _require_one([*rows, *marked])
    across, up, speedups, shares = _grids(rows)
    fig = new_figure(width=width, height_in=_HEIGHT_IN[width], notes=_notes(rows))
    ax = fig.subplots()
    norm = LogNorm(min(map(min, speedups)), max(map(max, speedups)))
    mesh = ax.pcolormesh(across, up, speedups, cmap=_SHADES, norm=norm, shading="nearest",
                         rasterized=True, label="_speedup")  # fmt: skip
    _draw_shares(ax, across, up, shares)
    _draw_marks(ax, marked)
    _finish(ax, across, up)
    _colour_bar(fig, ax, mesh)
    handles = [
        Line2D([], [], color=INK, linewidth=0.6, label="share of all tokens' FLOPs"),
        Line2D([], [], label="pairs of single ratios r", **_LINE),
        Line2D([], [], label="the paper's settings", **_RING),
    ]
    fig.legend(handles=handles, loc="outside upper center", ncols=2 if width == "column" else 3)
    return fig


def _require_one(rows: Sequence[Row]) -> None:
    cases = distinct(rows, "model", "device", "backend", "clip")
    if len(cases) > 1:
        raise InvalidValueError(
            "tables of figure 'sensitivity'", "model, device, backend and clip", "one case", cases
        )


def _grids(
    rows: Sequence[Row],
) -> tuple[list[float], list[float], list[list[float]], list[list[float]]]:
    """Lay the rows out: ratios along both axes, speed-ups and shares of FLOPs, line by line."""
    across = sorted({float(row["rho_a"]) for row in rows})
    up = sorted({float(row["rho_v"]) for row in rows})
    cells = {(float(row["rho_a"]), float(row["rho_v"])): row for row in rows}
    if len(cells) < len(across) * len(up) or min(len(across), len(up)) < 2:
        raise InvalidValueError(
            "table of figure 'sensitivity'", "pairs", "a full grid of at least 2 by 2", len(cells)
        )
    speedups, shares = (
        [[float(cells[x, y][column]) for x in across] for y in up]
        for column in ("speedup", "flops_share")
    )
    return across, up, speedups, shares


def _draw_shares(
    ax: Any, across: Sequence[float], up: Sequence[float], shares: Sequence[Sequence[float]]
) -> None:
    """Draw lines of equal FLOPs, each named once."""
    least, most = min(map(min, shares)), max(map(max, shares))
    levels = [share for share in _SHARES if least < share < most]
    if not levels:
        return
    lines = ax.contour(across, up, shares, levels=levels, colors=INK, linewidths=0.6)
    lines.set_label("_shares")
    places = [_named_at(across, up, shares, level) for level in levels]
    names = ax.clabel(
        lines, levels, fmt=_percent, fontsize=7, inline=True, inline_spacing=2, manual=places
    )
    for name in names:
        name.set_path_effects(_HALO)


def _percent(share: float) -> str:
    return f"{share:.0%}"


def _named_at(
    across: Sequence[float], up: Sequence[float], shares: Sequence[Sequence[float]], level: float
) -> tuple[float, float]:
    """Where a line of equal FLOPs is named: to the right, where the settings leave room.

    A line that does not reach there is named near its left end.
    """
    for wanted in _NAMES_AT:
        at = min(range(len(across)), key=lambda index: abs(across[index] - wanted))
        column = [line[at] for line in shares]
        if min(column) <= level <= max(column):
            nearest = min(range(len(up)), key=lambda index: abs(column[index] - level))
            return wanted, up[nearest]
    return across[0], up[0]


def _draw_marks(ax: Any, rows: Sequence[Row]) -> None:
    """Draw the paper's settings, named, and the line of single ratios."""
    line = sorted((row for row in rows if row["kind"] == "line"), key=lambda row: row["rho_v"])
    ax.plot(
        [row["rho_a"] for row in line],
        [row["rho_v"] for row in line],
        zorder=3,
        clip_on=False,
        path_effects=[withStroke(linewidth=2.2, foreground="white")],
        label="_line",
        **_LINE,
    )
    for row in line:
        if text(row, "label") in _NAMED_RATIOS:
            place = float(row["rho_a"]), float(row["rho_v"])
            ax.plot(*place, linestyle="", marker="o", markersize=2.6, color=INK, zorder=3.1,
                    label="_ratio")  # fmt: skip
            _say(ax, place, f"r = {row['label']}", (4, -4), "left")
    for row in rows:
        if row["kind"] == "setting":
            place = float(row["rho_a"]), float(row["rho_v"])
            ax.plot(*place, zorder=3.2, label="_setting", **_RING)
            _say(ax, place, f"{row['label']}, {number(row, 'speedup'):.2f}×", (5, -1), "left")


def _say(
    ax: Any, place: tuple[float, float], words: str, away: tuple[float, float], align: str
) -> None:
    name = ax.annotate(words, place, xytext=away, textcoords="offset points", fontsize=7, color=INK,
                       ha=align, va="center", zorder=4, label="_name")  # fmt: skip
    name.set_path_effects(_HALO)


def _finish(ax: Any, across: Sequence[float], up: Sequence[float]) -> None:
    ax.set_xlabel("audio tokens pruned, $\\rho_a$")
    ax.set_ylabel("video tokens pruned, $\\rho_v$")
    for axis, values in ((ax.xaxis, across), (ax.yaxis, up)):
        axis.set_major_locator(FixedLocator([0, 0.2, 0.4, 0.6, 0.8]))
        axis.set_major_formatter("{x:g}")
        axis.set_view_interval(values[0], values[-1], ignore=True)
    for spine in ("top", "right"):
        ax.spines[spine].set_visible(True)


def _colour_bar(fig: Figure, ax: Any, mesh: Any) -> None:
    bar = fig.colorbar(mesh, ax=ax, pad=0.02, fraction=0.06, aspect=28)
    bar.set_label("predicted speed-up", fontsize=8)
    low, high = mesh.norm.vmin, mesh.norm.vmax
    bar.ax.yaxis.set_major_locator(FixedLocator([s for s in _SPEEDUPS if low <= s <= high]))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.ax.yaxis.set_minor_formatter(NullFormatter())
    bar.ax.yaxis.set_major_formatter("{x:g}×")
    bar.outline.set_linewidth(0.6)


def _notes(rows: Sequence[Row]) -> list[str]:
    tokens = number(rows[0], "av_tokens") or 0.0
    return foot_note([
        f"{where(rows, 'model', 'device', 'backend')}, bf16: predicted, not measured",
        f"{text(rows[0], 'clip')}, {tokens:,.0f} audio and video tokens",
        "prefill of all tokens over prefill and selection; FLOPs by the exact count, selection "
        "inside",
        f"up to {text(rows[0], 'anchor_share')} of the audio, anchors take the place of what is "
        "pruned",
    ])  # fmt: skip
