"""The roofline table: products as they are counted, no point above its roof, shares that add up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import omnizip_cost as oz
from omnizip_cost.cost import total_flops
from omnizip_cost.results.store import read_table

ANALYSIS = Path(__file__).resolve().parents[2] / "analysis"
COMMITTED = ANALYSIS / "measurements" / "roofline" / "roofline.csv"


@pytest.fixture(scope="module")
def rows() -> list[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ANALYSIS)
        import roofline

        return list(roofline.roofline("qwen2.5-omni-7b", ["h100-sxm"], 2_000, 0.5))


def test_products_are_those_that_are_counted(rows: list[Any]) -> None:
    spec = oz.load_spec("qwen2.5-omni-7b")
    for label, method, retained in (("all tokens", "full", None), ("50% kept", "omnizip", 0.5)):
        plan = oz.plan(
            method, oz.bare_workload(2_000), spec, **({"retained": retained} if retained else {})
        )
        for phase in ("prefill", "decode"):
            counted = [row for row in oz.count(spec, plan, "sdpa", 100) if row.phase == phase]
            listed = [
                row.flops
                for row in rows
                if (row.label, row.phase) == (label, phase) and row.operator != "elementwise"
            ]
            assert len(listed) == 4
            products = [row for row in counted if row.component in ("llm", "lm_head")]
            assert sum(listed) == pytest.approx(total_flops(products), rel=1e-9)


def test_no_point_stands_above_its_roof_and_shares_add_up(rows: list[Any]) -> None:
    """But decode attention, whose cached keys a kernel may find in the device's own cache; biases
    are bytes that no kernel time knows of."""
    stored = read_table(COMMITTED).to_dict("records")
    for row in (*map(dict, rows), *stored):
        roof = row["peak_flop_per_s"]
        if (row["operator"], row["phase"]) != ("attention", "decode"):
            roof = min(roof, row["flop_per_byte"] * row["bandwidth_bytes_per_s"])
        assert row["flop_per_s"] <= roof * (1 + 1e-3), (row["device"], row["operator"])
    for phase in ("prefill", "decode"):
        own = [row for row in rows if row.phase == phase]
        assert sum(row.share for row in own if row.method == "full") == pytest.approx(1)
        assert sum(row.share for row in own if row.method != "full") < 1


def test_the_committed_table_is_what_the_program_makes_today() -> None:
    """Else `python analysis/roofline.py --out analysis/measurements/roofline` makes it again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ANALYSIS)
        import roofline

        today = [dict(row) for row in roofline.roofline(
            roofline.MODEL, roofline.DEVICES, roofline.PAPER_TOKENS, roofline.RETAINED
        )]  # fmt: skip
    stored = read_table(COMMITTED).to_dict("records")
    names = ("device", "phase", "label", "operator")
    assert [[row[name] for name in names] for row in stored] == [
        [row[name] for name in names] for row in today
    ]
    for name in ("flop_per_byte", "seconds", "share"):
        assert [row[name] for row in stored] == pytest.approx([row[name] for row in today])
