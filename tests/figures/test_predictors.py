"""The figure of predictors: every marker is the table's speed-up, on its predictor's line."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from figure_eyes import assert_tidy
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.plotting import draw_predictors
from omnizip_cost.plotting.canvas import notes_of
from omnizip_cost.plotting.style import MODEL_MARKERS
from omnizip_cost.results.store import read_table

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    kept = ROOT / "analysis" / "measurements" / "predictors" / "predictors.csv"
    return read_table(kept)


@pytest.fixture(scope="module")
def drawn(table: pd.DataFrame) -> dict[str, Figure]:
    return {width: draw_predictors(table, width=width) for width in ("column", "page")}


def test_every_marker_is_the_tables(table: pd.DataFrame, drawn: dict[str, Figure]) -> None:
    fig = drawn["column"]
    predictors = [label.get_text() for label in fig.axes[0].get_yticklabels()]
    assert predictors == list(dict.fromkeys(table["predictor"]))
    seen = {}
    for ax in fig.axes:
        phase, share = ax.get_title(loc="left").removesuffix(" kept").split(", ")
        for line in ax.lines:
            if line.get_label() != "_speedup":
                continue
            height = line.get_ydata()[0]
            place = (phase, share, predictors[round(height)], line.get_marker())
            assert place not in seen
            seen[place] = sorted(line.get_xdata())
    wanted: dict[tuple[str, str, str, str], list[float]] = {}
    for row in table.itertuples():
        place = (row.phase, f"{row.retained:.0%}", row.predictor, MODEL_MARKERS[row.model])
        wanted.setdefault(place, []).append(row.speedup)
    assert seen == {place: sorted(values) for place, values in wanted.items()}
    assert len(seen) == 2 * 5 * 2 * len(predictors)


def test_quotients_of_flops_are_hollow_and_seconds_filled(
    table: pd.DataFrame, drawn: dict[str, Figure]
) -> None:
    (ax, *_) = drawn["column"].axes
    predictors = [label.get_text() for label in ax.get_yticklabels()]
    predicts = dict(zip(table["predictor"], table["predicts"], strict=True))
    seen = set()
    for line in (line for line in ax.lines if line.get_label() == "_speedup"):
        what = predicts[predictors[round(line.get_ydata()[0])]]
        hollow = to_hex(line.get_markerfacecolor()) == "#ffffff"
        assert hollow == (what == "FLOPs")
        seen.add(what)
    assert seen == {"FLOPs", "seconds"}


def test_the_dotted_line_of_a_prefill_is_the_quotient_of_tokens(drawn: dict[str, Figure]) -> None:
    for ax in drawn["column"].axes:
        phase, share = ax.get_title(loc="left").removesuffix(" kept").split(", ")
        dotted = [line.get_xdata()[0] for line in ax.lines if line.get_label() == "_linear"]
        kept = round(float(share.rstrip("%")) / 100 * 16_384)
        assert dotted == ([16_384 / kept] if phase == "prefill" else [])


def test_page_and_column_have_the_same_panels(drawn: dict[str, Figure]) -> None:
    titles = [{ax.get_title(loc="left") for ax in fig.axes} for fig in drawn.values()]
    assert titles[0] == titles[1]
    assert len(titles[0]) == 10


def test_notes_say_what_was_predicted(table: pd.DataFrame, drawn: dict[str, Figure]) -> None:
    notes = notes_of(drawn["column"])
    assert notes.startswith("16,384 tokens.")
    assert "Devices: h100-sxm, h200-sxm, a100-sxm, l40s, rtx-pro-6000." in notes
    no_device = table[table["device"].isna() & (table["retained"] == 0.5)]
    assert "Devices" not in notes_of(draw_predictors(no_device))


@pytest.mark.parametrize("width", ["column", "page"])
def test_nothing_is_small_or_clipped(drawn: dict[str, Figure], width: str) -> None:
    assert_tidy(drawn[width])


def test_a_missing_column_is_named(table: pd.DataFrame) -> None:
    with pytest.raises(InvalidValueError, match="missing: linear"):
        draw_predictors(table.drop(columns="linear"))
