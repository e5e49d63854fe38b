"""The audio encoders: convolutions chunk by chunk, layers that attend in blocks, a connector.

Qwen2.5-Omni: two 1-D convolutions (the second of stride 2), one chunk per block, pooling by 2, one
projection. Qwen3-Omni: three 2-D convolutions of stride 2 over time and mel bins, several chunks
per block, two projections. Sources: ``Qwen2_5OmniAudioEncoder.forward`` and
``Qwen3OmniMoeAudioEncoder.forward`` of transformers 5.17 and 5.23.
"""

from __future__ import annotations

from collections.abc import Iterator

from omnizip_cost import formulas
from omnizip_cost.cost.decoder import Op, OperatorClass
from omnizip_cost.errors import UnsupportedModelError
from omnizip_cost.specs.spec import AudioEncoderSpec
from omnizip_cost.workload.lengths import QWEN3_TOKENS_PER_CHUNK

_KERNEL = 3
"""Side of every convolution's kernel; padding 1 on each side, so stride 2 halves, rounding up."""
_CONVOLUTIONS = 3
"""Strided convolutions of Qwen3-Omni."""


def attention_blocks(audio: AudioEncoderSpec, mel_frames: int) -> list[int]:
    """Positions of each block inside which the audio encoder attends.

    In Qwen2.5-Omni a block is one convolution chunk after a stride of 2: 5 s of sound are 100,
    100 and 50 positions. In Qwen3-Omni a block is as many positions as the longest chunk has,
    times the chunks in ``n_window_infer``: 9 s of sound are 104 positions and 13.
    """
    positions = _positions(audio, chunk_lengths(audio, mel_frames))
    if audio.downsample_size is None or not positions:
        return positions
    block = max(positions) * (audio.mel_frames_per_block // audio.mel_frames_per_chunk)
    whole, rest = divmod(sum(positions), block)
    return [block] * whole + [rest] * bool(rest)


def audio_encoder_ops(
    audio: AudioEncoderSpec, mel_frames: int, *, as_executed: bool = True
) -> Iterator[Op]:
    """Ops of the audio encoder on one sound of ``mel_frames`` log-mel frames (100 per second).

    Parameters
    ----------
    as_executed : bool
        Count the convolutions as transformers runs them, a short last chunk padded to the length
        of the others; False: valid frames only.

    Raises
    ------
    UnsupportedModelError
        The real encoder would fail: chunks of Qwen3-Omni too short for the positions it takes.
    """
    lengths = chunk_lengths(audio, mel_frames)
    if not lengths:
        return
    blocks = attention_blocks(audio, mel_frames)
    n, d = sum(blocks), audio.hidden_size
    run = [max(lengths)] * len(lengths) if as_executed else lengths
    if audio.downsample_size is None:
        pooled = n // 2
        convolutions = _one_d(audio, run)
        connector = formulas.linear(pooled, d, audio.output_size)
    else:
        _require_positions(audio, lengths)
        convolutions = _two_d(audio, audio.downsample_size, run)
        mapped = sum(halved(length, _CONVOLUTIONS) for length in run)
        bins = halved(audio.mel_bins, _CONVOLUTIONS)
        convolutions += formulas.linear(mapped, audio.downsample_size * bins, d)
        pooled = n
        connector = formulas.linear(n, d, d) + formulas.linear(n, d, audio.output_size)
    yield _op("convolution", 1, n, convolutions)
    yield _op("connector", 1, pooled, connector)
    # The layers come last: a row of the count shows the tokens of its last op.
    layer: dict[OperatorClass, int] = {
        "projection": formulas.projections(n, d, d, d),
        "attention": formulas.attention(sum(formulas.full_pairs_doubled(b, b) for b in blocks), d),
        "ffn": formulas.feed_forward(n, d, audio.intermediate_size, 2),
    }
    for operator, multiply_adds in layer.items():
        yield _op(operator, audio.layers, n, audio.layers * multiply_adds)


def _op(operator: OperatorClass, layers: int, tokens: int, multiply_adds: int) -> Op:
    return Op(
        component="audio_encoder",
        phase="prefill",
        operator=operator,
        layers=layers,
        tokens=tokens,
        multiply_adds=multiply_adds,
    )


def chunk_lengths(audio: AudioEncoderSpec, mel_frames: int) -> list[int]:
    """Log-mel frames of each convolution chunk; only the last may be short."""
    whole, rest = divmod(mel_frames, audio.mel_frames_per_chunk)
    return [audio.mel_frames_per_chunk] * whole + [rest] * bool(rest)


def _positions(audio: AudioEncoderSpec, lengths: list[int]) -> list[int]:
    """Positions that the layers take of each chunk.

    Qwen3-Omni takes 13 of a whole chunk whatever its length (``_get_feat_extract_output_lengths``);
    with the released chunk of 100 frames that is what the convolutions leave.
    """
    if audio.downsample_size is None:
        return [halved(length, 1) for length in lengths]
    return [
        QWEN3_TOKENS_PER_CHUNK
        if length == audio.mel_frames_per_chunk
        else halved(length, _CONVOLUTIONS)
        for length in lengths
    ]


def _require_positions(audio: AudioEncoderSpec, lengths: list[int]) -> None:
    """Refuse chunks so short that the positions taken reach past those the convolutions made."""
    taken = _positions(audio, lengths)
    made = halved(max(lengths), _CONVOLUTIONS)
    if (len(lengths) - 1) * max(taken) + taken[-1] > len(lengths) * made:
        raise UnsupportedModelError(
            "Qwen3-Omni's audio encoder",
            f"of a chunk of {audio.mel_frames_per_chunk} mel frames (2 x n_window) its "
            f"convolutions make {halved(audio.mel_frames_per_chunk, _CONVOLUTIONS)} positions, "
            f"and it takes {QWEN3_TOKENS_PER_CHUNK} of each whole chunk: the real module fails",
            "give an n_window of 49 to 52, as the released 50",
        )


def halved(length: int, times: int) -> int:
    """Positions that ``times`` convolutions of stride 2 leave of ``length``."""
    for _ in range(times):
        length = (length + 1) // 2
    return length


def _one_d(audio: AudioEncoderSpec, lengths: list[int]) -> int:
    """Multiply-adds of Qwen2.5-Omni's convolutions over time, the mel bins being channels."""
    d = audio.hidden_size
    strided = sum(halved(length, 1) for length in lengths)
    first: int = formulas.linear(sum(lengths), _KERNEL * audio.mel_bins, d)
    second: int = formulas.linear(strided, _KERNEL * d, d)
    return first + second


def _two_d(audio: AudioEncoderSpec, channels: int, lengths: list[int]) -> int:
    """Multiply-adds of Qwen3-Omni's convolutions over time and mel bins."""
    total = 0
    for times in range(1, _CONVOLUTIONS + 1):
        frames = sum(halved(length, times) for length in lengths)
        inputs = 1 if times == 1 else channels
        area = frames * halved(audio.mel_bins, times)
        total += formulas.linear(area, _KERNEL**2 * inputs, channels)
    return total
