"""Witness: FLOPs that other papers print, every digit, with the reading of each setting.

``neighbours_flops.csv`` names the formula behind a row where one is known. The settings are prose;
here each is spelled out as tokens per layer. Dynamic-LLaVA's rows are from its own tables.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest

import omnizip_cost as oz
from omnizip_cost.compression import layered_plan
from omnizip_cost.cost import CONVENTIONS
from omnizip_cost.specs import ModelSpec
from omnizip_cost.units import TERA

READINGS: dict[str, tuple[str, str, str]] = {
    "18 layers at 2500 tokens, 10 at 1250; R=100": ("omnipack", "omnipack", "18x2500+10x1250"),
    "18 layers at 2000 tokens, 10 at 1000; R=100": ("omnipack", "omnipack", "18x2000+10x1000"),
    "18 layers at 1500 tokens, 10 at 750; R=100": ("omnipack", "omnipack", "18x1500+10x750"),
    "18 layers at 1000 tokens, 10 at 500; R=100": ("omnipack", "omnipack", "18x1000+10x500"),
    "28 layers at 2500 tokens; R=100": ("omnipack", "omnipack", "28x2500"),
    "28 layers at 1500 tokens; R=100": ("omnipack", "omnipack", "28x1500"),
    "28 layers at 1000 tokens; R=100": ("omnipack", "omnipack", "28x1000"),
    "about 11770 tokens (GQA widths, 3 FFN matrices, full attention, LM head on all positions, "
    "1 FLOP per multiply-add, prefill only)": ("seats", "full", "28x11770"),
    "576 image tokens, 32 layers, d=4096, m=11008, 3 FFN matrices, 1 per multiply-add, "
    "prefill only": ("pyramiddrop", "full", "32x576"),
    "as above; 2 layers at 576 then 288": ("pyramiddrop", "fastv", "2x576+30x288"),
    "as above; 8 layers each at 576, 288, 144, 72": (
        "pyramiddrop",
        "pyramiddrop",
        "8x576+8x288+8x144+8x72",
    ),
}
"""Prose of the table -> source, method, tokens entering each layer."""


def _rows(shared: Path) -> list[dict[str, str]]:
    with (shared / "published" / "neighbours_flops.csv").open() as file:
        return [row for row in csv.DictReader(file) if row["reproduced_by"] != "unknown"]


def _flops(spec: ModelSpec, method: str, tokens: str, convention: str, decode: int = 100) -> int:
    plan = layered_plan(method, tokens)
    return oz.total_flops(oz.count(spec, plan, convention, decode))


def _printed(flops: int, like: str) -> str:
    """FLOPs in 10^12, with as many decimals as the printed value, halves up."""
    digits = Decimal(1).scaleb(Decimal(like).as_tuple().exponent)  # type: ignore[arg-type]
    return str((Decimal(flops) / TERA).quantize(digits, ROUND_HALF_UP))


def test_every_row_that_names_a_formula(shared: Path) -> None:
    rows = _rows(shared)
    assert len(rows) == len(READINGS) == 11
    for row in rows:
        source, method, tokens = READINGS[row["setting"]]
        assert (row["source"], row["method"]) == (source, method)
        flops = _flops(oz.load_spec(row["model"]), method, tokens, row["reproduced_by"])
        assert _printed(flops, row["flops_T"]) == row["flops_T"], row


def test_no_other_convention_gives_any_of_them(shared: Path) -> None:
    """Each row's formula is the only one that fits, so the table really tells them apart.

    Alike but for the text are `pyramiddrop` and `sparsevlm`: these rows have no text.
    """
    alike = {"pyramiddrop": {"pyramiddrop", "sparsevlm"}}
    for row in _rows(shared):
        _, method, tokens = READINGS[row["setting"]]
        spec = oz.load_spec(row["model"])
        fits = {
            name
            for name in CONVENTIONS
            if _printed(_flops(spec, method, tokens, name), row["flops_T"]) == row["flops_T"]
        }
        named = row["reproduced_by"]
        assert fits == alike.get(named, {named}), row


def test_omnipacks_seven_digits_tell_r(shared: Path) -> None:
    """R is 99 or 100: with one step less or more some printed digit changes."""
    spec = oz.load_spec("qwen2.5-omni-7b")
    rows = [row for row in _rows(shared) if row["source"] == "omnipack"]
    assert len(rows) == 7
    fits = [
        steps
        for steps in range(90, 111)
        if all(
            _printed(
                _flops(spec, "omnipack", READINGS[row["setting"]][2], "eq9", steps), row["flops_T"]
            )
            == row["flops_T"]
            for row in rows
        )
    ]
    assert fits == [99, 100]


def test_seats_leaves_nine_lengths(shared: Path) -> None:
    """111.0 is printed with one decimal: any length from 11,764 to 11,772 gives it."""
    spec = oz.load_spec("qwen2.5-omni-7b")
    (row,) = [row for row in _rows(shared) if row["source"] == "seats"]
    fits = [
        n
        for n in range(11_700, 11_850)
        if _printed(_flops(spec, "full", f"28x{n}", "seats"), "111.0") == row["flops_T"]
    ]
    assert fits == list(range(fits[0], fits[-1] + 1))
    assert (fits[0], fits[-1]) == (11_764, 11_772)


def _vicuna_13b() -> ModelSpec:
    """The decoder of LLaVA-1.5-13B: 40 layers, d 5120, m 13824, 40 heads."""
    spec = oz.load_spec("llava-1.5-7b")
    text = replace(
        spec.text,
        layers=40,
        hidden_size=5120,
        intermediate_size=13_824,
        heads=40,
        kv_heads=40,
    )
    return replace(spec, name="llava-1.5-13b", text=text)


@pytest.mark.parametrize(
    ("method", "seven", "printed_7b", "thirteen", "printed_13b"),
    [
        ("full", "32x576", "10.1", "40x576", "19.6"),
        ("prumerge+", "32x146", "2.5", "40x146", "4.9"),
        ("fastv", "3x576+29x144", "3.2", "3x576+37x144", "6.0"),
        ("voco-llama", "32x128", "2.2", None, None),
        ("hired", "32x115", "2.0", None, None),
        ("dynamic-llava", "2x576+30x115", "2.5", "2x576+38x115", "4.7"),
    ],
)
def test_dynamic_llavas_own_tables(
    method: str, seven: str, printed_7b: str, thirteen: str | None, printed_13b: str | None
) -> None:
    """Dynamic-LLaVA (arXiv 2412.00876), Tabs. 11 and 12: image tokens, an FFN 4 d wide.

    With the FFN as it is built, full tokens of the 7B model come to 7.6, not to the printed 10.1.
    """
    spec = oz.load_spec("llava-1.5-7b")
    eq13 = "dynamic-llava-eq13"
    assert _printed(_flops(spec, method, seven, eq13), printed_7b) == printed_7b
    assert _printed(_flops(spec, method, seven, "dynamic-llava"), printed_7b) != printed_7b
    if thirteen is not None and printed_13b is not None:
        assert _printed(_flops(_vicuna_13b(), method, thirteen, eq13), printed_13b) == printed_13b
