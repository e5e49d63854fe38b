"""Panels of a campaign: in order, titled by what differs, and nothing left out in silence."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from invented_result import CELLS, result_table

from omnizip_cost.plotting.contexts import (
    Sheet,
    configuration,
    configuration_names,
    prediction_kind,
    sheet_of,
)
from omnizip_cost.plotting.tablerows import Row

BOTH = ("qwen2.5-omni-7b", "qwen2.5-omni-3b")


def rows_in(table: pd.DataFrame) -> list[Row]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def contexts_in(sheet: Sheet) -> list[tuple[Any, Any]]:
    return [(panel[0]["model"], panel[0]["full_tokens"]) for panel in sheet.panels]


def test_a_line_per_model_where_its_lengths_fit() -> None:
    rows = rows_in(result_table(BOTH, (10_004, 5_004), cells=CELLS[:2]))
    sheet = sheet_of(rows, columns=2, panel_in=2.0)
    assert contexts_in(sheet) == [(model, n) for model in BOTH for n in (5_004, 10_004)]
    assert [len(line) for line in sheet.lines] == [2, 2]
    assert next(iter(sheet.titles.values())) == "qwen2.5-omni-7b, 5,004 tokens"
    narrow = sheet_of(rows, columns=1, panel_in=1.1)
    assert list(narrow.titles.values())[3] == "qwen2.5-omni-3b\n10,004 tokens"
    assert narrow.title_lines == 2


def test_one_context_has_no_title() -> None:
    rows = rows_in(result_table(tokens=(5_004,), cells=CELLS[:2]))
    assert list(sheet_of(rows, columns=4, panel_in=1.0).titles.values()) == [""]


@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=9, unique=True),
    most=st.integers(1, 6),
    columns=st.integers(1, 4),
    least=st.integers(1, 4),
)
def test_every_panel_is_drawn_or_named(
    lengths: list[int], most: int, columns: int, least: int
) -> None:
    rows: list[Row] = [
        {"model": f"m{at % 2}", "full_tokens": 1_000 * n, "clip": f"{n} s", "method": "omnizip",
         "label": f"OmniZip {share}", "attention": "sdpa"}
        for at, n in enumerate(lengths) for share in range(1 + n % 4)
    ]  # fmt: skip
    sheet = sheet_of(rows, columns=columns, panel_in=1.5, most=most, least=least)
    assert 1 <= len(sheet.panels) <= most
    assert len(sheet.titles) == len(sheet.panels)
    assert {len(line) for line in sheet.lines} == {len(sheet.lines[0])}
    drawn = {n for _, n in contexts_in(sheet)}
    said = " ".join(sheet.left_out)
    for n in lengths:
        assert (1_000 * n in drawn) != (f"{n},000 tokens" in said)


def test_where_room_is_short_full_panels_come_first_and_each_model_has_one() -> None:
    tables = [
        result_table(BOTH[:1], (5_004,), cells=CELLS[:2]),
        result_table(BOTH[:1], (10_004,), cells=CELLS),
        result_table(BOTH[:1], (20_004,), cells=CELLS),
        result_table(BOTH[1:], (5_004,), cells=CELLS[:2]),
    ]
    sheet = sheet_of(rows_in(pd.concat(tables)), columns=2, panel_in=2.0, most=2)
    assert contexts_in(sheet) == [(BOTH[0], 20_004), (BOTH[1], 5_004)]
    assert sheet.left_out == ("no room for qwen2.5-omni-7b, 5,004 tokens and 10,004 tokens",)


def test_graphs_and_second_measurements_are_left_out_and_counted() -> None:
    once = result_table(tokens=(5_004,), cells=CELLS[:3])
    again = once.iloc[:1].assign(decode_steps=100, prefill_s=9.0)
    graphs = once.iloc[:2].assign(execution="graph")
    sheet = sheet_of(rows_in(pd.concat([again, once, graphs])), columns=1, panel_in=2.0)
    assert [row["prefill_s"] for row in sheet.panels[0]] == list(once["prefill_s"])
    assert sheet.left_out == (
        "2 configurations under graphs not drawn",
        "1 configuration measured again with other decode steps not drawn",
    )
    alone = sheet_of(rows_in(graphs), columns=1, panel_in=2.0)
    assert len(alone.panels[0]) == 2 and alone.left_out == ()


def test_an_attention_is_named_where_it_is_not_the_usual_one() -> None:
    table = result_table(tokens=(5_004,), cells=CELLS[:3])
    other = table.iloc[:2].assign(attention="flash_attention_2")
    sheet = sheet_of(rows_in(pd.concat([table, other])), columns=2, panel_in=2.0)
    assert list(sheet.titles.values()) == ["", "flash_attention_2"]
    assert sheet.left_out == ("attention is sdpa where a panel names no other",)


def test_a_configuration_keeps_its_name_from_clip_to_clip() -> None:
    """The pair of pruning ratios that keeps a share differs with the clip."""
    table = result_table(tokens=(5_004, 10_004))
    table["rho_a"] = [0.4 + at / 1000 for at in range(len(table))]
    names = configuration_names(rows_in(table))
    assert list(names.values())[:3] == ["Full tokens", "OmniZip 85%", "OmniZip 70%"]
    assert len(names) == len(CELLS)
    assert {configuration(row) for row in rows_in(table)} == set(names)


def test_two_forms_under_one_label_are_told_apart() -> None:
    table = result_table(tokens=(5_004,)).replace({"label": {"FastV 35% last query": "FastV 35%"}})
    names = list(configuration_names(rows_in(table)).values())
    assert {"FastV 35% (materialised)", "FastV 35% (last-query)", "FastV 50%"} <= set(names)


@pytest.mark.parametrize(
    ("predicted", "calibrated", "kind"),
    [(True, True, "calibrated"), (True, False, "predicted"), (False, False, "")],
)
def test_the_calibrated_prediction_comes_first(
    predicted: bool, calibrated: bool, kind: str
) -> None:
    table = result_table(
        tokens=(5_004,), cells=CELLS[:2], predicted=predicted, calibrated=calibrated
    )
    assert prediction_kind(rows_in(table), "prefill_{}_s") == kind
