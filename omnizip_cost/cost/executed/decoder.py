"""Operators of the stock text model and its head, pass by pass."""

from __future__ import annotations

from collections.abc import Iterator

from omnizip_cost.compression.plan import Plan
from omnizip_cost.cost.convention import Convention
from omnizip_cost.cost.decoder import LayerGroup
from omnizip_cost.cost.executed.attention import Heads, attention, eager_mask
from omnizip_cost.cost.executed.experts import grouped_experts, router
from omnizip_cost.cost.executed.families import STOCK, Stock, rotary_table
from omnizip_cost.cost.executed.modules import (
    added_features,
    cache_update,
    embedding,
    gated_ffn,
    head,
    inputs_of_attention,
    linear,
    residual,
    rms_norm,
)
from omnizip_cost.cost.executed.op import (
    AttentionKind,
    ExecutedOp,
    Kernel,
    Pass,
    integers,
    kernel,
    placed,
    single_call,
)
from omnizip_cost.cost.executed.passes import passes, prompt_tokens, whole_groups
from omnizip_cost.cost.executed.rotary import rotation
from omnizip_cost.cost.executed.static_cache import (
    masked_attention,
    static_mask,
    static_pass,
    static_update,
)
from omnizip_cost.specs.spec import ModelSpec, TextSpec, ThinkerSpec


def decoder_executed(
    spec: ModelSpec,
    plan: Plan,
    convention: Convention,
    decode_steps: int,
    attention_kind: AttentionKind,
    width: int,
    *,
    static_cache: bool = False,
) -> Iterator[ExecutedOp]:
    """Every operator of the text model and the head under one plan.

    Parameters
    ----------
    spec : ModelSpec
    plan : Plan
    convention : Convention
    decode_steps : int
        R, all together.
    attention_kind : {"sdpa", "math", "eager"}
    width : int
        Bytes of a number of the model's dtype.
    static_cache : bool
        Decode with fused attention on a cache of fixed size; prefill is the same.
    """
    text = spec.text
    groups = whole_groups(text, plan, convention)
    for run in passes(groups[0].tokens, decode_steps, convention, width):
        looked_up = prompt_tokens(plan) if run.phase == "prefill" else run.rows
        yield from placed(embedding(run, looked_up, text.hidden_size), "llm", run, "embedding")
        yield from placed(rotary_table(spec, run), "llm", run, "rotary_table")
    seen = set()
    for group in groups:
        for run in passes(group.tokens, decode_steps, convention, width):
            first = (group.tokens, run.phase) not in seen
            seen.add((group.tokens, run.phase))
            if static_cache and run.phase == "decode":
                fixed = static_pass(run, group.tokens)
                if first:
                    yield from placed(static_mask(fixed), "llm", fixed, "mask")
                yield from _layers(text, STOCK[spec.family], group, fixed, None)
                continue
            if attention_kind == "eager" and first:
                yield from placed(eager_mask(run), "llm", run, "mask")
            yield from _layers(text, STOCK[spec.family], group, run, attention_kind)
    yield from _deepstack(spec, plan, width)
    for run in passes(groups[-1].tokens, decode_steps, convention, width):
        norm = rms_norm(run, run.rows, text.hidden_size)
        yield from placed(norm, "llm", run, "rms_norm")
        yield from placed(head(text, run), "lm_head", run, "lm_head")


def _deepstack(spec: ModelSpec, plan: Plan, width: int) -> Iterator[ExecutedOp]:
    """Features of the vision encoder added to the video tokens after each of the first layers."""
    if not isinstance(spec, ThinkerSpec) or not plan.windows or not plan.video_tokens:
        return
    whole = plan.fastv_layer is not None
    video = plan.video_tokens if whole else round(plan.video_kept)
    for n in plan.layer_tokens[: spec.vision.deepstack_mergers_run]:
        run = single_call(n, width)
        yield from placed(
            added_features(run, video, spec.text.hidden_size), "llm", run, "deepstack"
        )


def _layers(
    text: TextSpec, stock: Stock, group: LayerGroup, run: Pass, kind: AttentionKind | None
) -> Iterator[ExecutedOp]:
    """Operators of a group of layers; without a kind of attention: on a cache of fixed size."""
    d, rows = text.hidden_size, run.rows
    heads = Heads(heads=text.heads, kv_heads=text.kv_heads, head_dim=text.head_dim)
    parts: tuple[tuple[str, Iterator[Kernel]], ...] = (
        ("rms_norm", rms_norm(run, rows, d)),
        ("projection", inputs_of_attention(text, run, fused=stock.fused)),
        ("rms_norm", _head_norms(text, run)),
        ("rotary", _rotations(text, stock, run)),
        ("cache", _cached(text, group, run) if kind else static_update(run, heads.kv)),
        ("attention", attention(run, heads, kind) if kind else masked_attention(run, heads)),
        ("projection", linear(run, "projection", rows, heads.q, d, bias=text.output_bias)),
        ("residual", residual(run, rows, d)),
        ("rms_norm", rms_norm(run, rows, d)),
        *_feed_forward(text, stock, group, run),
        ("residual", residual(run, rows, d)),
    )
    for module, kernels in parts:
        yield from placed(kernels, "llm", run, module, group.first, group.layers)


def _feed_forward(
    text: TextSpec, stock: Stock, group: LayerGroup, run: Pass
) -> Iterator[tuple[str, Iterator[Kernel]]]:
    """One gated FFN, or a router and its experts."""
    d, experts = text.hidden_size, text.experts
    if experts is not None and group.widths.router:
        yield "router", router(run, d, experts)
        yield "experts", grouped_experts(run, d, experts)
    else:
        m, bias = group.widths.m, text.ffn_bias
        yield "ffn", gated_ffn(run, run.rows, d, m, bias=bias, fused=stock.fused)


def _cached(text: TextSpec, group: LayerGroup, run: Pass) -> Iterator[Kernel]:
    """Keys and values appended; a layer that slides brings its window to the device first."""
    if group.widths.window is not None and run.phase == "prefill":
        yield integers("_to_copy", (1,), 1, operator="cache")
    yield from cache_update(run, text.kv_width)


def _head_norms(text: TextSpec, run: Pass) -> Iterator[Kernel]:
    """Each head's queries and keys normalised, in families that do."""
    if text.qk_norm:
        for heads in (text.heads, text.kv_heads):
            yield from rms_norm(run, run.rows * heads, text.head_dim)


def _rotations(text: TextSpec, stock: Stock, run: Pass) -> Iterator[Kernel]:
    table = run.numbers(run.rows * text.head_dim)
    for width in (text.query_width, text.kv_width):
        turned = run.numbers(run.rows * width)
        yield from rotation(turned, table)
        if stock.fused:
            yield kernel("cat", "rotary", (turned,), turned)
