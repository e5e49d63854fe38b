"""The window figure draws the windows table, and says where its scores come from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from figure_eyes import assert_tidy, bars, lines
from invented_tables import windows_table
from matplotlib.colors import to_hex

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.plotting import draw_windows
from omnizip_cost.plotting.canvas import notes_of
from omnizip_cost.plotting.style import METHOD_COLOURS
from omnizip_cost.results.store import read_table


def test_bars_are_the_audio_kept_in_each_window_that_has_audio() -> None:
    table = windows_table()
    heard = table.dropna(subset=["retention"])
    drawn = bars(draw_windows(table), "_retention")
    assert [bar.get_height() for bar in drawn] == list(heard["retention"])
    assert [bar.get_x() + bar.get_width() / 2 for bar in drawn] == pytest.approx(
        list(heard["window"])
    )


@pytest.mark.parametrize("column", ["rate", "initial_rate"])
def test_lines_are_the_rates(column: str) -> None:
    table = windows_table()
    (line,) = lines(draw_windows(table), f"_{column}")
    np.testing.assert_array_equal(line.get_xdata(), table["window"])
    np.testing.assert_array_equal(line.get_ydata(), table[column])


def test_the_rate_has_omnizips_colour_and_the_initial_rate_is_fainter() -> None:
    fig = draw_windows(windows_table())
    (rate,), (initial,) = lines(fig, "_rate"), lines(fig, "_initial_rate")
    assert to_hex(rate.get_color()) == METHOD_COLOURS["omnizip"].lower()
    assert to_hex(initial.get_color()) != to_hex(rate.get_color())
    assert initial.get_linewidth() < rate.get_linewidth()
    assert initial.get_linestyle() != rate.get_linestyle(), "told apart in greyscale"


def test_the_budget_is_a_line_and_in_the_legend() -> None:
    fig = draw_windows(windows_table(rho_v=0.55))
    (line,) = lines(fig, "_budget")
    assert list(line.get_ydata()) == [0.55, 0.55]
    assert "budget 0.55" in [text.get_text() for text in fig.legends[0].get_texts()]


def test_runs_without_audio_are_hatched_and_only_those() -> None:
    fig = draw_windows(windows_table(12, silent=(0, 4, 5, 11)))
    spans = [patch for patch in fig.axes[0].patches if patch.get_label() == "_no_audio"]
    assert [(s.get_x(), s.get_x() + s.get_width()) for s in spans] == [
        (-0.5, 0.5), (3.5, 5.5), (10.5, 11.5),
    ]  # fmt: skip
    assert all(span.get_hatch() for span in spans)


@pytest.mark.parametrize("silent", [(), (3,)])
def test_the_legend_names_silence_only_where_there_is_some(silent: tuple[int, ...]) -> None:
    fig = draw_windows(windows_table(silent=silent))
    entries = [text.get_text() for text in fig.legends[0].get_texts()]
    assert ("no audio" in entries) == bool(silent)


@pytest.mark.parametrize(("silent", "columns"), [((), 2), ((3, 4), 3)])
def test_the_legend_leaves_no_entry_alone_in_a_row(silent: tuple[int, ...], columns: int) -> None:
    (legend,) = draw_windows(windows_table(silent=silent)).legends
    assert legend._ncols == columns
    assert len(legend.get_texts()) % columns != 1


@pytest.mark.parametrize("source", ["proxy", "encoder", "random-weights encoder"])
def test_the_score_source_is_printed_in_the_figure(source: str) -> None:
    assert f"Scores: {source}." in notes_of(draw_windows(windows_table(scores=source)))


def test_time_is_written_where_known_and_window_numbers_otherwise() -> None:
    timed, bare = draw_windows(windows_table(12)), draw_windows(windows_table(12, timed=False))
    assert timed.axes[0].get_xlabel() == "start of the time window (s)"
    assert timed.axes[0].xaxis.get_major_formatter()(5, 0) == "10"
    assert timed.axes[0].xaxis.get_major_formatter()(99, 0) == ""
    assert bare.axes[0].get_xlabel() == "time window"


def test_each_budget_or_label_has_its_panel() -> None:
    table = pd.concat(
        [windows_table(), windows_table(rho_v=0.7).assign(label="OmniZip (0.4, 0.7)")]
    )
    fig = draw_windows(table, width="page")
    titles = [ax.get_title(loc="left") for ax in fig.axes]
    assert titles == ["OmniZip (0.3, 0.6), budget 0.6", "OmniZip (0.4, 0.7), budget 0.7"]
    assert [line.get_ydata()[0] for line in lines(fig, "_budget")] == [0.6, 0.7]


def test_one_window_has_one_tick() -> None:
    ax = draw_windows(windows_table(1)).axes[0]
    low, high = ax.get_xlim()
    assert [tick for tick in ax.get_xticks() if low <= tick <= high] == [0.0]


def test_a_clip_without_any_audio_is_all_hatch() -> None:
    fig = draw_windows(windows_table(4, silent=(0, 1, 2, 3)))
    assert bars(fig, "_retention") == []
    (span,) = [patch for patch in fig.axes[0].patches if patch.get_label() == "_no_audio"]
    assert span.get_width() == 4
    assert_tidy(fig)


def test_a_table_read_back_from_disk_may_hold_none() -> None:
    table = windows_table().astype(object)
    table = table.where(table.notna(), None)
    (line,) = lines(draw_windows(table), "_initial_rate")
    assert np.isnan(line.get_ydata()).sum() == 3


@pytest.mark.parametrize("count", [1, 2, 7, 30, 150])
@pytest.mark.parametrize("width", ["column", "page"])
def test_nothing_is_small_or_clipped(count: int, width: str) -> None:
    fig = draw_windows(windows_table(count, silent=(4,)), width=width)
    assert_tidy(fig)
    (line,) = lines(fig, "_rate")
    assert (line.get_marker() == "o") == (count <= 30)


def test_a_table_without_its_score_source_is_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"missing: scores$"):
        draw_windows(windows_table().drop(columns="scores"))


@pytest.mark.parametrize("width", ["column", "page"])
def test_clips_stand_side_by_side_under_their_names(width: str) -> None:
    """Two clips at two budgets: a column each, as wide as it has windows, rates where they are."""
    paper = Path(__file__).resolve().parents[2] / "analysis" / "tables" / "paper"
    table = read_table(paper / "windows.csv")
    fig = draw_windows(table, width=width)
    assert_tidy(fig)
    long, short, *below = fig.axes
    assert long.get_title(loc="left") == "nasa_13013.mp4\nOmniZip (0.3, 0.6), budget 0.6"
    assert short.get_title(loc="left") == "bigbuckbunny.mp4\n"
    assert [ax.get_title(loc="left") for ax in below] == ["OmniZip (0.4, 0.7), budget 0.7", ""]
    assert long.get_position().width > short.get_position().width
    places = [(0.6, "nasa_13013.mp4"), (0.6, "bigbuckbunny.mp4"),
              (0.7, "nasa_13013.mp4"), (0.7, "bigbuckbunny.mp4")]  # fmt: skip
    for line, (rho_v, clip) in zip(lines(fig, "_rate"), places, strict=True):
        own = table[(table["rho_v"] == rho_v) & (table["clip"] == clip)]
        assert list(line.get_ydata()) == list(own["rate"])


def test_a_clip_without_one_of_the_budgets_leaves_its_place_empty() -> None:
    both = pd.concat([
        windows_table(5).assign(clip="a.mp4"),
        windows_table(5, rho_v=0.7).assign(clip="a.mp4", label="OmniZip (0.4, 0.7)"),
        windows_table(3).assign(clip="b.mp4"),
    ])  # fmt: skip
    fig = draw_windows(both)
    assert [ax.get_visible() for ax in fig.axes] == [True, True, True, False]
