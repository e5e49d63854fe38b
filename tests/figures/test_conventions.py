"""The convention figure stacks the conventions table; its ratio is the table's column."""

from __future__ import annotations

import pandas as pd
import pytest
from figure_eyes import assert_tidy, bars
from invented_tables import conventions_table
from matplotlib.colors import to_hex

from omnizip_cost.errors import InvalidValueError, UnknownNameError
from omnizip_cost.plotting import draw_conventions
from omnizip_cost.plotting.canvas import notes_of
from omnizip_cost.plotting.style import METHOD_COLOURS


def test_bar_lengths_are_the_tables_counts() -> None:
    table = conventions_table()
    fig = draw_conventions(table)
    assert sorted(bar.get_width() for bar in bars(fig)) == sorted(map(float, table["flops"]))


def test_the_decoder_is_split_by_phase_and_other_components_are_not() -> None:
    table = conventions_table()
    fig = draw_conventions(table)
    decoder = table[table["component"] == "llm"]
    for phase in ("prefill", "decode"):
        drawn = [bar.get_width() for bar in bars(fig, f"_{phase}")]
        assert drawn == list(decoder[decoder["phase"] == phase]["flops"])
    heads = table[table["component"] == "lm_head"]["flops"]
    assert [bar.get_width() for bar in bars(fig, "_lm_head")] == list(heads)


def test_one_pair_of_bars_per_convention_in_the_tables_order() -> None:
    (ax,) = draw_conventions(conventions_table()).axes
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["eq9", "seats", "torch", "hardware"]
    colours = [to_hex(bar.get_facecolor()) for bar in bars(ax.figure, "_prefill")]
    assert colours == [METHOD_COLOURS["full"].lower(), METHOD_COLOURS["omnizip"].lower()] * 4


def test_the_axis_starts_at_zero_and_is_linear() -> None:
    (ax,) = draw_conventions(conventions_table()).axes
    assert ax.get_xscale() == "linear"
    assert ax.get_xlim()[0] == 0
    assert "10¹²" in ax.get_xlabel()


@pytest.mark.parametrize("ratio", [True, False])
def test_the_ratio_is_printed_when_the_table_has_it(ratio: bool) -> None:
    (ax,) = draw_conventions(conventions_table(ratio=ratio)).axes
    assert ax.texts[0].get_text() == "74.1"
    assert ax.texts[1].get_text() == ("31.0 (41%)" if ratio else "31.0")


@pytest.mark.parametrize("scale", [1, 10**-4, 10**-7])
@pytest.mark.parametrize("width", ["column", "page"])
def test_nothing_is_small_or_clipped(scale: float, width: str) -> None:
    table = conventions_table()
    table["flops"] = (table["flops"] * scale).astype("int64")
    assert_tidy(draw_conventions(table, width=width))


def test_the_note_says_what_was_counted() -> None:
    table = conventions_table().assign(input="10,004 tokens", decode_steps=100)
    notes = notes_of(draw_conventions(table))
    assert notes.startswith("qwen2.5-omni-7b, 10,004 tokens, R = 100. In brackets:")
    notes = notes_of(draw_conventions(table[table["phase"] != "decode"]))
    assert notes.startswith("qwen2.5-omni-7b, 10,004 tokens. In brackets:")


def test_more_bars_than_a_page_holds_are_refused() -> None:
    table = conventions_table()
    one = table[table["method"] == "omnizip"]
    more = [table, *(one.assign(label=f"OmniZip {share}%") for share in range(4))]
    assert_tidy(draw_conventions(pd.concat(more[:-1], ignore_index=True)))
    with pytest.raises(InvalidValueError, match="at most 5 configurations, got 6"):
        draw_conventions(pd.concat(more, ignore_index=True))


def test_an_unknown_component_is_refused() -> None:
    table = conventions_table().replace({"component": {"lm_head": "lm_hed"}})
    with pytest.raises(UnknownNameError, match="did you mean lm_head"):
        draw_conventions(table)


def _with_selection(flops: int) -> pd.DataFrame:
    table = conventions_table()
    rows = table[(table["method"] == "omnizip") & (table["component"] == "lm_head")]
    chosen = rows.assign(component="selection", phase="prefill", flops=flops)
    return pd.concat([table, chosen], ignore_index=True)


@pytest.mark.parametrize("width", ["column", "page"])
@pytest.mark.parametrize(("flops", "seen"), [(8 * 10**12, True), (8_727_000_000, False)])
def test_selection_is_a_segment_or_a_number_below(flops: int, seen: bool, width: str) -> None:
    fig = draw_conventions(_with_selection(flops), width=width)
    assert [bar.get_width() for bar in bars(fig, "_selection")] == [flops] * 3
    (legend,) = fig.legends
    entries = [entry.get_text() for entry in legend.get_texts()]
    assert ("selection" in entries) is seen
    notes = notes_of(fig).replace("\n", " ")
    assert ("Selection, where too thin to see: OmniZip 8.73 GFLOP." in notes) is not seen
    assert_tidy(fig)
