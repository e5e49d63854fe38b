"""Errors of predictors: every one a point on its line, median, worst and number from the tables."""

from __future__ import annotations

import pandas as pd
import pytest
from figure_eyes import assert_tidy, lines, points
from invented_result import CELLS, PREDICTORS, error_tables, result_table
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.plotting import draw_error_distribution
from omnizip_cost.plotting.canvas import notes_of

Tables = tuple[pd.DataFrame, pd.DataFrame]


@pytest.fixture(scope="module")
def tables() -> Tables:
    return error_tables(result_table(("omni-tiny", "qwen2.5-omni-7b"), (5_004,), cells=CELLS[:9]))


@pytest.fixture(scope="module")
def fig(tables: Tables) -> Figure:
    return draw_error_distribution(*tables)


def drawn(ax: Axes, label: str) -> list[float]:
    return sorted(
        float(x) for line in ax.lines if line.get_label() == label for x in line.get_xdata()
    )


def test_a_panel_per_quantity_and_a_point_per_error(fig: Figure, tables: Tables) -> None:
    errors, _ = tables
    assert [ax.get_title(loc="left") for ax in fig.axes] == ["prefill speed-up", "prefill"]
    for ax in fig.axes:
        own = errors[errors["quantity"] == ax.get_title(loc="left")]
        for name, rows in own.groupby("predictor"):
            assert drawn(ax, f"_error:{name}") == sorted(rows["error"])


def test_points_stay_on_the_line_of_their_predictor(fig: Figure) -> None:
    speedup, seconds = fig.axes
    assert [label.get_text() for label in speedup.get_yticklabels()] == [
        "FLOPs, Eq. 9", "FLOPs, exact", "FLOPs, torch", "uncalibrated", "calibrated"
    ]  # fmt: skip
    assert [label.get_text() for label in seconds.get_yticklabels()] == [
        "uncalibrated",
        "calibrated",
    ]
    for at, name in enumerate(PREDICTORS):
        heights = {y for line in speedup.lines if line.get_label() == f"_error:{name}"
                   for y in line.get_ydata()}  # fmt: skip
        assert len(heights) > 1 and max(abs(y - at) for y in heights) < 0.5


def test_median_and_worst_are_the_summarys_and_the_ring_is_on_its_point(
    fig: Figure, tables: Tables
) -> None:
    _, summary = tables
    for ax in fig.axes:
        own = summary[summary["quantity"] == ax.get_title(loc="left")]
        assert drawn(ax, "_median") == sorted([*own["median_error"]] * 2)
        assert drawn(ax, "_worst") == sorted(own["worst_error"])
    dots = {pair for name in PREDICTORS for pair in points(fig, f"_error:{name}")}
    assert set(points(fig, "_worst")) <= dots


def test_how_many_is_printed(fig: Figure, tables: Tables) -> None:
    errors, _ = tables
    for ax in fig.axes:
        own = errors[errors["quantity"] == ax.get_title(loc="left")]
        counts = [f"n {len(own[own['predictor'] == name])}" for name in PREDICTORS
                  if name in set(own["predictor"])]  # fmt: skip
        assert [text.get_text() for text in ax.texts] == counts


def test_bands_are_the_same_in_every_panel(fig: Figure) -> None:
    for ax in fig.axes:
        halves = {round(patch.get_x(), 9): round(patch.get_width(), 9) for patch in ax.patches}
        assert halves == {-0.1: 0.2, -0.05: 0.1}


def test_on_a_page_a_line_of_panels_shares_its_predictors(tables: Tables) -> None:
    errors, summary = tables
    fig = draw_error_distribution(errors, summary, width="page")
    assert [text.get_text() for text in fig.axes[1].texts][:3] == ["none"] * 3


def test_a_ring_without_its_point_stands_on_the_line(tables: Tables) -> None:
    errors, summary = tables
    fig = draw_error_distribution(errors, summary.assign(worst_error=0.7))
    assert {y for _, y in points(fig, "_worst")} == {0.0, 1.0, 2.0, 3.0, 4.0}
    assert len(lines(fig, "_worst")) == 7


@pytest.mark.parametrize("width", ["column", "page"])
def test_nothing_is_small_or_clipped(tables: Tables, width: str) -> None:
    errors, summary = tables
    more = errors[errors["quantity"] == "prefill"].assign(quantity="end-to-end speed-up")
    held = more.assign(quantity="decode under graphs", predictor="held out")
    few = pd.concat([errors[errors["quantity"] != "prefill"], more, held])
    fig = draw_error_distribution(few, summary, width=width)
    assert_tidy(fig)
    assert "height within a line means nothing" in notes_of(fig)


def test_wrong_tables_are_refused(tables: Tables) -> None:
    errors, summary = tables
    with pytest.raises(InvalidValueError, match="missing: median_error"):
        draw_error_distribution(errors, summary.drop(columns="median_error"))
    with pytest.raises(InvalidValueError, match="rows must be at least one, got 0"):
        draw_error_distribution(errors.iloc[:0], summary)
