"""Audio scores equal those made by hand from the attention weights of the real encoders."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import AttentionInterface
from transformers.models.qwen2_5_omni import modeling_qwen2_5_omni as qwen25
from transformers.models.qwen2_5_omni.configuration_qwen2_5_omni import (
    Qwen2_5OmniAudioEncoderConfig,
)
from transformers.models.qwen3_omni_moe import modeling_qwen3_omni_moe as qwen3
from transformers.models.qwen3_omni_moe.configuration_qwen3_omni_moe import (
    Qwen3OmniMoeAudioEncoderConfig,
)

from omnizip_cost.errors import InvalidValueError, UnknownNameError, UnsupportedModelError
from omnizip_cost.runtime.scores import ScoreTap, audio_scores, proxy_scores
from omnizip_cost.runtime.selection import rows

MEL = 16
WEIGHTS: list[tuple[nn.Module, torch.Tensor]] = []


def recording(module: nn.Module, query: Any, key: Any, value: Any, *args: Any, **kwargs: Any):
    """The library's own eager attention, its weights noted down."""
    out, weights = qwen25.eager_attention_forward(module, query, key, value, *args, **kwargs)
    WEIGHTS.append((module, weights[0]))
    return out, weights


AttentionInterface.register("recording", recording)


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    WEIGHTS.clear()
    yield
    WEIGHTS.clear()


@pytest.fixture(scope="module")
def encoder() -> nn.Module:
    torch.manual_seed(0)
    config = Qwen2_5OmniAudioEncoderConfig(
        num_mel_bins=MEL,
        d_model=32,
        encoder_layers=2,
        encoder_attention_heads=4,
        encoder_ffn_dim=32,
        output_dim=24,
    )
    return sharpen(qwen25.Qwen2_5OmniAudioEncoder(config))


@pytest.fixture(scope="module")
def encoder3() -> nn.Module:
    torch.manual_seed(0)
    config = Qwen3OmniMoeAudioEncoderConfig(
        num_mel_bins=MEL,
        d_model=32,
        encoder_layers=2,
        encoder_attention_heads=4,
        encoder_ffn_dim=32,
        output_dim=24,
        downsample_hidden_size=4,
        n_window=50,
        n_window_infer=200,
    )
    return sharpen(qwen3.Qwen3OmniMoeAudioEncoder(config))


def sharpen(encoder: nn.Module) -> nn.Module:
    """Weights large enough that attention is far from uniform."""
    encoder.config._attn_implementation = "recording"
    with torch.no_grad():
        for name, weight in encoder.named_parameters():
            if "q_proj" in name or "k_proj" in name:
                weight.copy_(torch.randn(weight.shape))
    return encoder.eval()


def listen(encoder: nn.Module, *frames: int, **named: Any) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    mel = torch.randn(MEL, sum(frames), generator=generator)
    with torch.no_grad():
        return encoder(mel, feature_lens=torch.tensor(frames), **named).last_hidden_state


def last_layer_blocks(encoder: nn.Module) -> list[np.ndarray]:
    """Weights (h, n, n) of each block of the last layer."""
    return [
        weights.double().numpy()
        for module, weights in WEIGHTS
        if module is encoder.layers[-1].self_attn
    ]


def by_hand(attention: np.ndarray, pool: int) -> list[float]:
    """Mean over heads and queries, then over neighbours; ``attention`` is (h, N, N)."""
    received = attention.mean(axis=(0, 1))
    return [
        float(np.mean(received[i : i + pool])) for i in range(0, len(received) - pool + 1, pool)
    ]


def block_diagonal(blocks: list[np.ndarray]) -> np.ndarray:
    total = sum(block.shape[1] for block in blocks)
    whole = np.zeros((blocks[0].shape[0], total, total))
    start = 0
    for block in blocks:
        stop = start + block.shape[1]
        whole[:, start:stop, start:stop] = block
        start = stop
    return whole


@pytest.mark.parametrize("frames", [450, 400, 501, 150, 7])
def test_paper_scores_equal_the_recorded_weights(encoder: nn.Module, frames: int) -> None:
    with ScoreTap(encoder) as tap:
        tokens = listen(encoder, frames)
        scores = tap.scores
    blocks = last_layer_blocks(encoder)
    assert len(blocks) == -(-frames // 200)
    assert scores is not None
    assert len(scores) == len(tokens)
    np.testing.assert_allclose(scores, by_hand(block_diagonal(blocks), 2), rtol=2e-5)
    assert float(scores.std()) > 0.05 * float(scores.mean())


@pytest.mark.parametrize("frames", [450, 501, 7])
def test_official_scores_attend_over_the_whole_clip(encoder: nn.Module, frames: int) -> None:
    """By hand: the last layer's own projections on its own input, one softmax over everything."""
    attention = encoder.layers[-1].self_attn
    seen: list[torch.Tensor] = []
    handle = attention.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs["hidden_states"]), with_kwargs=True
    )
    with ScoreTap(encoder, mode="official") as tap:
        listen(encoder, frames)
    handle.remove()
    x = seen[0].double().numpy()
    head = 8
    q = x @ attention.q_proj.weight.detach().double().numpy().T
    q += attention.q_proj.bias.detach().double().numpy()
    k = x @ attention.k_proj.weight.detach().double().numpy().T
    weights = []
    for h in range(4):
        part = slice(h * head, (h + 1) * head)
        logits = q[:, part] @ k[:, part].T / np.sqrt(head)
        exps = np.exp(logits - logits.max(axis=1, keepdims=True))
        weights.append(exps / exps.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(tap.scores, by_hand(np.stack(weights), 2), rtol=1e-4)


def test_a_short_last_block_is_not_favoured(encoder: nn.Module) -> None:
    """Divided by the clip's queries, a block's scores sum to its share of the clip."""
    with ScoreTap(encoder) as tap:
        listen(encoder, 440)
    scores = tap.scores
    assert scores is not None
    assert len(scores) == 110
    assert float(scores[100:].sum()) * 2 == pytest.approx(20 / 220, rel=1e-5)
    assert float(scores.sum()) * 2 == pytest.approx(1.0, rel=1e-5)


def test_two_clips_are_pooled_and_scored_one_by_one(encoder: nn.Module) -> None:
    generator = torch.Generator().manual_seed(2)
    first, second = torch.randn(MEL, 401, generator=generator), torch.randn(MEL, 250)
    apart = []
    for mel in (first, second):
        with ScoreTap(encoder) as tap, torch.no_grad():
            encoder(mel, feature_lens=torch.tensor([mel.shape[1]]))
            apart.append(tap.scores)
    with ScoreTap(encoder) as tap, torch.no_grad():
        out = encoder(torch.cat([first, second], dim=1), feature_lens=torch.tensor([401, 250]))
    assert tap.scores is not None
    assert len(tap.scores) == len(out.last_hidden_state)
    torch.testing.assert_close(tap.scores, torch.cat(apart))


@pytest.mark.parametrize("frames", [450, 200, 90])
def test_qwen3_has_no_pooling(encoder3: nn.Module, frames: int) -> None:
    with ScoreTap(encoder3) as tap:
        tokens = listen(encoder3, frames)
    blocks = last_layer_blocks(encoder3)
    assert tap.scores is not None
    assert len(tap.scores) == len(tokens)
    np.testing.assert_allclose(tap.scores, by_hand(block_diagonal(blocks), 1), rtol=2e-5)


def test_qwen3_refuses_two_clips(encoder3: nn.Module) -> None:
    with ScoreTap(encoder3) as tap:
        listen(encoder3, 300, 200)
        with pytest.raises(UnsupportedModelError, match="scores of 2 clips"):
            _ = tap.scores


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_any_attention_backend_gives_the_same_scores(encoder: nn.Module, attention: str) -> None:
    with ScoreTap(encoder) as tap:
        listen(encoder, 450)
        recorded = tap.scores
    encoder.config._attn_implementation = attention
    try:
        with ScoreTap(encoder) as tap:
            listen(encoder, 450)
    finally:
        encoder.config._attn_implementation = "recording"
    assert len(WEIGHTS) == 2 * 3
    torch.testing.assert_close(tap.scores, recorded)


def hooks(encoder: nn.Module) -> int:
    return sum(
        len(module._forward_hooks) + len(module._forward_pre_hooks) for module in encoder.modules()
    )


def test_the_tap_leaves_nothing_behind(encoder: nn.Module) -> None:
    before, plain = hooks(encoder), listen(encoder, 300)
    with ScoreTap(encoder) as tap:
        assert tap.scores is None
        assert hooks(encoder) > before
        assert torch.equal(listen(encoder, 300), plain)
        first = tap.scores
        assert torch.equal(tap.scores, first)
        listen(encoder, 450)
        assert len(tap.scores) == 112
        tap.clear()
        assert tap.scores is None
    assert hooks(encoder) == before
    with pytest.raises(RuntimeError, match="stop"), ScoreTap(encoder):
        raise RuntimeError("stop")
    assert hooks(encoder) == before


def test_the_tap_refuses_what_is_no_audio_encoder(encoder: nn.Module) -> None:
    with pytest.raises(UnsupportedModelError, match="no audio encoder"):
        ScoreTap(nn.Linear(2, 2))
    with pytest.raises(UnknownNameError, match="unknown mode 'papr'"):
        ScoreTap(encoder, mode="papr")


class Largest(TorchDispatchMode):
    elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor):
            self.elements = max(self.elements, out.numel())
        return out


@pytest.mark.parametrize("mode", ["paper", "official"])
def test_attention_of_a_long_clip_is_never_whole(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads, positions = 3, 1130
    query, key = torch.randn(2, heads, positions, 4, generator=torch.Generator().manual_seed(0))
    blocks = [100] * 11 + [30]
    at_once = audio_scores(query, key, blocks, scaling=0.5, mode=mode)
    monkeypatch.setattr(rows, "BLOCK_ELEMENTS", 60_000)
    with Largest() as seen:
        pieces = audio_scores(query, key, blocks, scaling=0.5, mode=mode)
    assert seen.elements <= 60_000 < heads * positions**2 / 50
    torch.testing.assert_close(pieces, at_once)


def test_half_precision_is_scored_in_float32() -> None:
    query, key = torch.randn(2, 2, 60, 8).to(torch.bfloat16)
    scores = audio_scores(query, key, [40, 20], scaling=0.3)
    assert scores.dtype == torch.float32
    exact = audio_scores(query.double(), key.double(), [40, 20], scaling=0.3)
    torch.testing.assert_close(scores.double(), exact, rtol=1e-4, atol=0)


@pytest.mark.parametrize(
    ("blocks", "shape"), [([40, 10], (2, 60, 8)), ([60, 0], (2, 60, 8)), ([60], (2, 59, 8))]
)
def test_bad_blocks_and_shapes(blocks: list[int], shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidValueError, match="audio scores: "):
        audio_scores(torch.zeros(2, 60, 8), torch.zeros(shape), blocks, scaling=1.0)


def test_no_audio_gives_no_scores() -> None:
    nothing = torch.zeros(2, 0, 8)
    assert len(audio_scores(nothing, nothing, [], scaling=1.0)) == 0
    one = torch.zeros(2, 1, 8)
    assert len(audio_scores(one, one, [1], scaling=1.0)) == 0
    assert audio_scores(one, one, [1], scaling=1.0, pooling=1).tolist() == [1.0]


# -- the proxy ----------------------------------------------------------------------------------


def bursts(seconds: float) -> np.ndarray:
    """Faint noise with a loud noise burst from 2.0 s to 2.4 s."""
    random = np.random.default_rng(0)
    wave = 1e-4 * random.normal(size=int(seconds * 16_000)).astype(np.float32)
    wave[32_000:38_400] += 0.5 * random.normal(size=6_400).astype(np.float32)
    return wave


def test_the_proxy_hears_the_burst() -> None:
    scores = proxy_scores(bursts(4.0), tokens=100)
    assert scores.shape == (100,)
    assert scores.dtype == torch.float32
    assert set(scores.topk(9).indices.tolist()) <= set(range(49, 61))
    assert scores.argmax() in (49, 50)  # the onset: flux on top of energy


def test_the_proxy_follows_the_model_where_audio_is_cut() -> None:
    long = np.tile(bursts(4.0), 76)
    scores = proxy_scores(long, tokens=7_500)
    assert scores.isfinite().all()
    assert scores[:100].argmax() in (49, 50)


@pytest.mark.parametrize("wave", [np.zeros(16_000), np.zeros(100), np.full(4_000, 0.1)])
def test_the_proxy_of_a_dull_sound_is_finite(wave: np.ndarray) -> None:
    assert proxy_scores(wave, tokens=1).isfinite().all()


def test_the_proxy_of_no_tokens_is_empty() -> None:
    assert proxy_scores(np.zeros(0), tokens=0).shape == (0,)


@pytest.mark.parametrize(
    ("wave", "tokens", "sentence"),
    [
        (np.zeros((2, 100)), 1, "one channel of finite samples"),
        (np.array([np.nan] * 400), 1, "one channel of finite samples"),
        (np.zeros(16_000), 101, "at most 100, the log-mel frames of 1.00 s"),
        (np.zeros(16_000), -1, "a whole number, zero or more"),
    ],
)
def test_the_proxy_says_what_is_wrong(wave: np.ndarray, tokens: int, sentence: str) -> None:
    with pytest.raises(InvalidValueError, match=sentence):
        proxy_scores(wave, tokens=tokens)
