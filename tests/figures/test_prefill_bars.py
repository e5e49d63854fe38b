"""Prefill bars: lengths, speed-ups, marks and words are the table's, each on its own line."""

from __future__ import annotations

import pandas as pd
import pytest
from figure_eyes import assert_tidy, bars, lines
from invented_result import CELLS, result_table
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.plotting import draw_prefill_bars
from omnizip_cost.plotting.canvas import notes_of
from omnizip_cost.plotting.style import method_colour

BOTH = ("qwen2.5-omni-7b", "qwen2.5-omni-3b")


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return result_table(tokens=(5_004,), oom=("random",))


@pytest.fixture(scope="module")
def fig(table: pd.DataFrame) -> Figure:
    return draw_prefill_bars(table)


def names(ax: Axes) -> list[str]:
    return [label.get_text() for label in ax.get_yticklabels()]


def words(ax: Axes, label: str) -> dict[str, str]:
    lined = names(ax)
    return {lined[round(t.xy[1])]: t.get_text() for t in ax.texts if t.get_label() == label}


def test_bars_are_selection_and_then_prefill(fig: Figure, table: pd.DataFrame) -> None:
    (ax,) = fig.axes
    rows = table.set_index("label")
    drawn = bars(fig, "_prefill")
    assert len(drawn) == (table["status"] == "ok").sum()
    for bar in drawn:
        row = rows.loc[names(ax)[round(bar.get_y() + bar.get_height() / 2)]]
        selection = 0.0 if pd.isna(row["selection_s"]) else row["selection_s"]
        assert (bar.get_x(), bar.get_width()) == pytest.approx((selection, row["prefill_s"]))
        assert to_hex(bar.get_facecolor()) == method_colour(row["method"]).lower()
    assert ax.get_xlim()[0] == 0


def test_speedups_seconds_and_oom_are_written_in_their_place(
    fig: Figure, table: pd.DataFrame
) -> None:
    (ax,) = fig.axes
    rows = table[(table["method"] != "full") & (table["status"] == "ok")]
    assert words(ax, "_speedup") == {
        label: f"{value:.2f}×"
        for label, value in zip(rows["label"], rows["speedup_observed"], strict=True)
    }
    assert words(ax, "_missing") == {"Random 55%": "OOM", "Random 40%": "OOM"}
    full = table.set_index("label").loc["Full tokens", "prefill_s"]
    assert words(ax, "_seconds") == {"Full tokens": f"{1000 * full:.0f} ms"}


def test_a_mark_stands_where_the_prediction_ends(fig: Figure, table: pd.DataFrame) -> None:
    (ax,) = fig.axes
    due = table.set_index("label")
    ends = due["prefill_calibrated_s"] + due["selection_calibrated_s"].fillna(0.0)
    seen = {names(ax)[round(sum(line.get_ydata()) / 2)]: line.get_xdata()[0]
            for line in lines(fig, "_mark")}  # fmt: skip
    assert seen == pytest.approx(ends.to_dict())
    assert {"Random 55%", "Random 40%"} <= set(seen), "what had no room keeps its prediction"


def test_whiskers_are_the_quartiles_at_the_bars_end(fig: Figure, table: pd.DataFrame) -> None:
    (ax,) = fig.axes
    rows = table.set_index("label")
    drawn = lines(fig, "_spread")
    assert len(drawn) == (table["status"] == "ok").sum()
    for line in drawn:
        row = rows.loc[names(ax)[round(line.get_ydata()[0])]]
        before = 0.0 if pd.isna(row["selection_s"]) else row["selection_s"]
        assert list(line.get_xdata()) == pytest.approx(
            [before + row["prefill_low_s"], before + row["prefill_high_s"]]
        )


def test_configurations_are_named_once_a_line_and_gaps_are_said() -> None:
    whole = result_table(BOTH[:1], (5_004,), cells=CELLS[:8])
    part = result_table(BOTH[1:], (5_004,), cells=CELLS[:5])
    fig = draw_prefill_bars(pd.concat([whole, part]))
    left, right = fig.axes
    assert left.get_title(loc="left") == "qwen2.5-omni-7b"
    assert not right.yaxis.get_tick_params()["labelleft"]
    gaps = [text.get_text() for text in right.texts if text.get_label() == "_missing"]
    assert gaps == ["not run"] * 3
    assert "Each panel has its own scale" in notes_of(fig)


def test_panels_with_little_in_them_are_left_out_and_named() -> None:
    whole = result_table(BOTH[:1], (5_004,), cells=CELLS[:6])
    ends = result_table(BOTH[:1], (10_004,), cells=CELLS[:2])
    fig = draw_prefill_bars(pd.concat([whole, ends]))
    assert len(fig.axes) == 1
    assert "Fewer than 5 configurations, not drawn: qwen2.5-omni-7b, 10,004 tokens" in notes_of(fig)
    assert len(draw_prefill_bars(ends).axes) == 1, "they are drawn where there are no others"


def test_without_a_prediction_there_is_no_mark_and_the_note_says_so() -> None:
    table = result_table(tokens=(5_004,), cells=CELLS[:4], predicted=False, calibrated=False)
    fig = draw_prefill_bars(table)
    assert lines(fig, "_mark") == []
    assert "No prediction is on record" in notes_of(fig)


@pytest.mark.parametrize("width", ["column", "page"])
def test_nothing_is_small_or_clipped(width: str) -> None:
    models = ("qwen2.5-omni-7b", "qwen3-omni-30b-a3b-24-layers")
    table = result_table(BOTH, (5_004,), oom=("fastv",), cells=CELLS[::3])
    table = table.replace({"model": dict(zip(BOTH, models, strict=True))})
    assert_tidy(draw_prefill_bars(table, width=width))


def test_a_missing_column_is_named(table: pd.DataFrame) -> None:
    with pytest.raises(InvalidValueError, match="missing: selection_s"):
        draw_prefill_bars(table.drop(columns="selection_s"))
