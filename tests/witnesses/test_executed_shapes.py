"""Witness: the sides of every product multiply to the multiply-adds that are counted.

The counts are held to torch's own counter elsewhere; here each shape is held to the counts, for
both engines, every kind of attention and every family that is listed.
"""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from typing import Any

import pytest

import omnizip_cost as oz
from omnizip_cost.compression import Plan
from omnizip_cost.cost import CONVENTIONS
from omnizip_cost.cost.executed import Attention, ExecutedOp, Gemm, executed_listing
from omnizip_cost.cost.rows import counted_ops
from omnizip_cost.specs import ModelSpec, spec_from_config
from omnizip_cost.workload import Workload

STEPS = 3
SMALL = {
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 96,
}


def _spec(name: str) -> ModelSpec:
    if name in ("llama", "phi3", "qwen3"):
        return spec_from_config({"model_type": name, "head_dim": 12, **SMALL}, name)
    if name == "mistral":
        return spec_from_config({"model_type": name, "sliding_window": 16, **SMALL}, name)
    return oz.load_spec(name)


def _prompt(name: str, spec: ModelSpec) -> Workload:
    if name in ("llama", "phi3", "qwen3", "mistral"):
        return oz.bare_workload(37)
    return oz.workload(spec, seconds=11.3, pixels=(252, 448))


MODELS = ("qwen2.5-omni-7b", "qwen3-omni-30b-a3b", "omni-tiny", "llama", "phi3", "qwen3", "mistral")
EXECUTIONS = (
    ("torch", "math"),
    ("torch", "eager"),
    ("sdpa", "sdpa"),
    ("sdpa", "compiled"),
    ("hardware", "sdpa"),
)
PRODUCTS = {"projection", "attention", "ffn", "router", "lm_head", "convolution", "connector"}


def _listing(spec: ModelSpec, plan: Plan, convention: str, kind: str, work: Workload) -> Any:
    compiled = kind == "compiled"
    attention: Any = "sdpa" if compiled else kind
    named = CONVENTIONS[convention]
    return executed_listing(spec, plan, named, STEPS, work, attention=attention, compiled=compiled)


@pytest.mark.parametrize(("convention", "kind"), EXECUTIONS)
@pytest.mark.parametrize("model", MODELS)
def test_sides_multiply_to_the_count(model: str, convention: str, kind: str) -> None:
    spec = _spec(model)
    work = _prompt(model, spec)
    chosen = CONVENTIONS[convention]
    plan = oz.plan("fastv", work, spec, retained=0.5, fastv_layer=1)
    listing = _listing(spec, plan, convention, kind, work)
    assert listing is not None
    if model == "mistral" and convention != "hardware":
        assert listing.unlisted == ("llm", "lm_head")
        return
    summed: dict[tuple[str, str, str], int] = defaultdict(int)
    for op in listing.ops:
        assert (op.shape is not None) == (op.operator in PRODUCTS), op
        _holds(op)
        if op.shape is not None:
            summed[op.component, op.phase, op.operator] += op.multiply_adds
    counted: dict[tuple[str, str, str], int] = defaultdict(int)
    for one in counted_ops(spec, plan, chosen, STEPS, work):
        counted[one.component, one.phase, one.operator] += int(one.multiply_adds)
    assert summed == counted


def _holds(op: ExecutedOp) -> None:
    shape = op.shape
    if shape is None:
        assert op.multiply_adds == 0
        return
    sides: tuple[float, ...]
    if isinstance(shape, Gemm):
        sides = (shape.m, shape.n, shape.k, shape.batch)
        work = Fraction(shape.m) * Fraction(shape.n) * Fraction(shape.k) * Fraction(shape.batch)
    else:
        sides = (shape.queries, shape.keys, shape.heads, shape.kv_heads, shape.head_dim)
        work = Fraction(shape.multiply_adds)
    assert min(sides) > 0
    assert round(op.kernels * work) == op.multiply_adds, op


def test_steps_of_decode_are_taken_at_their_mean() -> None:
    """Keys of 3 steps after 37 tokens are 38, 39 and 40; of 2, 38 and 39."""
    spec = _spec("llama")
    plan = oz.plan("full", oz.bare_workload(37), spec)
    for steps, keys in ((3, 39), (2, 38.5)):
        listing = executed_listing(spec, plan, CONVENTIONS["sdpa"], steps, None)
        assert listing is not None
        (seen,) = {
            op.shape
            for op in listing.ops
            if isinstance(op.shape, Attention) and op.phase == "decode"
        }
        assert (seen.kind, seen.queries, seen.keys) == ("decode", 1, keys)


def test_a_window_hides_pairs_of_prefill() -> None:
    """W = 16 of n = 37: queries 1 to 16 see 1 to 16 keys, the other 21 see 16."""
    spec = _spec("mistral")
    plan = oz.plan("full", oz.bare_workload(37), spec)
    listing = executed_listing(spec, plan, CONVENTIONS["hardware"], 0, None)
    assert listing is not None
    (shape,) = {op.shape for op in listing.ops if isinstance(op.shape, Attention)}
    assert shape.pairs == sum(min(i, 16) for i in range(1, 38))


@pytest.mark.parametrize("model", ["qwen2.5-omni-7b", "qwen3-omni-30b-a3b", "llama"])
def test_compiled_moves_no_more_than_stock_and_no_less_than_ideal(model: str) -> None:
    spec = _spec(model)
    work = _prompt(model, spec)
    plan = oz.plan("full", work, spec)
    sums = [
        _sums(_listing(spec, plan, *how, work).ops)
        for how in (("sdpa", "sdpa"), ("sdpa", "compiled"), ("hardware", "sdpa"))
    ]
    assert sums[0].keys() == sums[1].keys() == sums[2].keys()
    for part in sums[0]:
        for stock, compiled, ideal in zip(*(one[part] for one in sums), strict=True):
            assert stock > compiled > ideal, part


def _sums(ops: Any) -> dict[tuple[str, str], tuple[int, int]]:
    """Bytes and kernels of each component and phase; the head is one product everywhere."""
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for op in ops:
        if op.component != "lm_head":
            moved, kernels = sums.get((op.component, op.phase), (0, 0))
            moved += op.bytes_read + op.bytes_written
            sums[op.component, op.phase] = (moved, kernels + op.kernels)
    return sums
