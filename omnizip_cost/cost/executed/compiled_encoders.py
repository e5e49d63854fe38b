"""The stock encoders compiled: their products as they are, everything between them fused.

Layers as in :mod:`~omnizip_cost.cost.executed.compiled`; all blocks of an attention in one call.
Before and after the layers each module's elementwise operators that stand between two products
become one kernel, which reads as much as the one that reads most and writes what the last writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from omnizip_cost import formulas
from omnizip_cost.cost.encoders import attention_blocks, window_sizes
from omnizip_cost.cost.encoders.vision import sees_whole_grids
from omnizip_cost.cost.executed.attention import FUSED
from omnizip_cost.cost.executed.compiled import added_norm, chain, fused, gated
from omnizip_cost.cost.executed.ideal_encoders import in_blocks
from omnizip_cost.cost.executed.modules import linear
from omnizip_cost.cost.executed.op import (
    FLOAT32,
    ExecutedOp,
    Kernel,
    Pass,
    Tensor,
    kernel,
    single_call,
)
from omnizip_cost.specs.spec import AudioEncoderSpec, VisionEncoderSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    """One layer of an encoder, as it is built."""

    component: str
    d: int
    heads: int
    m: int
    biases: tuple[bool, ...]
    """Whether each product before attention has one."""
    widths: tuple[int, ...]
    """Widths of those products: queries, keys, values, or all three together."""
    gate: bool
    rotary: bool


def compiled_encoder(
    encoder: AudioEncoderSpec | VisionEncoderSpec,
    stock: Iterable[ExecutedOp],
    mel_frames: int,
    grid_thw: tuple[int, int, int] | None,
    width: int,
) -> Iterator[ExecutedOp]:
    """Every kernel of one compiled encoder.

    Parameters
    ----------
    encoder : AudioEncoderSpec or VisionEncoderSpec
    stock : iterable of ExecutedOp
        The same encoder operator by operator, whose ends are taken from it.
    mel_frames : int
        Of the sound that an audio encoder hears.
    grid_thw : tuple of int, optional
        Patches that a vision encoder sees.
    width : int
        Bytes of a number of the model's dtype.
    """
    ends = [op for op in stock if op.first_layer is None]
    yield from _fused_ends(ends)
    if isinstance(encoder, AudioEncoderSpec):
        if mel_frames:
            blocks = attention_blocks(encoder, mel_frames)
            yield from _layers(_audio_layer(encoder), blocks, 0, encoder.layers, width)
        return
    if grid_thw is None:
        return
    time, height, across = grid_thw
    first = 0
    for whole, group in groupby(range(encoder.layers), lambda i: sees_whole_grids(encoder, i)):
        layers = sum(1 for _ in group)
        size = [height * across] if whole else window_sizes(encoder, height, across)
        yield from _layers(_vision_layer(encoder), time * size, first, layers, width)
        first += layers


def _fused_ends(ends: Iterable[ExecutedOp]) -> Iterator[ExecutedOp]:
    """Products as they are; what stands between two of them in one module, as one kernel."""
    for (_, product), group in groupby(ends, lambda op: (op.module, op.shape is not None)):
        members = list(group)
        if product:
            yield from members
            continue
        yield replace(
            members[-1],
            operator="fused",
            aten="",
            kernels=1,
            unseen_flops=None,
            bytes_read=max(op.bytes_read for op in members),
            bytes_written=members[-1].bytes_written,
        )


def _audio_layer(audio: AudioEncoderSpec) -> _Layer:
    d = audio.hidden_size
    return _Layer(
        component="audio_encoder",
        d=d,
        heads=audio.heads,
        m=audio.intermediate_size,
        biases=(True, audio.downsample_size is not None, True),
        widths=(d, d, d),
        gate=False,
        rotary=False,
    )


def _vision_layer(vision: VisionEncoderSpec) -> _Layer:
    d, later = vision.hidden_size, vision.position_embeddings is not None
    return _Layer(
        component="vision_encoder",
        d=d,
        heads=vision.heads,
        m=vision.intermediate_size,
        biases=(True,) if later else (True, True, True),
        widths=(3 * d,) if later else (d, d, d),
        gate=vision.ffn_matrices > 2,
        rotary=True,
    )


def _layers(
    layer: _Layer, blocks: Sequence[int], first: int, layers: int, width: int
) -> Iterator[ExecutedOp]:
    n, d = sum(blocks), layer.d
    run = single_call(n, width)
    parts: tuple[tuple[str, Iterator[Kernel]], ...] = (
        ("norm", iter((added_norm(run, n, d),))),
        ("projection", _inputs(layer, run, n)),
        ("rotary", _rotations(layer, run, n)),
        ("attention", iter((_attention(layer, run, blocks),))),
        ("projection", linear(run, "projection", n, d, d, bias=True)),
        ("norm", iter((added_norm(run, n, d),))),
        ("ffn", _feed_forward(layer, run, n)),
    )
    for module, kernels in parts:
        yield from fused(kernels, layer.component, run, module, first, layers)


def _inputs(layer: _Layer, run: Pass, n: int) -> Iterator[Kernel]:
    for bias, width in zip(layer.biases, layer.widths, strict=True):
        yield from linear(run, "projection", n, layer.d, width, bias=bias)


def _rotations(layer: _Layer, run: Pass, n: int) -> Iterator[Kernel]:
    """Queries and keys turned in one kernel."""
    if layer.rotary:
        x, table = run.numbers(n * layer.d), Tensor(n * (layer.d // layer.heads), FLOAT32)
        yield chain("rotary", (x, x, table, table), x, x)


def _attention(layer: _Layer, run: Pass, blocks: Sequence[int]) -> Kernel:
    x, sums = run.numbers(run.rows * layer.d), Tensor(run.rows * layer.heads, FLOAT32)
    pairs = sum(formulas.full_pairs_doubled(size, size) for size in blocks)
    work = formulas.attention(pairs, layer.d)
    shape = in_blocks(layer.d, layer.heads, blocks)
    return kernel(FUSED, "attention", (x, x, x), x, sums, multiply_adds=work, shape=shape)


def _feed_forward(layer: _Layer, run: Pass, n: int) -> Iterator[Kernel]:
    inner = run.numbers(n * layer.m)
    for _ in range(2 if layer.gate else 1):
        yield from linear(run, "ffn", n, layer.d, layer.m, bias=True)
    yield gated(run, n, layer.m) if layer.gate else chain("activation", (inner,), inner)
    yield from linear(run, "ffn", n, layer.m, layer.d, bias=True)
