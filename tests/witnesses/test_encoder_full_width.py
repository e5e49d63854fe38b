"""Witness: torch's counter on the released encoders at full width, on meta.

On meta a tensor has no values to read lengths from. The encoders take whatever depends on values
ready made (``cu_seqlens``, ``valid_indices``, ...), so transformers' own functions work it out from
lengths on the CPU, and only the weights and activations are on meta: no memory, every shape.
"""

from __future__ import annotations

import copy
from importlib import import_module
from math import prod
from typing import Any

import pytest
import torch
from encoder_modules import CONFIGS
from torch.utils.flop_counter import FlopCounterMode

import omnizip_cost as oz
from omnizip_cost.cost import audio_encoder_ops, vision_encoder_ops
from omnizip_cost.runtime.modules import part_class
from omnizip_cost.specs import ThinkerSpec, require_thinker

META = "meta"


@pytest.fixture(scope="module", params=["qwen2.5-omni-7b", "qwen3-omni-30b-a3b"])
def spec(request: pytest.FixtureRequest) -> ThinkerSpec:
    return require_thinker(oz.load_spec(request.param))


def test_audio_encoder_on_blocks_and_a_ragged_last_one(spec: ThinkerSpec) -> None:
    mel_frames = 937
    encoder, functions = _on_meta(spec, "audio_encoder")
    lengths, n_window = torch.tensor([mel_frames]), encoder.n_window
    shape = torch.empty(spec.audio.mel_bins, mel_frames)
    padded, chunks = functions.chunk_and_pad_features(shape, lengths, n_window)
    if spec.family == "qwen2.5-omni":
        given = {
            "cu_seqlens": functions.get_audio_cu_seqlens(chunks),
            "valid_indices": functions.get_valid_indices(chunks).to(META),
            "pool_indices": functions.get_pool_indices(lengths).to(META),
        }
    else:
        blocks = functions.get_audio_cu_seqlens(chunks, lengths, encoder.n_window_infer, n_window)
        given = {
            "cu_seqlens": blocks,
            "valid_indices": functions.get_valid_indices(chunks, n_window).to(META),
        }
    given |= {"padded_feature": padded.to(META), "chunk_lengths": chunks.to(META)}
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        encoder(shape.to(META), feature_lens=lengths, **given)
    ours = sum(2 * op.multiply_adds for op in audio_encoder_ops(spec.audio, mel_frames))
    assert counter.get_total_flops() == ours


def test_vision_encoder_on_windows_cut_on_both_sides(spec: ThinkerSpec) -> None:
    encoder, functions = _on_meta(spec, "vision_encoder")
    vision = spec.vision
    grid_thw = (1, 10, 18)
    grid = torch.tensor([grid_thw])
    positions = functions.get_vision_position_ids(grid, vision.merge_size)
    given = {
        "cu_seqlens": functions.get_vision_attention_seqlens(grid, encoder.config)[0],
        "position_ids": positions.to(META),
    }
    if spec.family == "qwen2.5-omni":
        order, windows = functions.get_vision_window_index(
            grid, vision.merge_size, encoder.window_size, vision.patch_size
        )
        given |= {"window_index": order.to(META), "cu_window_seqlens": windows}
    else:
        indices, weights = functions.get_vision_interpolation_indices_and_weights(
            grid, encoder.num_grid_per_side, spatial_merge_size=vision.merge_size
        )
        given |= {"interp_indices": indices.to(META), "interp_weights": weights.to(META)}
    width = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
    pixels = torch.empty(prod(grid_thw), width, device=META)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        encoder(pixels, grid_thw=grid, **given)
    ours = sum(2 * op.multiply_adds for op in vision_encoder_ops(vision, grid_thw))
    assert counter.get_total_flops() == ours


def _on_meta(spec: ThinkerSpec, part: Any) -> tuple[Any, Any]:
    """The released encoder without weights, and the transformers module it comes from."""
    whole = CONFIGS[spec.family](**copy.deepcopy(dict(spec.config)))
    config = whole.audio_config if part == "audio_encoder" else whole.vision_config
    encoder_class: Any = part_class(spec.family, part)
    with torch.device(META):
        encoder = encoder_class._from_config(config)
    return encoder.eval(), import_module(encoder_class.__module__)
