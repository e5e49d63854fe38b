"""The figure of counters: every cell is the table's ratio, darker the further from exact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from figure_eyes import assert_tidy
from matplotlib.colors import to_rgb
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
    cases = list(dict.fromkeys(table["case"]))
    assert [column.replace("\n", ", ") for column in columns] == cases
    for row in table.itertuples():
        place = (cases.index(row.case), tools.index(row.tool))
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
    for error, (ratio, cell) in zip(table["error"], seen, strict=True):
        pattern = None if not pd.isna(ratio) else "...." if "not asked" in error else "//////"
        assert (cell.get_hatch() or None) == pattern
    known = sorted((abs(1 - r), -lightness(cell.get_facecolor())) for r, cell in seen if r > 0)
    greys = [grey for _, grey in known]
    assert greys == sorted(greys)
    assert greys[0] < greys[-1] - 20


def test_numbers_stand_out_from_their_cell(table: pd.DataFrame) -> None:
    """In the kept readings, by at least 4.5 to 1, as WCAG 2 asks for small text."""
    (ax,) = draw_counters(table).axes
    shades = {(cell.get_x() + 0.5, cell.get_y() + 0.5): cell.get_facecolor() for cell in ax.patches}
    assert len(ax.texts) > 60
    for item in ax.texts:
        pair = sorted(map(_luminance, (item.get_color(), shades[item.get_position()])))
        assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5, item.get_text()


def _luminance(colour: Any) -> float:
    """Relative luminance of a colour (WCAG 2.2), 0 to 1."""
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in to_rgb(colour)]
    return sum(w * v for w, v in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_notes_say_what_ran(table: pd.DataFrame) -> None:
    notes = notes_of(draw_counters(table)).replace("\n", " ")
    assert notes.startswith("qwen2.5-omni-7b; Qwen3 mixture: qwen3-omni-30b-a3b.")
    assert "udio encoder: 4 layers; vision encoder: 8 layers" in notes
    assert "Hatched: fails there. Dotted: not asked." in notes
    assert "FlopCounterMode's meta and CPU: device of the tensors; math: attention" in notes
    whole = table.dropna(subset=["ratio"])
    assert "atched" not in notes_of(draw_counters(whole))
    assert "math" not in notes_of(draw_counters(whole[whole["tool"] == "thop"]))


@pytest.mark.parametrize("width", ["column", "page"])
def test_nothing_is_small_or_clipped(table: pd.DataFrame, width: str) -> None:
    assert_tidy(draw_counters(table, width=width))


def test_a_missing_column_is_named(table: pd.DataFrame) -> None:
    with pytest.raises(InvalidValueError, match="missing: ratio"):
        draw_counters(table.drop(columns="ratio"))
