"""Witness: the OmniZip paper's whole FLOPs column, every printed digit, at n = 10,004."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

import omnizip_cost as oz
from omnizip_cost.formulas import eq9
from omnizip_cost.units import TERA

N = 10_004
"""The only whole n from 9,900 to 10,100 that gives the whole column, as tested here."""


def _rows(shared: Path) -> list[dict[str, str]]:
    with (shared / "published" / "omnizip_flops.csv").open() as file:
        return list(csv.DictReader(file))


def _flops(model: str, method: str, retained: float, tokens: int = N) -> int:
    spec = oz.load_spec(model)
    work = oz.bare_workload(tokens)
    plan = (
        oz.plan("full", work, spec)
        if method == "full"
        else oz.plan(method, work, spec, retained=retained)
    )
    return oz.total_flops(oz.count(spec, plan, convention="eq9", decode=100))


def _printed(flops: int) -> str:
    return f"{flops / TERA:.1f}"


def test_every_printed_value_and_ratio(shared: Path) -> None:
    rows = _rows(shared)
    assert len(rows) == 18
    for row in rows:
        retained = float(row["retained"])
        ours = _printed(_flops(row["model"], row["method"], retained))
        full = _printed(_flops(row["model"], "full", 1.0))
        if row["flops_T"]:
            assert ours == row["flops_T"], row
        assert f"{100 * float(ours) / float(full):.0f}" == row["flops_ratio_pct"], row


def test_ten_thousand_tokens_miss_two_printed_values(shared: Path) -> None:
    """At n = 10,000 FastV-7B and DyCoke-7B round the other way: n is really 10,004."""
    missed = {
        (row["model"], row["method"])
        for row in _rows(shared)
        if row["flops_T"]
        and _printed(_flops(row["model"], row["method"], float(row["retained"]), 10_000))
        != row["flops_T"]
    }
    assert missed == {("qwen2.5-omni-7b", "fastv"), ("qwen2.5-omni-7b", "dycoke")}


def test_no_other_length_nearby_gives_the_whole_column(shared: Path) -> None:
    printed = [row for row in _rows(shared) if row["flops_T"]]
    fits = [
        tokens
        for tokens in range(9_900, 10_101)
        if all(
            _printed(_flops(row["model"], row["method"], float(row["retained"]), tokens))
            == row["flops_T"]
            for row in printed
        )
    ]
    assert fits == [N]


@pytest.mark.parametrize(
    ("model", "retained", "tera"),
    [
        ("qwen2.5-omni-7b", 1.0, 73.204),
        ("qwen2.5-omni-7b", 0.55, 35.531),
        ("qwen2.5-omni-7b", 0.35, 21.397),
        ("qwen2.5-omni-3b", 1.0, 37.388),
        ("qwen2.5-omni-3b", 0.45, 13.298),
    ],
)
def test_eq9_at_ten_thousand(model: str, retained: float, tera: float) -> None:
    method = "full" if retained == 1 else "random"
    assert _flops(model, method, retained, 10_000) / TERA == pytest.approx(tera, abs=5e-4)


@pytest.mark.parametrize(
    ("model", "retained", "tera"),
    [
        ("qwen2.5-omni-7b", 0.50, 39.232),
        ("qwen2.5-omni-7b", 0.35, 30.648),
        ("qwen2.5-omni-3b", 0.50, 18.212),
        ("qwen2.5-omni-3b", 0.35, 13.698),
    ],
)
def test_fastv_keeps_its_first_layers_full(model: str, retained: float, tera: float) -> None:
    assert _flops(model, "fastv", retained, 10_000) / TERA == pytest.approx(tera, abs=5e-4)


def test_rows_and_the_one_line_formula_agree() -> None:
    """The count's groups of layers add up to Eq. 9 as printed, with real-valued r * n."""
    text = oz.load_spec("qwen2.5-omni-7b").text
    for retained in (0.55, 0.45, 0.35):
        printed = eq9(retained * N, text.hidden_size, text.intermediate_size, text.layers, 100)
        assert _flops("qwen2.5-omni-7b", "random", retained) == pytest.approx(printed, rel=1e-13)
