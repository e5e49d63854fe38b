"""The formulas: Eq. 9 derived from the general form with letters; ints, arrays, symbols."""

from __future__ import annotations

import numpy as np
import sympy
from hypothesis import given
from hypothesis import strategies as st

from omnizip_cost import formulas

sizes = st.integers(1, 50_000)


def test_eq9_from_the_general_form() -> None:
    """They meet for full-width K and V, two FFN matrices, full pairs, 1 FLOP per multiply-add."""
    n, d, m, T, R, i = sympy.symbols("n d m T R i", positive=True, integer=True)
    pairs = formulas.full_pairs_doubled(n, n)
    prefill = formulas.decoder_layer(n, pairs, d=d, q=d, kv=d, m=m, ffn_matrices=2)
    assert sympy.expand(prefill - formulas.eq9_prefill_layer(n, d, m)) == 0

    steps = formulas.decoder_layer(
        R, formulas.decode_pairs_doubled(n, R), d=d, q=d, kv=d, m=m, ffn_matrices=2
    )
    assert sympy.expand(steps - formulas.eq9_decode_layer(n, d, m, R)) == 0

    printed = T * (4 * n * d**2 + 2 * n**2 * d + 2 * n * d * m) + T * R * (
        (4 * d**2 + 2 * d * m) + 2 * (d * n + sympy.Rational(1, 2) * d * (R + 1))
    )
    assert sympy.expand(formulas.eq9(n, d, m, T, R) - printed) == 0
    as_a_sum = T * (
        R * (4 * d**2 + 2 * d * m) + 2 * sympy.summation(d * (n + i), (i, 1, R))
    ) + T * formulas.eq9_prefill_layer(n, d, m)
    assert sympy.expand(as_a_sum - printed) == 0


def test_where_the_general_form_leaves_eq9() -> None:
    """Each assumption matters: drop one and a named difference remains."""
    n, d, m, kv = sympy.symbols("n d m kv", positive=True, integer=True)
    eq9 = formulas.eq9_prefill_layer(n, d, m)
    full = formulas.full_pairs_doubled(n, n)
    layer = formulas.decoder_layer
    gated = layer(n, full, d=d, q=d, kv=d, m=m, ffn_matrices=3)
    grouped = layer(n, full, d=d, q=d, kv=kv, m=m, ffn_matrices=2)
    causal = layer(n, formulas.causal_pairs_doubled(n), d=d, q=d, kv=d, m=m, ffn_matrices=2)
    assert sympy.expand(gated - eq9 - n * d * m) == 0
    assert sympy.expand(eq9 - grouped - 2 * n * d * (d - kv)) == 0
    assert sympy.expand(eq9 - causal - n * (n - 1) * d) == 0


@given(sizes, sizes)
def test_causal_pairs_are_the_sum_of_what_each_query_sees(n: int, past: int) -> None:
    n = n % 500 + 1
    assert formulas.causal_pairs_doubled(n, past) == 2 * sum(past + i for i in range(1, n + 1))


@given(sizes, st.integers(0, 300))
def test_decode_is_causal_after_the_cache(n: int, steps: int) -> None:
    assert formulas.decode_pairs_doubled(n, steps) == formulas.causal_pairs_doubled(steps, n)


@given(st.integers(1, 10_000), st.integers(1, 10_000))
def test_a_prompt_in_two_chunks_sees_the_same_causal_pairs(first: int, second: int) -> None:
    whole = formulas.causal_pairs_doubled(first + second)
    parts = formulas.causal_pairs_doubled(first) + formulas.causal_pairs_doubled(second, first)
    assert whole == parts


@given(st.lists(st.integers(1, 20_000), min_size=1, max_size=5))
def test_ints_arrays_and_symbols_agree(tokens: list[int]) -> None:
    d, m, T, R = 3584, 18944, 28, 100
    exact = [formulas.eq9(n, d, m, T, R) for n in tokens]
    assert all(type(value) is int for value in exact)
    array = formulas.eq9(np.asarray(tokens, dtype=np.float64), d, m, T, R)
    assert np.allclose(array, exact, rtol=1e-14)
    symbol = sympy.Symbol("n")
    assert [formulas.eq9(symbol, d, m, T, R).subs(symbol, n) for n in tokens] == exact


def test_rectangular_attention() -> None:
    """n_q and n_kv differ: one query over the cache is not the square of anything."""
    assert formulas.attention(formulas.full_pairs_doubled(3, 17), 128) == 2 * 3 * 17 * 128
