"""The stock text model compiled: its products as they are, everything between them fused.

A chain of elementwise operators becomes one kernel that reads its inputs once and writes its
outputs once, and nothing in float32 is written: what Inductor makes of these modules, whose
products stay calls of a library. A residual sum and the norm after it are one kernel; so are the
rotation of queries, and the rotation of keys with the writing of keys and values into a cache of
fixed size, which no step copies. Logits are of every position, as the stock thinker computes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from omnizip_cost.compression.plan import Plan
from omnizip_cost.cost.convention import Convention
from omnizip_cost.cost.decoder import LayerGroup
from omnizip_cost.cost.executed.attention import Heads, attention
from omnizip_cost.cost.executed.experts import grouped, router_product
from omnizip_cost.cost.executed.families import STOCK, Stock
from omnizip_cost.cost.executed.modules import embedding, head, inputs_of_attention, linear
from omnizip_cost.cost.executed.op import (
    FLOAT32,
    INT64,
    ExecutedOp,
    Kernel,
    Pass,
    Tensor,
    kernel,
    placed,
    single_call,
)
from omnizip_cost.cost.executed.passes import passes, prompt_tokens, whole_groups
from omnizip_cost.specs.spec import ExpertsSpec, ModelSpec, TextSpec, ThinkerSpec


def compiled_decoder(
    spec: ModelSpec, plan: Plan, convention: Convention, decode_steps: int, width: int
) -> Iterator[ExecutedOp]:
    """Every kernel of the compiled text model and its head under one plan.

    Parameters
    ----------
    spec : ModelSpec
    plan : Plan
    convention : Convention
    decode_steps : int
        R, all together.
    width : int
        Bytes of a number of the model's dtype.
    """
    text = spec.text
    groups = whole_groups(text, plan, convention)
    for run in passes(groups[0].tokens, decode_steps, convention, width):
        rows = prompt_tokens(plan) if run.phase == "prefill" else run.rows
        yield from placed(embedding(run, rows, text.hidden_size), "llm", run, "embedding")
        yield from fused(_rotary_table(spec, run), "llm", run, "rotary_table")
    for group in groups:
        for run in passes(group.tokens, decode_steps, convention, width):
            for module, kernels in _layer(text, STOCK[spec.family], group, run):
                yield from fused(kernels, "llm", run, module, group.first, group.layers)
    yield from _deepstack(spec, plan, width)
    for run in passes(groups[-1].tokens, decode_steps, convention, width):
        yield from fused(iter((norm(run, run.rows, text.hidden_size),)), "llm", run, "rms_norm")
        yield from placed(head(text, run), "lm_head", run, "lm_head")


def fused(
    kernels: Iterable[Kernel],
    component: str,
    run: Pass,
    module: str,
    first_layer: int | None = None,
    layers: int = 1,
) -> Iterator[ExecutedOp]:
    """Put a layer's kernels in place; what a fused one computes beside products is not counted."""
    for op in placed(kernels, component, run, module, first_layer, layers):
        yield op if op.aten else replace(op, unseen_flops=None)


def chain(operator: str, reads: Iterable[Tensor], *writes: Tensor) -> Kernel:
    """One kernel in place of a chain of elementwise operators; it has no name in torch."""
    return kernel("", operator, reads, *writes)


def norm(run: Pass, rows: int, d: int) -> Kernel:
    """A norm alone, its statistics kept in registers."""
    x = run.numbers(rows * d)
    return chain("norm", (x, run.weights(d)), x)


def added_norm(run: Pass, rows: int, d: int) -> Kernel:
    """A residual sum, which is kept, and its norm."""
    x = run.numbers(rows * d)
    return chain("norm", (x, x, run.weights(d)), x, x)


def gated(run: Pass, rows: int, m: int) -> Kernel:
    """SiLU of the gate, times up."""
    inner = run.numbers(rows * m)
    return chain("activation", (inner, inner), inner)


def _rotary_table(spec: ModelSpec, run: Pass) -> Iterator[Kernel]:
    """Cosines and sines of every position in one kernel."""
    axes, table = STOCK[spec.family].axes, run.numbers(run.rows * spec.text.head_dim)
    yield chain("rotary", (Tensor(axes * run.rows, INT64),), table, table)


def _layer(
    text: TextSpec, stock: Stock, group: LayerGroup, run: Pass
) -> Iterator[tuple[str, Iterator[Kernel]]]:
    d, rows = text.hidden_size, run.rows
    heads = Heads(heads=text.heads, kv_heads=text.kv_heads, head_dim=text.head_dim)
    yield "rms_norm", iter((added_norm(run, rows, d),))
    yield "projection", inputs_of_attention(text, run, fused=stock.fused)
    yield "rotary", _rotations(text, run)
    yield "attention", attention(run, heads, "sdpa")
    yield "projection", linear(run, "projection", rows, heads.q, d, bias=text.output_bias)
    yield "rms_norm", iter((added_norm(run, rows, d),))
    experts = text.experts
    if experts is not None and group.widths.router:
        yield "experts", _experts(run, d, experts)
    else:
        yield "ffn", _feed_forward(text, stock, group, run)


def _rotations(text: TextSpec, run: Pass) -> Iterator[Kernel]:
    """Queries turned (and normalised, in families that do); keys as well, and both cached."""
    table = run.numbers(run.rows * text.head_dim)
    query, key = run.numbers(run.rows * text.query_width), run.numbers(run.rows * text.kv_width)
    yield chain("rotary", (query, table, table), query)
    yield chain("rotary", (key, key, table, table), key, key)


def _feed_forward(text: TextSpec, stock: Stock, group: LayerGroup, run: Pass) -> Iterator[Kernel]:
    d, m, bias = text.hidden_size, group.widths.m, text.ffn_bias
    for width in (2 * m,) if stock.fused else (m, m):
        yield from linear(run, "ffn", run.rows, d, width, bias=bias)
    yield gated(run, run.rows, m)
    yield from linear(run, "ffn", run.rows, m, d, bias=bias)


def _experts(run: Pass, d: int, experts: ExpertsSpec) -> Iterator[Kernel]:
    """Router, its softmax and choice, a sort by expert, rows gathered, and put back weighed."""
    pairs, m = run.rows * experts.experts_per_token, experts.intermediate_size
    scores, places = run.numbers(run.rows * experts.experts), Tensor(pairs, INT64)
    shares, rows = Tensor(pairs, FLOAT32), run.numbers(pairs * d)
    yield from router_product(run, d, experts)
    yield chain("routing", (scores,), shares, places)
    yield chain("routing", (places,), places, places)
    yield chain("routing", (rows, places), rows)
    yield grouped(run, experts, pairs, d, 2 * m)
    yield gated(run, pairs, m)
    yield grouped(run, experts, pairs, m, d)
    yield chain("routing", (rows, shares, places), run.numbers(run.rows * d))


def _deepstack(spec: ModelSpec, plan: Plan, width: int) -> Iterator[ExecutedOp]:
    """Features of the vision encoder added to the video tokens, in place."""
    if not isinstance(spec, ThinkerSpec) or not plan.windows or not plan.video_tokens:
        return
    whole = plan.fastv_layer is not None
    video = plan.video_tokens if whole else round(plan.video_kept)
    for n in plan.layer_tokens[: spec.vision.deepstack_mergers_run]:
        run = single_call(n, width)
        part = run.numbers(video * spec.text.hidden_size)
        one = chain("deepstack", (part, part, Tensor(video, INT64)), part)
        yield from fused(iter((one,)), "llm", run, "deepstack")
