"""Operators of a mixture of experts: the router, and products grouped by expert.

Source: ``Qwen3OmniMoeThinkerTextTopKRouter`` and ``grouped_mm_experts_forward`` of transformers
5.23 (``integrations/moe``), its default where torch has grouped products; torch's counter has no
formula for them and counts zero. Of the experts' weights, each product reads as many experts as
the call's tokens can choose, at most all.
"""

from __future__ import annotations

from collections.abc import Iterator

from omnizip_cost import formulas
from omnizip_cost.cost.executed.modules import cast, linear, lookup
from omnizip_cost.cost.executed.op import (
    FLOAT32,
    INT32,
    INT64,
    Kernel,
    Pass,
    Tensor,
    integers,
    kernel,
)
from omnizip_cost.cost.executed.shape import Gemm, mean
from omnizip_cost.specs.spec import ExpertsSpec


def experts_read(experts: ExpertsSpec, run: Pass) -> int:
    """Most experts that the tokens of one call can choose."""
    return min(experts.experts, run.rows // run.calls * experts.experts_per_token)


def router_product(run: Pass, d: int, experts: ExpertsSpec) -> Iterator[Kernel]:
    """Scores of every expert for each token."""
    yield from linear(run, "router", run.rows, d, experts.experts, bias=False)


def router(run: Pass, d: int, experts: ExpertsSpec) -> Iterator[Kernel]:
    """Scores of every expert, the best few of each token and their shares."""
    scores = run.numbers(run.rows * experts.experts)
    chosen = Tensor(run.rows * experts.experts_per_token, FLOAT32)
    wide, places = Tensor(scores.numbers, FLOAT32), Tensor(chosen.numbers, INT64)
    yield from router_product(run, d, experts)
    yield from cast(scores, FLOAT32, "routing")
    yield kernel("_softmax", "routing", (wide,), wide)
    yield kernel("topk", "routing", (wide,), chosen, places)
    yield kernel("sum", "routing", (chosen,), Tensor(run.rows, FLOAT32))
    yield kernel("div_", "routing", (chosen, Tensor(run.rows, FLOAT32)), chosen)
    yield from cast(chosen, run.width, "routing")


def grouped_experts(run: Pass, d: int, experts: ExpertsSpec) -> Iterator[Kernel]:
    """Tokens sorted by expert, two grouped products, and the results put back and added."""
    m, pairs = experts.intermediate_size, run.rows * experts.experts_per_token
    places, shares = Tensor(pairs, INT64), run.numbers(pairs)
    rows, bounds = run.numbers(pairs * d), Tensor(run.calls * experts.experts, INT32)
    yield integers("sort", (pairs,), pairs, pairs, operator="routing")
    yield integers("floor_divide", (pairs,), pairs, operator="routing")
    yield lookup(rows, places, "routing")
    yield lookup(shares, places, "routing")
    yield kernel("_to_copy", "routing", (places,), Tensor(pairs, FLOAT32))
    counts = Tensor(bounds.numbers, FLOAT32)
    yield kernel("histc", "routing", (Tensor(pairs, FLOAT32),), counts)
    yield kernel("cumsum", "routing", (counts,), bounds)
    yield grouped(run, experts, pairs, d, 2 * m)
    inner = run.numbers(pairs * m)
    yield kernel("silu", "activation", (inner,), inner)
    yield kernel("mul", "activation", (inner, inner), inner)
    yield grouped(run, experts, pairs, m, d)
    yield kernel("mul", "routing", (rows, shares), rows)
    yield integers("arange", (), pairs, operator="routing")
    yield integers("index_put_", (pairs, pairs), pairs, operator="routing")
    yield lookup(rows, places, "routing")
    yield kernel("sum", "routing", (rows,), run.numbers(run.rows * d))


def grouped(run: Pass, experts: ExpertsSpec, pairs: int, d_in: int, d_out: int) -> Kernel:
    """One product of rows sorted by expert, each with the weights of its own."""
    chosen = experts_read(experts, run)
    weights = run.weights(chosen * d_in * d_out)
    bounds = Tensor(run.calls * experts.experts, INT32)
    reads = (run.numbers(pairs * d_in), weights, bounds)
    work = formulas.linear(pairs, d_in, d_out)
    written = run.numbers(pairs * d_out)
    shape = Gemm(m=mean(pairs, run.calls * chosen), n=d_out, k=d_in, batch=chosen)
    return kernel("_grouped_mm", "ffn", reads, written, multiply_adds=work, shape=shape)
