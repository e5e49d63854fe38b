"""What the encoders are given: patches of frames and log-mel frames of sound."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.specs.spec import ThinkerSpec, VisionEncoderSpec
from omnizip_cost.workload.lengths import (
    CHUNK_SECONDS,
    FFT_SAMPLES,
    HOP_SAMPLES,
    SAMPLE_RATE_HZ,
    max_samples,
    mel_frame_count,
)
from omnizip_cost.workload.video import grid_count

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
"""Channel means (red, green, blue) of OpenAI's CLIP, with which both families normalise frames."""
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
"""Channel standard deviations, same source."""


def patches(
    frames: NDArray[np.uint8], vision: VisionEncoderSpec, dtype: torch.dtype
) -> tuple[torch.Tensor, tuple[int, int, int]]:
    """Cut resized frames into the vision encoder's rows of pixels.

    Patches that are merged into one token stand next to each other, as the encoder expects: grid
    by grid, and in each grid merge block by merge block. A row holds channels, then the frames of
    the temporal patch, then rows and columns of pixels. An odd last frame is repeated. One grid is
    normalised at a time, so that no float copy of the whole clip is made.

    Parameters
    ----------
    frames : (F, H, W, 3) uint8, H and W multiples of patch size times merge size

    Returns
    -------
    ((grids * H/p * W/p, 3 * temporal * p * p) tensor of ``dtype``, (grids, H/p, W/p))
    """
    count, height, width, channels = frames.shape
    if height % vision.pixels_per_token or width % vision.pixels_per_token:
        raise InvalidValueError(
            "clip",
            "frames",
            f"of sides that {vision.pixels_per_token} divides",
            f"{height}x{width}",
            "decode the clip for this model",
        )
    depth, side, merge = vision.temporal_patch_size, vision.patch_size, vision.merge_size
    grid = grid_count(count, depth), height // side, width // side
    rows = torch.empty((grid[0], grid[1] * grid[2], channels * depth * side * side), dtype=dtype)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (CLIP_MEAN, CLIP_STD))
    for index in range(grid[0]):
        numbers = [min(index * depth + step, count - 1) for step in range(depth)]
        pixels = torch.from_numpy(np.ascontiguousarray(frames[numbers])).permute(0, 3, 1, 2)
        blocks = ((pixels / 255 - mean) / std).reshape(
            depth, channels, grid[1] // merge, merge, side, grid[2] // merge, merge, side
        )
        rows[index] = blocks.permute(2, 5, 3, 6, 1, 0, 4, 7).reshape(rows.shape[1:])
    return rows.flatten(0, 1), grid


def log_mel(waveform: NDArray[np.float32], spec: ThinkerSpec) -> torch.Tensor:
    """Log-mel frames of 16 kHz sound, only those that hold sound.

    ``WhisperFeatureExtractor`` with the model's number of bins and chunks of 300 s. Qwen2.5-Omni's
    processor pads with silence up to 300 s; here only as much is added as the last frames reach
    into, which gives the same values.

    Returns
    -------
    (mel bins, mel frames) float32
    """
    from transformers import WhisperFeatureExtractor

    extractor = WhisperFeatureExtractor(
        feature_size=spec.audio.mel_bins,
        sampling_rate=SAMPLE_RATE_HZ,
        hop_length=HOP_SAMPLES,
        chunk_length=CHUNK_SECONDS,
        n_fft=FFT_SAMPLES,
    )
    frames = mel_frame_count(waveform.shape[0], spec.family)
    limit = max_samples(spec.family)
    if limit is not None:
        length = min(limit, frames * HOP_SAMPLES + FFT_SAMPLES)
        waveform = np.pad(waveform[:length], (0, max(0, length - waveform.shape[0])))
    features = extractor(
        waveform,
        sampling_rate=SAMPLE_RATE_HZ,
        padding="longest",
        truncation=False,
        return_tensors="pt",
    )
    mel: torch.Tensor = features["input_features"][0, :, :frames].float()
    return mel
