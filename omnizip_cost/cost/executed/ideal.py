"""What a good engine moves: elementwise work fused away, each product's operands touched once.

Queries, keys and values come of one product, gate and up of another, whose activation is applied
before it is written; keys and values are written to the cache by the product that makes them and
read once per call. Of a mixture of experts, each call reads as many experts as its tokens can
choose, at most all. Nothing else moves but the rows of the embedding table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from omnizip_cost import formulas
from omnizip_cost.compression.plan import Plan
from omnizip_cost.cost.convention import Convention
from omnizip_cost.cost.decoder import LayerGroup, OperatorClass
from omnizip_cost.cost.executed.attention import Heads, fused_shape
from omnizip_cost.cost.executed.experts import experts_read
from omnizip_cost.cost.executed.op import INT64, ExecutedOp, Pass
from omnizip_cost.cost.executed.passes import passes, prompt_tokens, whole_groups
from omnizip_cost.cost.executed.shape import Gemm, Shape, mean
from omnizip_cost.specs.spec import ModelSpec, TextSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class _Product:
    """One fused product of one layer, over all calls, in numbers."""

    operator: OperatorClass
    name: str
    read: int
    weights: int
    """Of one call."""
    written: int
    multiply_adds: int
    shape: Shape
    """Of one call."""


def ideal_decoder(
    spec: ModelSpec, plan: Plan, convention: Convention, decode_steps: int, width: int
) -> Iterator[ExecutedOp]:
    """Products of the decoder and its head, as few and as lean as they can be."""
    text = spec.text
    groups = whole_groups(text, plan, convention)
    for group in groups:
        window = group.widths.window
        for run in passes(group.tokens, decode_steps, convention, width, window):
            if group.first == 0:
                yield _lookup(text, plan, run)
            for one in _layer(text, group, run):
                yield _placed(one, "llm", run, group.first, group.layers)
    for run in passes(groups[-1].tokens, decode_steps, convention, width):
        positions = run.calls if convention.lm_head == "last" else run.rows
        head = _linear("lm_head", "logits", run, positions, text.hidden_size, text.vocab_size)
        yield _placed(head, "lm_head", run, None)


def _lookup(text: TextSpec, plan: Plan, run: Pass) -> ExecutedOp:
    rows = prompt_tokens(plan) if run.phase == "prefill" else run.rows
    moved = rows * text.hidden_size * run.width
    return ExecutedOp(
        component="llm",
        phase=run.phase,
        module="embedding",
        operator="embedding",
        aten="",
        first_layer=None,
        layers=1,
        kernels=run.calls,
        multiply_adds=0,
        unseen_flops=None,
        bytes_read=moved + rows * INT64,
        bytes_written=moved,
    )


def _layer(text: TextSpec, group: LayerGroup, run: Pass) -> Iterator[_Product]:
    widths, n, d = group.widths, run.rows, text.hidden_size
    q, kv = widths.q, widths.kv
    heads = Heads(heads=text.heads, kv_heads=text.kv_heads, head_dim=text.head_dim)
    entering = q + 2 * kv
    yield _linear("projection", "queries, keys, values", run, n, d, entering, bias=text.qkv_bias)
    yield _linear("projection", "output", run, n, q, d, bias=text.output_bias)
    yield _Product(
        operator="attention",
        name="attention",
        read=n * q + 2 * run.keys * kv,
        weights=0,
        written=n * q,
        multiply_adds=formulas.attention(run.counted_pairs_doubled, q),
        shape=fused_shape(run, heads, widths.window),
    )
    if widths.router:
        yield _linear("router", "router", run, n, d, widths.router)
    yield from _feed_forward(text, group, run)


def _feed_forward(text: TextSpec, group: LayerGroup, run: Pass) -> Iterator[_Product]:
    """Up, with its gate, and down; of experts, those that a call's tokens can choose."""
    m, n, d = group.widths.m, run.rows, text.hidden_size
    entering = group.widths.ffn_matrices - 1
    stored, each, chosen, rows = m, m, 1, n
    experts = text.experts
    if experts is not None and group.widths.router:
        chosen, each = experts_read(experts, run), experts.intermediate_size
        stored, rows = chosen * each, n * experts.experts_per_token
    of_each = mean(rows, run.calls * chosen)
    bias = int(text.ffn_bias)
    yield _Product(
        operator="ffn",
        name="gate and up" if entering > 1 else "up",
        read=n * d,
        weights=entering * (d + bias) * stored,
        written=n * m,
        multiply_adds=formulas.feed_forward(n, d, m, entering),
        shape=Gemm(m=of_each, n=entering * each, k=d, batch=chosen),
    )
    yield _Product(
        operator="ffn",
        name="down",
        read=n * m,
        weights=d * stored + bias * d,
        written=n * d,
        multiply_adds=formulas.feed_forward(n, d, m, 1),
        shape=Gemm(m=of_each, n=d, k=each, batch=chosen),
    )


def _linear(
    operator: OperatorClass,
    name: str,
    run: Pass,
    rows: int,
    d_in: int,
    d_out: int,
    *,
    bias: bool = False,
) -> _Product:
    return _Product(
        operator=operator,
        name=name,
        read=rows * d_in,
        weights=d_in * d_out + bias * d_out,
        written=rows * d_out,
        multiply_adds=formulas.linear(rows, d_in, d_out),
        shape=Gemm(m=mean(rows, run.calls), n=d_out, k=d_in),
    )


def _placed(
    one: _Product, component: str, run: Pass, first_layer: int | None, layers: int = 1
) -> ExecutedOp:
    return ExecutedOp(
        component=component,
        phase=run.phase,
        module=one.name,
        operator=one.operator,
        aten="",
        first_layer=first_layer,
        layers=layers,
        kernels=layers * run.calls,
        multiply_adds=layers * one.multiply_adds,
        unseen_flops=None,
        bytes_read=layers * run.width * (one.read + run.calls * one.weights),
        bytes_written=layers * run.width * one.written,
        shape=one.shape,
    )
