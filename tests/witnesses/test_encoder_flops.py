"""Witness: torch's counter on the real Qwen2.5-Omni encoders, small widths, math backend.

The encoders read sizes off tensors, so they cannot run on meta; on the CPU the counter sees
attention only through the math backend.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import Qwen2_5OmniThinkerConfig, Qwen2_5OmniThinkerForConditionalGeneration

import omnizip_cost as oz
from omnizip_cost.cost import CostRow
from omnizip_cost.runtime.modules import find_audio_encoder, find_vision_encoder
from omnizip_cost.specs import ThinkerSpec


@pytest.fixture(scope="module")
def tiny() -> tuple[ThinkerSpec, Any]:
    spec = oz.load_spec("omni-tiny")
    config = Qwen2_5OmniThinkerConfig(**dict(spec.config))
    return spec, Qwen2_5OmniThinkerForConditionalGeneration(config).eval()


def _counted(run: Any) -> int:
    with (
        sdpa_kernel(SDPBackend.MATH),
        FlopCounterMode(display=False) as counter,
        torch.no_grad(),
    ):
        run()
    return int(counter.get_total_flops())


def _component(rows: list[CostRow], name: str) -> int:
    return next(row.flops for row in rows if row.component == name)


@pytest.mark.parametrize("mel_frames", [4, 57, 199, 200, 201, 399, 400, 731])
def test_audio_encoder(tiny: tuple[ThinkerSpec, Any], mel_frames: int) -> None:
    """Whole blocks, ragged last blocks, less than one block."""
    spec, thinker = tiny
    encoder = find_audio_encoder(thinker)
    mel = torch.randn(spec.audio.mel_bins, mel_frames)
    lengths = torch.tensor([mel_frames])

    def run() -> None:
        encoder(mel, feature_lens=lengths, aftercnn_lens=(lengths - 1) // 2 + 1)

    from omnizip_cost.cost import audio_encoder_ops

    ours = sum(2 * op.multiply_adds for op in audio_encoder_ops(spec.audio, mel_frames))
    assert _counted(run) == ours


@pytest.mark.parametrize(
    "grid", [(1, 2, 2), (1, 8, 8), (2, 8, 16), (3, 10, 14), (2, 18, 32), (1, 34, 20)]
)
def test_vision_encoder(tiny: tuple[ThinkerSpec, Any], grid: tuple[int, int, int]) -> None:
    """Whole and cut windows of 8 x 8 patches, several temporal grids."""
    spec, thinker = tiny
    vision = spec.vision
    encoder = find_vision_encoder(thinker)
    patches = grid[0] * grid[1] * grid[2]
    width = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2

    def run() -> None:
        encoder(torch.randn(patches, width), grid_thw=torch.tensor([grid]))

    from omnizip_cost.cost import vision_encoder_ops

    ours = sum(2 * op.multiply_adds for op in vision_encoder_ops(vision, grid))
    assert _counted(run) == ours


def test_rows_carry_the_encoders_for_a_clip_and_not_for_a_bare_count() -> None:
    spec = oz.load_spec("qwen2.5-omni-7b")
    work = oz.workload(spec, seconds=10, pixels=(252, 448))
    plan = oz.plan("full", work, spec)
    rows = oz.count(spec, plan, "torch", workload=work)
    assert _component(rows, "audio_encoder") > 0
    assert _component(rows, "vision_encoder") > _component(rows, "audio_encoder")
    assert {row.component for row in oz.count(spec, plan, "eq9", workload=work)} == {"llm"}
    bare = oz.bare_workload(100)
    rows = oz.count(spec, oz.plan("full", bare, spec), "torch", workload=bare)
    assert {row.component for row in rows} == {"llm", "lm_head"}
