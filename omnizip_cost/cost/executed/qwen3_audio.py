"""Operators of the stock Qwen3-Omni audio encoder on one sound.

Source: ``Qwen3OmniMoeAudioEncoder.forward``, transformers 5.17 and 5.23. Log-mel frames come in
float32, as the processor makes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from omnizip_cost import formulas
from omnizip_cost.cost.encoders import attention_blocks
from omnizip_cost.cost.encoders.audio import chunk_lengths, halved
from omnizip_cost.cost.executed.audio import audio_layer, lengths_of_chunks, padded_chunks
from omnizip_cost.cost.executed.modules import cast, layer_norm, linear, lookup
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
from omnizip_cost.cost.executed.shape import Gemm, mean
from omnizip_cost.specs.spec import AudioEncoderSpec
from omnizip_cost.workload.lengths import QWEN3_TOKENS_PER_CHUNK

_SIDE = 3
_CONVOLUTIONS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sound:
    """Sizes of one sound in the encoder."""

    audio: AudioEncoderSpec
    channels: int
    mel_frames: int
    chunks: int
    frames: int
    """Log-mel frames of the longest chunk, to which the others are padded."""
    taken: int
    """Most positions that the layers take of a chunk."""
    blocks: tuple[int, ...]
    batches: int

    @property
    def n(self) -> int:
        """Positions that the layers see, and audio tokens."""
        return sum(self.blocks)

    @property
    def made(self) -> int:
        """Positions that the convolutions make of each chunk."""
        return halved(self.frames, _CONVOLUTIONS)


def qwen3_audio_executed(
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
    whole = max(lengths) == audio.mel_frames_per_chunk
    sound = _Sound(
        audio=audio,
        channels=audio.downsample_size or 0,
        mel_frames=mel_frames,
        chunks=len(lengths),
        frames=max(lengths),
        taken=QWEN3_TOKENS_PER_CHUNK if whole else halved(max(lengths), _CONVOLUTIONS),
        blocks=tuple(attention_blocks(audio, mel_frames)),
        batches=-(-len(lengths) // (audio.chunks_at_once or len(lengths))),
    )
    run = single_call(sound.n, width)
    ends: tuple[tuple[str, Iterator[Kernel]], ...] = (
        ("lengths", lengths_of_chunks(sound.chunks)),
        ("places", _places(sound)),
        ("convolution", _convolutions(sound, run)),
        ("layer_norm", layer_norm(run, sound.n, audio.hidden_size)),
        ("connector", _connector(sound, run)),
    )
    for module, kernels in ends:
        yield from placed(kernels, "audio_encoder", run, module)
    for module, kernels in audio_layer(
        audio, run, sound.blocks, kind, key_bias=True, clamped=clamped
    ):
        yield from placed(kernels, "audio_encoder", run, module, 0, audio.layers)


def _places(sound: _Sound) -> Iterator[Kernel]:
    """Positions that are no padding, and bounds of the blocks."""
    c, taken = sound.chunks, sound.taken
    yield from _after_convolutions(c)
    yield integers("max", (c,), 1)
    yield integers("_local_scalar_dense", (1,))
    yield integers("arange", (), taken)
    valid = Tensor(c * taken, BOOL)
    yield kernel("lt", "indexing", (Tensor(taken, INT64), Tensor(c, INT64)), valid)
    yield kernel("nonzero", "indexing", (valid,), Tensor(sound.n, INT64))
    yield from _after_convolutions(1)
    yield from _after_convolutions(c)
    yield integers("max", (c,), 1)
    yield integers("_local_scalar_dense", (1,))
    yield integers("floor_divide", (1,), 1)
    yield integers("_local_scalar_dense", (1,))
    yield integers("remainder", (1,), 1)
    yield kernel("ne", "indexing", (Tensor(1, INT64),), Tensor(1, BOOL))
    yield kernel("_local_scalar_dense", "indexing", (Tensor(1, BOOL),))
    bounds = len(sound.blocks) + 1
    yield kernel("cumsum", "indexing", (Tensor(bounds, INT64),), Tensor(bounds, INT32))


def _after_convolutions(count: int) -> Iterator[Kernel]:
    """Positions of so many lengths: of whole chunks, and of the rest halved three times."""
    yield integers("remainder", (count,), count)
    for _ in range(_CONVOLUTIONS):
        for aten in ("sub", "floor_divide", "add"):
            yield integers(aten, (count,), count)
    yield integers("floor_divide", (count,), count)
    yield integers("mul", (count,), count)
    yield integers("add", (count, count), count)


def _convolutions(sound: _Sound, run: Pass) -> Iterator[Kernel]:
    """Chunks padded side by side, three convolutions, a product, positions, padding dropped."""
    audio, c, channels = sound.audio, sound.chunks, sound.channels
    yield from padded_chunks(run, c, sound.frames, sound.mel_frames, audio.mel_bins)
    planes, frames, bins = 1, sound.frames, audio.mel_bins
    entering = run.numbers(c * frames * bins)
    for _ in range(_CONVOLUTIONS):
        frames, bins = halved(frames, 1), halved(bins, 1)
        leaving = run.numbers(c * channels * frames * bins)
        weights = run.numbers(sound.batches * _SIDE**2 * planes * channels)
        reads = (entering, weights, run.numbers(sound.batches * channels))
        places, taps = c * frames * bins, _SIDE**2 * planes
        yield kernel(
            "convolution",
            "convolution",
            reads,
            leaving,
            multiply_adds=formulas.linear(places, taps, channels),
            times=sound.batches,
            shape=Gemm(m=mean(places, sound.batches), n=channels, k=taps),
        )
        yield kernel("gelu", "activation", (leaving,), leaving, times=sound.batches)
        entering, planes = leaving, channels
    yield kernel("cat", "layout", (entering,), entering)
    if sound.made > 1:
        yield kernel("clone", "layout", (entering,), entering)
    d, rows = audio.hidden_size, c * sound.made
    yield from linear(run, "convolution", rows, channels * bins, d, bias=False)
    yield from cast(Tensor(sound.made * d, FLOAT32), run.width, "positions")
    x = run.numbers(rows * d)
    yield kernel("add", "positions", (x, run.numbers(sound.made * d)), x)
    yield lookup(run.numbers(sound.n * d), Tensor(sound.n, INT64), "layout", "index_select")


def _connector(sound: _Sound, run: Pass) -> Iterator[Kernel]:
    """Two linear layers to the decoder's width."""
    n, d = sound.n, sound.audio.hidden_size
    inner = run.numbers(n * d)
    yield from linear(run, "connector", n, d, d, bias=True)
    yield kernel("gelu", "activation", (inner,), inner)
    yield from linear(run, "connector", n, d, sound.audio.output_size, bias=True)
