"""What a good engine moves in the encoders: each product's operands touched once.

As in the decoder, queries, keys and values come of one product and so do gate and up; every
weight is read once a clip, since an encoder runs once. The keys of Qwen2.5-Omni's audio encoder
have no bias, nor has its patch embedding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from omnizip_cost.cost.convention import Convention
from omnizip_cost.cost.decoder import Op, OperatorClass
from omnizip_cost.cost.encoders import attention_blocks, encoder_ops, window_sizes
from omnizip_cost.cost.encoders.audio import chunk_lengths, halved
from omnizip_cost.cost.encoders.vision import sees_whole_grids
from omnizip_cost.cost.executed.op import ExecutedOp
from omnizip_cost.cost.executed.shape import Attention, Gemm, Shape, mean
from omnizip_cost.specs.spec import AudioEncoderSpec, ThinkerSpec, VisionEncoderSpec
from omnizip_cost.workload.workload import Workload

_KERNEL = 3
_CONVOLUTIONS = 3


class _Product(NamedTuple):
    """Numbers of one product's operands, and its shape."""

    read: int
    weights: int
    written: int
    shape: Shape


_Products = dict[OperatorClass, tuple[_Product, ...]]
"""Products of one layer, or of one end of the encoder, by class."""


def ideal_encoders(
    spec: ThinkerSpec, workload: Workload, convention: Convention, width: int
) -> Iterator[ExecutedOp]:
    """Products of both encoders on one clip; their multiply-adds are those that are counted."""
    sound = _audio(spec.audio, workload.mel_frames) if workload.mel_frames else {}
    grid = workload.grid_thw
    for op in encoder_ops(spec, workload, convention):
        seen = _vision(spec.vision, grid, op.first_layer) if grid is not None else {}
        products = sound if op.component == "audio_encoder" else seen
        for one in products[op.operator]:
            yield _placed(op, one, width)


def _placed(op: Op, one: _Product, width: int) -> ExecutedOp:
    in_layers = op.operator not in ("convolution", "connector")
    return ExecutedOp(
        component=op.component,
        phase=op.phase,
        module=op.operator,
        operator=op.operator,
        aten="",
        first_layer=op.first_layer if in_layers else None,
        layers=op.layers,
        kernels=op.layers,
        multiply_adds=op.layers * round(one.shape.multiply_adds),
        unseen_flops=None,
        bytes_read=op.layers * width * (one.read + one.weights),
        bytes_written=op.layers * width * one.written,
        shape=one.shape,
    )


def _linear(rows: int, d_in: int, d_out: int, *, bias: bool = True) -> _Product:
    return _Product(
        read=rows * d_in,
        weights=d_in * d_out + bias * d_out,
        written=rows * d_out,
        shape=Gemm(m=rows, n=d_out, k=d_in),
    )


def _layer(
    d: int, heads: int, m: int, matrices: int, blocks: Sequence[int], *, key_bias: bool = True
) -> _Products:
    entering, n = matrices - 1, sum(blocks)
    inputs = _linear(n, d, 3 * d, bias=False)
    into = _linear(n, d, entering * m)
    return {
        "projection": (inputs._replace(weights=3 * d * d + (2 + key_bias) * d), _linear(n, d, d)),
        "attention": (_Product(3 * n * d, 0, n * d, in_blocks(d, heads, blocks)),),
        "ffn": (into._replace(written=n * m), _linear(n, m, d)),
    }


def in_blocks(d: int, heads: int, blocks: Sequence[int]) -> Attention:
    """Attention inside each of several blocks in one call: equal ones of as many pairs."""
    n = sum(blocks)
    return Attention(
        kind="encoder",
        batch=len(blocks),
        queries=mean(n, len(blocks)),
        keys=mean(sum(size * size for size in blocks), n),
        heads=heads,
        kv_heads=heads,
        head_dim=d // heads,
    )


def _audio(audio: AudioEncoderSpec, mel_frames: int) -> _Products:
    blocks = attention_blocks(audio, mel_frames)
    d, n, channels = audio.hidden_size, sum(blocks), audio.downsample_size
    layers = _layer(
        d, audio.heads, audio.intermediate_size, 2, blocks, key_bias=channels is not None
    )
    if channels is None:
        into = (
            _linear(mel_frames, _KERNEL * audio.mel_bins, d)._replace(
                read=mel_frames * audio.mel_bins
            ),
            _linear(n, _KERNEL * d, d)._replace(read=mel_frames * d),
        )
        return {
            **layers,
            "convolution": into,
            "connector": (_linear(n // 2, d, audio.output_size),),
        }
    lengths = chunk_lengths(audio, mel_frames)
    areas = [
        sum(halved(length, times) for length in lengths) * halved(audio.mel_bins, times)
        for times in range(_CONVOLUTIONS + 1)
    ]
    planes = (1, channels, channels, channels)
    convolutions = tuple(
        _linear(areas[step + 1], _KERNEL**2 * planes[step], channels)._replace(
            read=areas[step] * planes[step]
        )
        for step in range(_CONVOLUTIONS)
    )
    bins = halved(audio.mel_bins, _CONVOLUTIONS)
    mapped = _linear(areas[-1] // bins, channels * bins, d, bias=False)
    return {
        **layers,
        "convolution": (*convolutions, mapped),
        "connector": (_linear(n, d, d), _linear(n, d, audio.output_size)),
    }


def _vision(vision: VisionEncoderSpec, grid_thw: tuple[int, int, int], layer: int) -> _Products:
    """Products around layer ``layer`` and in it, which attends to whole grids or to windows."""
    time, height, across = grid_thw
    n, d = time * height * across, vision.hidden_size
    whole = sees_whole_grids(vision, layer)
    blocks = time * ([height * across] if whole else window_sizes(vision, height, across))
    patch = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
    merge = vision.merge_size**2
    merged, wide = n // merge, d * merge
    merger = (_linear(merged, wide, wide), _linear(merged, wide, vision.output_size))
    return {
        **_layer(d, vision.heads, vision.intermediate_size, vision.ffn_matrices, blocks),
        "convolution": (_linear(n, patch, d, bias=vision.position_embeddings is not None),),
        "connector": merger * (1 + vision.deepstack_mergers_run),
    }
