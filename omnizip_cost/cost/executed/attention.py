"""Operators of attention between the rotated queries and the output projection.

Causal or not, eager products and the fallback of fused attention multiply every pair; a fused
operator may skip the masked half, so its multiply-adds are the convention's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from omnizip_cost import formulas
from omnizip_cost.cost.executed.modules import cast
from omnizip_cost.cost.executed.op import (
    BOOL,
    FLOAT32,
    INT64,
    PER_FUSED_PAIR,
    AttentionKind,
    Kernel,
    Pass,
    Tensor,
    kernel,
    repeated,
    single_call,
)
from omnizip_cost.cost.executed.shape import Attention, Gemm, ShapeKind, mean

FUSED = "_scaled_dot_product_flash_attention"
"""Fused attention in half precision on CUDA. Other devices and dtypes have a name of their own
for one operator with the same operands (``.._for_cpu``, ``.._efficient_attention``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heads:
    """Heads of one attention, and whether queries see later keys."""

    heads: int
    kv_heads: int
    head_dim: int
    causal: bool = True

    @property
    def q(self) -> int:
        """Width of all query heads."""
        return self.heads * self.head_dim

    @property
    def kv(self) -> int:
        """Width of all key heads, and of all value heads."""
        return self.kv_heads * self.head_dim

    @property
    def grouped(self) -> bool:
        """Whether several query heads share one key head."""
        return self.heads > self.kv_heads


def attention(run: Pass, heads: Heads, kind: AttentionKind) -> Iterator[Kernel]:
    """Scores, softmax and weighted values of every head."""
    yield from {"sdpa": _fused, "math": _math, "eager": _eager}[kind](run, heads)


def block_attention(
    width: int, heads: Heads, blocks: Iterable[int], kind: AttentionKind
) -> Iterator[Kernel]:
    """Attention inside each of several blocks of queries, one after another in one call."""
    for size, times in Counter(blocks).items():
        run = single_call(size, width)
        for one in attention(run, heads, kind):
            yield repeated(one, times)


def eager_mask(run: Pass) -> Iterator[Kernel]:
    """The causal mask that eager attention adds to its scores: made once per call."""
    one, queries, keys = (
        Tensor(run.calls, INT64),
        Tensor(run.rows, INT64),
        Tensor(run.keys, INT64),
    )
    places, mask = Tensor(run.pairs, BOOL), run.numbers(run.pairs)
    scalar = run.numbers(run.calls)
    for _ in ("batch", "head"):
        yield kernel("arange", "mask", (), one)
    for axis in (queries, keys):
        yield kernel("arange", "mask", (), axis)
        yield kernel("add", "mask", (axis,), axis, whole=True)
    yield kernel("le", "mask", (keys, queries), places)
    yield kernel("zeros", "mask", (), scalar)
    yield kernel("scalar_tensor", "mask", (), scalar)
    yield kernel("where", "mask", (places, scalar, scalar), mask)


def fused_shape(run: Pass, heads: Heads, window: int | None = None) -> Attention:
    """Shape of one fused call; the keys of decode are the mean of its steps."""
    kind: ShapeKind = "encoder"
    if heads.causal:
        kind = "prefill" if run.phase == "prefill" else "decode"
    return Attention(
        kind=kind,
        batch=1,
        queries=mean(run.rows, run.calls),
        keys=mean(run.keys, run.calls),
        heads=heads.heads,
        kv_heads=heads.kv_heads,
        head_dim=heads.head_dim,
        window=window if kind == "prefill" else None,
    )


def _products(run: Pass, heads: Heads) -> tuple[Gemm, Gemm]:
    """Queries with keys, and weights with values: a product for each head, in one call."""
    queries, keys = mean(run.rows, run.calls), mean(run.keys, run.calls)
    return (
        Gemm(m=queries, n=keys, k=heads.head_dim, batch=heads.heads, weights=False),
        Gemm(m=queries, n=heads.head_dim, k=keys, batch=heads.heads, weights=False),
    )


def _fused(run: Pass, heads: Heads) -> Iterator[Kernel]:
    query, key = run.numbers(run.rows * heads.q), run.numbers(run.keys * heads.kv)
    work = formulas.attention(run.counted_pairs_doubled, heads.q)
    seen = kernel(
        FUSED,
        "attention",
        (query, key, key),
        query,
        Tensor(run.rows * heads.heads, FLOAT32),
        multiply_adds=work,
        shape=fused_shape(run, heads),
    )
    unseen = PER_FUSED_PAIR * heads.heads * run.counted_pairs_doubled // 2
    yield seen._replace(unseen_flops=unseen)


def _math(run: Pass, heads: Heads) -> Iterator[Kernel]:
    """The fallback: everything in float32, a mask in every layer, keys and values repeated."""
    query = run.numbers(run.rows * heads.q)
    key = run.numbers(run.keys * heads.kv)
    wide_query, wide_key = Tensor(query.numbers, FLOAT32), Tensor(key.numbers, FLOAT32)
    repeated = Tensor(run.keys * heads.q, FLOAT32)
    scores = Tensor(run.pairs * heads.heads, FLOAT32)
    for tensor in (query, key, key):
        yield from cast(tensor, FLOAT32, "softmax")
    yield kernel("mul", "softmax", (wide_query,), wide_query)
    masked = heads.causal and run.several_queries
    if masked:
        yield from _causal_mask(run)
    if heads.grouped:
        for _ in ("keys", "values"):
            yield kernel("clone", "repeat", (wide_key,), repeated)
    yield kernel("mul", "softmax", (repeated,), repeated)
    work = formulas.attention(run.pairs, heads.q)
    keyed, valued = _products(run, heads)
    yield kernel(
        "bmm", "attention", (wide_query, repeated), scores, multiply_adds=work, shape=keyed
    )
    if masked:
        yield kernel("add", "softmax", (scores, Tensor(run.pairs, FLOAT32)), scores)
    yield kernel("_safe_softmax", "softmax", (scores,), scores)
    yield from cast(scores, run.width, "softmax")
    yield kernel(
        "bmm", "attention", (scores, repeated), wide_query, multiply_adds=work, shape=valued
    )
    yield from cast(wide_query, run.width, "softmax")
    yield from _rows_together(run, query)


def _causal_mask(run: Pass) -> Iterator[Kernel]:
    places, scalar = Tensor(run.pairs, BOOL), Tensor(run.calls, FLOAT32)
    yield kernel("ones", "mask", (), places)
    yield kernel("tril", "mask", (places,), places)
    for _ in ("seen", "hidden"):
        yield kernel("scalar_tensor", "mask", (), scalar)
    yield kernel("where", "mask", (places, scalar, scalar), Tensor(run.pairs, FLOAT32))


def _eager(run: Pass, heads: Heads) -> Iterator[Kernel]:
    """Products in the model's dtype, softmax in float32."""
    query, key = run.numbers(run.rows * heads.q), run.numbers(run.keys * heads.kv)
    repeated = run.numbers(run.keys * heads.q)
    scores = run.numbers(run.pairs * heads.heads)
    wide = Tensor(scores.numbers, FLOAT32)
    if heads.grouped:
        for _ in ("keys", "values"):
            yield kernel("clone", "repeat", (key,), repeated)
    work = formulas.attention(run.pairs, heads.q)
    keyed, valued = _products(run, heads)
    yield kernel("bmm", "attention", (query, repeated), scores, multiply_adds=work, shape=keyed)
    yield kernel("mul", "softmax", (scores,), scores)
    if heads.causal:
        yield kernel("add", "softmax", (scores, run.numbers(run.pairs)), scores)
    yield from cast(scores, FLOAT32, "softmax")
    yield kernel("_softmax", "softmax", (wide,), wide)
    yield from cast(wide, run.width, "softmax")
    yield kernel("bmm", "attention", (scores, repeated), query, multiply_adds=work, shape=valued)
    yield from _rows_together(run, query)


def _rows_together(run: Pass, query: Tensor) -> Iterator[Kernel]:
    """Heads of each token put side by side: a copy where a call has several tokens."""
    if run.several_queries:
        yield kernel("clone", "layout", (query,), query)
