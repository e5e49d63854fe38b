"""Operators of one module each, as transformers executes it eagerly: one kernel per operator.

Source: transformers 5.23, models/qwen2_5_omni/modeling_qwen2_5_omni.py; witness: a dispatch mode
on the real modules (tests/witnesses/test_executed_decoder.py).
"""

from __future__ import annotations

from collections.abc import Iterator

from omnizip_cost import formulas
from omnizip_cost.cost.executed.op import BOOL, FLOAT32, INT64, Kernel, Pass, Tensor, kernel
from omnizip_cost.cost.executed.shape import Gemm, mean
from omnizip_cost.specs.spec import TextSpec


def cast(numbers: Tensor, width: int, operator: str) -> Iterator[Kernel]:
    """Copy to another width; nothing where the width is that already."""
    if numbers.width != width:
        yield kernel("_to_copy", operator, (numbers,), Tensor(numbers.numbers, width))


def linear(
    run: Pass, operator: str, rows: int, d_in: int, d_out: int, *, bias: bool
) -> Iterator[Kernel]:
    """A product with a weight matrix, which each call reads whole."""
    reads: tuple[Tensor, ...] = (run.numbers(rows * d_in), run.weights(d_in * d_out))
    written = run.numbers(rows * d_out)
    work = formulas.linear(rows, d_in, d_out)
    if bias:
        reads = (run.weights(d_out), *reads)
    aten, shape = "addmm" if bias else "mm", Gemm(m=mean(rows, run.calls), n=d_out, k=d_in)
    yield kernel(aten, operator, reads, written, multiply_adds=work, shape=shape)


def inputs_of_attention(text: TextSpec, run: Pass, *, fused: bool) -> Iterator[Kernel]:
    """Queries, keys and values of the decoder; ``fused``: of one product."""
    widths: tuple[int, ...] = (text.query_width, text.kv_width, text.kv_width)
    for width in (sum(widths),) if fused else widths:
        yield from linear(run, "projection", run.rows, text.hidden_size, width, bias=text.qkv_bias)


def head(text: TextSpec, run: Pass) -> Iterator[Kernel]:
    """Logits of every position, as the stock thinker computes them."""
    yield from linear(run, "lm_head", run.rows, text.hidden_size, text.vocab_size, bias=False)


def rms_norm(run: Pass, rows: int, d: int) -> Iterator[Kernel]:
    """RMSNorm in float32 and back: square, mean, epsilon, root, product, weight."""
    x, wide, each = run.numbers(rows * d), Tensor(rows * d, FLOAT32), Tensor(rows, FLOAT32)
    yield from cast(x, FLOAT32, "norm")
    yield kernel("pow", "norm", (wide,), wide)
    yield kernel("mean", "norm", (wide,), each)
    yield kernel("add", "norm", (each,), each)
    yield kernel("rsqrt", "norm", (each,), each)
    yield kernel("mul", "norm", (wide, each), wide)
    yield from cast(wide, run.width, "norm")
    yield kernel("mul", "norm", (run.weights(d), x), x)


def cache_update(run: Pass, kv: int) -> Iterator[Kernel]:
    """Keys and values appended to the cache, which copies it whole."""
    cached = run.numbers(run.keys * kv)
    for _ in ("keys", "values"):
        yield kernel("cat", "cache", (cached,), cached)


def gated_ffn(
    run: Pass, rows: int, d: int, m: int, *, bias: bool = False, fused: bool = False
) -> Iterator[Kernel]:
    """Gate through SiLU, times up, down; ``fused``: gate and up come of one product."""
    inner = run.numbers(rows * m)
    yield from linear(run, "ffn", rows, d, 2 * m if fused else m, bias=bias)
    yield kernel("silu", "activation", (inner,), inner)
    if not fused:
        yield from linear(run, "ffn", rows, d, m, bias=bias)
    yield kernel("mul", "activation", (inner, inner), inner)
    yield from linear(run, "ffn", rows, m, d, bias=bias)


def residual(run: Pass, rows: int, d: int) -> Iterator[Kernel]:
    """A layer's input added to its output."""
    x = run.numbers(rows * d)
    yield kernel("add", "residual", (x, x), x)


def embedding(run: Pass, rows: int, d: int) -> Iterator[Kernel]:
    """Rows of the vocabulary's table looked up by token id."""
    x = run.numbers(rows * d)
    yield kernel("embedding", "embedding", (x, Tensor(rows, INT64)), x)


def layer_norm(run: Pass, rows: int, d: int) -> Iterator[Kernel]:
    """LayerNorm in one operator, which keeps each row's mean and deviation."""
    x, each = run.numbers(rows * d), run.numbers(rows)
    yield kernel("native_layer_norm", "norm", (x, run.weights(d), run.weights(d)), x, each, each)


def plain_ffn(run: Pass, rows: int, d: int, m: int) -> Iterator[Kernel]:
    """Up, GELU, down."""
    inner = run.numbers(rows * m)
    yield from linear(run, "ffn", rows, d, m, bias=True)
    yield kernel("gelu", "activation", (inner,), inner)
    yield from linear(run, "ffn", rows, m, d, bias=True)


def lookup(source: Tensor, places: Tensor, operator: str, aten: str = "index") -> Kernel:
    """Rows of a tensor taken at some places: as much is read as is written."""
    return kernel(aten, operator, (source, places), source)


def added_features(run: Pass, rows: int, d: int) -> Iterator[Kernel]:
    """Features added to some of the rows, in a copy of all (``_deepstack_process``)."""
    x, mask, part = run.numbers(run.rows * d), Tensor(run.rows, BOOL), run.numbers(rows * d)
    yield kernel("clone", "deepstack", (x,), x)
    yield lookup(part, mask, "deepstack")
    yield kernel("add", "deepstack", (part, part), part)
    yield kernel("index_put_", "deepstack", (mask, part), part)
