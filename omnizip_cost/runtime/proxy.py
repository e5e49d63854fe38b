"""A stated stand-in for audio scores, from the sound alone."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.workload.lengths import CHUNK_SECONDS, FFT_SAMPLES, SAMPLE_RATE_HZ

_MEL_BINS = 128
"""Mel bins of both encoders' features (``num_mel_bins`` of the published configs)."""


def proxy_scores(waveform: ArrayLike, *, tokens: int) -> torch.Tensor:
    """Stand-in for audio scores where no real encoder weights are at hand.

    The sum of two standardised curves of the log-mel spectrogram, averaged over the frames of
    each token: energy (mean over mel bins) and spectral flux (mean rise since the frame before).
    It is high on onsets and loud passages. It is *not* the attention of Eq. 2, was fitted to
    nothing, and shows where sound is, not what the model attends to: label every output
    ``scores: proxy``.

    Parameters
    ----------
    waveform : array, shape (samples,)
        Mono, 16 kHz, in [-1, 1]; what lies beyond 300 s is not heard, as in the model.
    tokens : int
        N_a, audio tokens of the clip.

    Returns
    -------
    float32 tensor, shape (tokens,)

    Raises
    ------
    InvalidValueError
        A waveform that is not one finite channel, or more tokens than log-mel frames.
    """
    samples = np.asarray(waveform, dtype=np.float32)
    if samples.ndim != 1 or not np.isfinite(samples).all():
        raise InvalidValueError(
            "proxy scores", "waveform", "one channel of finite samples", f"shape {samples.shape}"
        )
    if isinstance(tokens, bool) or not isinstance(tokens, int) or tokens < 0:
        raise InvalidValueError("proxy scores", "tokens", "a whole number, zero or more", tokens)
    if tokens == 0:
        return torch.empty(0)
    mel = _log_mel(samples)
    frames = mel.shape[1]
    if tokens > frames:
        raise InvalidValueError(
            "proxy scores",
            "tokens",
            f"at most {frames}, the log-mel frames of {len(samples) / SAMPLE_RATE_HZ:.2f} s",
            tokens,
        )
    rise = np.diff(mel, axis=1, prepend=mel[:, :1]).clip(min=0)
    curve = _standardised(mel.mean(axis=0)) + _standardised(rise.mean(axis=0))
    edges = np.arange(tokens) * frames // tokens
    sizes = np.diff(edges, append=frames)
    return torch.from_numpy((np.add.reduceat(curve, edges) / sizes).astype(np.float32))


def _log_mel(samples: np.ndarray) -> np.ndarray:
    """Log-mel spectrogram, shape (128, frames), as the audio encoder receives it.

    Sound shorter than one analysis window is padded to it; what lies beyond 300 s is cut off.
    """
    from transformers import WhisperFeatureExtractor

    samples = samples[: CHUNK_SECONDS * SAMPLE_RATE_HZ]
    if len(samples) < FFT_SAMPLES:
        samples = np.pad(samples, (0, FFT_SAMPLES - len(samples)))
    extractor = WhisperFeatureExtractor(feature_size=_MEL_BINS, chunk_length=CHUNK_SECONDS)
    features = extractor(
        samples, sampling_rate=SAMPLE_RATE_HZ, padding="do_not_pad", return_tensors="np"
    )
    mel: np.ndarray = features["input_features"][0].astype(np.float64)
    return mel


def _standardised(curve: np.ndarray) -> np.ndarray:
    spread = float(curve.std())
    centred: np.ndarray = curve - curve.mean()
    return centred / spread if spread > 0 else centred
