"""From sound to audio tokens: samples, log-mel frames, tokens, for both model families."""

from __future__ import annotations

from omnizip_cost.specs.spec import Family, ThinkerSpec

SAMPLE_RATE_HZ = 16_000
"""Sampling rate of both families' feature extractor (``WhisperFeatureExtractor``)."""
HOP_SAMPLES = 160
"""Samples between log-mel frames (``WhisperFeatureExtractor.hop_length``): 100 frames/s."""
FFT_SAMPLES = 400
"""Length of one analysis window (``WhisperFeatureExtractor.n_fft``)."""
CHUNK_SECONDS = 300
"""``chunk_length`` of Qwen2.5-Omni's feature extractor: sound past it is cut off."""
QWEN3_TOKENS_PER_CHUNK = 13
"""Tokens that three stride-2 convolutions leave of one chunk of 100 mel frames."""


def max_samples(family: Family) -> int | None:
    """Return how many samples reach the model: 300 s in Qwen2.5-Omni, no bound in Qwen3-Omni.

    Qwen2.5-Omni's processor pads and cuts to ``chunk_length``; Qwen3-Omni's is called with
    ``truncation=False``.
    """
    return CHUNK_SECONDS * SAMPLE_RATE_HZ if family == "qwen2.5-omni" else None


def mel_frame_count(samples: int, family: Family) -> int:
    """Count the log-mel frames that ``samples`` of 16 kHz sound give.

    Qwen2.5-Omni pads to 300 s, so that a begun hop counts (ceiling) and 30,000 is the most;
    Qwen3-Omni does not pad, so that only whole hops count (floor), and needs more than half an
    analysis window to reflect at the edges. Source: the attention mask that
    ``WhisperFeatureExtractor`` returns under each processor's arguments.

    >>> mel_frame_count(16_001, "qwen2.5-omni"), mel_frame_count(16_001, "qwen3-omni")
    (101, 100)
    """
    limit = max_samples(family)
    if limit is not None:
        return -(-min(samples, limit) // HOP_SAMPLES)
    return samples // HOP_SAMPLES if samples > FFT_SAMPLES // 2 else 0


def audio_token_count(mel_frames: int, spec: ThinkerSpec) -> int:
    """Count the audio tokens the encoder gives for ``mel_frames`` log-mel frames.

    Qwen2.5-Omni: a stride-2 convolution (a lone last frame counts), then average pooling by 2 (it
    does not): 25 tokens/s. Qwen3-Omni: three stride-2 convolutions inside chunks of
    ``mel_frames_per_chunk`` (100) frames: 13 tokens a chunk, and each begun group of 8 of the rest.

    Examples
    --------
    200 mel frames, 2 s, are 50 tokens in Qwen2.5-Omni and 26 in Qwen3-Omni.
    """
    if spec.family == "qwen2.5-omni":
        return max(0, (mel_frames + 1) // 2 // 2)
    chunk = spec.audio.mel_frames_per_chunk
    chunks, rest = divmod(max(0, mel_frames), chunk)
    return chunks * QWEN3_TOKENS_PER_CHUNK + -(-rest // 8)
