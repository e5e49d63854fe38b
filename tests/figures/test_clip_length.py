"""The figure of clip lengths: lines are predictions as far as they fit, markers what was seen."""

from __future__ import annotations

import pandas as pd
import pytest
from figure_eyes import assert_tidy, lines
from invented_lengths import LINES, lengths_table
from matplotlib.colors import to_hex

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.plotting.canvas import notes_of
from omnizip_cost.plotting.clip_length import PANELS, draw_clip_length
from omnizip_cost.plotting.style import METHOD_COLOURS
from omnizip_cost.units import GIBI


def test_lines_are_the_predictions_that_fit_in_each_panel() -> None:
    table = lengths_table()
    fig = draw_clip_length(table)
    predicted = table[(table["timed"] == "predicted") & (table["status"] == "ok")]
    for ax, column in zip(fig.axes, PANELS, strict=True):
        drawn = [line for line in ax.lines if line.get_label() == "_predicted"]
        for line, (label, (method, _)) in zip(drawn, LINES.items(), strict=True):
            mine = predicted[predicted["label"] == label]
            assert list(line.get_xdata()) == list(mine["seconds"])
            assert list(line.get_ydata()) == pytest.approx(list(mine[column]))
            assert to_hex(line.get_color()) == METHOD_COLOURS[method].lower()


def test_every_line_has_dashes_or_a_colour_of_its_own() -> None:
    looks = {(line.get_color(), str(line.get_linestyle()), str(line._unscaled_dash_pattern))
             for line in draw_clip_length(lengths_table()).axes[0].lines
             if line.get_label() == "_predicted"}  # fmt: skip
    assert len(looks) == len(LINES)


def test_markers_are_what_was_observed() -> None:
    table = lengths_table(seen=(5, 20))
    fig = draw_clip_length(table)
    observed = table[table["timed"] == "observed"]
    for ax, column in zip(fig.axes, PANELS, strict=True):
        seen = [y for line in ax.lines if line.get_label() == "_observed"
                for y in line.get_ydata()]  # fmt: skip
        assert seen == pytest.approx(list(observed[column]))
    assert {line.get_marker() for line in lines(fig, "_observed")} == {"^"}
    assert "Markers: observed, random weights: timing only." in notes_of(fig).replace("\n", " ")


def test_a_cross_stands_where_a_line_stops_fitting() -> None:
    table = lengths_table()
    fig = draw_clip_length(table)
    assert [line.get_xdata()[0] for line in lines(fig, "_stops")] == [60] * 4
    assert "Longest that fit: FastV 35% 60 s." in notes_of(fig).replace("\n", " ")
    whole = table[table["label"] != "FastV 35%"]
    fig = draw_clip_length(whole)
    assert not lines(fig, "_stops")
    assert "All fit." in notes_of(fig)


def test_what_the_device_can_hold_is_a_line_where_it_is_near() -> None:
    fig = draw_clip_length(lengths_table())
    (limit,) = lines(fig, "_limit")
    assert limit.axes is fig.axes[-1]
    assert limit.get_ydata()[0] == 40 * GIBI
    fig = draw_clip_length(lengths_table(usable_gib=400))
    assert not lines(fig, "_limit")
    assert "The device can hold 400 GiB." in notes_of(fig).replace("\n", " ")


def test_dotted_lines_stand_where_sound_and_frames_end() -> None:
    fig = draw_clip_length(lengths_table())
    assert {line.get_xdata()[0] for line in lines(fig, "_sound_ends_s")} == {300}
    assert {line.get_xdata()[0] for line in lines(fig, "_frames_end_s")} == {384}
    notes = notes_of(fig).replace("\n", " ")
    assert "Dotted: past 300 s no more sound, past 384 s no more frames." in notes
    unbounded = draw_clip_length(lengths_table(sound_ends_s=None))
    assert not lines(unbounded, "_sound_ends_s")


@pytest.mark.parametrize(("width", "seen"), [("column", (5, 20)), ("page", ())])
def test_nothing_is_small_or_clipped(width: str, seen: tuple[int, ...]) -> None:
    fig = draw_clip_length(lengths_table(seen=seen), width=width)
    assert len(fig.axes) == 4
    assert_tidy(fig)


def test_an_observed_clip_that_ran_out_of_memory_is_named() -> None:
    fig = draw_clip_length(lengths_table(seen=(300,)))
    assert "Out of memory: FastV 35%." in notes_of(fig).replace("\n", " ")


def test_several_models_or_devices_are_refused() -> None:
    both = pd.concat([lengths_table(), lengths_table(device="h100-sxm")])
    with pytest.raises(InvalidValueError, match="model, device"):
        draw_clip_length(both)
