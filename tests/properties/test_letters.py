"""Letters against counts: any sizes, any length, every convention, as whole numbers."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import omnizip_cost as oz
from omnizip_cost.cost import CONVENTIONS, Convention
from omnizip_cost.specs.spec import DecoderSpec, ExpertsSpec, ModelSpec, TextSpec
from omnizip_cost.symbolic.letters import K, R, n, r, spec_values
from omnizip_cost.symbolic.stack import decode, prefill
from omnizip_cost.symbolic.topics import crossover, fastv, speedup

COUNTED = tuple(convention for convention in CONVENTIONS.values())
LETTERS = tuple(spec_values(oz.load_spec("omni-tiny")))
small = st.integers(1, 40)


@st.composite
def specs(draw: st.DrawFn) -> ModelSpec:
    """A decoder of any widths, plain or with experts in every layer."""
    groups = draw(st.integers(1, 4))
    experts = draw(st.none() | st.integers(1, 8))
    text = TextSpec(
        layers=draw(st.integers(2, 9)),
        hidden_size=draw(small),
        intermediate_size=draw(small),
        heads=groups * draw(st.integers(1, 4)),
        kv_heads=groups,
        head_dim=draw(small),
        vocab_size=draw(small),
        tied_embeddings=draw(st.booleans()),
        qkv_bias=False,
        ffn_matrices=draw(st.integers(2, 3)),
        experts=None
        if experts is None
        else ExpertsSpec(
            experts=experts,
            experts_per_token=draw(st.integers(1, experts)),
            intermediate_size=draw(small),
        ),
    )
    return DecoderSpec(name="drawn", family="qwen3", text=text, source="drawn", config={})


@cache
def _callable(convention: str) -> Any:
    """Prefill and decode of a convention as plain functions of the letters' values."""
    chosen = CONVENTIONS[convention]
    return sympy.lambdify((*LETTERS, n, R), [prefill(chosen), decode(chosen)], "math")


def _counted(spec: ModelSpec, convention: Convention, tokens: int, decoded: int) -> dict[str, int]:
    plan = oz.plan("full", oz.bare_workload(tokens), spec)
    rows = oz.count(spec, plan, convention, decode=decoded)
    return {
        phase: sum(row.flops for row in rows if row.phase == phase)
        for phase in ("prefill", "decode")
    }


@pytest.mark.parametrize("convention", COUNTED, ids=lambda convention: convention.name)
@given(spec=specs(), tokens=st.integers(1, 10**6), decoded=st.integers(1, 300))
@settings(max_examples=12, deadline=None)
def test_prefill_and_decode_are_the_count_as_integers(
    convention: Convention, spec: ModelSpec, tokens: int, decoded: int
) -> None:
    values = spec_values(spec)
    ours = _callable(convention.name)(*(values[letter] for letter in LETTERS), tokens, decoded)
    counted = _counted(spec, convention, tokens, decoded)
    assert ours == [counted["prefill"], counted["decode"]]
    assert all(type(value) is int for value in ours)


@cache
def _quotients() -> Any:
    forms = [fastv.ratio("torch"), speedup.ratio("torch"), speedup.ratio("hardware", decoding=True)]
    return sympy.lambdify((*LETTERS, n, R, r, K), forms, "math")


@given(spec=specs(), twentieths=st.integers(1, 20), tokens=st.integers(1, 10**5), data=st.data())
@settings(max_examples=25, deadline=None)
def test_speedups_are_quotients_of_counts(
    spec: ModelSpec, twentieths: int, tokens: int, data: st.DataObject
) -> None:
    """Fractions go in, the exact quotient of two integer counts comes out."""
    length, kept = 20 * tokens, twentieths / 20
    first = data.draw(st.integers(1, spec.text.layers - 1))
    values = spec_values(spec)
    point = (Fraction(length), Fraction(7), Fraction(twentieths, 20), Fraction(first))
    ours = _quotients()(*(Fraction(values[letter]) for letter in LETTERS), *point)

    def flops(method: str, convention: str, decoded: int) -> int:
        work = oz.bare_workload(length)
        ratio = None if method == "full" else kept
        plan = oz.plan(method, work, spec, retained=ratio, fastv_layer=first)
        return oz.total_flops(oz.count(spec, plan, convention, decode=decoded))

    full = flops("full", "torch", 0)
    assert ours[0] == Fraction(full, flops("fastv", "torch", 0))
    assert ours[1] == Fraction(full, flops("random", "torch", 0))
    assert ours[2] == Fraction(flops("full", "hardware", 7), flops("random", "hardware", 7))


@cache
def _shares() -> Any:
    forms = [crossover.attention_share(key) for key in crossover.SHOWN]
    roots = [crossover.overtakes_all(key) for key in crossover.SHOWN]
    return sympy.lambdify((*LETTERS, n), forms, "math"), sympy.lambdify(LETTERS, roots, "math")


@given(spec=specs())
@settings(max_examples=25, deadline=None)
def test_attention_takes_half_where_it_overtakes_the_rest(spec: ModelSpec) -> None:
    share, root = _shares()
    values = [spec_values(spec)[letter] for letter in LETTERS]
    for place, length in enumerate(root(*values)):
        assert length > 0
        assert share(*values, length)[place] == pytest.approx(0.5, rel=1e-9)
