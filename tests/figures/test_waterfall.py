"""The figure of the waterfall: its bars are the table's, from Eq. 9 to what was observed."""

from __future__ import annotations

import pandas as pd
import pytest
from figure_eyes import assert_tidy, bars, points
from planted_rows import planted_waterfall

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.plotting import draw_waterfall
from omnizip_cost.plotting.canvas import notes_of
from omnizip_cost.plotting.style import INK, lightness, method_colour


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return pd.DataFrame([dict(row) for row in planted_waterfall("end-to-end")])


def _least(table: pd.DataFrame, method: str) -> pd.DataFrame:
    own = table[table["method"] == method]
    return own[own["realised"] == own["realised"].min()].reset_index(drop=True)


def test_each_bar_goes_from_the_step_before_to_its_own(table: pd.DataFrame) -> None:
    fig = draw_waterfall(table)
    for ax, method in zip(fig.axes, ("random", "omnizip"), strict=True):
        steps = _least(table, method)
        drawn = {
            (round(bar.get_x(), 9), round(bar.get_x() + bar.get_width(), 9))
            for container in ax.containers
            for bar in container
            if container.get_label() != "_end"
        }
        pairs = zip(steps["speedup"], steps["speedup"][1:], strict=False)
        assert drawn == {(round(a, 9), round(b, 9)) for a, b in pairs}
        ends = [bar.get_width() + 1 for c in ax.containers if c.get_label() == "_end" for bar in c]
        assert ends == pytest.approx([steps["speedup"].iloc[0], steps["speedup"].iloc[-1]])
        labels = [label.get_text() for label in ax.get_yticklabels()]
        assert len(labels) == len(steps) + 1
        assert (labels[0], labels[-2], labels[-1]) == ("Eq. 9", "not explained", "observed")


def test_factors_stand_beside_their_step(table: pd.DataFrame) -> None:
    (ax, _) = draw_waterfall(table).axes
    steps = _least(table, "random")
    written = {
        int(item.get_position()[1]): item.get_text()
        for item in ax.texts
        if item.get_label() == "_factor"
    }
    assert written == {
        place: f"\u00d7{factor:.3f}" for place, factor in enumerate(steps["factor"]) if place
    }


def test_taking_adding_and_not_explained_differ_without_colour(table: pd.DataFrame) -> None:
    """Hollow and hatched adds; a tint takes away; black is not explained; the clock is full."""
    fig = draw_waterfall(table)
    steps = _least(table, "omnizip")
    ax = fig.axes[1]
    for container in ax.containers:
        name = container.get_label()[1:]
        (bar,) = container
        if name in {"end", "remainder"}:
            continue
        (factor,) = steps.loc[steps["step"] == name, "factor"]
        assert bool(bar.get_hatch()) is (factor > 1), name
        assert lightness(bar.get_facecolor()) > 60, name
    (rest,) = [bar for c in ax.containers if c.get_label() == "_remainder" for bar in c]
    assert lightness(rest.get_facecolor()) == pytest.approx(lightness(INK), abs=0.5)
    hollow, full = [bar for c in ax.containers if c.get_label() == "_end" for bar in c]
    assert lightness(hollow.get_facecolor()) > 99
    assert lightness(full.get_facecolor()) < lightness(method_colour("omnizip")) + 0.5


def test_the_interval_is_the_predictions(table: pd.DataFrame) -> None:
    for method in ("random", "omnizip"):
        steps = _least(table, method)
        last = steps.iloc[-1]
        drawn = points(draw_waterfall(steps), "_interval")
        assert [x for x, _ in drawn] == [last["predicted_low"], last["predicted_high"]]
        assert {y for _, y in drawn} == {len(steps) - 1}
    without = table.assign(predicted_low=None, predicted_high=None)
    assert points(draw_waterfall(without), "_interval") == []


def test_notes_say_what_was_timed_and_what_is_not_drawn(table: pd.DataFrame) -> None:
    notes = notes_of(draw_waterfall(table))
    assert "Timed: end to end" in notes
    assert "Predicted on h100-sxm" in notes
    assert "the least kept (1 more in the table)" in notes
    assert "more in the table" not in notes_of(draw_waterfall(_least(table, "omnizip")))
    assert len(bars(draw_waterfall(_least(table, "omnizip")), "_end")) == 2


def test_panels_of_several_clips_name_theirs(table: pd.DataFrame) -> None:
    one = _least(table, "omnizip")
    two = pd.concat([one, one.assign(clip="another clip")])
    titles = [ax.get_title(loc="left") for ax in draw_waterfall(two).axes]
    kept = f"OmniZip, {one['realised'].iloc[0]:.1%} kept"
    assert titles == [f"{kept}\n{one['clip'].iloc[0]}", f"{kept}\nanother clip"]
    (ax,) = draw_waterfall(one).axes
    assert ax.get_title(loc="left") == kept


@pytest.mark.parametrize("width", ["column", "page"])
def test_nothing_is_small_or_clipped(table: pd.DataFrame, width: str) -> None:
    assert_tidy(draw_waterfall(table, width=width))


def test_a_missing_column_is_named(table: pd.DataFrame) -> None:
    with pytest.raises(InvalidValueError, match="missing: factor"):
        draw_waterfall(table.drop(columns="factor"))
