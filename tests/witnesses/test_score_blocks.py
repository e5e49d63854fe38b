"""Witness: the blocks in which the real audio encoders attend, and what scoring them multiplies."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers.models.qwen2_5_omni import modeling_qwen2_5_omni as qwen25
from transformers.models.qwen2_5_omni.configuration_qwen2_5_omni import (
    Qwen2_5OmniAudioEncoderConfig,
)
from transformers.models.qwen3_omni_moe import modeling_qwen3_omni_moe as qwen3
from transformers.models.qwen3_omni_moe.configuration_qwen3_omni_moe import (
    Qwen3OmniMoeAudioEncoderConfig,
)

import omnizip_cost as oz
from omnizip_cost.cost import selection_ops
from omnizip_cost.cost.encoders import attention_blocks
from omnizip_cost.runtime.scores import ScoreTap
from omnizip_cost.specs import ThinkerSpec

SMALL: dict[str, Any] = {
    "num_mel_bins": 8,
    "d_model": 32,
    "encoder_layers": 1,
    "encoder_attention_heads": 4,
    "encoder_ffn_dim": 32,
    "output_dim": 24,
}


def _encoders() -> dict[str, tuple[ThinkerSpec, Any]]:
    """Both families' encoders at width 32, with the blocks of the released ones."""
    built = {}
    for name in ("qwen2.5-omni-7b", "qwen3-omni-30b-a3b"):
        spec = oz.load_spec(name)
        small = replace(spec.audio, layers=1, hidden_size=32, heads=4, mel_bins=8)
        chunk, block = small.mel_frames_per_chunk, small.mel_frames_per_block
        encoder: Any
        if spec.family == "qwen2.5-omni":
            encoder = qwen25.Qwen2_5OmniAudioEncoder(
                Qwen2_5OmniAudioEncoderConfig(**SMALL, n_window=chunk // 2)
            )
        else:
            encoder = qwen3.Qwen3OmniMoeAudioEncoder(
                Qwen3OmniMoeAudioEncoderConfig(
                    **SMALL, n_window=chunk // 2, n_window_infer=block, downsample_hidden_size=4
                )
            )
        built[name] = replace(spec, audio=small), encoder.eval()
    return built


@pytest.fixture(scope="module")
def encoders() -> dict[str, tuple[ThinkerSpec, Any]]:
    return _encoders()


@pytest.mark.parametrize("mode", ["paper", "official"])
@pytest.mark.parametrize("frames", [7, 99, 100, 101, 200, 450, 800, 801, 1_999])
@pytest.mark.parametrize("name", ["qwen2.5-omni-7b", "qwen3-omni-30b-a3b"])
def test_blocks_and_products(
    encoders: dict[str, tuple[ThinkerSpec, Any]], name: str, frames: int, mode: Any
) -> None:
    spec, encoder = encoders[name]
    with ScoreTap(encoder, mode=mode) as tap, torch.no_grad():
        lengths = torch.tensor([frames])
        named = {"aftercnn_lens": (lengths - 1) // 2 + 1} if "2.5" in name else {}
        encoder(torch.randn(8, frames), feature_lens=lengths, **named)
        assert tap._boundaries is not None
        assert attention_blocks(spec.audio, frames) == tap._boundaries.diff().tolist()
        with FlopCounterMode(display=False) as counter:
            scores = tap.scores
    assert scores is not None
    work = oz.workload(spec, seconds=frames / 100, pixels=None) if frames > 50 else None
    if work is None:
        return
    assert len(scores) == work.audio_tokens
    plan = oz.plan("omnizip", work, spec, retained=0.5, mode=mode)
    ops = selection_ops(spec, plan)
    assert ops is not None
    (stated,) = [op.multiply_adds for op in ops if op.name == "audio scores"]
    assert counter.get_total_flops() == 2 * stated
