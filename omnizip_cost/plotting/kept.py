"""What was kept of one clip: frames with their tokens, sound with its own, and the rates beneath.

Case-study figure of one clip under OmniZip. From the top: pairs of grids, their kept tokens in
colour; the waveform, one bar per audio token, and under it a strip of the same tokens, all of one
height, so that what became of them is seen in silence too; S_a and the video pruning rate of each
window. A clip without sound says so where the waveform would be. Sound and rates share one time
axis, and bands lead from each pair of frames to its place on it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.plotting.canvas import figure_width_in, new_figure
from omnizip_cost.plotting.kept_frames import Cell, Strip, draw_strip, plan_strip
from omnizip_cost.plotting.style import FAINT, INK, NO_DATA, method_colour, styled, tint
from omnizip_cost.plotting.tablerows import Row, foot_note, number, rows_of, text

if TYPE_CHECKING:
    import pandas as pd

TOKEN_COLUMNS = ("modality", "grid", "row", "column", "start_s", "end_s", "kept", "anchor", "low",
                 "high", "scores", "video_features")  # fmt: skip
WINDOW_COLUMNS = ("window", "start_s", "end_s", "retention", "rate", "rho_a", "rho_v", "nominal",
                  "realised", "model", "scores", "video_features")  # fmt: skip
GRID_COLUMNS = ("pair", "pairs", "place", "grid", "start_s", "end_s", "taken_s", "rows", "columns",
                "picture")  # fmt: skip

_COLOUR = method_colour("omnizip")
_ANCHOR = "#5A2600"
_DROPPED = "#C9C9C9"
_BAR = tint(_COLOUR, 0.3)
_RULE = "#E2E2E2"
"""Between windows, behind the sound."""
_RATE: dict[str, Any] = {"color": INK, "linewidth": 1.4}
_BUDGET: dict[str, Any] = {"color": INK, "linewidth": 0.8, "linestyle": (0, (4, 2))}
_LEFT_IN, _RIGHT_IN = 0.47, 0.13
_WAVE_IN = {"column": 0.42, "page": 0.55}
_RUG_GAP_IN, _RUG_IN = 0.04, 0.085
"""Air under the waveform, and the height of the strip of tokens below it."""
_RATES_IN = {"column": 0.8, "page": 0.95}
_GAP_IN = 0.07
_TICKS_IN = 0.33
"""Tick labels and the label of the time axis."""
_LEGEND_COLUMNS = {"column": 3, "page": 7}
_LEGEND_IN = 0.11
_LEGEND_ROW_IN = 0.125
_LEAST_BAR = 0.035
"""Half height of a bar in silence, so that a kept token is seen there too."""
_LABELLED_IN = 0.29
"""Windows at least this wide carry their numbers."""
_LOW = 0.25
"""A rate below this has no room under it for the number of the bar."""
_RULED_WINDOWS = 40
"""Up to so many windows, thin lines part them; beyond, the line of the rates is thinner."""
_THIN = 0.7


@styled
def draw_kept(
    tokens: pd.DataFrame, windows: pd.DataFrame, grids: pd.DataFrame, *, width: str = "page"
) -> Figure:
    """Draw what was kept of one clip.

    Parameters
    ----------
    tokens
        One row per audio and video token: its time, whether it was kept, its place in its grid
        or the extremes of the sound under it.
    windows
        One row per time window, with S_a and the video pruning rate.
    grids
        One row per pictured grid. A clip without video has one row without a picture.
        A clip without sound has no audio token, and windows without S_a.
    width
        ``column`` (3.3 in) or ``page`` (6.9 in).

    Returns
    -------
    Figure
        Of the printed size, not attached to pyplot.

    Raises
    ------
    InvalidValueError
        If columns are missing, a table is empty, or the tables are of different clips.
    """
    frames = rows_of(grids, "kept", GRID_COLUMNS)
    spans = rows_of(windows, "kept", WINDOW_COLUMNS)
    rows_of(tokens.head(1), "kept", TOKEN_COLUMNS)
    _require_one_case(tokens, spans, frames)
    audio = tokens[tokens["modality"] == "audio"]
    heard = rows_of(audio, "kept", TOKEN_COLUMNS) if len(audio) else []
    width_in = figure_width_in(width) - _LEFT_IN - _RIGHT_IN
    strip = plan_strip(frames, width=width, width_in=width_in)
    handles = _legend_handles(spans, audio=bool(heard), video=bool(strip.pairs))
    legend_in = _LEGEND_IN + _LEGEND_ROW_IN * math.ceil(len(handles) / _LEGEND_COLUMNS[width])
    fig, (above, sound, rates) = _sheet(strip, width, legend_in, _notes(spans, strip, frames))
    limits = (0.0, max(float(row["end_s"]) for row in spans))
    if strip.pairs:
        draw_strip(above, strip, _kept_cells(tokens, strip), limits)
    if heard:
        _draw_sound(sound, heard, width_in, wave_in=_WAVE_IN[width])
    else:
        _say_no_audio(sound)
    _draw_retention(rates, spans)
    shares = ("$S_a$",) if heard else ()
    rates.set_ylabel(", ".join((*shares, *(("pruning rate",) if strip.pairs else ()))), fontsize=7)
    if strip.pairs:
        _draw_rates(rates, spans)
    _label_windows(rates, spans, width_in, video=bool(strip.pairs))
    for ax, colour, zorder in ((sound, _RULE, 0.5), (rates, "white", 2.5)):
        ax.set_xlim(*limits)
        if len(spans) <= _RULED_WINDOWS:
            for row in spans[1:]:
                ax.axvline(float(row["start_s"]), color=colour, linewidth=0.6, zorder=zorder,
                           label="_rule")  # fmt: skip
    fig.legend(handles=handles, loc="upper center", ncols=_LEGEND_COLUMNS[width])
    return fig


def _require_one_case(tokens: pd.DataFrame, spans: Sequence[Row], frames: Sequence[Row]) -> None:
    """Refuse tables that were not written together."""
    case = (text(spans[0], "clip"), text(spans[0], "label"))
    first = rows_of(tokens.head(1), "kept", TOKEN_COLUMNS)[0]
    for other in (first, frames[0], spans[-1]):
        found = (text(other, "clip"), text(other, "label"))
        if found != case:
            raise InvalidValueError(
                "tables of figure 'kept'", "clip and label", f"{case} in all three", found
            )


def _sheet(
    strip: Strip, width: str, legend_in: float, notes: Sequence[str]
) -> tuple[Figure, tuple[Axes, ...]]:
    """Make a sheet with its three axes, placed by the inch so that frames keep their shape."""
    heights = (strip.height_in, _WAVE_IN[width] + _RUG_GAP_IN + _RUG_IN, _RATES_IN[width])
    body = sum(heights) + _GAP_IN + _TICKS_IN + legend_in
    fig = new_figure(width=width, height_in=body, notes=notes)
    fig.set_layout_engine("none")
    page_in, total_in = fig.get_size_inches()
    bottom = total_in - body + _TICKS_IN
    places = []
    for height, gap in zip(reversed(heights), (_GAP_IN, 0.0, 0.0), strict=True):
        places.append((bottom, height))
        bottom += height + gap
    axes = [
        fig.add_axes(
            (_LEFT_IN / page_in, at / total_in, strip.width_in / page_in, height / total_in)
        )
        for at, height in reversed(places)
    ]
    axes[0].set_axis_off()
    return fig, tuple(axes)


def _kept_cells(tokens: pd.DataFrame, strip: Strip) -> dict[int, set[Cell]]:
    """Cells of surviving tokens in each grid that is shown."""
    shown = [int(row["grid"]) for pair in strip.pairs for row in pair]
    lit = tokens[tokens["grid"].isin(shown) & tokens["kept"].astype(bool)]
    cells: dict[int, set[Cell]] = {grid: set() for grid in shown}
    for grid, row, column in zip(lit["grid"], lit["row"], lit["column"], strict=True):
        cells[int(grid)].add((int(row), int(column)))
    return cells


def _draw_sound(ax: Axes, heard: Sequence[Row], axes_width_in: float, *, wave_in: float) -> None:
    """One bar per audio token, from the least to the largest sample; below, all of one height."""
    loudest = max([abs(number(row, side) or 0.0) for row in heard for side in ("low", "high")])
    least = _LEAST_BAR * (loudest or 1.0)
    reach = 1.05 * (loudest or 1.0)
    inch = 2 * reach / wave_in
    top = -reach - _RUG_GAP_IN * inch
    floor = top - _RUG_IN * inch
    for fate, colour in (("dropped", _DROPPED), ("salient", _COLOUR), ("anchor", _ANCHOR)):
        boxes, rug = [], []
        for row in heard:
            if _fate(row) == fate:
                low = min(number(row, "low") or 0.0, -least)
                high = max(number(row, "high") or 0.0, least)
                left, right = float(row["start_s"]), float(row["end_s"])
                boxes.append([(left, low), (right, low), (right, high), (left, high)])
                rug.append([(left, floor), (right, floor), (right, top), (left, top)])
        for shapes, label in ((boxes, f"_{fate}"), (rug, f"_{fate}_token")):
            ax.add_collection(PolyCollection(shapes, facecolors=colour, linewidths=0, label=label))
    ax.set_ylim(floor, reach)
    ax.set_yticks([])
    ax.tick_params(bottom=False, labelbottom=False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    for middle, name in ((0.0, "sound"), ((floor + top) / 2, "tokens")):
        ax.text(-0.06 / axes_width_in, middle, name, ha="right", va="center", fontsize=7,
                color=INK, transform=ax.get_yaxis_transform())  # fmt: skip


def _say_no_audio(ax: Axes) -> None:
    """Stand in for the waveform of a clip without sound."""
    ax.set_axis_off()
    ax.text(0.5, 0.5, "no audio", ha="center", va="center", fontsize=8, color=INK,
            transform=ax.transAxes)  # fmt: skip


def _fate(row: Row) -> str:
    """What became of an audio token: salient, anchor or dropped."""
    if not row["kept"]:
        return "dropped"
    return "anchor" if row["anchor"] else "salient"


def _draw_retention(ax: Axes, spans: Sequence[Row]) -> None:
    """S_a as bars as wide as their windows; windows without audio are hatched."""
    heard = [row for row in spans if number(row, "retention") is not None]
    ax.bar([float(row["start_s"]) for row in heard], [float(row["retention"]) for row in heard],
           width=[float(row["end_s"]) - float(row["start_s"]) for row in heard], align="edge",
           facecolor=_BAR, edgecolor=_BAR, linewidth=0.2, label="_retention")  # fmt: skip
    for row in spans:
        if number(row, "retention") is None:
            ax.axvspan(float(row["start_s"]), float(row["end_s"]), facecolor="none",
                       edgecolor=NO_DATA, hatch="////", linewidth=0, label="_no_audio")  # fmt: skip
    ax.set_ylim(0.0, 1.16)
    ax.set_yticks([0.0, 0.5, 1.0])
    ax.yaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, steps=[1, 2, 3, 5, 6, 10]))
    ax.set_xlabel("time (s)")


def _draw_rates(ax: Axes, spans: Sequence[Row]) -> None:
    """The video pruning rate of each window as steps, and the budget they keep together."""
    ax.axhline(float(spans[0]["rho_v"]), label="_budget", zorder=2.6, **_BUDGET)
    edges = [float(row["start_s"]) for row in spans] + [float(spans[-1]["end_s"])]
    rate = _RATE if len(spans) <= _RULED_WINDOWS else _RATE | {"linewidth": _THIN}
    ax.stairs([float(row["rate"]) for row in spans], edges, baseline=None, zorder=3,
              label="_rate", **rate)  # fmt: skip


def _label_windows(ax: Axes, spans: Sequence[Row], axes_width_in: float, *, video: bool) -> None:
    """Write each window's rate at its step, off the budget line, and S_a at the foot of its bar."""
    last = max(float(row["end_s"]) for row in spans)
    inch_s = last / axes_width_in
    for row in spans:
        start, end = float(row["start_s"]), float(row["end_s"])
        if end - start < _LABELLED_IN * inch_s:
            continue
        rate, share = float(row["rate"]), number(row, "retention")
        look: dict[str, Any] = {"ha": "center", "fontsize": 7, "color": INK, "zorder": 4}
        if share is None:
            look["bbox"] = {"facecolor": "white", "linewidth": 0, "pad": 0.8}
        over = rate >= float(row["rho_v"])
        if video:
            ax.text((start + end) / 2, rate + (0.03 if over else -0.045), f"{rate:.2f}",
                    va="bottom" if over else "top", label="_rate_number", **look)  # fmt: skip
        if share is not None and (rate >= _LOW or not video):
            ax.text((start + end) / 2, 0.04, f"{share:.2f}", va="bottom",
                    label="_retention_number", **look)  # fmt: skip


def _legend_handles(spans: Sequence[Row], *, audio: bool, video: bool) -> list[Patch | Line2D]:
    handles: list[Patch | Line2D] = []
    if audio:
        handles += [
            Patch(facecolor=_COLOUR, label="salient audio"),
            Patch(facecolor=_ANCHOR, label="audio anchor"),
            Patch(facecolor=_DROPPED, label="dropped"),
            Patch(facecolor=_BAR, label="audio kept, $S_a$"),
        ]
    if video:
        handles += [
            Line2D([], [], label="video pruned", **_RATE),
            Line2D([], [], label=f"budget {float(spans[0]['rho_v']):g}", **_BUDGET),
        ]
    if any(number(row, "retention") is None for row in spans):
        handles.append(
            Patch(facecolor="none", edgecolor=FAINT, hatch="//////", linewidth=0, label="no audio")
        )
    return handles


def _notes(spans: Sequence[Row], strip: Strip, frames: Sequence[Row]) -> list[str]:
    first = spans[0]
    rho_a, rho_v = float(first["rho_a"]), float(first["rho_v"])
    kept, asked = float(first["realised"]), float(first["nominal"])
    case = (
        f"{text(first, 'clip')}: OmniZip, rho_a {rho_a:g}, rho_v {rho_v:g}, "
        f"{text(first, 'mode')} mode; {kept:.1%} of audio and video tokens kept "
        f"(nominal {asked:.1%})"
    )
    silent = all(number(row, "retention") is None for row in spans)
    sources = [
        "no audio: every window gets rho_v" if silent else f"scores: {text(first, 'scores')}",
        f"video features: {text(first, 'video_features')}" if strip.pairs else "",
        f"layout: {text(first, 'model')}",
        _shown(len(strip.pairs), int(frames[0]["pairs"]), len(spans)),
        _lag(frames),
    ]
    return foot_note([case]) + foot_note(sources)


def _lag(frames: Sequence[Row]) -> str:
    """Say that frames stand earlier than they were taken, where some do by more than a grid."""
    late = [
        row for row in frames if (number(row, "taken_s") or 0.0) > (number(row, "end_s") or 0.0)
    ]
    if not late:
        return ""
    last = late[-1]
    return (
        "frames were capped and stand where the model places them: that of "
        f"{float(last['start_s']):g} s was taken at {float(last['taken_s']):.1f} s"
    )


def _shown(shown: int, pairs: int, windows: int) -> str:
    """Say which frames are pictured, and how to read them."""
    if not pairs:
        return "The clip has no video"
    what = "window" if pairs == windows else "pair of grids"
    many = "windows" if pairs == windows else "pairs of grids"
    count = f"{shown} of {pairs} {many}" if shown < pairs else f"every {what}"
    return f"Frames of {count}: kept tokens in colour"
