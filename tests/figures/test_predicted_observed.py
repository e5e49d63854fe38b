"""Predicted against observed: every cell twice, as seconds and as the table's own error."""

from __future__ import annotations

import pandas as pd
import pytest
from figure_eyes import assert_tidy, lines, points
from invented_result import CELLS, error_tables, result_table
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.plotting import draw_predicted_observed
from omnizip_cost.plotting.canvas import notes_of
from omnizip_cost.plotting.style import MODEL_MARKERS, method_colour

BOTH = ("qwen2.5-omni-7b", "qwen2.5-omni-3b")


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return result_table(BOTH, (5_004,), oom=("dycoke",), cells=CELLS[::2])


@pytest.fixture(scope="module")
def fig(table: pd.DataFrame) -> Figure:
    return draw_predicted_observed(table, error_tables(table)[1])


@pytest.mark.parametrize("kind", ["predicted", "calibrated"])
def test_each_cell_is_drawn_twice(fig: Figure, table: pd.DataFrame, kind: str) -> None:
    rows = table[table["status"] == "ok"]
    for label, column in (("_seconds", f"prefill_{kind}_s"), ("_error", f"prefill_error_{kind}")):
        assert points(fig, f"{label}:{kind}") == sorted(
            zip(rows["prefill_s"], rows[column], strict=True)
        )


def test_hollow_is_uncalibrated_marker_the_model_colour_the_method(
    fig: Figure, table: pd.DataFrame
) -> None:
    for kind, hollow in (("predicted", True), ("calibrated", False)):
        drawn = lines(fig, f"_seconds:{kind}")
        assert {line.get_markerfacecolor() == "none" for line in drawn} == {hollow}
        assert {line.get_marker() for line in drawn} == {MODEL_MARKERS[model] for model in BOTH}
    for line in lines(fig, "_seconds:predicted"):
        (row,) = table[table["prefill_s"] == line.get_xdata()[0]].to_dict("records")
        assert to_hex(line.get_markeredgecolor()) == method_colour(row["method"]).lower()


def test_the_line_is_that_of_equality_and_both_axes_are_alike(fig: Figure) -> None:
    upper = fig.axes[0]
    (identity,) = lines(fig, "_identity")
    assert list(identity.get_xdata()) == list(identity.get_ydata())
    assert upper.get_xlim() == upper.get_ylim() == tuple(identity.get_xdata())
    assert (upper.get_xscale(), upper.get_yscale()) == ("log", "log")
    for band in upper.collections:
        half = float(band.get_label().removeprefix("_band:"))
        shares = {round(y / x, 9) for x, y in band.get_paths()[0].vertices}
        assert shares == {round(1 - half, 9), round(1 + half, 9)}
    assert len(upper.collections) == 2


def test_the_corner_is_the_summarys(table: pd.DataFrame) -> None:
    summary = pd.DataFrame([
        {"quantity": "prefill", "predictor": "predicted", "configurations": 7,
         "mean_error": 0.0312, "worst_error": -0.08},
        {"quantity": "decode", "predictor": "predicted", "configurations": 9,
         "mean_error": 0.5, "worst_error": 0.9},
    ])  # fmt: skip
    fig = draw_predicted_observed(table, summary)
    (corner,) = [text.get_text() for text in fig.axes[0].texts]
    assert corner == "uncalibrated: mean 3.1%,\nworst \N{MINUS SIGN}8.0% (n = 7)"


def test_what_is_not_drawn_is_counted(table: pd.DataFrame) -> None:
    some = table.copy()
    ok = some.index[some["status"] == "ok"]
    some.loc[ok[:3], ["prefill_predicted_s", "prefill_calibrated_s"]] = None
    notes = notes_of(draw_predicted_observed(some, error_tables(table)[1]))
    assert f"{len(ok) - 3} configurations, predictions written before" in notes
    assert "3 measured without a prediction on record" in notes
    assert f"{(some['status'] == 'oom').sum()} out of memory" in notes


def test_one_kind_alone_has_no_legend_entry_of_the_other(table: pd.DataFrame) -> None:
    alone = table.assign(prefill_calibrated_s=None)
    fig = draw_predicted_observed(alone, error_tables(table)[1])
    legend = [text.get_text() for text in fig.legends[0].get_texts()]
    assert "uncalibrated" in legend and "calibrated" not in legend


@pytest.mark.parametrize("width", ["column", "page"])
def test_nothing_is_small_or_clipped(table: pd.DataFrame, width: str) -> None:
    names = {"qwen2.5-omni-3b": "qwen3-omni-30b-a3b-24-layers"}
    fig = draw_predicted_observed(
        table.replace({"model": names}), error_tables(table)[1], width=width
    )
    assert_tidy(fig)


def test_without_predictions_it_is_refused(table: pd.DataFrame) -> None:
    none = result_table(tokens=(5_004,), cells=CELLS[:2], predicted=False, calibrated=False)
    with pytest.raises(InvalidValueError, match="at least one that was both predicted and obs"):
        draw_predicted_observed(none, error_tables(table)[1])
    with pytest.raises(InvalidValueError, match="missing: worst_error"):
        draw_predicted_observed(table, error_tables(table)[1].drop(columns="worst_error"))
