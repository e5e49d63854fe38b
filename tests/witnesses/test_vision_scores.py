"""Vision scores equal those made by hand from the attention weights of the real encoders."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import AttentionInterface
from transformers.models.qwen2_5_omni import modeling_qwen2_5_omni as qwen25
from transformers.models.qwen2_5_omni.configuration_qwen2_5_omni import (
    Qwen2_5OmniVisionEncoderConfig,
)
from transformers.models.qwen3_omni_moe import modeling_qwen3_omni_moe as qwen3
from transformers.models.qwen3_omni_moe.configuration_qwen3_omni_moe import (
    Qwen3OmniMoeVisionEncoderConfig,
)

from omnizip_cost.errors import UnsupportedModelError
from omnizip_cost.runtime.selection import rows
from omnizip_cost.runtime.vision_scores import VisionScoreTap, window_order

PATCH, MERGE = 14, 2
WEIGHTS: list[tuple[nn.Module, torch.Tensor]] = []
CLIPS = {
    "one square grid": [(1, 8, 8)],
    "partial windows at both edges": [(3, 10, 14)],
    "a grid smaller than a window": [(2, 2, 6)],
    "several videos": [(2, 10, 14), (1, 2, 2), (3, 8, 18)],
}


def recording(module: nn.Module, query: Any, key: Any, value: Any, *args: Any, **kwargs: Any):
    """The library's own eager attention, its weights noted down."""
    out, weights = qwen25.eager_attention_forward(module, query, key, value, *args, **kwargs)
    WEIGHTS.append((module, weights[0]))
    return out, weights


AttentionInterface.register("recording-vision", recording)


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    WEIGHTS.clear()
    yield
    WEIGHTS.clear()


def qwen25_encoder(full_attention: list[int]) -> nn.Module:
    torch.manual_seed(0)
    config = Qwen2_5OmniVisionEncoderConfig(
        depth=2,
        hidden_size=48,
        num_heads=4,
        intermediate_size=32,
        out_hidden_size=24,
        patch_size=PATCH,
        fullatt_block_indexes=full_attention,
        window_size=112,
    )
    return sharpened(qwen25.Qwen2_5OmniVisionEncoder(config))


def qwen3_encoder() -> nn.Module:
    torch.manual_seed(0)
    config = Qwen3OmniMoeVisionEncoderConfig(
        depth=2,
        hidden_size=48,
        num_heads=4,
        intermediate_size=32,
        out_hidden_size=24,
        patch_size=PATCH,
        num_position_embeddings=16,
        deepstack_visual_indexes=[0],
    )
    return sharpened(qwen3.Qwen3OmniMoeVisionEncoder(config))


def sharpened(encoder: nn.Module) -> nn.Module:
    """Weights large enough that attention is far from uniform."""
    encoder.config._attn_implementation = "recording-vision"
    with torch.no_grad():
        for name, weight in encoder.named_parameters():
            if any(part in name for part in (".attn.q.", ".attn.k.", ".attn.qkv.")):
                weight.copy_(torch.randn(weight.shape) * 0.4)
    return encoder.eval()


ENCODERS = {
    "qwen2.5": qwen25_encoder([1]),
    "qwen2.5, last layer in windows": qwen25_encoder([0]),
    "qwen3": qwen3_encoder(),
}


def look(encoder: nn.Module, videos: list[tuple[int, int, int]], **named: Any) -> torch.Tensor:
    """Run the encoder on noise; return its tokens in prompt order."""
    count = sum(t * h * w for t, h, w in videos)
    pixels = torch.randn(count, 3 * 2 * PATCH**2, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return encoder(
            pixels.to(encoder.dtype), grid_thw=torch.tensor(videos), **named
        ).pooler_output


def by_hand(
    encoder: nn.Module, videos: list[tuple[int, int, int]]
) -> tuple[np.ndarray, torch.Tensor]:
    """Scores in prompt order from recorded weights, and the tokens.

    Where a token of the encoder's order stands in the prompt is read off the rows that its own
    merger gives: they are the same rows, in another order.
    """
    merged: list[torch.Tensor] = []
    handle = encoder.merger.register_forward_hook(
        lambda module, args, output: merged.append(output.detach())
    )
    tokens = look(encoder, videos)
    handle.remove()
    last = encoder.blocks[-1].attn
    blocks = [weights.double().numpy() for module, weights in WEIGHTS if module is last]
    received = np.concatenate([block.mean(axis=0).sum(axis=0) for block in blocks])
    queries = np.concatenate([np.full(t * h * w, h * w) for t, h, w in videos])
    per_token = (received / queries).reshape(-1, MERGE**2).mean(axis=1)
    equal = (merged[0][:, None] == tokens[None]).all(dim=2).numpy()
    assert (equal.sum(axis=0) == 1).all()
    assert (equal.sum(axis=1) == 1).all()
    return per_token[equal.argmax(axis=0)], tokens


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("name", ENCODERS)
def test_scores_equal_the_recorded_weights(name: str, clip: str) -> None:
    encoder, videos = ENCODERS[name], CLIPS[clip]
    expected, tokens = by_hand(encoder, videos)
    with VisionScoreTap(encoder) as tap:
        again = look(encoder, videos)
    scores = tap.scores
    assert scores is not None
    assert torch.equal(again, tokens)
    assert scores.shape == (len(tokens),)
    np.testing.assert_allclose(scores, expected, rtol=1e-6, atol=1e-6 * expected.mean())
    assert float(scores.std(correction=0)) > 0.05 * float(scores.mean()) or len(scores) < 4


@pytest.mark.parametrize("name", ENCODERS)
def test_scores_of_each_grid_average_one_over_its_patches(name: str) -> None:
    """Every query spends 1: closed form, whatever the weights."""
    encoder = ENCODERS[name]
    with VisionScoreTap(encoder) as tap:
        look(encoder, CLIPS["several videos"])
    assert tap.scores is not None
    start = 0
    for grids, height, width in CLIPS["several videos"]:
        for _ in range(grids):
            stop = start + height * width // MERGE**2
            assert float(tap.scores[start:stop].mean()) == pytest.approx(
                1 / (height * width), rel=1e-5
            )
            start = stop
    assert start == len(tap.scores)


def test_the_encoders_do_attend_where_the_cases_say() -> None:
    """The full last layer sees a grid as one block, the windowed one as several."""
    look(ENCODERS["qwen2.5"], [(3, 10, 14)])
    full = [w.shape[-1] for module, w in WEIGHTS if module is ENCODERS["qwen2.5"].blocks[-1].attn]
    WEIGHTS.clear()
    windowed = ENCODERS["qwen2.5, last layer in windows"]
    look(windowed, [(3, 10, 14)])
    parts = [w.shape[-1] for module, w in WEIGHTS if module is windowed.blocks[-1].attn]
    assert full == [140] * 3
    assert parts == [64, 48, 16, 12] * 3


@pytest.mark.parametrize("backend", ["eager", "sdpa"])
def test_the_backend_does_not_matter(backend: str) -> None:
    encoder, videos = ENCODERS["qwen2.5"], CLIPS["several videos"]
    expected, _ = by_hand(encoder, videos)
    encoder.config._attn_implementation = backend
    try:
        with VisionScoreTap(encoder) as tap:
            look(encoder, videos)
    finally:
        encoder.config._attn_implementation = "recording-vision"
    np.testing.assert_allclose(tap.scores, expected, rtol=1e-5, atol=1e-8)


def test_half_types_are_scored_in_float32() -> None:
    """Against the recorded float32 softmax of the same bfloat16 encoder."""
    encoder = qwen25_encoder([1]).bfloat16()
    expected, _ = by_hand(encoder, [(2, 10, 14)])
    with VisionScoreTap(encoder) as tap:
        look(encoder, [(2, 10, 14)])
    assert tap.scores is not None
    assert tap.scores.dtype == torch.float32
    np.testing.assert_allclose(tap.scores, expected, rtol=0.05)


def test_window_order_given_by_the_caller_is_followed() -> None:
    """A caller may hand the encoder its own order: here whole grids from back to front."""
    encoder = ENCODERS["qwen2.5"]
    videos = [(1, 8, 12)]
    own = {
        "window_index": torch.arange(24).flip(0),
        "cu_window_seqlens": torch.tensor([0, 96], dtype=torch.int32),
    }
    with VisionScoreTap(encoder) as tap:
        look(encoder, videos, **own)
    received = np.concatenate(
        [w.double().numpy().mean(axis=(0, 1)) for m, w in WEIGHTS if m is encoder.blocks[-1].attn]
    )
    np.testing.assert_allclose(tap.scores, received.reshape(-1, 4).mean(axis=1)[::-1], rtol=1e-5)


@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.integers(1, 13), st.integers(1, 13)),
        min_size=1,
        max_size=3,
    ),
    st.integers(1, 5),
)
def test_window_order_visits_each_window_row_by_row(
    grids: list[tuple[int, int, int]], window: int
) -> None:
    expected: list[int] = []
    first = 0
    for count, height, width in grids:
        for grid in range(count):
            for top in range(0, height, window):
                for left in range(0, width, window):
                    expected += [
                        first + (grid * height + row) * width + column
                        for row in range(top, min(top + window, height))
                        for column in range(left, min(left + window, width))
                    ]
        first += count * height * width
    patches = [(t, MERGE * h, MERGE * w) for t, h, w in grids]
    assert window_order(patches, merge=MERGE, window=window).tolist() == expected


class Largest(TorchDispatchMode):
    """Elements of the largest tensor that any operation returns."""

    elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(tensor, torch.Tensor):
                self.elements = max(self.elements, tensor.numel())
        return out


def test_memory_is_linear_in_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the clip, no temporary exceeds a block, and chunks of queries change nothing."""
    encoder, videos = ENCODERS["qwen2.5"], [(6, 10, 14)]
    expected, tokens = by_hand(encoder, videos)
    monkeypatch.setattr(rows, "BLOCK_ELEMENTS", 10_000)
    with VisionScoreTap(encoder) as tap:
        look(encoder, videos)
    with Largest() as seen:
        scores = tap.scores
    np.testing.assert_allclose(scores, expected, rtol=1e-6, atol=1e-9)
    states = 2 * 4 * len(tokens) * 48
    assert seen.elements <= max(10_000, states)
    assert seen.elements < 4 * (6 * 140) ** 2 / 10


def test_leaving_the_block_removes_every_hook_and_clear_forgets() -> None:
    encoder = ENCODERS["qwen2.5"]
    with VisionScoreTap(encoder) as tap:
        assert tap.scores is None
        look(encoder, [(1, 8, 8)])
        first = tap.scores
        look(encoder, [(2, 8, 8)])
    assert first is not None
    assert tap.scores is not None
    assert (len(first), len(tap.scores)) == (16, 32)
    tap.clear()
    assert tap.scores is None
    for module in encoder.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks


def test_another_module_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="no vision encoder"):
        VisionScoreTap(nn.Linear(2, 2))
