"""Multiply-adds of the Qwen2.5-Omni audio and vision encoders.

Both run on everything, whatever a method keeps afterwards. ``as_executed`` counts what
transformers runs (convolution chunks padded to the longest); otherwise only valid frames count.
Source: transformers, models/qwen2_5_omni; witness: torch's FlopCounterMode on the real modules.
"""

from __future__ import annotations

from collections.abc import Iterator

from omnizip_cost import formulas
from omnizip_cost.cost.conventions import Convention
from omnizip_cost.cost.decoder import Op, OperatorClass
from omnizip_cost.specs.spec import AudioEncoderSpec, ThinkerSpec, VisionEncoderSpec
from omnizip_cost.workload.workload import Workload

ENCODER_FAMILIES = ("qwen2.5-omni",)
"""Families whose encoders are counted; for others the encoder rows are absent, never zero."""

_CONV_KERNEL = 3
"""Both 1-D convolutions of the audio encoder have kernel size 3; the second has stride 2."""


def _ops(component: str, layers: int, tokens: int, work: dict[OperatorClass, int]) -> Iterator[Op]:
    for operator, multiply_adds in work.items():
        yield Op(
            component=component,
            phase="prefill",
            operator=operator,
            layers=layers,
            tokens=tokens,
            multiply_adds=multiply_adds,
        )


def _chunk_lengths(audio: AudioEncoderSpec, mel_frames: int) -> list[int]:
    """Log-mel frames of each convolution chunk."""
    whole, rest = divmod(mel_frames, audio.mel_frames_per_chunk)
    return [audio.mel_frames_per_chunk] * whole + [rest] * bool(rest)


def attention_blocks(audio: AudioEncoderSpec, mel_frames: int) -> list[int]:
    """Positions of each block inside which the audio encoder attends.

    In Qwen2.5-Omni a block is one convolution chunk after a stride of 2: 5 s of sound are 100,
    100 and 50 positions. In Qwen3-Omni convolutions halve each chunk three times and several
    chunks make a block: 9 s of sound are 104 positions and 13.
    """
    lengths = _chunk_lengths(audio, mel_frames)
    if audio.downsample_size is None:
        return [-(-length // 2) for length in lengths]
    positions = sum(-(-length // 8) for length in lengths)
    block = -(-audio.mel_frames_per_chunk // 8)
    block *= audio.mel_frames_per_block // audio.mel_frames_per_chunk
    whole, rest = divmod(positions, block)
    return [block] * whole + [rest] * bool(rest)


def encoder_ops(spec: ThinkerSpec, workload: Workload, convention: Convention) -> Iterator[Op]:
    """Ops of both encoders on one workload; none of a family whose encoders are not counted."""
    if spec.family not in ENCODER_FAMILIES:
        return
    yield from audio_encoder_ops(
        spec.audio, workload.mel_frames, as_executed=convention.counts_padding
    )
    yield from vision_encoder_ops(spec.vision, workload.grid_thw)


def audio_encoder_ops(
    audio: AudioEncoderSpec, mel_frames: int, *, as_executed: bool = True
) -> Iterator[Op]:
    """Ops of the audio encoder on ``mel_frames`` log-mel frames (100 per second)."""
    if not mel_frames:
        return
    lengths = _chunk_lengths(audio, mel_frames)
    blocks = attention_blocks(audio, mel_frames)
    frames, strided = sum(lengths), sum(blocks)
    if as_executed:
        frames, strided = len(lengths) * max(lengths), len(lengths) * max(blocks)
    d, n = audio.hidden_size, sum(blocks)
    pooled = (n - 2) // 2 + 1
    yield from _ops(
        "audio_encoder",
        audio.layers,
        n,
        {
            "convolution": frames * d * _CONV_KERNEL * audio.mel_bins
            + strided * d * _CONV_KERNEL * d,
            "projection": audio.layers * formulas.projections(n, d, d, d)
            + formulas.linear(pooled, d, audio.output_size),
            "attention": audio.layers
            * formulas.attention(sum(formulas.full_pairs_doubled(b, b) for b in blocks), d),
            "ffn": audio.layers * formulas.feed_forward(n, d, audio.intermediate_size, 2),
        },
    )


def window_sizes(vision: VisionEncoderSpec, height: int, width: int) -> list[int]:
    """Patches of each attention window of one temporal grid of ``height`` x ``width`` patches."""
    if vision.window_pixels is None:
        return [height * width]
    side = vision.window_pixels // vision.merge_size // vision.patch_size * vision.merge_size
    rows = [min(side, height - start) for start in range(0, height, side)]
    columns = [min(side, width - start) for start in range(0, width, side)]
    return [row * column for row in rows for column in columns]


def vision_encoder_ops(
    vision: VisionEncoderSpec, grid_thw: tuple[int, int, int] | None
) -> Iterator[Op]:
    """Ops of the vision encoder on a video of ``grid_thw`` patches (time, height, width)."""
    if grid_thw is None:
        return
    time, height, width = grid_thw
    n, d = time * height * width, vision.hidden_size
    full_layers = len(vision.full_attention_layers)
    if vision.window_pixels is None:
        full_layers = vision.layers
    full = time * formulas.full_pairs_doubled(height * width, height * width)
    windowed = time * sum(
        formulas.full_pairs_doubled(size, size) for size in window_sizes(vision, height, width)
    )
    patch = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
    merge = vision.merge_size**2
    merged, wide = n // merge, d * merge
    yield from _ops(
        "vision_encoder",
        vision.layers,
        n,
        {
            "convolution": formulas.linear(n, patch, d),
            "projection": vision.layers * formulas.projections(n, d, d, d)
            + formulas.linear(merged, wide, wide)
            + formulas.linear(merged, wide, vision.output_size),
            "attention": formulas.attention(
                full_layers * full + (vision.layers - full_layers) * windowed, d
            ),
            "ffn": vision.layers
            * formulas.feed_forward(n, d, vision.intermediate_size, vision.ffn_matrices),
        },
    )
