"""Witness: tensors that are alive in the stock encoders, at full width, on the CPU.

Run for real, with two layers: no tensor of one layer outlives the next. Whole numbers, such as
the places of windows, are what the estimate leaves out: less than a thousandth.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from live_tensors import LiveTensors
from narrow_thinker import built, few_layers

from omnizip_cost.cost.encoders import attention_blocks
from omnizip_cost.cost.formats import Formats
from omnizip_cost.cost.memory.encoders import stock_audio, stock_vision
from omnizip_cost.cost.memory.live import Live
from omnizip_cost.cost.memory.run import Run
from omnizip_cost.runtime.modules import find_audio_encoder, find_vision_encoder

MODEL = "qwen2.5-omni-3b"
CASES = pytest.mark.parametrize(
    ("attention", "dtype"),
    [("sdpa", "bfloat16"), ("eager", "bfloat16"), ("sdpa", "float32")],
)


def _encoder(find: Any, dtype: str, attention: str) -> Any:
    """One real encoder on the CPU; the rest of the thinker stays without numbers."""
    encoder = find(built(MODEL, dtype, attention)).to_empty(device="cpu")
    for parameter in encoder.parameters():
        parameter.data.fill_(0.01)
    return encoder


def _peak(module: Any, *given: torch.Tensor, **more: torch.Tensor) -> int:
    with torch.no_grad(), LiveTensors("cpu") as live:
        module(*[tensor.clone() for tensor in given], **more)
        return live.peak


@CASES
@pytest.mark.parametrize("mel_frames", [150, 330])
def test_audio(attention: str, dtype: str, mel_frames: int) -> None:
    encoder = _encoder(find_audio_encoder, dtype, attention)
    encoder.positional_embedding.positional_embedding.fill_(0.0)
    frames = torch.zeros(128, mel_frames, dtype=getattr(torch, dtype))
    seen = _peak(encoder, frames, feature_lens=torch.tensor([mel_frames]))
    live = Live()
    run = Run.of(f"hf-{attention}", Formats.of(dtype))
    stock_audio(live, run, few_layers(MODEL).audio, mel_frames, tapped=False)
    assert sum(live.peak.values()) == pytest.approx(seen, rel=1e-3)
    assert sum(attention_blocks(few_layers(MODEL).audio, mel_frames)) == mel_frames // 2


@CASES
@pytest.mark.parametrize("grid", [(1, 16, 20), (2, 6, 10)])
def test_vision(attention: str, dtype: str, grid: tuple[int, int, int]) -> None:
    encoder = _encoder(find_vision_encoder, dtype, attention)
    encoder.rotary_pos_emb.inv_freq.fill_(0.1)
    pixels = torch.zeros(grid[0] * grid[1] * grid[2], 3 * 2 * 14 * 14).to(getattr(torch, dtype))
    seen = _peak(encoder, pixels, grid_thw=torch.tensor([grid]))
    live = Live()
    live.hold("pixels given", pixels.nbytes)
    run = Run.of(f"hf-{attention}", Formats.of(dtype))
    stock_vision(live, run, few_layers(MODEL).vision, grid)
    assert sum(live.peak.values()) == pytest.approx(seen, rel=1e-3)
