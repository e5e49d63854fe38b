"""The speed-up figure draws the compare table, column by column."""

from __future__ import annotations

import pandas as pd
import pytest
from figure_eyes import assert_tidy, lines, points
from invented_tables import compare_table
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from omnizip_cost.errors import InvalidValueError, UnknownNameError
from omnizip_cost.plotting import draw_speedup
from omnizip_cost.plotting.canvas import notes_of
from omnizip_cost.plotting.style import METHOD_COLOURS, MODEL_MARKERS, method_colour


def _reduced(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["method"] != "full"]


def _expected(table: pd.DataFrame, column: str) -> list[tuple[float, float]]:
    rows = _reduced(table).dropna(subset=[column])
    return sorted(zip(rows["realised"], rows[column], strict=True))


def _titles(fig: Figure) -> list[str]:
    return [ax.get_title(loc="left") for ax in fig.axes if ax.get_visible()]


@pytest.mark.parametrize("column", ["speedup_eq9", "speedup_exact", "speedup_observed"])
def test_points_are_the_tables_own_values(column: str) -> None:
    table = compare_table()
    assert points(draw_speedup(table), f"_{column}") == _expected(table, column)


def test_predictions_are_also_joined_by_lines() -> None:
    table = compare_table()
    fig = draw_speedup(table)
    for column, style in (("speedup_exact", "-"), ("speedup_eq9", "--")):
        assert points(fig, f"_{column}:line") == _expected(table, column)
        assert {line.get_linestyle() for line in lines(fig, f"_{column}:line")} == {style}


def test_error_bars_are_the_tables_low_and_high() -> None:
    table = _reduced(compare_table())
    ends = [
        (x, y)
        for row in table.itertuples()
        for x, y in (
            (row.realised, row.speedup_observed_low),
            (row.realised, row.speedup_observed_high),
        )
    ]
    assert points(draw_speedup(table), "_speedup_observed_spread") == sorted(ends)


def test_a_low_above_the_observed_value_is_drawn_as_it_comes() -> None:
    table = compare_table().assign(speedup_observed_low=9.0)
    drawn = points(draw_speedup(table), "_speedup_observed_spread")
    assert sum(y == 9.0 for _, y in drawn) == len(_reduced(table))


def test_long_error_bars_stay_on_the_axes() -> None:
    table = compare_table()
    table.loc[table["label"] == "Random 40%", "speedup_observed_high"] = 9.5
    fig = draw_speedup(table)
    assert all(ax.get_ylim()[1] > 9.5 for ax in fig.axes)
    left, right = fig.axes[0].get_xlim()
    assert left < 0.35
    assert right > 0.55


def test_colour_is_the_method_and_marker_the_model() -> None:
    fig = draw_speedup(compare_table("qwen2.5-omni-3b"))
    for ax, method in zip(fig.axes, ("random", "fastv", "dycoke", "omnizip"), strict=True):
        drawn = [line for line in ax.lines if line.get_label() == "_speedup_observed"]
        assert {to_hex(line.get_color()) for line in drawn} == {METHOD_COLOURS[method].lower()}
        assert {line.get_marker() for line in drawn} == {MODEL_MARKERS["qwen2.5-omni-3b"]}


def test_eq9_is_hollow_and_observed_filled() -> None:
    fig = draw_speedup(compare_table())
    assert {line.get_markerfacecolor() for line in lines(fig, "_speedup_eq9")} == {"white"}
    assert "white" not in {line.get_markerfacecolor() for line in lines(fig, "_speedup_observed")}


def test_every_panel_shows_the_full_token_line_at_one() -> None:
    fig = draw_speedup(compare_table())
    assert _titles(fig) == ["Random", "FastV", "DyCoke (V&A)", "OmniZip"]
    assert [list(line.get_ydata()) for line in lines(fig, "_unity")] == [[1.0, 1.0]] * 4


def test_settings_that_share_a_ratio_are_set_apart_and_named() -> None:
    table = compare_table()
    fig = draw_speedup(table)
    names = {text.get_text() for ax in fig.axes for text in ax.texts}
    assert names == {"0.55, 0.55", "0.3, 0.6"}
    panel = fig.axes[3]
    fig.canvas.draw()
    shared = [line for line in panel.lines if line.get_label() == "_speedup_observed"
              and 0.44 < line.get_xdata()[0] < 0.46]  # fmt: skip
    centres = [line.get_window_extent().x0 for line in shared]
    assert len(shared) == 2
    assert abs(centres[0] - centres[1]) >= 5 * fig.dpi / 72
    assert "Pairs beside points: audio, video pruning ratio." in notes_of(fig)


def test_a_lone_ratio_still_shows_the_exact_count() -> None:
    table = compare_table()
    lone = table[(table["method"] == "fastv") & (table["retained"] == 0.5)]
    (tick,) = lines(draw_speedup(lone), "_speedup_exact")
    assert tick.get_marker() == "_"


def test_out_of_memory_is_told_twice_and_drawn_nowhere() -> None:
    table = compare_table("qwen2.5-omni-7b", oom=("fastv",))
    fig = draw_speedup(table)
    assert "Out of memory: FastV 50%; FastV 35%" in notes_of(fig)
    assert [text.get_text() for text in fig.axes[1].texts] == ["out of memory"]
    assert points(fig, "_speedup_observed") == _expected(table, "speedup_observed")


def test_nothing_measured_still_makes_a_figure() -> None:
    table = compare_table(oom=("random", "fastv", "dycoke", "omnizip"))
    fig = draw_speedup(table)
    assert points(fig, "_speedup_observed") == []
    assert_tidy(fig)


def test_random_weights_are_noted_and_trained_ones_are_not() -> None:
    assert "andom weights: timing only" in notes_of(draw_speedup(compare_table()))
    assert "andom weights" not in notes_of(draw_speedup(compare_table(weights="checkpoint")))
    both = pd.concat([compare_table(), compare_table("qwen2.5-omni-7b", weights="checkpoint")])
    assert "andom weights: timing only (omni-tiny)" in notes_of(draw_speedup(both))


def test_models_and_devices_get_panels_of_their_own() -> None:
    table = pd.concat(
        [compare_table(), compare_table("qwen2.5-omni-7b", device="NVIDIA H100 80GB HBM3")]
    )
    fig = draw_speedup(table, width="page")
    titles = _titles(fig)
    assert len(titles) == 8
    assert "OmniZip\nomni-tiny, cpu" in titles
    assert points(fig, "_speedup_exact") == _expected(table, "speedup_exact")


def test_both_modes_are_named_where_they_meet() -> None:
    table = pd.concat([compare_table(), compare_table(mode="official")])
    fig = draw_speedup(table[table["method"] == "omnizip"])
    names = {text.get_text() for ax in fig.axes for text in ax.texts}
    assert {"paper 0.3, 0.6", "official 0.3, 0.6"} <= names


def test_the_lowest_panel_of_each_column_carries_tick_labels() -> None:
    table = compare_table()
    fig = draw_speedup(table[table["method"].isin(["random", "fastv", "omnizip"])])
    fig.canvas.draw()
    shown = [ax for ax in fig.axes if ax.get_visible()]
    assert len(shown) == 3
    assert shown[1].xaxis.get_tick_params()["labelbottom"]


@pytest.mark.parametrize("width", ["column", "page"])
def test_nothing_is_small_or_clipped(width: str) -> None:
    table = compare_table("qwen2.5-omni-7b", device="Intel(R) Xeon(R) Platinum 8481C @ 2.7GHz",
                              oom=("fastv",))  # fmt: skip
    fig = draw_speedup(table, width=width)
    assert fig.get_figwidth() == {"column": 3.3, "page": 6.9}[width]
    assert_tidy(fig)


def test_wrong_tables_and_widths_are_refused_in_a_sentence() -> None:
    table = compare_table()
    with pytest.raises(InvalidValueError, match=r"missing: speedup_exact$"):
        draw_speedup(table.drop(columns="speedup_exact"))
    with pytest.raises(InvalidValueError, match="rows must be at least one, got 0"):
        draw_speedup(table.iloc[:0])
    with pytest.raises(UnknownNameError, match="unknown figure width 'colum': did you mean column"):
        draw_speedup(table, width="colum")


def test_a_method_of_another_package_has_a_panel_in_its_own_colour() -> None:
    table = compare_table()
    fig = draw_speedup(table.replace({"method": {"omnizip": "stride"}}))
    (panel,) = [ax for ax in fig.axes if ax.get_title(loc="left") == "stride"]
    colours = {line.get_color() for line in panel.lines if line.get_label() == "_speedup_observed"}
    assert colours == {method_colour("stride")}
    assert not colours & set(METHOD_COLOURS.values())


def test_the_note_says_where_selection_is() -> None:
    notes = notes_of(draw_speedup(compare_table())).replace("\n", " ")
    assert "Selection is inside the exact count and the observed time, Eq. 9 has none." in notes
