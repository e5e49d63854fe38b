"""The accuracy figure: every marker is a row of the table, and names touch nothing."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pandas as pd
import pytest
from figure_eyes import assert_tidy, lines, points
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.plotting import draw_accuracy
from omnizip_cost.plotting.canvas import notes_of
from omnizip_cost.plotting.style import METHOD_COLOURS
from omnizip_cost.results.store import read_table

PAPER = Path(__file__).resolve().parents[2] / "analysis" / "tables" / "paper"
FACTORS = {"eq9": 1e12, "exact": 1e12, "seconds": 1.0}


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Without the panels of Eq. 9, which are drawn like those of the exact count."""
    stored = read_table(PAPER / "accuracy.csv")
    return stored[stored["cost"] != "eq9"]


@pytest.fixture(scope="module")
def drawn(table: pd.DataFrame) -> dict[str, Figure]:
    return {width: draw_accuracy(table, width=width) for width in ("column", "page")}


@pytest.mark.parametrize("width", ["column", "page"])
def test_every_marker_is_a_row(table: pd.DataFrame, drawn: dict[str, Figure], width: str) -> None:
    kept = table[table["method"] != "full"]
    wanted = sorted((row.value / FACTORS[row.cost], row.accuracy) for row in kept.itertuples())
    found = points(drawn[width], "_setting")
    assert [x for x, _ in found] == pytest.approx([x for x, _ in wanted])
    assert [y for _, y in found] == [y for _, y in wanted]


def test_the_dashed_line_is_the_accuracy_of_all_tokens(
    table: pd.DataFrame, drawn: dict[str, Figure]
) -> None:
    full = table[table["method"] == "full"]
    heights = sorted(line.get_ydata()[0] for line in lines(drawn["column"], "_full"))
    assert heights == sorted(full["accuracy"])
    said = sorted(text.get_text() for ax in drawn["page"].axes for text in ax.texts
                  if text.get_label() == "_full_cost")  # fmt: skip
    assert said[:2] == ["all tokens: 0.889", "all tokens: 1.62"]
    assert len(said) == len(full)


def test_filled_markers_are_those_that_nothing_beats(
    table: pd.DataFrame, drawn: dict[str, Figure]
) -> None:
    kept = table[table["method"] != "full"]
    filled = [one for one in lines(drawn["column"], "_setting")
              if to_hex(one.get_markerfacecolor()) != "#ffffff"]  # fmt: skip
    assert len(filled) == kept["best"].sum() > 0
    colours = {to_hex(line.get_color()) for line in filled}
    assert colours == {METHOD_COLOURS["omnizip"].lower()}


def test_a_run_that_did_not_fit_is_crossed_on_its_own_device_only(
    table: pd.DataFrame, drawn: dict[str, Figure]
) -> None:
    (row,) = table[table["published_status"] == "oom"].itertuples()
    assert (row.model, row.method, row.cost) == ("qwen2.5-omni-7b", "fastv", "seconds")
    assert points(drawn["column"], "_oom") == [pytest.approx((row.value, row.accuracy))]


@pytest.mark.parametrize("width", ["column", "page"])
def test_names_touch_neither_each_other_nor_the_panel(drawn: dict[str, Figure], width: str) -> None:
    fig = drawn[width]
    assert_tidy(fig)
    for ax in fig.axes:
        frame = ax.get_window_extent().padded(2)
        boxes = [text.get_window_extent() for text in ax.texts]
        for box in boxes:
            assert frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0
        assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def test_two_settings_of_one_ratio_are_named_by_their_pair(drawn: dict[str, Figure]) -> None:
    names = [text.get_text() for text in drawn["page"].axes[0].texts]
    assert {"O (0.3, 0.6)", "O (0.55, 0.55)", "O 35", "D 45"} <= set(names)
    assert "or the pair (rho_a, rho_v)" in notes_of(drawn["page"])


def test_names_and_legend_tell_methods_apart_without_colour(drawn: dict[str, Figure]) -> None:
    legend = {text.get_text() for text in drawn["column"].legends[0].get_texts()}
    assert {"R: Random", "F: FastV", "D: DyCoke (V&A)", "O: OmniZip"} <= legend


def test_the_notes_say_what_is_published_and_what_predicted(drawn: dict[str, Figure]) -> None:
    notes = notes_of(drawn["page"])
    assert notes.startswith("Accuracies as OmniZip publishes them on WorldSense: none is measured")
    assert "60 s at 252x448, 10,140 audio and video tokens" in notes
    assert "predicted for rtx-a6000, not measured" in notes


def test_measured_seconds_have_a_panel_and_bars_of_their_own(table: pd.DataFrame) -> None:
    """As they will stand there once a GPU has run the same settings."""
    three = table[(table["model"] == "qwen2.5-omni-3b") & (table["cost"] == "seconds")]
    measured = three.assign(kind="measured", device="h100-sxm", value=three["value"] / 6,
                            low=three["value"] / 6.5, high=three["value"] / 5.5)  # fmt: skip
    fig = draw_accuracy(pd.concat([three, measured]))
    assert [ax.get_xlabel() for ax in fig.axes] == [
        "prefill (s), predicted", "prefill (s), measured",
    ]  # fmt: skip
    assert len(lines(fig, "_spread")) == (three["method"] != "full").sum()
    assert "measured on h100-sxm: medians, bars their quartiles" in notes_of(fig).lower()
    assert_tidy(fig)


def test_a_missing_column_is_named(table: pd.DataFrame) -> None:
    with pytest.raises(InvalidValueError, match="missing: best"):
        draw_accuracy(table.drop(columns="best"))
