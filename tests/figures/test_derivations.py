"""Figures of the derivations draw what their tables say, and can be read."""

from __future__ import annotations

from functools import cache

import pandas as pd
import pytest
from figure_eyes import assert_tidy, lines, points

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.plotting import draw_attention_share, draw_exact_ratio, draw_speedup_limits
from omnizip_cost.plotting.canvas import notes_of
from omnizip_cost.plotting.style import method_colour
from omnizip_cost.specs import load_spec
from omnizip_cost.symbolic.tables import SETTINGS, limit_rows, ratio_rows, share_rows

SEVEN, THREE = load_spec("qwen2.5-omni-7b"), load_spec("qwen2.5-omni-3b")
DRAWN = {
    "limits": (draw_speedup_limits, lambda: limit_rows(SEVEN, 10_004)),
    "shares": (draw_attention_share, lambda: share_rows([SEVEN, THREE])),
    "ratios": (draw_exact_ratio, lambda: ratio_rows([SEVEN, THREE], 10_004)),
}


@cache
def _table(name: str) -> pd.DataFrame:
    return pd.DataFrame([dict(row) for row in DRAWN[name][1]()])


def _pairs(table: pd.DataFrame, x: str, y: str, **chosen: object) -> list[tuple[float, float]]:
    for column, value in chosen.items():
        table = table[table[column] == value]
    return sorted((float(row[x]), float(row[y])) for _, row in table.iterrows())


def test_limits_enclose_every_length_and_settings_lie_on_theirs() -> None:
    table = _table("limits")
    fig = draw_speedup_limits(table)
    for kind in ("short", "long"):
        said = set(_pairs(table, "retained", "speedup", kind=kind))
        assert set(points(fig, f"_{kind}")) == said
    for convention in ("torch", "eq9"):
        said = _pairs(table, "retained", "speedup", kind="length", convention=convention)
        assert points(fig, f"_{convention}") == said
        for ratio, gain in said:
            assert ratio**-1 * (1 - 1e-12) <= gain <= ratio**-2 * (1 + 1e-12)
    marked = lines(fig, "_setting")
    assert len(marked) == 2 * len(SETTINGS)
    assert {line.get_color() for line in marked} == {method_colour(name) for name, _ in SETTINGS}
    fastv = table[(table["kind"] == "setting") & (table["method"] == "fastv")]
    assert (fastv["speedup"] < 1 / fastv["retained"]).all()


def test_shares_cross_a_half_where_attention_overtakes_the_rest() -> None:
    table = _table("shares")
    fig = draw_attention_share(table)
    assert len(fig.axes) == 3
    assert points(fig, "_curve") == _pairs(table, "tokens", "share", kind="curve")
    filled = points(fig, "_rest")
    assert len(filled) == 6
    assert all(share == pytest.approx(0.5) for _, share in filled)
    assert 18_944.0 in {at for at, _ in points(fig, "_ffn")}
    markers = {line.get_marker() for line in lines(fig, "_rest")}
    assert markers == {"o", "s"}


def test_ratios_run_between_their_limits() -> None:
    table = _table("ratios")
    fig = draw_exact_ratio(table)
    assert points(fig, "_curve") == _pairs(table, "tokens", "ratio", kind="curve")
    for (_, _), rows in table.groupby(["model", "convention"]):
        ends = [float(rows[rows["kind"] == kind]["ratio"].iloc[0]) for kind in ("short", "long")]
        curve = rows[rows["kind"] == "curve"]["ratio"]
        assert min(ends) <= curve.min() <= curve.max() <= max(ends)
    assert len(lines(fig, "_short")) == len(lines(fig, "_long")) == 4
    assert {line.get_xdata()[0] for line in lines(fig, "_paper")} == {10_004}
    assert "the paper's n = 10,004" in notes_of(fig)


def test_a_model_is_told_by_its_marker_at_a_length_of_its_own() -> None:
    """At one length the square of the 3B would lie on the circle of the 7B."""
    fig = draw_exact_ratio(_table("ratios"))
    for ax in fig.axes:
        curves = [line for line in ax.lines if line.get_label() == "_curve"]
        assert [line.get_marker() for line in curves] == ["o", "s"]
        marked = [line.get_xdata()[line.get_markevery()[0]] for line in curves]
        assert marked[1] > 3 * marked[0]


@pytest.mark.parametrize("width", ["column", "page"])
@pytest.mark.parametrize("name", ["shares", "ratios"])
def test_the_label_is_at_half_the_height_of_the_panels(name: str, width: str) -> None:
    fig = DRAWN[name][0](_table(name), width=width)
    fig.draw_without_rendering()
    bottom, top = fig.axes[-1].get_position().y0, fig.axes[0].get_position().y1
    assert fig._supylabel.get_position()[1] == pytest.approx((bottom + top) / 2, abs=0.005)


def test_the_legend_tells_dashes_and_hollow_markers_apart() -> None:
    fig = draw_speedup_limits(_table("limits"))
    (legend,) = fig.legends
    handles = dict(zip([text.get_text() for text in legend.texts], legend.get_lines(), strict=True))
    dashed, hollow = handles["Eq. 9"], handles["hollow: Eq. 9"]
    assert (dashed.get_marker(), hollow.get_linestyle()) == ("None", "None")
    assert dashed.is_dashed() and not handles["torch"].is_dashed()
    assert hollow.get_markerfacecolor() == "white" != handles["filled: torch"].get_markerfacecolor()
    assert fig.axes[0].get_ylabel() == "prefill FLOPs, full over kept"


@pytest.mark.parametrize(
    ("name", "width"),
    [(name, width) for name in DRAWN for width in ("column", "page")],
)
def test_nothing_is_small_or_clipped(name: str, width: str) -> None:
    assert_tidy(DRAWN[name][0](_table(name), width=width))


@pytest.mark.parametrize("name", DRAWN)
def test_another_table_is_refused(name: str) -> None:
    with pytest.raises(InvalidValueError, match="columns must be at least model"):
        DRAWN[name][0](pd.DataFrame({"model": ["a"]}))
