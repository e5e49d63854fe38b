"""Witness: every operator that torch dispatches in the stock Qwen2.5-Omni encoders, on the CPU.

By name: as many as listed, the same bytes, the same FLOPs of products and the same other
arithmetic. The encoders read sizes off tensors, so they cannot run on meta.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any

import pytest
import torch
from executed_record import Executed, Sum, differences, listed
from torch.nn.attention import SDPBackend, sdpa_kernel

import omnizip_cost as oz
from omnizip_cost.cost.executed.audio import audio_executed
from omnizip_cost.cost.executed.vision import vision_executed
from omnizip_cost.runtime.modules import find_audio_encoder, find_vision_encoder
from omnizip_cost.units import BYTES_PER_ELEMENT

FUSED = "_scaled_dot_product_flash_attention"
SPEC = oz.load_spec("omni-tiny")


@cache
def _built(dtype: str) -> Any:
    return oz.build_thinker(SPEC, dtype=dtype)


@contextmanager
def _attention(encoder: Any, kind: str) -> Iterator[None]:
    """The encoder with one kind of attention; the fallback of fused attention is asked for."""
    before = encoder.config._attn_implementation
    encoder.config._attn_implementation = "eager" if kind == "eager" else "sdpa"
    try:
        with sdpa_kernel(SDPBackend.MATH) if kind == "math" else nullcontext(), torch.no_grad():
            yield
    finally:
        encoder.config._attn_implementation = before


def _unlike(ours: dict[str, Sum], seen: dict[str, Sum]) -> dict[str, tuple[Sum, Sum]]:
    """Differences, but for the FLOPs of fused attention, for which the CPU has no formula."""
    if FUSED in seen:
        assert seen[FUSED].flops == 0 < ours[FUSED].flops
        seen = {**seen, FUSED: seen[FUSED]._replace(flops=ours[FUSED].flops)}
    return differences(ours, seen)


@pytest.mark.parametrize(
    ("mel_frames", "dtype", "kind"),
    [
        (431, "float32", "sdpa"),
        (431, "bfloat16", "sdpa"),
        (400, "bfloat16", "eager"),
        (431, "float32", "math"),
        (57, "float32", "eager"),
        (5, "float32", "sdpa"),
    ],
)
def test_audio_encoder(mel_frames: int, dtype: str, kind: Any) -> None:
    """A ragged last chunk, whole chunks, less than one."""
    encoder = find_audio_encoder(_built(dtype))
    mel, lengths = torch.randn(SPEC.audio.mel_bins, mel_frames), torch.tensor([mel_frames])
    after = (lengths - 1) // 2 + 1
    with _attention(encoder, kind), Executed() as seen:
        encoder(mel, feature_lens=lengths, aftercnn_lens=after)
    ours = listed(audio_executed(SPEC.audio, mel_frames, kind, BYTES_PER_ELEMENT[dtype]))
    assert not _unlike(ours, seen.sums)


@pytest.mark.parametrize(
    ("grid", "dtype", "kind"),
    [
        ((2, 10, 14), "float32", "sdpa"),
        ((2, 10, 14), "bfloat16", "sdpa"),
        ((1, 8, 16), "bfloat16", "eager"),
        ((2, 6, 10), "float32", "math"),
        ((1, 2, 2), "float32", "eager"),
        ((1, 16, 4), "float32", "sdpa"),
    ],
)
def test_vision_encoder(grid: tuple[int, int, int], dtype: str, kind: Any) -> None:
    """Cut windows and whole ones, several grids and one."""
    encoder, vision = find_vision_encoder(_built(dtype)), SPEC.vision
    patch = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
    pixels, sizes = torch.randn(grid[0] * grid[1] * grid[2], patch), torch.tensor([grid])
    with _attention(encoder, kind), Executed() as seen:
        encoder(pixels, grid_thw=sizes)
    ours = listed(vision_executed(vision, grid, kind, BYTES_PER_ELEMENT[dtype]))
    assert not _unlike(ours, seen.sums)
