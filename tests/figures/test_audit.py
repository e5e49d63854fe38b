"""Figure `audit`: rates on a log axis, peaks as lines, verdicts as markers."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from audited import bundled_findings

from omnizip_cost.audit import VERDICTS
from omnizip_cost.errors import InvalidValueError
from omnizip_cost.plotting import draw_audit
from omnizip_cost.plotting.canvas import notes_of
from omnizip_cost.plotting.style import MODEL_MARKERS, method_colour


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return pd.DataFrame([dict(row) for row in bundled_findings()])


def _points(ax: Any) -> list[Any]:
    verdicts = {f"_{verdict}" for verdict in VERDICTS}
    return [line for line in ax.lines if line.get_label() in verdicts]


def test_each_timed_claim_is_a_marker_at_its_rate(table: pd.DataFrame) -> None:
    timed = table[table.share_of_peak.notna() & (table.quantity == "prefill")]
    fig = draw_audit(table, width="page")
    drawn = [line for ax in fig.axes for line in _points(ax)]
    assert len(drawn) == len(timed) == 20
    rates = [line.get_xdata()[0] for line in drawn]
    assert sorted(rates) == sorted(timed.implied_flop_per_s)
    left, right = fig.axes[0].get_xlim()
    assert left < min(rates) and max(rates) < right
    assert all(ax.get_xscale() == "log" and ax.get_xlim() == (left, right) for ax in fig.axes)


def test_shape_says_the_model_and_colour_the_method(table: pd.DataFrame) -> None:
    ax = draw_audit(table).axes[0]
    for line, name in zip(_points(ax), ax.get_yticklabels(), strict=True):
        if name.get_text().startswith("OmniZip"):
            assert line.get_color() == method_colour("omnizip")
        beyond = line.get_xdata()[0] > 154.8e12
        assert (line.get_label() == "_impossible") == beyond
    full = [line for line in _points(ax) if line.get_color() == method_colour("full")]
    assert [line.get_marker() for line in full] == [
        MODEL_MARKERS["qwen2.5-omni-7b"],
        MODEL_MARKERS["qwen2.5-omni-3b"],
    ]


def test_a_hollow_marker_needs_an_assumption(table: pd.DataFrame) -> None:
    rows = table[table.share_of_peak.notna() & (table.quantity == "prefill")].copy()
    assert not any(
        line.get_markerfacecolor() == "white" for line in _points(draw_audit(rows).axes[0])
    )
    rows["verdict"] = "needs an unstated assumption"
    fig = draw_audit(rows)
    assert all(line.get_markerfacecolor() == "white" for line in _points(fig.axes[0]))
    assert "needs an unstated assumption" in [t.get_text() for t in fig.legends[0].get_texts()]


def test_whole_items_are_drawn_where_there_is_no_prefill(table: pd.DataFrame) -> None:
    rows = table[table.share_of_peak.notna() & (table.quantity == "end to end")]
    fig = draw_audit(rows)
    assert sum(len(_points(ax)) for ax in fig.axes) == len(rows) > 10
    assert all("end to end" in name.get_text() for name in fig.axes[0].get_yticklabels())


def test_each_panel_has_the_peak_of_its_cards(table: pd.DataFrame) -> None:
    fig = draw_audit(table)
    peaks = {
        ax.get_title("right"): next(x.get_xdata()[0] for x in ax.lines if x.get_label() == "_peak")
        for ax in fig.axes
    }
    assert peaks == {
        "omnizip, rtx-a6000": 154.8e12,
        "independent-rerun-a5000, 2 × rtx-a5000": 222.2e12,
        "omniroute, l20": 119.5e12,
    }
    assert "n = 10,004" in notes_of(fig)
    legend = [text.get_text() for text in fig.legends[0].get_texts()]
    assert legend == ["qwen2.5-omni-3b", "qwen2.5-omni-7b", "dense peak of the card",
                      "impossible: above it"]  # fmt: skip


def test_a_table_without_rates_is_refused(table: pd.DataFrame) -> None:
    with pytest.raises(InvalidValueError, match="rows must be at least one"):
        draw_audit(table[table.quantity == "memory"])
