"""What a good engine moves in the encoders: each product's operands touched once.

As in the decoder, queries, keys and values come of one product and so do gate and up; every
weight is read once a clip, since an encoder runs once. The keys of Qwen2.5-Omni's audio encoder
have no bias, nor has its patch embedding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from omnizip_cost.cost.convention import Convention
from omnizip_cost.cost.decoder import Op, OperatorClass
from omnizip_cost.cost.encoders import attention_blocks, encoder_ops
from omnizip_cost.cost.encoders.audio import chunk_lengths, halved
from omnizip_cost.cost.executed.op import ExecutedOp
from omnizip_cost.specs.spec import AudioEncoderSpec, ThinkerSpec, VisionEncoderSpec
from omnizip_cost.workload.workload import Workload

_KERNEL = 3
_CONVOLUTIONS = 3


class _Moved(NamedTuple):
    """Numbers of one product's operands."""

    read: int
    weights: int
    written: int


_Products = dict[OperatorClass, tuple[_Moved, ...]]
"""Products of one layer, or of one end of the encoder, by class."""


def ideal_encoders(
    spec: ThinkerSpec, workload: Workload, convention: Convention, width: int
) -> Iterator[ExecutedOp]:
    """Products of both encoders on one clip; their multiply-adds are those that are counted."""
    moved: dict[str, _Products] = {}
    if workload.mel_frames:
        moved["audio_encoder"] = _audio(spec.audio, workload.mel_frames)
    if workload.grid_thw is not None:
        moved["vision_encoder"] = _vision(spec.vision, workload.grid_thw)
    for op in encoder_ops(spec, workload, convention):
        yield _placed(op, moved[op.component][op.operator], width)


def _placed(op: Op, products: tuple[_Moved, ...], width: int) -> ExecutedOp:
    in_layers = op.operator not in ("convolution", "connector")
    return ExecutedOp(
        component=op.component,
        phase=op.phase,
        module=op.operator,
        operator=op.operator,
        aten="",
        first_layer=op.first_layer if in_layers else None,
        layers=op.layers,
        kernels=op.layers * len(products),
        multiply_adds=int(op.multiply_adds),
        unseen_flops=None,
        bytes_read=op.layers * width * sum(one.read + one.weights for one in products),
        bytes_written=op.layers * width * sum(one.written for one in products),
    )


def _linear(rows: int, d_in: int, d_out: int, *, bias: bool = True) -> _Moved:
    return _Moved(rows * d_in, d_in * d_out + bias * d_out, rows * d_out)


def _layer(n: int, d: int, m: int, matrices: int, *, key_bias: bool = True) -> _Products:
    entering = matrices - 1
    inputs = _Moved(n * d, 3 * d * d + (2 + key_bias) * d, 3 * n * d)
    return {
        "projection": (inputs, _linear(n, d, d)),
        "attention": (_Moved(3 * n * d, 0, n * d),),
        "ffn": (
            _Moved(n * d, entering * (d * m + m), n * m),
            _linear(n, m, d),
        ),
    }


def _audio(audio: AudioEncoderSpec, mel_frames: int) -> _Products:
    d, n = audio.hidden_size, sum(attention_blocks(audio, mel_frames))
    channels = audio.downsample_size
    layers = _layer(n, d, audio.intermediate_size, 2, key_bias=channels is not None)
    if channels is None:
        into = (
            _Moved(mel_frames * audio.mel_bins, _KERNEL * audio.mel_bins * d + d, mel_frames * d),
            _Moved(mel_frames * d, _KERNEL * d * d + d, n * d),
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
        _Moved(
            areas[step] * planes[step],
            (_KERNEL**2 * planes[step] + 1) * channels,
            areas[step + 1] * channels,
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


def _vision(vision: VisionEncoderSpec, grid_thw: tuple[int, int, int]) -> _Products:
    n, d = grid_thw[0] * grid_thw[1] * grid_thw[2], vision.hidden_size
    patch = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
    merge = vision.merge_size**2
    merged, wide = n // merge, d * merge
    merger = (_linear(merged, wide, wide), _linear(merged, wide, vision.output_size))
    return {
        **_layer(n, d, vision.intermediate_size, vision.ffn_matrices),
        "convolution": (_linear(n, patch, d, bias=vision.position_embeddings is not None),),
        "connector": merger * (1 + vision.deepstack_mergers_run),
    }
