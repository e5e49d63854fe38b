"""The bars of peak memory: lengths are bytes, marks are predictions, crosses what does not fit."""

from __future__ import annotations

import pandas as pd
import pytest
from figure_eyes import assert_tidy, bars, lines
from invented_lengths import limits_table, memory_result
from matplotlib.colors import to_hex

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.plotting.canvas import notes_of
from omnizip_cost.plotting.memory_bars import BEYOND, draw_memory_bars
from omnizip_cost.plotting.style import METHOD_COLOURS
from omnizip_cost.units import GIBI

ONE = {"tokens": (5_004,)}


def test_bars_are_the_observed_bytes_and_ticks_the_predicted_ones() -> None:
    table = memory_result(**ONE)
    fig = draw_memory_bars(table, limits_table())
    drawn = bars(fig, "_observed")
    assert [bar.get_width() for bar in drawn] == list(table["peak_memory_bytes"])
    marks = [line.get_xdata()[0] for line in lines(fig, "_mark")]
    assert marks == list(table["peak_memory_predicted_bytes"])
    for bar, method in zip(drawn, table["method"], strict=True):
        assert to_hex(bar.get_facecolor()) == METHOD_COLOURS[method].lower()


def test_the_number_beside_a_bar_is_what_was_observed_in_gib() -> None:
    table = memory_result(**ONE)
    (ax,) = draw_memory_bars(table, limits_table()).axes
    written = [item.get_text() for item in ax.texts if item.get_label() == "_total"]
    assert written == [f"{size / GIBI:.1f}" for size in table["peak_memory_bytes"]]


def test_cards_are_drawn_that_something_reaches_and_the_next_if_near() -> None:
    (ax,) = draw_memory_bars(memory_result(**ONE), limits_table()).axes
    at = {line.get_label(): line.get_xdata()[0] / GIBI for line in ax.lines
          if str(line.get_label()).startswith("_limit")}  # fmt: skip
    assert at == pytest.approx({"_limit:24": 23.1})
    (ax,) = draw_memory_bars(memory_result(tokens=(10_004,)), limits_table()).axes
    sold = [item.get_text() for item in ax.texts if item.get_label() == "_sold"]
    assert sold == ["24", "48"]


def test_a_cross_marks_each_line_that_a_bar_or_its_prediction_passes() -> None:
    table = memory_result(tokens=(10_004,))
    fig = draw_memory_bars(table, limits_table())
    crossed = {round(y): [x / GIBI for x in line.get_xdata()] for line in lines(fig, "_over")
               for y in line.get_ydata()[:1]}  # fmt: skip
    walls = [at for at, form in enumerate(table["fastv_form"]) if form == "materialised"]
    assert crossed == {at: pytest.approx([23.1]) for at in walls}


def test_what_ran_out_of_memory_says_so_and_keeps_its_prediction() -> None:
    table = memory_result(tokens=(10_004,), oom=("fastv",))
    fig = draw_memory_bars(table, limits_table())
    words = [item.get_text() for ax in fig.axes for item in ax.texts
             if item.get_label() == "_missing"]  # fmt: skip
    assert words == ["OOM"] * 2
    assert len(bars(fig, "_observed")) == len(table) - 2
    assert len(lines(fig, "_mark")) == len(table)


def test_far_beyond_every_card_the_axis_is_cut_and_the_figure_written() -> None:
    table = memory_result(tokens=(40_008,), oom=("fastv",))
    fig = draw_memory_bars(table, limits_table())
    (ax,) = fig.axes
    assert ax.get_xlim()[1] == pytest.approx(BEYOND * 78.6 * GIBI)
    written = [item.get_text() for item in ax.texts if "▸" in item.get_text()]
    wall = table[table["fastv_form"] == "materialised"]["peak_memory_predicted_bytes"] / GIBI
    assert written == [f"OOM, {size:.0f} ▸" for size in wall]
    assert_tidy(fig)


def test_far_below_every_card_no_line_is_drawn_and_the_note_says_that_all_fit() -> None:
    fig = draw_memory_bars(memory_result(0.01, **ONE), limits_table())
    assert not [line for ax in fig.axes for line in ax.lines if "_limit" in str(line.get_label())]
    notes = notes_of(fig).replace("\n", " ")
    assert "All fit in the 23.1 GiB that one process can use of rtx-4090." in notes
    assert fig.axes[0].get_xlabel() == ""
    assert any(item.get_text() == "peak memory (MiB)" for item in fig.texts)


def test_numbers_keep_off_the_lines() -> None:
    fig = draw_memory_bars(memory_result(tokens=(5_004, 10_004)), limits_table())
    fig.draw_without_rendering()
    for ax in fig.axes:
        places = [ax.transData.transform((line.get_xdata()[0], 0))[0] for line in ax.lines
                  if str(line.get_label()).startswith("_limit")]  # fmt: skip
        for item in (item for item in ax.texts if item.get_label() == "_total"):
            box = item.get_window_extent()
            assert not any(box.x0 < x < box.x1 for x in places), item.get_text()


@pytest.mark.parametrize("width", ["column", "page"])
def test_clips_and_models_have_panels_and_nothing_is_clipped(width: str) -> None:
    models = ("qwen2.5-omni-7b", "qwen2.5-omni-3b")
    table = memory_result(models=models, tokens=(5_004, 10_004))
    fig = draw_memory_bars(table, limits_table(), width=width)
    assert len(fig.axes) == 4
    assert len(bars(fig, "_observed")) == len(table)
    assert_tidy(fig)


def test_notes_say_what_is_measured_and_which_prediction() -> None:
    notes = notes_of(draw_memory_bars(memory_result(**ONE), limits_table())).replace("\n", " ")
    assert "Bars: allocated by tensors." in notes
    assert "Predictions: written before the measurement, no calibration enters them." in notes
    table = memory_result(**ONE).assign(peak_memory_predicted_bytes=float("nan"))
    fig = draw_memory_bars(table, limits_table())
    assert "No prediction is on record." in notes_of(fig).replace("\n", " ")
    assert not lines(fig, "_mark")


def test_a_configuration_that_a_clip_lacks_is_a_dash() -> None:
    table = memory_result(tokens=(5_004, 10_004))
    table = table[(table["full_tokens"] == 5_004) | (table["method"] != "random")]
    fig = draw_memory_bars(table, limits_table())
    dashes = [item for item in fig.axes[1].texts if item.get_label() == "_not_run"]
    assert len(dashes) == 1
    assert "–: not run." in notes_of(fig)


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="missing: usable_bytes"):
        draw_memory_bars(memory_result(**ONE), limits_table().drop(columns="usable_bytes"))
    with pytest.raises(InvalidValueError, match="at least one"):
        draw_memory_bars(pd.DataFrame(memory_result(**ONE)[:0]), limits_table())
