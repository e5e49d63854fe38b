"""The figure of anchors: lines are the table's, axes begin at zero, ends are written out."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from figure_eyes import assert_tidy, lines
from matplotlib.figure import Figure

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.plotting import draw_anchors
from omnizip_cost.results.store import read_table

PAPER = Path(__file__).resolve().parents[2] / "analysis" / "tables" / "paper"
COLUMNS = {"av_kept": 1, "prefill_flops": 1e12, "selection_flops": 1e9, "selection_bytes": 1e9,
           "selection_operators": 1, "selection_ms": 1}  # fmt: skip


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return read_table(PAPER / "anchors.csv")


@pytest.fixture(scope="module")
def drawn(table: pd.DataFrame) -> dict[str, Figure]:
    return {width: draw_anchors(table, width=width) for width in ("column", "page")}


@pytest.mark.parametrize("column", COLUMNS)
def test_lines_are_the_columns(table: pd.DataFrame, drawn: dict[str, Figure], column: str) -> None:
    found = lines(drawn["column"], f"_{column}")
    assert len(found) == table["label"].nunique() == 2
    for line, (_, own) in zip(found, table.groupby("label", sort=False), strict=True):
        assert list(line.get_xdata()) == list(own["merge"])
        assert list(line.get_ydata()) == pytest.approx(list(own[column] / COLUMNS[column]))
        assert line.axes.get_ylim()[0] == 0


def test_the_two_settings_differ_without_colour(drawn: dict[str, Figure]) -> None:
    first, second = lines(drawn["page"], "_av_kept")
    assert first.get_color() == second.get_color()
    assert {first.get_fillstyle(), second.get_fillstyle()} == {"full", "none"}


def test_ends_are_written_and_the_default_marked(
    table: pd.DataFrame, drawn: dict[str, Figure]
) -> None:
    written = [text.get_text() for text in drawn["column"].axes[0].texts]
    kept = table.set_index(["rho_a", "merge"])["av_kept"]
    assert written == [f"{kept[a, 0]:,} → {kept[a, 15]:,}" for a in (0.3, 0.4)]
    assert {line.get_xdata()[0] for line in lines(drawn["column"], "_default")} == {3.0}
    assert "published default, 3" in [t.get_text() for t in drawn["page"].legends[0].get_texts()]


@pytest.mark.parametrize("width", ["column", "page"])
def test_nothing_is_small_or_clipped(drawn: dict[str, Figure], width: str) -> None:
    assert_tidy(drawn[width])


def test_a_missing_column_is_named(table: pd.DataFrame) -> None:
    with pytest.raises(InvalidValueError, match="missing: selection_ms"):
        draw_anchors(table.drop(columns="selection_ms"))
