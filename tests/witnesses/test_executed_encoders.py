"""Witness: every operator that torch dispatches in the stock encoders of both families, on the CPU.

By name: as many as listed, the same bytes, the same FLOPs of products and the same other
arithmetic. Small widths; sounds and grids that fit whole blocks and windows, and that do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any

import pytest
import torch
from encoder_modules import Encoders, small_encoders
from executed_record import Executed, Sum, differences, listed
from torch.nn.attention import SDPBackend, sdpa_kernel

from omnizip_cost.cost.executed.audio import audio_executed
from omnizip_cost.cost.executed.qwen3_audio import qwen3_audio_executed
from omnizip_cost.cost.executed.qwen3_vision import qwen3_vision_executed
from omnizip_cost.cost.executed.vision import vision_executed
from omnizip_cost.units import BYTES_PER_ELEMENT

FUSED = "_scaled_dot_product_flash_attention"


@cache
def _built(family: str, dtype: str, *changes: tuple[str, Any]) -> Encoders:
    parts: dict[str, dict[str, Any]] = {"audio": {}, "vision": {}}
    for name, value in changes:
        part, key = name.split(".")
        parts[part][key] = value
    encoders = small_encoders(family, **parts)
    for encoder in (encoders.audio, encoders.vision):
        tables = dict(encoder.named_buffers())
        encoder.to(getattr(torch, dtype))
        for name, table in tables.items():  # those of a loaded model stay float32
            owner, _, last = name.rpartition(".")
            setattr(encoder.get_submodule(owner), last, table)
    return encoders


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
    ("family", "mel_frames", "dtype", "kind", "changes"),
    [
        ("qwen2.5-omni", 431, "float32", "sdpa", ()),
        ("qwen2.5-omni", 431, "bfloat16", "sdpa", ()),
        ("qwen2.5-omni", 400, "bfloat16", "eager", ()),
        ("qwen2.5-omni", 210, "float16", "sdpa", ()),
        ("qwen2.5-omni", 431, "float32", "math", ()),
        ("qwen2.5-omni", 57, "float32", "eager", ()),
        ("qwen2.5-omni", 5, "float32", "sdpa", ()),
        ("qwen2.5-omni", 31, "float32", "sdpa", (("audio.n_window", 7),)),
        ("qwen3-omni", 931, "float32", "sdpa", ()),
        ("qwen3-omni", 800, "bfloat16", "eager", ()),
        ("qwen3-omni", 57, "bfloat16", "sdpa", ()),
        ("qwen3-omni", 57, "float16", "sdpa", ()),
        ("qwen3-omni", 3, "float32", "sdpa", ()),
        ("qwen3-omni", 431, "float32", "math", (("audio.conv_chunksize", 2),)),
    ],
)
def test_audio_encoder(
    family: str, mel_frames: int, dtype: str, kind: Any, changes: tuple[tuple[str, Any], ...]
) -> None:
    """A ragged last chunk, whole chunks, less than one; convolutions in batches."""
    built = _built(family, dtype, *changes)
    lengths = torch.tensor([mel_frames])
    mel = torch.zeros(built.spec.audio.mel_bins, mel_frames)
    with _attention(built.audio, kind), Executed() as seen:
        built.audio(mel, feature_lens=lengths)
    width, half = BYTES_PER_ELEMENT[dtype], dtype == "float16"
    if family == "qwen2.5-omni":
        ours = listed(audio_executed(built.spec.audio, mel_frames, kind, width, clamped=half))
    else:
        assert built.spec.audio.chunks_at_once == dict(changes).get("audio.conv_chunksize", 500)
        ours = listed(qwen3_audio_executed(built.spec.audio, mel_frames, kind, width, clamped=half))
    assert not _unlike(ours, seen.sums)


@pytest.mark.parametrize(
    ("family", "grid", "dtype", "kind", "changes"),
    [
        ("qwen2.5-omni", (2, 10, 14), "float32", "sdpa", ()),
        ("qwen2.5-omni", (2, 10, 14), "bfloat16", "sdpa", ()),
        ("qwen2.5-omni", (1, 8, 16), "bfloat16", "eager", ()),
        ("qwen2.5-omni", (2, 6, 10), "float32", "math", ()),
        ("qwen2.5-omni", (1, 2, 2), "float32", "eager", ()),
        ("qwen2.5-omni", (1, 16, 4), "float32", "sdpa", ()),
        ("qwen2.5-omni", (1, 6, 4), "float32", "sdpa", (("vision.window_size", 28),)),
        ("qwen3-omni", (2, 6, 8), "float32", "sdpa", ()),
        ("qwen3-omni", (2, 6, 8), "bfloat16", "sdpa", ()),
        ("qwen3-omni", (1, 4, 2), "bfloat16", "eager", ()),
    ],
)
def test_vision_encoder(
    family: str,
    grid: tuple[int, int, int],
    dtype: str,
    kind: Any,
    changes: tuple[tuple[str, Any], ...],
) -> None:
    """Cut windows and whole ones, several grids and one, deepstack."""
    built = _built(family, dtype, *changes)
    vision = built.spec.vision
    patch = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
    pixels, sizes = torch.zeros(grid[0] * grid[1] * grid[2], patch), torch.tensor([grid])
    with _attention(built.vision, kind), Executed() as seen:
        built.vision(pixels, grid_thw=sizes)
    run = vision_executed if family == "qwen2.5-omni" else qwen3_vision_executed
    ours = listed(run(vision, grid, kind, BYTES_PER_ELEMENT[dtype]))
    assert not _unlike(ours, seen.sums)
