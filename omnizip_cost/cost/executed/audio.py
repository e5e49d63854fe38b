"""Operators of the stock Qwen2.5-Omni audio encoder on one sound.

Source: ``Qwen2_5OmniAudioEncoder.forward``, transformers 5.17 and 5.23, whose operators are the
same. Log-mel frames come in float32, as the processor makes them. Reading lengths on the host
(``tolist``) dispatches nothing that is listed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from omnizip_cost import formulas
from omnizip_cost.cost.encoders import attention_blocks
from omnizip_cost.cost.encoders.audio import chunk_lengths, halved
from omnizip_cost.cost.executed.attention import Heads, block_attention
from omnizip_cost.cost.executed.modules import (
    cast,
    layer_norm,
    linear,
    lookup,
    plain_ffn,
    residual,
)
from omnizip_cost.cost.executed.op import (
    BOOL,
    FLOAT32,
    INT32,
    INT64,
    AttentionKind,
    ExecutedOp,
    Kernel,
    Pass,
    Tensor,
    integers,
    kernel,
    placed,
    single_call,
)
from omnizip_cost.cost.executed.shape import Gemm
from omnizip_cost.specs.spec import AudioEncoderSpec

_KERNEL = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sound:
    """Sizes of one sound in the encoder."""

    audio: AudioEncoderSpec
    mel_frames: int
    chunks: int
    frames: int
    """Log-mel frames of the longest chunk, to which the others are padded."""
    strided: int
    """Its positions after the convolution of stride 2."""
    blocks: tuple[int, ...]

    @property
    def n(self) -> int:
        """Positions that the layers see."""
        return sum(self.blocks)

    @property
    def pooled(self) -> int:
        """Audio tokens."""
        return self.n // 2


def audio_executed(
    audio: AudioEncoderSpec,
    mel_frames: int,
    kind: AttentionKind,
    width: int,
    *,
    clamped: bool = False,
) -> Iterator[ExecutedOp]:
    """Every operator of the encoder on ``mel_frames`` log-mel frames; none without sound."""
    lengths = chunk_lengths(audio, mel_frames)
    if not lengths:
        return
    sound = _Sound(
        audio=audio,
        mel_frames=mel_frames,
        chunks=len(lengths),
        frames=max(lengths),
        strided=halved(max(lengths), 1),
        blocks=tuple(attention_blocks(audio, mel_frames)),
    )
    run = single_call(sound.n, width)
    ends: tuple[tuple[str, Iterator[Kernel]], ...] = (
        ("lengths", _lengths(sound)),
        ("places", _places(sound)),
        ("convolution", _convolutions(sound, run)),
        ("pooling", _pooling(sound, run)),
        ("layer_norm", layer_norm(run, sound.pooled, audio.hidden_size)),
        (
            "connector",
            linear(run, "connector", sound.pooled, audio.hidden_size, audio.output_size, bias=True),
        ),
    )
    for module, kernels in ends:
        yield from placed(kernels, "audio_encoder", run, module)
    for module, kernels in audio_layer(
        audio, run, sound.blocks, kind, key_bias=False, clamped=clamped
    ):
        yield from placed(kernels, "audio_encoder", run, module, 0, audio.layers)


def _lengths(sound: _Sound) -> Iterator[Kernel]:
    """Lengths of the chunks and bounds of the blocks, from the length of the sound."""
    c = sound.chunks
    yield from lengths_of_chunks(c)
    yield from _halving(c)
    yield integers("cumsum", (c,), c)
    yield integers("constant_pad_nd", (c,), c + 1)
    yield kernel("_to_copy", "indexing", (Tensor(c + 1, INT64),), Tensor(c + 1, INT32))


def lengths_of_chunks(chunks: int) -> Iterator[Kernel]:
    """Lengths of so many chunks: whole ones, and the rest."""
    c, one = chunks, Tensor(1, FLOAT32)
    yield kernel("div", "indexing", (Tensor(1, INT64),), one)
    yield kernel("ceil", "indexing", (one,), one)
    yield kernel("_to_copy", "indexing", (one,), Tensor(1, INT64))
    yield integers("sum", (1,), 1)
    yield integers("_local_scalar_dense", (1,))
    yield integers("full", (), c)
    yield integers("constant_pad_nd", (1,), 2)
    yield integers("cumsum", (2,), 2)
    yield integers("remainder", (1,), 1)
    yield integers("index_put_", (1, 1), 1)
    yield kernel("eq", "indexing", (Tensor(c, INT64),), Tensor(c, BOOL))
    yield integers("scalar_tensor", (), 1)
    chosen = (Tensor(c, BOOL), Tensor(1, INT64), Tensor(c, INT64))
    yield kernel("where", "indexing", chosen, Tensor(c, INT64), whole=True)


def padded_chunks(
    run: Pass, chunks: int, frames: int, mel_frames: int, mel_bins: int
) -> Iterator[Kernel]:
    """Chunks copied side by side into zeros, each as long as the longest."""
    padded = Tensor(chunks * frames * mel_bins, FLOAT32)
    heard = Tensor(mel_frames * mel_bins, FLOAT32)
    yield kernel("full", "layout", (), padded)
    yield kernel("copy_", "layout", (heard,), heard, times=chunks)
    yield from cast(padded, run.width, "layout")


def _halving(count: int) -> Iterator[Kernel]:
    """Lengths after a stride of 2."""
    for aten in ("sub", "floor_divide", "add"):
        yield integers(aten, (count,), count)


def _places(sound: _Sound) -> Iterator[Kernel]:
    """Positions that are no padding, and the first of each pair that is pooled."""
    c, s, p = sound.chunks, sound.strided, sound.pooled
    yield from _halving(c)
    yield integers("max", (c,), 1)
    yield integers("_local_scalar_dense", (1,))
    yield integers("arange", (), s)
    valid = Tensor(c * s, BOOL)
    yield kernel("lt", "indexing", (Tensor(s, INT64), Tensor(c, INT64)), valid)
    yield kernel("nonzero", "indexing", (valid,), Tensor(sound.n, INT64))
    yield from _halving(1)
    yield from _halving(1)
    for _ in ("starts of sounds", "pairs before them"):
        yield integers("cumsum", (0,), 0)
        yield integers("constant_pad_nd", (0,), 1)
        yield integers("repeat_interleave", (1,), p)
        yield integers("index_select", (p, p), p)
    yield integers("sum", (1,), 1)
    yield integers("_local_scalar_dense", (1,))
    yield integers("arange", (), p)
    yield integers("sub_", (p, p), p)
    yield integers("mul", (p,), p)
    yield integers("add", (p, p), p)


def _convolutions(sound: _Sound, run: Pass) -> Iterator[Kernel]:
    """Chunks padded side by side, two convolutions, positions added, padding dropped."""
    d, mel, c, s = sound.audio.hidden_size, sound.audio.mel_bins, sound.chunks, sound.strided
    yield from padded_chunks(run, c, sound.frames, sound.mel_frames, mel)
    real = Tensor(c * sound.frames, BOOL)
    yield integers("arange", (), sound.frames)
    yield kernel("lt", "indexing", (Tensor(sound.frames, INT64), Tensor(c, INT64)), real)
    yield kernel("_to_copy", "indexing", (real,), Tensor(real.numbers, INT64))
    first, second = run.numbers(c * sound.frames * d), run.numbers(c * s * d)
    yield _convolution(run, c * sound.frames, mel, c * sound.frames, d)
    yield kernel("gelu", "activation", (first,), first)
    yield kernel("mul", "activation", (first, Tensor(real.numbers, INT64)), first)
    yield _convolution(run, c * sound.frames, d, c * s, d)
    yield kernel("gelu", "activation", (second,), second)
    yield from cast(Tensor(s * d, FLOAT32), run.width, "positions")
    yield kernel("add", "positions", (second, run.numbers(s * d)), second)
    if c > 1:
        yield kernel("clone", "layout", (second,), second)
    kept = run.numbers(sound.n * d)
    yield lookup(kept, Tensor(sound.n, INT64), "layout", "index_select")


def _convolution(run: Pass, rows_in: int, d_in: int, rows: int, d: int) -> Kernel:
    reads = (run.numbers(rows_in * d_in), run.numbers(_KERNEL * d_in * d), run.numbers(d))
    work = formulas.linear(rows, _KERNEL * d_in, d)
    written, shape = run.numbers(rows * d), Gemm(m=rows, n=d, k=_KERNEL * d_in)
    return kernel("convolution", "convolution", reads, written, multiply_adds=work, shape=shape)


def _pooling(sound: _Sound, run: Pass) -> Iterator[Kernel]:
    """Each pair's mean."""
    x, places = run.numbers(sound.pooled * sound.audio.hidden_size), Tensor(sound.pooled, INT64)
    yield lookup(x, places, "pooling")
    yield integers("add", (sound.pooled,), sound.pooled)
    yield lookup(x, places, "pooling")
    yield kernel("add", "pooling", (x, x), x)
    yield kernel("div", "pooling", (x,), x)


def audio_layer(
    audio: AudioEncoderSpec,
    run: Pass,
    blocks: Sequence[int],
    kind: AttentionKind,
    *,
    key_bias: bool,
    clamped: bool,
) -> Iterator[tuple[str, Iterator[Kernel]]]:
    """One layer of either family; queries and values have a bias, keys in Qwen3-Omni alone.

    ``clamped``: in float16 its output is kept in that type's range.
    """
    n, d = sum(blocks), audio.hidden_size
    heads = Heads(heads=audio.heads, kv_heads=audio.heads, head_dim=d // audio.heads, causal=False)
    yield "layer_norm", layer_norm(run, n, d)
    for bias in (True, key_bias, True):
        yield "projection", linear(run, "projection", n, d, d, bias=bias)
    yield "attention", block_attention(run.width, heads, blocks, kind)
    yield "attention", _blocks(run, len(blocks), n * d)
    yield "projection", linear(run, "projection", n, d, d, bias=True)
    yield "residual", residual(run, n, d)
    yield "layer_norm", layer_norm(run, n, d)
    yield "ffn", plain_ffn(run, n, d, audio.intermediate_size)
    yield "residual", residual(run, n, d)
    if clamped:
        x = run.numbers(n * d)
        yield "residual", iter((kernel("clamp", "residual", (x,), x),))


def _blocks(run: Pass, blocks: int, numbers: int) -> Iterator[Kernel]:
    """Lengths of the blocks, and their results put together."""
    bounds = Tensor(blocks, INT32)
    yield kernel("sub", "indexing", (bounds, bounds), bounds, whole=True)
    yield kernel("cat", "layout", (run.numbers(numbers),), run.numbers(numbers))
