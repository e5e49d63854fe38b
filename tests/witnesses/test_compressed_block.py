"""The block itself: entered, left, re-used, nested, broken off, on other backends and wrappers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny_thinker import tiny_inputs, tiny_spec, tiny_thinker
from torch import nn
from transformers import AttentionInterface

from omnizip_cost.errors import UnsupportedModelError
from omnizip_cost.runtime.build import build_thinker
from omnizip_cost.runtime.compressed import compressed
from omnizip_cost.runtime.decode import decode, prefill
from omnizip_cost.runtime.inputs import random_inputs
from omnizip_cost.runtime.modules import find_text_owner
from omnizip_cost.specs import load_spec
from omnizip_cost.workload import VideoSettings, workload

CASES: list[tuple[str, dict[str, Any]]] = [
    ("full", {}),
    ("random", {"retained": 0.5}),
    ("fastv", {"retained": 0.35, "fastv_layer": 2}),
    ("dycoke", {"retained": 0.5}),
    ("omnizip", {"audio_pruning": 0.4, "video_pruning": 0.7}),
]
EACH = pytest.mark.parametrize(("method", "settings"), CASES, ids=[case[0] for case in CASES])
PRUNING = pytest.mark.parametrize(
    ("method", "settings"), CASES[1:], ids=[case[0] for case in CASES[1:]]
)


@pytest.fixture(scope="module")
def thinker() -> Any:
    return tiny_thinker()


@pytest.fixture(scope="module")
def inputs() -> dict[str, Any]:
    return tiny_inputs(seconds=3)


def hooks(model: nn.Module) -> int:
    """Entries in every table of hooks, those that only mark a hook's kind included."""
    return sum(
        len(table)
        for module in model.modules()
        for name, table in vars(module).items()
        if "_hooks" in name and isinstance(table, dict)
    )


@torch.no_grad()
def logits(thinker: Any, inputs: dict[str, Any]) -> torch.Tensor:
    return thinker(**inputs).logits


@EACH
def test_leaving_the_block_restores_the_model_bit_for_bit(
    thinker: Any, inputs: dict[str, Any], method: str, settings: dict[str, Any]
) -> None:
    before = logits(thinker, inputs)
    state = {name: tensor.clone() for name, tensor in thinker.state_dict().items()}
    owner = find_text_owner(thinker)
    owner.rope_deltas = torch.tensor([[-7]])
    attributes = {name: dict(module.__dict__) for name, module in thinker.named_modules()}
    with compressed(thinker, method, **settings):
        logits(thinker, tiny_inputs(seconds=5))
        thinker.generate(**inputs, max_new_tokens=2, do_sample=False)
    assert hooks(thinker) == 0
    assert owner.rope_deltas.tolist() == [[-7]]
    for name, module in thinker.named_modules():
        assert module.__dict__.keys() == attributes[name].keys(), name
        for key, value in module.__dict__.items():
            assert value is attributes[name][key], (name, key)
    assert all(torch.equal(state[name], tensor) for name, tensor in thinker.state_dict().items())
    assert torch.equal(logits(thinker, inputs), before)


@EACH
def test_errors_inside_the_block_leave_no_hook(
    thinker: Any, inputs: dict[str, Any], method: str, settings: dict[str, Any]
) -> None:
    before = logits(thinker, inputs)
    with pytest.raises(KeyError), compressed(thinker, method, **settings):
        logits(thinker, inputs)
        raise KeyError("mine")
    assert hooks(thinker) == 0
    assert torch.equal(logits(thinker, inputs), before)


@PRUNING
def test_a_call_that_breaks_off_does_not_spoil_the_next(
    thinker: Any, inputs: dict[str, Any], method: str, settings: dict[str, Any]
) -> None:
    with compressed(thinker, method, **settings) as handle:
        expected = logits(thinker, inputs)

        def fail(*_: Any) -> None:
            raise MemoryError("no more")

        hook = thinker.lm_head.register_forward_pre_hook(fail)
        inner = [module for module in thinker.modules() if "DecoderLayer" in type(module).__name__]
        with pytest.raises(MemoryError):
            logits(thinker, inputs)
        hook.remove()
        hook = inner[-1].register_forward_pre_hook(fail)
        with pytest.raises(MemoryError):
            logits(thinker, inputs)
        hook.remove()
        assert handle.last is None
        assert torch.equal(logits(thinker, inputs), expected)
        assert handle.last is not None


@EACH
def test_one_block_serves_several_prompts(
    thinker: Any, method: str, settings: dict[str, Any]
) -> None:
    prompts = [tiny_inputs(seconds=seconds, seed=seconds) for seconds in (5, 2, 3)]
    alone = []
    for prompt in prompts:
        with compressed(thinker, method, **settings) as handle:
            alone.append(logits(thinker, prompt))
    with compressed(thinker, method, **settings) as handle:
        assert handle.last is None
        for prompt, expected in zip(prompts, alone, strict=True):
            assert torch.equal(logits(thinker, prompt), expected)
            assert handle.last is not None
            assert handle.last.full_tokens == prompt["input_ids"].shape[1]
            assert handle.last.kept_tokens == expected.shape[1]


def test_blocks_do_not_nest(thinker: Any, inputs: dict[str, Any]) -> None:
    with compressed(thinker, "random", retained=0.5):
        expected = logits(thinker, inputs)
        with (
            pytest.raises(UnsupportedModelError, match="already compressed"),
            compressed(thinker, "full"),
        ):
            pass
        assert torch.equal(logits(thinker, inputs), expected)
    other = tiny_thinker(seed=1)
    with compressed(thinker, "random", retained=0.5), compressed(other, "full"):
        assert torch.equal(logits(thinker, inputs), expected)
    assert hooks(thinker) == hooks(other) == 0


@EACH
def test_the_observer_sees_selection_once_per_prefill(
    thinker: Any, inputs: dict[str, Any], method: str, settings: dict[str, Any]
) -> None:
    seen: list[tuple[str, str]] = []
    with compressed(thinker, method, observer=lambda *edge: seen.append(edge), **settings):
        decode(thinker, prefill(thinker, inputs), 2)
    once = [("selection", "start"), ("selection", "stop")]
    assert seen == ([] if method == "full" else once)


def test_text_alone_is_left_alone(thinker: Any) -> None:
    ids = torch.arange(20, 40)[None]
    prompt = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    expected = logits(thinker, prompt)
    for method, settings in CASES:
        with compressed(thinker, method, **settings) as handle:
            assert torch.equal(logits(thinker, prompt), expected)
            assert handle.last is not None
            assert (handle.last.kept_tokens, handle.last.realised) == (20, 1.0)


def test_random_follows_its_seed(thinker: Any, inputs: dict[str, Any]) -> None:
    masks = []
    for seed in (0, 0, 1):
        with compressed(thinker, "random", retained=0.5, seed=seed) as handle:
            logits(thinker, inputs)
            assert handle.last is not None
            masks.append(handle.last.keep)
    assert torch.equal(masks[0], masks[1]) and not torch.equal(masks[0], masks[2])


def test_the_text_model_called_by_hand_inside_the_block_is_not_pruned(thinker: Any) -> None:
    text = find_text_owner(thinker).get_decoder()
    embeddings = torch.randn(1, 12, 256)
    with torch.no_grad():
        expected = text(inputs_embeds=embeddings).last_hidden_state
        with compressed(thinker, "random", retained=0.5):
            assert torch.equal(text(inputs_embeds=embeddings).last_hidden_state, expected)


def flash_like(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention with flash attention's habits.

    It takes no 4-D mask, aligns queries with the last keys, and takes text positions with gaps
    for packed sequences.
    """
    assert attention_mask is None
    rows, columns = query.shape[2], key.shape[2]
    positions = kwargs.get("position_ids")
    if positions is not None and positions.shape[-1] > 1:
        assert positions.shape[-1] == rows
        assert (positions.diff(dim=-1) == 1).all(), "would be taken for packed sequences"
    group = query.shape[1] // key.shape[1]
    key, value = (states.repeat_interleave(group, dim=1) for states in (key, value))
    scores = query @ key.transpose(2, 3) * kwargs["scaling"]
    if getattr(module, "is_causal", False):
        future = torch.ones(rows, columns, dtype=torch.bool).triu(columns - rows + 1)
        scores = scores.masked_fill(future, float("-inf"))
    return (scores.softmax(dim=-1) @ value).transpose(1, 2).contiguous(), None


@EACH
def test_backends_that_take_no_masks(
    thinker: Any, inputs: dict[str, Any], method: str, settings: dict[str, Any]
) -> None:
    AttentionInterface.register("maskless", flash_like)
    other = tiny_thinker(attention="maskless")
    with compressed(thinker, method, **settings), compressed(other, method, **settings):
        torch.testing.assert_close(
            logits(other, inputs), logits(thinker, inputs), rtol=1e-4, atol=1e-4
        )
        choice = {"max_new_tokens": 4, "do_sample": False}
        tokens = other.generate(**inputs, **choice)[0]
        assert torch.equal(tokens, thinker.generate(**inputs, **choice)[0])
        again = other.generate(**inputs, **choice, use_cache=False)[0]
        if method != "fastv":  # FastV ranks anew for every last token
            assert torch.equal(tokens, again)


@PRUNING
def test_bfloat16_stays_bfloat16_and_finite(method: str, settings: dict[str, Any]) -> None:
    thinker: Any = build_thinker(tiny_spec(layers=4), dtype="bfloat16")
    inputs = tiny_inputs(seconds=4)
    with compressed(thinker, method, **settings) as handle:
        found = logits(thinker, inputs)
    assert found.dtype == torch.bfloat16 and found.isfinite().all()
    assert handle.last is not None and handle.last.realised < 0.75


def test_a_whole_omni_model_is_compressed_by_its_thinker(inputs: dict[str, Any]) -> None:
    from transformers import Qwen2_5OmniConfig, Qwen2_5OmniForConditionalGeneration

    config = Qwen2_5OmniConfig(
        thinker_config=dict(tiny_spec(layers=4).config), enable_audio_output=False
    )
    whole: Any = Qwen2_5OmniForConditionalGeneration(config).eval()
    whole.thinker = tiny_thinker()
    with compressed(whole, "omnizip", retained=0.5) as handle:
        found = logits(whole.thinker, inputs)
        start = prefill(whole, inputs)
        assert torch.equal(start.logits, found[:, -1])
        assert len(decode(whole, start, 2)) == 3
    assert handle.last is not None and handle.last.kept_tokens == found.shape[1]
    assert hooks(whole) == 0


@pytest.fixture(scope="module", params=["sdpa", "eager"])
def omni_tiny(request: pytest.FixtureRequest) -> Any:
    return build_thinker(load_spec("omni-tiny"), attention=request.param, seed=1)


@EACH
def test_inputs_of_a_real_workload_on_omni_tiny(
    omni_tiny: Any, method: str, settings: dict[str, Any]
) -> None:
    spec = load_spec("omni-tiny")
    small = VideoSettings(min_pixels=28 * 28, max_pixels=16 * 28 * 28)
    work = workload(spec, seconds=2.6, pixels=(112, 196), settings=small)
    prompt = random_inputs(spec, work).kwargs()
    choice = {"max_new_tokens": 3, "do_sample": False}
    with compressed(omni_tiny, method, **settings) as handle:
        tokens = omni_tiny.generate(**prompt, **choice)[0, work.tokens :].tolist()
        kept = handle.last
        assert tokens == decode(omni_tiny, prefill(omni_tiny, prompt), 2)
    assert kept is not None
    assert (kept.video_tokens, kept.audio_tokens) == (work.video_tokens, work.audio_tokens)
    first = work.tokens if method == "fastv" else kept.kept_tokens
    assert (kept.full_tokens, kept.layer_tokens[0]) == (work.tokens, first)
