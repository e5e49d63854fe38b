"""Multiply-adds of the decoder stack and its head, per phase, for any convention."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal, NamedTuple

from omnizip_cost import formulas
from omnizip_cost.compression.plan import Plan
from omnizip_cost.cost.conventions import Convention
from omnizip_cost.formulas import Number
from omnizip_cost.specs.spec import TextSpec

Phase = Literal["prefill", "decode"]
OperatorClass = Literal[
    "projection", "attention", "ffn", "router", "lm_head", "convolution", "connector"
]
"""What kind of product. ``connector`` leads from an encoder's width to the decoder's: mergers, last
projections; ``convolution`` from pixels or mel bins to the encoder's."""


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
class LayerWidths:
    """Widths of one decoder layer as a convention sees them."""

    d: int
    q: int
    kv: int
    pair: int
    """Width of the vectors multiplied for each pair: q, or 0 where attention is not counted."""
    m: int
    ffn_matrices: int
    router: int
    """Outputs of the router: the experts of a sparse layer, 0 of a plain one."""
    window: int | None
    """W of a layer that slides, where widths are those built; it bounds causal and cached keys."""

    @classmethod
    def of(cls, text: TextSpec, convention: Convention, index: int) -> LayerWidths:
        """Return the widths of layer ``index``."""
        width, router = text.intermediate_size, 0
        experts = text.experts
        if experts is not None and index not in experts.dense_layers:
            width = experts.intermediate_size * experts.experts_per_token
            router = experts.experts if convention.ffn_matrices is None else 0
        grouped = convention.widths == "grouped"
        query = text.query_width if grouped else text.hidden_size
        return cls(
            d=text.hidden_size,
            q=query,
            pair=0 if convention.attention == "none" else query,
            kv=text.kv_width if grouped else text.hidden_size,
            m=4 * text.hidden_size if convention.ffn_width == "4d" else width,
            ffn_matrices=convention.ffn_matrices or text.ffn_matrices,
            router=router,
            window=text.window_of(index) if grouped else None,
        )


class LayerGroup(NamedTuple):
    """Consecutive layers of equal widths that see equally many tokens."""

    widths: LayerWidths
    tokens: Any
    """What was given for these layers: a count, or a name that stands for an array of counts."""
    first: int
    layers: int


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


def layer_groups(
    text: TextSpec, convention: Convention, tokens: Sequence[Any]
) -> Iterator[LayerGroup]:
    """Layers in groups of equals.

    Parameters
    ----------
    text : TextSpec
    convention : Convention
    tokens : sequence of length T
        Of each layer: a count, or any name that tells one count from another.
    """
    seen = [(LayerWidths.of(text, convention, index), n) for index, n in enumerate(tokens)]
    first = 0
    for (widths, n), group in groupby(seen):
        layers = sum(1 for _ in group)
        yield LayerGroup(widths, n, first, layers)
        first += layers


def prefill_work(
    widths: LayerWidths, convention: Convention, n: Number
) -> dict[OperatorClass, Number]:
    """Multiply-adds of one layer's prefill; ``n`` is a number or an array of any shape.

    Full pairs are n^2 in a layer that slides, too: stock code multiplies what the window hides.
    """
    pairs = (
        formulas.causal_pairs_doubled(n, window=widths.window)
        if convention.attention == "causal"
        else formulas.full_pairs_doubled(n, n)
    )
    return _work(widths, n, pairs)


def decode_work(widths: LayerWidths, n: Number, steps: Number) -> dict[OperatorClass, Number]:
    """Multiply-adds of one layer in all R = ``steps`` decode steps after ``n`` cached tokens.

    Numbers, or arrays whose shapes go together. A layer that slides caches W - 1 tokens at most.
    """
    return _work(widths, steps, formulas.decode_pairs_doubled(n, steps, widths.window))


def head_work(
    text: TextSpec, convention: Convention, n: Number, decode_steps: Number
) -> dict[Phase, Number]:
    """Multiply-adds of the LM head by phase; empty where the convention leaves it out."""
    return {
        phase: formulas.linear(positions, text.hidden_size, text.vocab_size)
        for phase, positions in _head_positions(convention, n, decode_steps).items()
    }


def decoder_ops(
    text: TextSpec, plan: Plan, convention: Convention, decode_steps: int
) -> Iterator[Op]:
    """Ops of the decoder stack and the LM head, layer group by layer group.

    Prefill runs each layer on its own token count; decode step ``i`` of R sees, in each layer,
    the tokens cached there plus ``i``, at most W of them where the layer slides.
    """
    tokens = layer_tokens(plan, convention)
    for group in layer_groups(text, convention, tokens):
        n = group.tokens
        yield from _layer_ops("prefill", group, n, prefill_work(group.widths, convention, n))
        if convention.decode and decode_steps:
            work = decode_work(group.widths, n, decode_steps)
            yield from _layer_ops("decode", group, decode_steps, work)
    heads = _head_positions(convention, tokens[-1], decode_steps)
    for phase, multiply_adds in head_work(text, convention, tokens[-1], decode_steps).items():
        if phase == "prefill" or decode_steps:
            yield Op(
                component="lm_head",
                phase=phase,
                operator="lm_head",
                layers=1,
                tokens=heads[phase],
                multiply_adds=multiply_adds,
            )


def _work(widths: LayerWidths, n: Number, pairs_doubled: Number) -> dict[OperatorClass, Number]:
    return {
        "projection": formulas.projections(n, widths.d, widths.q, widths.kv),
        "attention": formulas.attention(pairs_doubled, widths.pair),
        "ffn": formulas.feed_forward(n, widths.d, widths.m, widths.ffn_matrices),
        "router": formulas.linear(n, widths.d, widths.router),
    }


def _layer_ops(
    phase: Phase, group: LayerGroup, n: float, work: dict[OperatorClass, Number]
) -> Iterator[Op]:
    for operator, multiply_adds in work.items():
        if multiply_adds:
            yield Op(
                component="llm",
                phase=phase,
                operator=operator,
                layers=group.layers,
                first_layer=group.first,
                tokens=n,
                multiply_adds=group.layers * multiply_adds,
            )


def _head_positions(convention: Convention, n: Number, decode_steps: Number) -> dict[Phase, Number]:
    """Positions whose logits are counted, by phase."""
    if convention.lm_head == "none":
        return {}
    positions: dict[Phase, Number] = {"prefill": n if convention.lm_head == "every" else 1}
    if convention.decode:
        positions["decode"] = decode_steps
    return positions
