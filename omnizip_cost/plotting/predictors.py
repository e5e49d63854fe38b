"""Speed-ups that different predictors promise, a panel per share of tokens kept.

In a panel a line per predictor: a marker per model, one for each device where the predictor knows
devices, joined from the smallest to the largest. The dotted line is the quotient of the tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from omnizip_cost.plotting.canvas import new_figure
from omnizip_cost.plotting.style import FAINT, INK, model_markers, styled
from omnizip_cost.plotting.tablerows import Row, distinct, foot_note, grouped, rows_of, text

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = (
    "predictor", "predicts", "model", "device", "phase", "tokens", "retained", "speedup", "linear",
)  # fmt: skip
PHASES = ("prefill", "decode")
_LINE_IN = 0.128
"""Height of a predictor's line."""
_PANEL_IN = 0.42
"""Height of a panel's title, ticks and their air."""
_HEAD_IN = 0.4
_APART = 0.17
"""Distance of two models' markers from the middle of their line, in lines."""


@styled
def draw_predictors(table: pd.DataFrame, *, width: str = "column") -> Figure:
    """Draw the table of predicted speed-ups.

    Parameters
    ----------
    table
        One row per predictor, model, device (empty where it knows none), phase and share kept.
    width
        ``column`` (3.3 in): a line of panels per share. ``page`` (6.9 in): a line per phase.

    Returns
    -------
    Figure
        Of the printed size, not attached to pyplot.

    Raises
    ------
    InvalidValueError
        If columns are missing or there is nothing to draw.
    """
    rows = rows_of(table, "predictors", REQUIRED)
    shares = sorted({float(row["retained"]) for row in rows}, reverse=True)
    predictors = [name for (name,) in distinct(rows, "predictor")]
    models = [model for (model,) in distinct(rows, "model")]
    shapes = model_markers(models)
    markers = {model: shapes[model] for model in models}
    tall = width == "column"
    lines = len(shares) if tall else len(PHASES)
    fig = new_figure(
        width=width,
        height_in=_HEAD_IN + lines * (_PANEL_IN + _LINE_IN * len(predictors)),
        notes=_notes(rows),
    )
    shape = (len(shares), len(PHASES)) if tall else (len(PHASES), len(shares))
    axes = fig.subplots(*shape, sharey=True, squeeze=False)
    for at, share in enumerate(shares):
        for by, phase in enumerate(PHASES):
            ax = axes[at, by] if tall else axes[by, at]
            members = [
                row for row in rows if row["phase"] == phase and float(row["retained"]) == share
            ]
            _draw_panel(ax, members, predictors, markers)
            ax.set_title(f"{phase}, {share:.0%} kept", color=INK, fontsize=7.5)
    for ax in axes[:, 0]:
        ax.set_yticks(range(len(predictors)), predictors)
    axes[0, 0].set_ylim(len(predictors) - 0.4, -0.6)
    handles = [
        Line2D([], [], color=INK, linestyle="", marker=marker, markersize=3.6, label=model)
        for model, marker in markers.items()
    ]
    handles.append(Line2D([], [], color=INK, linewidth=0.8, linestyle=(0, (1, 1.5)),
                          label="tokens / kept tokens"))  # fmt: skip
    fig.legend(handles=handles, loc="outside upper center", ncols=2 if tall else 3)
    return fig


def _draw_panel(
    ax: Any, rows: Sequence[Row], predictors: Sequence[str], markers: dict[str, str]
) -> None:
    """Draw one share and phase: speed-ups along x, predictors down y."""
    ax.grid(axis="x")
    ax.tick_params(axis="y", length=0)
    if rows and text(rows[0], "phase") == "prefill":
        ax.axvline(float(rows[0]["linear"]), color=INK, linewidth=0.8, linestyle=(0, (1, 1.5)),
                   zorder=1.5, label="_linear")  # fmt: skip
    models = list(markers)
    for (predictor, model), members in grouped(rows, "predictor", "model").items():
        shift = (2 * models.index(model) - (len(models) - 1)) * _APART
        y = predictors.index(predictor) + shift
        values = [float(row["speedup"]) for row in members]
        if len(values) > 1:
            ax.plot([min(values), max(values)], [y, y], color=FAINT, linewidth=0.8, zorder=2,
                    label="_range")  # fmt: skip
        hollow = text(members[0], "predicts") == "FLOPs"
        ax.plot(values, [y] * len(values), color=INK, linestyle="", marker=markers[model],
                markersize=2.8, markeredgewidth=0.6, zorder=3, label="_speedup",
                markerfacecolor="white" if hollow else INK)  # fmt: skip
    ax.margins(x=0.12)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]))
    ax.xaxis.set_major_formatter("{x:g}×")


def _notes(rows: Sequence[Row]) -> list[str]:
    tokens = sorted({int(row["tokens"]) for row in rows})
    devices = [device for (device,) in distinct(rows, "device") if device]
    return foot_note([
        f"{' and '.join(f'{n:,}' for n in tokens)} tokens",
        "hollow: a quotient of FLOPs; filled: of seconds, one on each device",
        f"devices: {', '.join(devices)}" if devices else "",
        "decode: per token",
    ])  # fmt: skip
