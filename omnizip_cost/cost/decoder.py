"""Multiply-adds of the decoder stack and its head, per phase, for any convention."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from omnizip_cost import formulas
from omnizip_cost.compression.plan import Plan
from omnizip_cost.cost.conventions import Convention
from omnizip_cost.specs.spec import TextSpec

Phase = Literal["prefill", "decode"]
OperatorClass = Literal["projection", "attention", "ffn", "router", "lm_head", "convolution"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Op:
    """Work of one operator class over a group of equal layers, in multiply-adds."""

    component: str
    phase: Phase
    operator: OperatorClass
    layers: int
    """How many layers of the component do this work, one after another."""
    first_layer: int = 0
    """Number of the first of them."""
    tokens: float
    """Tokens (queries) that pass through each of the layers."""
    multiply_adds: float
    """Over all the layers; exact int unless the plan's counts are real-valued."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    """Widths of one decoder layer as a convention sees them."""

    d: int
    q: int
    kv: int
    m: int
    ffn_matrices: int
    router: int
    """Outputs of the router: the experts of a sparse layer, 0 of a plain one."""

    @classmethod
    def of(cls, text: TextSpec, convention: Convention, index: int) -> _Layer:
        width, router = text.intermediate_size, 0
        experts = text.experts
        if experts is not None and index not in experts.dense_layers:
            width = experts.intermediate_size * experts.experts_per_token
            router = experts.experts if convention.ffn_matrices is None else 0
        grouped = convention.widths == "grouped"
        return cls(
            d=text.hidden_size,
            q=text.query_width if grouped else text.hidden_size,
            kv=text.kv_width if grouped else text.hidden_size,
            m=width,
            ffn_matrices=convention.ffn_matrices or text.ffn_matrices,
            router=router,
        )


def layer_tokens(plan: Plan, convention: Convention) -> tuple[float, ...]:
    """Tokens n that a convention counts in each layer.

    Whole, but for a bare count (r * n) and for the video tokens that FastV is expected to keep. A
    bare count has no mix: all its tokens pass for video where a convention counts video alone.
    """
    if convention.tokens == "video" and plan.windows:
        return tuple(
            plan.video_tokens if tokens == plan.av_tokens else plan.video_kept
            for tokens in plan.layer_av_tokens
        )
    if convention.tokens == "all":
        return plan.layer_tokens
    return plan.layer_av_tokens


def decoder_ops(
    text: TextSpec, plan: Plan, convention: Convention, decode_steps: int
) -> Iterator[Op]:
    """Ops of the decoder stack and the LM head, layer group by layer group.

    Prefill runs each layer on its own token count; decode step ``i`` of R sees, in each layer,
    the tokens cached there plus ``i``.
    """
    tokens = layer_tokens(plan, convention)
    layers = [(_Layer.of(text, convention, index), n) for index, n in enumerate(tokens)]
    first = 0
    for (layer, n), group in groupby(layers):
        count = sum(1 for _ in group)
        pairs = (
            formulas.causal_pairs_doubled(n)
            if convention.attention == "causal"
            else formulas.full_pairs_doubled(n, n)
        )
        yield from _layer_ops("prefill", layer, first, count, n, pairs)
        if convention.decode and decode_steps:
            pairs = formulas.decode_pairs_doubled(n, decode_steps)
            yield from _layer_ops("decode", layer, first, count, decode_steps, pairs)
        first += count
    yield from _head_ops(text, tokens[-1], convention, decode_steps)


def _layer_ops(
    phase: Phase, layer: _Layer, first: int, count: int, n: float, pairs_doubled: float
) -> Iterator[Op]:
    work: dict[OperatorClass, float] = {
        "projection": formulas.projections(n, layer.d, layer.q, layer.kv),
        "attention": formulas.attention(pairs_doubled, layer.q),
        "ffn": formulas.feed_forward(n, layer.d, layer.m, layer.ffn_matrices),
        "router": formulas.linear(n, layer.d, layer.router),
    }
    for operator, multiply_adds in work.items():
        if multiply_adds:
            yield Op(
                component="llm",
                phase=phase,
                operator=operator,
                layers=count,
                first_layer=first,
                tokens=n,
                multiply_adds=count * multiply_adds,
            )


def _head_ops(
    text: TextSpec, tokens: float, convention: Convention, decode_steps: int
) -> Iterator[Op]:
    if convention.lm_head == "none":
        return
    positions: dict[Phase, float] = {"prefill": tokens if convention.lm_head == "every" else 1}
    if convention.decode and decode_steps:
        positions["decode"] = decode_steps
    for phase, n in positions.items():
        yield Op(
            component="lm_head",
            phase=phase,
            operator="lm_head",
            layers=1,
            tokens=n,
            multiply_adds=formulas.linear(n, text.hidden_size, text.vocab_size),
        )
