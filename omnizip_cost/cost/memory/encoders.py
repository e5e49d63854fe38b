"""Which tensors of the stock Qwen2.5-Omni encoders are alive, and of lean ones of any family.

Sources: ``Qwen2_5OmniAudioEncoder.forward`` and ``Qwen2_5OmniVisionEncoder.forward``, transformers
5.17 and 5.23. Pixels and frames come in the model's dtype. What a kernel allocates inside (cuDNN's
workspace for convolutions) is not told.
"""

from __future__ import annotations

from collections.abc import Sequence

from omnizip_cost.cost.encoders import attention_blocks, window_sizes
from omnizip_cost.cost.encoders.audio import chunk_lengths, halved
from omnizip_cost.cost.executed.op import FLOAT32, INT64
from omnizip_cost.cost.memory.decoder import gated_ffn, rms_norm, rotation, softmax
from omnizip_cost.cost.memory.lean import lean_ffn
from omnizip_cost.cost.memory.live import Live
from omnizip_cost.cost.memory.run import Run
from omnizip_cost.specs.spec import AudioEncoderSpec, VisionEncoderSpec


def stock_audio(
    live: Live, run: Run, audio: AudioEncoderSpec, mel_frames: int, *, tapped: bool
) -> None:
    """Encode one sound; ``audio features`` stay, with the last layer's queries and keys if tapped.

    The encoder goes on naming its padded frames, their mask and the convolved frames throughout.
    """
    lengths, blocks = chunk_lengths(audio, mel_frames), attention_blocks(audio, mel_frames)
    d, n = audio.hidden_size, sum(blocks)
    frames, chunks = max(lengths), len(lengths)
    padded, strided = chunks * frames, chunks * halved(frames, 1)
    live.hold("heard", run.rows(mel_frames, audio.mel_bins))
    live.hold("padded", run.rows(padded, audio.mel_bins))
    live.hold("padding", padded * INT64)
    live.hold("convolved", run.rows(padded, d))
    live.hold("activated", run.rows(padded, d))
    live.drop("convolved")
    live.hold("unpadded", run.rows(padded, d))
    live.drop("activated")
    live.hold("strided", run.rows(strided, d))
    live.hold("strided activated", run.rows(strided, d))
    live.drop("strided", "unpadded")
    live.hold("placed", run.rows(strided, d))
    live.drop("strided activated")
    if chunks > 1:
        live.hold("in rows", run.rows(strided, d))
    live.hold("hidden", run.rows(n, d))
    live.drop_all("in rows")
    for last in (False, True):
        _audio_layer(live, run, audio, blocks, tapped=tapped and last)
    pooled = n // 2
    for name in ("first of pairs", "second of pairs", "sums"):
        live.hold(name, run.rows(pooled, d))
    live.drop("first of pairs", "second of pairs")
    live.hold("means", run.rows(pooled, d))
    live.drop("sums", "hidden")
    live.hold("normed", run.rows(pooled, d))
    live.hold("audio features", run.rows(pooled, audio.output_size))
    live.drop("normed", "means", "placed", "padding", "padded", "heard")


def _audio_layer(
    live: Live, run: Run, audio: AudioEncoderSpec, blocks: Sequence[int], *, tapped: bool
) -> None:
    n, d = sum(blocks), audio.hidden_size
    rows = run.rows(n, d)
    live.hold("normed", rows)
    for name in ("q", "k", "v"):
        live.hold(name, rows)
    block_attention(live, run, blocks, audio.heads, d)
    live.hold("attended", rows)
    live.drop("joined", "heads", "v")
    if tapped:
        live.rename("q", "scored q")
        live.rename("k", "scored k")
    else:
        live.drop("q", "k")
    live.drop("normed")
    live.hold("attended residual", rows)
    live.drop("attended")
    live.hold("normed", rows)
    live.hold("inner", run.rows(n, audio.intermediate_size))
    live.drop("normed")
    live.hold("activated", run.rows(n, audio.intermediate_size))
    live.drop("inner")
    live.hold("fed", rows)
    live.drop("activated")
    live.hold("next hidden", rows)
    live.drop("fed", "attended residual", "hidden")
    live.rename("next hidden", "hidden")


def block_attention(live: Live, run: Run, blocks: Sequence[int], heads: int, d: int) -> None:
    """Attention inside each block by itself, one after another: ``heads``, then ``joined``.

    Results wait for the last block. Of blocks of one size the last is the worst, so it is told.
    """
    lasts = {size: place for place, size in enumerate(blocks)}
    for size, place in sorted(lasts.items(), key=lambda item: item[1]):
        live.hold("other heads", run.rows(sum(blocks[:place]), d))
        _one_block(live, run, size, heads, d)
        live.drop("other heads", "block's heads")
    rows = run.rows(sum(blocks), d)
    live.hold("heads", rows)
    live.hold("joined", rows)


def _one_block(live: Live, run: Run, size: int, heads: int, d: int) -> None:
    pairs = heads * size * size
    if not run.eager:
        live.hold("block's heads", run.rows(size, d))
        live.hold("log-sum", heads * size * FLOAT32)
        live.drop("log-sum")
        return
    live.hold("products", pairs * run.width, "attention_weights")
    live.hold("scores", pairs * run.width, "attention_weights")
    live.drop("products")
    softmax(live, run, pairs)
    live.hold("weighted", run.rows(size, d))
    live.hold("block's heads", run.rows(size, d))
    live.drop("weighted", "weights")


def stock_vision(
    live: Live, run: Run, vision: VisionEncoderSpec, grid_thw: tuple[int, int, int]
) -> None:
    """Encode one video; ``video patches`` and ``video features`` stay, as the encoder returns both.

    Queries and keys are turned in float32: that, not the FFN, is the most a layer holds.
    """
    time, height, width = grid_thw
    n, d = time * height * width, vision.hidden_size
    merged = n // vision.merge_size**2
    live.hold("patches", run.rows(n, d))
    live.hold("hidden", run.rows(n, d))
    live.drop("patches")
    table = n * (d // vision.heads) * FLOAT32
    live.hold("cosines", table)
    live.hold("sines", table)
    windows = window_sizes(vision, height, width) * time
    grids = [height * width] * time
    full = [layer in vision.full_attention_layers for layer in range(vision.layers)]
    for blocks in (windows if not all(full) else grids, grids if any(full) else windows):
        _vision_layer(live, run, vision, blocks)
    rms_norm(live, run, n, d, "normed")
    live.hold("inner", run.rows(n, d))
    live.drop("normed")
    live.hold("activated", run.rows(n, d))
    live.drop("inner")
    live.hold("sorted features", run.rows(merged, vision.output_size))
    live.drop("activated")
    live.hold("video features", run.rows(merged, vision.output_size))
    live.drop("sorted features")
    live.drop("cosines", "sines")
    live.rename("hidden", "video patches")


def _vision_layer(live: Live, run: Run, vision: VisionEncoderSpec, blocks: Sequence[int]) -> None:
    n, d = sum(blocks), vision.hidden_size
    rows = run.rows(n, d)
    rms_norm(live, run, n, d, "normed")
    for name in ("q", "k", "v"):
        live.hold(name, rows)
    _rotations(live, run, n, d)
    block_attention(live, run, blocks, vision.heads, d)
    live.hold("attended", rows)
    live.drop("joined", "heads", "q", "k", "v", "normed")
    live.hold("attended residual", rows)
    live.drop("attended")
    rms_norm(live, run, n, d, "normed")
    gated_ffn(live, run, n, vision.intermediate_size, d)
    live.drop("normed")
    live.hold("next hidden", rows)
    live.drop("fed", "attended residual", "hidden")
    live.rename("next hidden", "hidden")


def _rotations(live: Live, run: Run, n: int, d: int) -> None:
    """Queries and keys turned in float32, both raised first."""
    wide = n * d * FLOAT32
    if run.narrow:
        live.hold("raised q", wide)
        live.hold("raised k", wide)
    rotation(live, wide, "turned q")
    rotation(live, wide, "turned k")
    if run.narrow:
        for name in ("q", "k"):
            live.hold(f"narrowed {name}", run.rows(n, d))
            live.drop(f"turned {name}")
        live.drop("raised q", "raised k", "q", "k")
        live.rename("narrowed q", "q")
        live.rename("narrowed k", "k")
    else:
        live.drop("q", "k")
        live.rename("turned q", "q")
        live.rename("turned k", "k")


def lean_encoder(
    live: Live, run: Run, n: int, d: int, inner: int, *, gated: bool, out: int, name: str
) -> None:
    """Layers of an encoder on n positions, fused; ``name`` of ``out`` bytes stays."""
    live.hold("hidden", run.rows(n, d))
    live.hold("normed", run.rows(n, d))
    live.hold("queries, keys, values", 3 * run.rows(n, d))
    live.drop("normed")
    live.hold("heads", run.rows(n, d))
    live.drop("queries, keys, values")
    live.hold("attended", run.rows(n, d))
    live.drop("heads", "attended")
    lean_ffn(live, run, n, d, inner, gated=gated)
    live.hold(name, out)
    live.drop("hidden")
