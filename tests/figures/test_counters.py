"""The figure of counters: every cell is the table's ratio, darker the further from exact."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from figure_eyes import assert_tidy
from matplotlib.patches import Rectangle

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.plotting import draw_counters
from omnizip_cost.plotting.canvas import notes_of
from omnizip_cost.plotting.style import lightness
from omnizip_cost.results.store import read_table

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def table() -> pd.DataFrame:
    return read_table(ROOT / "analysis" / "measurements" / "counters" / "counters.csv")


def test_every_cell_is_the_tables(table: pd.DataFrame) -> None:
    (ax,) = draw_counters(table).axes
    tools = [label.get_text() for label in ax.get_yticklabels()]
    assert tools == list(dict.fromkeys(table["tool"]))
    drawn = {text.get_position(): text.get_text() for text in ax.texts}
    columns = [label.get_text() for label in ax.get_xticklabels()]
    assert columns == list(dict.fromkeys(table["case"]))
    for row in table.itertuples():
        place = (columns.index(row.case), tools.index(row.tool))
        if pd.isna(row.ratio):
            assert place not in drawn
        else:
            assert drawn[place] == ("1" if row.ratio == 1 else f"{row.ratio:.2f}")
    assert len(drawn) == table["ratio"].notna().sum()


def test_darker_is_further_from_exact_and_failures_are_hatched(table: pd.DataFrame) -> None:
    (ax,) = draw_counters(table).axes
    cells = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    assert len(cells) == len(table)
    seen = list(zip(table["ratio"], cells, strict=True))
    assert all((cell.get_hatch() == "//////") == pd.isna(ratio) for ratio, cell in seen)
    known = sorted((abs(1 - r), -lightness(cell.get_facecolor())) for r, cell in seen if r > 0)
    greys = [grey for _, grey in known]
    assert greys == sorted(greys)
    assert greys[0] < greys[-1] - 20


def test_notes_say_what_ran(table: pd.DataFrame) -> None:
    notes = notes_of(draw_counters(table)).replace("\n", " ")
    assert notes.startswith("qwen2.5-omni-7b; experts prefill 10,004: qwen3-omni-30b-a3b.")
    assert "udio encoder: 4 layers; vision encoder: 8 layers" in notes
    assert "atched: no reading" in notes
    assert "atched" not in notes_of(draw_counters(table.dropna(subset=["ratio"])))


@pytest.mark.parametrize("width", ["column", "page"])
def test_nothing_is_small_or_clipped(table: pd.DataFrame, width: str) -> None:
    assert_tidy(draw_counters(table, width=width))


def test_a_missing_column_is_named(table: pd.DataFrame) -> None:
    with pytest.raises(InvalidValueError, match="missing: ratio"):
        draw_counters(table.drop(columns="ratio"))
