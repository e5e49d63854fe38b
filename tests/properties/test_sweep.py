"""A sweep against the scalar count: the same integers below 2^53, within a bound beyond."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import omnizip_cost as oz
from omnizip_cost.compression import all_methods
from omnizip_cost.cost import CONVENTIONS, Convention, share_left
from omnizip_cost.specs import ExpertsSpec, ModelSpec, bundled_names
from omnizip_cost.sweep import Block, blocks, make_grid

METHODS = tuple(method.name for method in all_methods()[0])
SPECS = tuple(oz.load_spec(name) for name in bundled_names())
OWN = replace(
    CONVENTIONS["eq9"],
    name="own",
    flop_per_multiply_add=2,
    ffn_matrices=None,
    widths="grouped",
    lm_head="every",
    attention="causal",
)
"""Real-valued tokens where the built-in conventions of such widths have whole ones."""


def uneven(spec: ModelSpec) -> ModelSpec:
    """Four layers of the model, the second with a plain FFN among experts."""
    experts = ExpertsSpec(experts=8, experts_per_token=2, intermediate_size=96, dense_layers=(1,))
    return replace(spec, name="uneven", text=replace(spec.text, layers=4, experts=experts))


def scalar(block: Block, row: int, spec: ModelSpec, convention: Convention, layer: int) -> tuple:
    """What the scalar path says of one row: kept tokens, prefill, decode, total, full total."""

    def counted(method: str, retained: float) -> list:
        plan = oz.plan(
            method,
            oz.bare_workload(int(block.tokens[row])),
            spec,
            retained=retained,
            fastv_layer=layer,
        )
        return [plan, oz.count(spec, plan, convention, int(block.decode[row]))]

    plan, rows = counted(block.method, float(block.retained[row]))
    prefill, decode = (
        sum(row.flops for row in rows if row.phase == phase) for phase in ("prefill", "decode")
    )
    total = oz.total_flops(rows)
    return plan.kept_tokens, prefill, decode, total, oz.total_flops(counted("full", 1.0)[1])


def hold(block: Block, spec: ModelSpec, convention: Convention, layer: int, some: int) -> None:
    """Hold some rows of a block to the scalar path."""
    for row in np.unique(np.linspace(0, len(block) - 1, some).astype(int)):
        kept, prefill, decode, total, full = scalar(block, row, spec, convention, layer)
        share = share_left(total, full)
        assert block.kept_tokens[row] == kept
        assert block.exact[row] == (total < 2**53)
        if total < 2**53:
            assert int(block.prefill_flops[row]) == prefill
            assert int(block.decode_flops[row]) == decode
            assert int(block.flops[row]) == total
        else:
            assert abs(int(block.flops[row]) - total) <= total * 2**-49
        if full < 2**53:
            assert block.share_left[row] == share
        else:
            assert abs(block.share_left[row] - share) <= share * 2**-47


def sliding(spec: ModelSpec) -> ModelSpec:
    """Four layers of the model, two of which attend through a window."""
    text = replace(spec.text, layers=4, experts=None, sliding_window=4096, sliding_layers=(1, 2))
    return replace(spec, name="sliding", text=text)


tokens = st.one_of(st.integers(1, 10**7), st.integers(1, 30_000))
ratios = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.05, 0.35, 0.4, 0.45, 0.5, 0.55, 1.0]))


@settings(max_examples=25, deadline=None)
@given(
    st.data(),
    st.sampled_from((*SPECS, uneven(SPECS[0]), sliding(SPECS[0]))),
    st.sampled_from((*CONVENTIONS.values(), OWN)),
    st.lists(tokens, min_size=1, max_size=4),
    st.lists(ratios, min_size=1, max_size=4),
    st.lists(st.integers(0, 3000), min_size=1, max_size=3),
    st.integers(1, 60),
)
def test_every_row_is_the_scalar_count(
    data: st.DataObject,
    spec: ModelSpec,
    convention: Convention,
    counts: list[int],
    retained: list[float],
    decode: list[int],
    chunk: int,
) -> None:
    layer = data.draw(st.integers(1, spec.text.layers - 1), "K")
    grid = make_grid(
        models=[spec],
        tokens=counts,
        retained=retained,
        methods=METHODS,
        conventions=[convention],
        decode=decode,
        fastv_layer=layer,
        chunk_rows=chunk,
    )
    found = list(blocks(grid))
    assert sum(map(len, found)) == grid.size
    for block in found:
        hold(block, spec, convention, layer, 2)


@pytest.mark.parametrize("name", CONVENTIONS)
def test_the_flag_changes_where_the_integer_reaches_2_to_53(name: str) -> None:
    spec = SPECS[0]

    def total(n: int) -> int:
        return oz.total_flops(
            oz.count(spec, oz.plan("full", oz.bare_workload(n), spec), name, decode=100)
        )

    low, high = 1, 10**7
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if total(middle) < 2**53 else (low, middle)
    (block,) = blocks(make_grid(models=[spec], conventions=[name], tokens=[low, high]))
    assert total(low) < 2**53 <= total(high)
    assert block.exact.tolist() == [True, False]
    assert int(block.flops[0]) == total(low)
    assert abs(int(block.flops[1]) - total(high)) <= 8


def test_a_window_that_takes_squares_away_again_is_flagged() -> None:
    """FLOPs of few keys each stay below 2^53 where the squares of the tokens are beyond it."""
    text = replace(
        SPECS[0].text,
        layers=1,
        hidden_size=4,
        intermediate_size=1,
        heads=1,
        kv_heads=1,
        head_dim=2,
        sliding_window=3,
        sliding_layers=(0,),
    )
    spec = replace(SPECS[0], name="narrow", text=text)
    counts = [2**26 - 101, 2**26, 2**26 + 3, 10**8 + 7]
    (block,) = blocks(make_grid(models=[spec], conventions=["hardware"], tokens=counts))
    assert (block.flops < 2**53).all()
    assert block.exact.tolist() == [True, False, False, False]

    kept, prefill, decode, total, _ = scalar(block, 0, spec, CONVENTIONS["hardware"], 1)
    assert (block.kept_tokens[0], block.prefill_flops[0]) == (kept, prefill)
    assert (block.decode_flops[0], block.flops[0]) == (decode, total)
