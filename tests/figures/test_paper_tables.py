"""The typeset tables: every cell is the table's, in its column, and nothing overlaps."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pandas as pd
import pytest
from figure_eyes import assert_tidy
from matplotlib.figure import Figure

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.plotting import draw_paper_tables
from omnizip_cost.plotting.canvas import notes_of
from omnizip_cost.results.store import read_table

PAPER = Path(__file__).resolve().parents[2] / "analysis" / "tables" / "paper"


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return read_table(PAPER / "paper_tables.csv")


@pytest.fixture(scope="module")
def drawn(table: pd.DataFrame) -> dict[str, Figure]:
    return {width: draw_paper_tables(table, width=width) for width in ("column", "page")}


def _lines(fig: Figure) -> list[list[str]]:
    """Words of each line of the sheet, from the left, lines from the top."""
    placed = sorted((t.get_position()[1], t.get_position()[0], t.get_text())
                    for t in fig.axes[0].texts)  # fmt: skip
    found: dict[float, list[str]] = {}
    for height, _, words in placed:
        found.setdefault(round(height, 6), []).append(words)
    return list(found.values())


def test_each_row_of_the_page_is_the_tables(table: pd.DataFrame, drawn: dict[str, Figure]) -> None:
    body = [line for line in _lines(drawn["page"]) if len(line) == 7][1:]
    assert len(body) == len(table) == 20
    for line, row in zip(body, table.itertuples(), strict=True):
        assert line[0] == row.label
        counted = [
            f"{getattr(row, f'flops_{name}') / 1e12:.1f} ({getattr(row, f'share_{name}'):.0%})"
            for name in ("eq9", "sdpa", "torch", "hardware")
        ]
        assert line[2:6] == counted
        assert line[6] == f"{row.accuracy:.1f}"
        assert line[1] == ("–" if row.table == "Table 6" else line[1])


def test_printed_numbers_are_said_to_agree_or_not(table: pd.DataFrame) -> None:
    first = table.head(2).astype({"equal": object})
    first.loc[1, "equal"] = False
    lines = _lines(draw_paper_tables(first))
    assert [line[1] for line in lines if len(line) == 7][1:] == ["73.2 (100%) =", "35.5 (48%) ≠"]
    assert "≠: it is not" in notes_of(draw_paper_tables(first))


def test_blocks_are_headed_by_table_and_model(drawn: dict[str, Figure]) -> None:
    heads = [line[0] for line in _lines(drawn["column"]) if len(line) == 1]
    assert heads == ["WorldSense, qwen2.5-omni-7b", "WorldSense, qwen2.5-omni-3b",
                     "Table 6, qwen2.5-omni-7b"]  # fmt: skip


def test_the_best_compressed_row_of_each_block_is_bold(drawn: dict[str, Figure]) -> None:
    bold = [t.get_text() for t in drawn["page"].axes[0].texts if t.get_fontweight() == "bold"]
    assert bold == ["45.9", "45.2", "46.1"]


@pytest.mark.parametrize("width", ["column", "page"])
def test_no_words_touch(drawn: dict[str, Figure], width: str) -> None:
    assert_tidy(drawn[width])
    boxes = [text.get_window_extent() for text in drawn[width].axes[0].texts]
    touching = [pair for pair in combinations(boxes, 2) if pair[0].overlaps(pair[1])]
    assert not touching


def test_a_missing_column_is_named(table: pd.DataFrame) -> None:
    with pytest.raises(InvalidValueError, match="missing: share_torch"):
        draw_paper_tables(table.drop(columns="share_torch"))
