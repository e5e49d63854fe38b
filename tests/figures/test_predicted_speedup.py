"""The figure of predicted speed-ups draws the result table, in its place, nothing reckoned."""

from __future__ import annotations

import pandas as pd
import pytest
from figure_eyes import assert_tidy, lines, points
from invented_result import CELLS, result_table
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.plotting import draw_predicted_speedup
from omnizip_cost.plotting.canvas import notes_of
from omnizip_cost.plotting.style import METHOD_COLOURS, METHOD_FILLS, MODEL_MARKERS


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return result_table(tokens=(10_004,))


@pytest.fixture(scope="module")
def fig(table: pd.DataFrame) -> Figure:
    return draw_predicted_speedup(table)


def reduced(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["method"] != "full"]


def expected(table: pd.DataFrame, *columns: str) -> list[tuple[float, float]]:
    rows = reduced(table)
    return sorted((x, y) for name in columns
                  for x, y in zip(rows["realised"], rows[name], strict=True))  # fmt: skip


@pytest.mark.parametrize(
    ("label", "columns"),
    [
        ("_observed", ["speedup_observed"]),
        ("_observed_spread", ["speedup_observed_low", "speedup_observed_high"]),
        ("_predicted", ["speedup_calibrated"]),
        ("_speedup_eq9", ["speedup_eq9"]),
        ("_speedup_exact", ["speedup_exact"]),
    ],
)
def test_what_is_drawn_is_the_tables(
    fig: Figure, table: pd.DataFrame, label: str, columns: list[str]
) -> None:
    assert points(fig, label) == expected(table, *columns)


def test_bands_reach_from_low_to_high(fig: Figure, table: pd.DataFrame) -> None:
    corners = {
        (float(x), float(y))
        for ax in fig.axes
        for band in ax.collections
        if isinstance(band, PolyCollection)
        for path in band.get_paths()
        for x, y in path.vertices
    }
    assert corners == set(expected(table, "speedup_calibrated_low", "speedup_calibrated_high"))


def test_fastv_has_a_panel_of_its_own_and_its_forms_are_named(fig: Figure) -> None:
    left, right = fig.axes
    assert right.get_title(loc="left") == "FastV"
    fastv = METHOD_COLOURS["fastv"].lower()
    drawn = [{to_hex(x.get_color()) for x in ax.lines if x.get_label() == "_observed"}
             for ax in (left, right)]  # fmt: skip
    assert fastv not in drawn[0] and drawn[1] == {fastv}
    heights = {text.get_text(): text.xy[1] for text in right.texts}
    assert set(heights) == {"m", "q"}
    assert heights["q"] > heights["m"]
    assert "m, of all queries; q, of the last query alone" in notes_of(fig)


def test_without_fastv_a_panel_is_whole(table: pd.DataFrame) -> None:
    fig = draw_predicted_speedup(table[table["method"] != "fastv"])
    assert len(fig.axes) == 1
    assert "FastV" not in notes_of(fig)


def test_colour_and_filled_half_are_the_method_and_the_shape_the_model(fig: Figure) -> None:
    names = ("omnizip", "random", "dycoke", "fastv")
    seen = lines(fig, "_observed")
    looks = {(to_hex(line.get_color()), line.get_fillstyle()) for line in seen}
    assert looks == {(METHOD_COLOURS[name].lower(), METHOD_FILLS[name]) for name in names}
    beside = {METHOD_FILLS[name] for name in names if name != "fastv"}
    assert len(beside) == 3, "told apart in grey; FastV has a panel of its own"
    assert {line.get_marker() for line in seen} <= set(MODEL_MARKERS.values())


def test_points_that_would_cover_one_another_are_set_apart(fig: Figure) -> None:
    fig.canvas.draw()
    near = [line for line in lines(fig, "_observed") if abs(line.get_xdata()[0] - 0.55) < 0.01]
    assert len(near) == 2
    centres = [line.get_window_extent().x0 for line in near]
    assert abs(centres[0] - centres[1]) > 2.5 * fig.dpi / 72


def test_what_ran_out_of_memory_is_a_cross_on_its_prediction() -> None:
    table = result_table(tokens=(10_004,), oom=("dycoke",))
    fig = draw_predicted_speedup(table)
    gone = table[table["method"] == "dycoke"]
    assert points(fig, "_oom") == sorted(
        zip(gone["retained"], gone["speedup_calibrated"], strict=True)
    )
    kept = table[table["method"] != "dycoke"]
    assert points(fig, "_observed") == expected(kept, "speedup_observed")
    assert "Crosses stand at the prediction, at the nominal ratio" in notes_of(fig)
    assert "OOM" in [text.get_text() for text in fig.legends[0].get_texts()]


def test_the_uncalibrated_prediction_stands_in_and_the_note_says_so() -> None:
    table = result_table(tokens=(10_004,), calibrated=False)
    fig = draw_predicted_speedup(table)
    assert points(fig, "_predicted") == expected(table, "speedup_predicted")
    assert "Prediction: uncalibrated, written before the measurement" in notes_of(fig)


def test_without_a_prediction_the_measurement_still_stands() -> None:
    table = result_table(tokens=(10_004,), predicted=False, calibrated=False)
    fig = draw_predicted_speedup(table)
    assert lines(fig, "_predicted") == []
    assert points(fig, "_observed") == expected(table, "speedup_observed")
    assert "No prediction is on record" in notes_of(fig)


def test_a_lone_ratio_shows_its_band_its_prediction_and_its_counts() -> None:
    table = result_table(tokens=(10_004,), cells=(CELLS[0], CELLS[4]))
    fig = draw_predicted_speedup(table)
    (row,) = reduced(table).to_dict("records")
    assert points(fig, "_predicted") == [(row["realised"], row["speedup_calibrated"])]
    (eq9,) = lines(fig, "_speedup_eq9")
    assert set(eq9.get_ydata()) == {row["speedup_eq9"]}
    assert eq9.get_xdata()[0] < row["realised"] < eq9.get_xdata()[1]


@pytest.mark.parametrize("width", ["column", "page"])
def test_nothing_is_small_or_clipped(width: str) -> None:
    models = ("qwen2.5-omni-7b", "qwen2.5-omni-3b")
    table = result_table(models, (10_004,), oom=("dycoke",), cells=CELLS[3:])
    assert_tidy(draw_predicted_speedup(table, width=width))


def test_wrong_tables_are_refused_in_a_sentence(table: pd.DataFrame) -> None:
    with pytest.raises(InvalidValueError, match=r"missing: speedup_exact$"):
        draw_predicted_speedup(table.drop(columns="speedup_exact"))
    with pytest.raises(InvalidValueError, match="rows must be at least one that is compressed"):
        draw_predicted_speedup(table[table["method"] == "full"])
