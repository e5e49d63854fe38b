"""Which tensors of the stock text model are alive, operator by operator.

Source: ``Qwen2_5OmniThinkerTextModel`` and its layers, transformers 5.17 and 5.23, whose tensors
are the same; the other families' text models differ in what they hold between operators by nothing
but head norms. Names are Python's: a layer's input lives until the layer returns, since the loop
over the layers still names it, and attention weights that eager attention returns live through the
feed-forward part.

Letters: n tokens, d hidden size, q and kv widths of queries and keys, m FFN width, h heads.
"""

from __future__ import annotations

from omnizip_cost.cost.executed.op import FLOAT32, INT64
from omnizip_cost.cost.memory.live import Live
from omnizip_cost.cost.memory.run import Run
from omnizip_cost.specs.spec import ExpertsSpec, TextSpec


def rms_norm(live: Live, run: Run, rows: int, d: int, out: str) -> None:
    """Normalise ``rows`` rows of ``d`` numbers into ``out``, in float32 and back."""
    wide = rows * d * FLOAT32
    if run.narrow:
        live.hold("raised", wide)
    live.hold("square", wide)
    live.hold("variance", rows * FLOAT32)
    live.drop("square")
    live.hold("shifted", rows * FLOAT32)
    live.hold("root", rows * FLOAT32)
    live.drop("shifted")
    live.hold("normalised", wide)
    live.drop("root")
    if run.narrow:
        live.drop("raised")
        live.hold("narrowed", run.rows(rows, d))
    live.hold(out, run.rows(rows, d))
    if run.narrow:
        live.drop("narrowed")
    live.drop("normalised", "variance")


def rotation(live: Live, size: int, out: str) -> None:
    """Turn queries or keys of ``size`` bytes: two products, a swapped half, a sum."""
    live.hold("cosine part", size)
    live.hold("half", size // 2)
    live.hold("swapped", size)
    live.drop("half")
    live.hold("sine part", size)
    live.drop("swapped")
    live.hold(out, size)
    live.drop("cosine part", "sine part")


def attention_layer(
    live: Live, run: Run, text: TextSpec, n: int, past: int, *, tapped: str = ""
) -> None:
    """From the normalised input to ``attended``: projections, rotation, cache, attention.

    With ``past`` cached tokens the new cache is written beside the old one, keys first. ``tapped``
    says which projections a hook keeps: FastV's ranking layer hands on queries and keys.
    """
    keys = past + n
    query, key = run.rows(n, text.query_width), run.rows(n, text.kv_width)
    for name, size in (("q", query), ("k", key), ("v", key)):
        live.hold(name, size)
    if text.qk_norm:
        _head_norms(live, run, text, n)
    rotation(live, query, "turned q")
    rotation(live, key, "turned k")
    if tapped:
        live.rename("q", "tapped q")
        live.rename("k", "tapped k")
        if tapped == "last":
            live.drop("tapped q")
            live.hold("tapped q", run.rows(1, text.query_width))
    else:
        live.drop("q", "k")
    in_place = bool(past) and run.moves_cache
    if not in_place:
        _appended(live, run, text, keys, past)
    live.drop("turned k", "v")
    if run.dequantises:
        for name in ("keys", "values"):
            live.hold(f"read {name}", run.rows(keys, text.kv_width))
    if run.eager:
        _eager(live, run, text, n, keys)
    else:
        if in_place:
            _masked(live, run, text, keys)
        live.hold("heads", query)
        live.hold("log-sum", n * text.heads * FLOAT32)
        live.drop("log-sum")
    live.hold("attended", run.rows(n, text.hidden_size))
    live.drop("heads", "turned q")
    if run.dequantises:
        live.drop("read keys", "read values")
    live.drop_all("repeated keys", "repeated values", "mask in numbers")


def _appended(live: Live, run: Run, text: TextSpec, keys: int, past: int) -> None:
    for name in ("keys", "values"):
        live.hold(f"new {name}", run.cached(text, keys), "cache")
        if past:
            live.drop(name)
        live.rename(f"new {name}", name)


def _masked(live: Live, run: Run, text: TextSpec, keys: int) -> None:
    """What attention with a mask reads: keys and values of every query head, and the mask."""
    if text.heads > text.kv_heads > 1:
        for name in ("keys", "values"):
            live.hold(f"repeated {name}", run.rows(keys, text.query_width))
    live.hold("mask in numbers", run.rows(keys, 1))


def _head_norms(live: Live, run: Run, text: TextSpec, n: int) -> None:
    for name, heads in (("q", text.heads), ("k", text.kv_heads)):
        rms_norm(live, run, n * heads, text.head_dim, "normed head")
        live.drop(name)
        live.rename("normed head", name)


def _eager(live: Live, run: Run, text: TextSpec, n: int, keys: int) -> None:
    """Every score written out; the weights go on living until the layer returns."""
    grouped = text.heads > text.kv_heads
    if grouped:
        for name in ("keys", "values"):
            live.hold(f"repeated {name}", run.rows(keys, text.query_width))
    written_out(live, run, text.heads * n * keys, masked=True)
    live.hold("weighted", run.rows(n, text.query_width))
    if n > 1:
        live.hold("heads", run.rows(n, text.query_width))
        live.drop("weighted")
    else:
        live.rename("weighted", "heads")
    if grouped:
        live.drop("repeated keys", "repeated values")


def written_out(live: Live, run: Run, pairs: int, *, masked: bool) -> None:
    """Scores of so many pairs turned to ``weights``: scaled, masked, softmax in float32 and back.

    At the softmax the scores, their copy in float32 and its result stand side by side: 10 bytes
    for each head, query and key in bfloat16, 8 in float16 on CUDA and in float32.
    """
    size = pairs * run.width
    live.hold("products", size, "attention_weights")
    live.hold("scores", size, "attention_weights")
    live.drop("products")
    if masked:
        live.hold("masked", size, "attention_weights")
        live.drop("scores")
        live.rename("masked", "scores")
    softmax(live, run, pairs)


def softmax(live: Live, run: Run, pairs: int) -> None:
    """``scores`` to ``weights`` in float32 and back."""
    wide = pairs * FLOAT32
    if run.softmax_copies:
        live.hold("raised scores", wide, "attention_weights")
    live.hold("shares", wide, "attention_weights")
    if run.softmax_copies:
        live.drop("raised scores")
    if run.narrow:
        live.hold("weights", pairs * run.width, "attention_weights")
        live.drop("shares")
    else:
        live.rename("shares", "weights")
    live.drop("scores")


def gated_ffn(live: Live, run: Run, n: int, m: int, d: int) -> None:
    """Gate through SiLU, times up, down: three tensors of the FFN's width at the product."""
    inner = run.rows(n, m)
    live.hold("gate", inner)
    live.hold("activated", inner)
    live.drop("gate")
    live.hold("up", inner)
    live.hold("gated", inner)
    live.drop("activated", "up")
    live.hold("fed", run.rows(n, d))
    live.drop("gated")


def chosen_experts(live: Live, run: Run, n: int, d: int, experts: ExpertsSpec) -> None:
    """Rows sorted by the experts that they chose, two grouped products, weighed and added up.

    Source: ``grouped_mm_experts_forward`` of transformers' ``integrations/moe``, 5.17 and 5.23.
    """
    pairs, m, places = n * experts.experts_per_token, experts.intermediate_size, INT64
    live.hold("router logits", run.rows(n, experts.experts))
    if run.narrow:
        live.hold("raised logits", n * experts.experts * FLOAT32)
    live.hold("router shares", n * experts.experts * FLOAT32)
    live.drop_all("raised logits")
    live.hold("best shares", pairs * FLOAT32)
    live.hold("best experts", pairs * places)
    if run.narrow:
        live.hold("narrowed shares", run.rows(pairs, 1))
        live.drop("best shares")
    live.drop("router shares")
    live.hold("sorted experts", pairs * places)
    live.hold("order", pairs * places)
    live.hold("rows by expert", run.rows(pairs, d))
    live.hold("shares by expert", run.rows(pairs, 1))
    live.hold("experts to count", pairs * FLOAT32)
    live.hold("gate and up", run.rows(pairs, 2 * m))
    live.hold("activated", run.rows(pairs, m))
    live.hold("gated", run.rows(pairs, m))
    live.drop("activated", "gate and up")
    live.hold("expert rows", run.rows(pairs, d))
    live.drop("gated")
    live.hold("weighed rows", run.rows(pairs, d))
    live.hold("places back", pairs * places)
    live.hold("rows back", run.rows(pairs, d))
    live.drop("weighed rows", "expert rows")
    live.hold("fed", run.rows(n, d))
    live.drop("rows back", "places back", "experts to count", "shares by expert", "rows by expert")
    live.drop("order", "sorted experts", "best experts", "router logits")
    live.drop_all("best shares", "narrowed shares")


def stock_layer(
    live: Live, run: Run, text: TextSpec, n: int, past: int = 0, *, tapped: str = ""
) -> None:
    """One decoder layer on n tokens, whose input ``hidden`` outlives it and is replaced by it.

    Its cache stands under ``keys`` and ``values``. In a mixture of experts, layers that keep a
    plain FFN are taken for sparse ones, which hold more.
    """
    d = text.hidden_size
    residual = run.rows(n, d)
    rms_norm(live, run, n, d, "normed")
    attention_layer(live, run, text, n, past, tapped=tapped)
    live.drop("normed")
    live.hold("attended residual", residual)
    live.drop("attended")
    rms_norm(live, run, n, d, "normed")
    if text.experts is not None:
        chosen_experts(live, run, n, d, text.experts)
    else:
        gated_ffn(live, run, n, text.intermediate_size, d)
    live.drop("normed")
    live.hold("next hidden", residual)
    live.drop("attended residual", "fed", "hidden")
    if run.eager:
        live.drop("weights")
    live.rename("next hidden", "hidden")
