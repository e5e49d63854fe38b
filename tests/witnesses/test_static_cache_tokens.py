"""Decoding with a static cache gives the tokens of the stock loop, full and compressed.

The rules of CUDA graphs are held without an accelerator: a step on the ``meta`` device, where
every wait for the device is refused, and stand-ins for streams and graphs that note their order.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from examples.test_select_waits_for_nothing import no_wait
from few_experts import few_experts
from tiny_thinker import tiny_inputs, tiny_spec, tiny_thinker

from omnizip_cost.errors import InvalidValueError, UnsupportedModelError
from omnizip_cost.runtime.build import build_thinker
from omnizip_cost.runtime.compressed import compressed
from omnizip_cost.runtime.decode import Prefill, decode, prefill
from omnizip_cost.runtime.static_decode import (
    WARM_UP_STEPS,
    StaticDecoder,
    StaticRun,
    static_decode,
)
from omnizip_cost.specs import ThinkerSpec

STEPS = 12
METHODS: dict[str, dict[str, Any]] = {
    "full": {},
    "omnizip": {"audio_pruning": 0.3, "video_pruning": 0.6},
    "dycoke": {"audio_pruning": 0.5, "video_pruning": 0.5},
    "random": {"retained": 0.4},
}


@pytest.fixture(scope="module")
def thinker() -> Any:
    return tiny_thinker()


@torch.inference_mode()
def taken_in(thinker: Any, method: str, **settings: Any) -> Prefill:
    with compressed(thinker, method, **settings):
        return prefill(thinker, tiny_inputs())


@pytest.mark.parametrize("method", METHODS)
def test_tokens_are_those_of_the_stock_loop(thinker: Any, method: str) -> None:
    stock = taken_in(thinker, method, **METHODS[method])
    kept = stock.cache.get_seq_length()
    due = decode(thinker, stock, STEPS)
    found = static_decode(thinker, taken_in(thinker, method, **METHODS[method]), STEPS)
    assert found == due
    assert len(set(due)) > STEPS // 2, "a decoder that repeats one token shows nothing"
    assert stock.cache.get_seq_length() == kept + STEPS


def test_one_decoder_serves_prompts_one_after_another(thinker: Any) -> None:
    decoder = StaticDecoder()
    for method in ("omnizip", "full"):
        due = decode(thinker, taken_in(thinker, method, **METHODS[method]), 3)
        run = decoder.prepare(thinker, taken_in(thinker, method, **METHODS[method]), 3)
        run.run()
        assert run.tokens() == due
        run.rewind()
        run.run()
        assert run.tokens() == due, "what an earlier run wrote is masked"


def meta_run(spec: ThinkerSpec, *, kept: int) -> StaticRun:
    """A prepared run of which nothing holds a value."""
    from transformers import DynamicCache

    model = build_thinker(spec, device="meta", dtype="bfloat16")
    sizes = (1, spec.text.kv_heads, kept, spec.text.head_dim)
    cache = DynamicCache()
    for number in range(spec.text.layers):
        pair = (torch.empty(sizes, device="meta", dtype=torch.bfloat16) for _ in "kv")
        cache.update(*pair, number)
    logits = torch.empty(1, spec.text.vocab_size, device="meta")
    start = Prefill(logits=logits, cache=cache, next_position=40)
    run = StaticDecoder().prepare(model, start, STEPS)
    assert cache.layers[0].keys is None, "both caches never stand side by side"
    return run


@pytest.mark.parametrize("make", [tiny_spec, few_experts])
def test_a_step_waits_for_nothing_and_copies_nothing_from_the_host(
    make: Callable[[], ThinkerSpec],
) -> None:
    """On the meta device, where every read and every copy from the host is refused."""
    spec = make()
    run = meta_run(spec, kept=21)
    assert run.cache.layers[0].keys.shape[-2] == 48, "33 tokens, rounded up to a multiple of 16"
    with no_wait() as trace:
        run.step()
    assert len(trace.operations) > 50 * spec.text.layers


def test_experts_decode_the_same_tokens_too() -> None:
    thinker = build_thinker(few_experts())
    prompt = {"input_ids": torch.arange(100, 117)[None]}
    with torch.inference_mode():
        due = decode(thinker, prefill(thinker, prompt), 5)
        start = prefill(thinker, prompt)
    assert static_decode(thinker, start, 5) == due


def test_a_step_keeps_its_addresses(thinker: Any) -> None:
    run = StaticDecoder().prepare(thinker, taken_in(thinker, "omnizip", retained=0.5), 4)
    fixed = [run.token, run._position, run._count, run._found]
    for layer in run.cache.layers:
        fixed += [layer.keys, layer.values, layer.cumulative_length]
    before = [tensor.data_ptr() for tensor in fixed]
    run.run()
    assert [tensor.data_ptr() for tensor in fixed] == before
    assert run.cache.layers[0].keys is fixed[4]


class PretendCuda:
    """Stands for torch.cuda's streams and graphs: notes the order, replays what was captured."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.body: Any = None
        outer = self

        class Stream:
            def __init__(self, device: Any = None) -> None:
                self.name = "main" if device == "main" else "side"

            def wait_stream(self, other: Any) -> None:
                outer.log.append(f"{self.name} waits for {other.name}")

            def synchronize(self) -> None:
                outer.log.append("side is awaited")

        class Graph:
            def capture_begin(self, pool: Any = None) -> None:
                assert torch.is_inference_mode_enabled()
                outer.log.append(f"capture into {pool or 'a new pool'}")

            def capture_end(self) -> None:
                outer.log.append("captured")

            def pool(self) -> str:
                return "the same pool"

            def replay(self) -> None:
                assert torch.is_inference_mode_enabled()
                outer.log.append("replay")
                outer.body()

        self.Stream, self.CUDAGraph = Stream, Graph
        self.main = Stream("main")

    def current_stream(self, device: Any) -> Any:
        return self.main

    def stream(self, stream: Any) -> Any:
        return nullcontext()


def test_capturing_keeps_the_rules_of_cuda_graphs(
    thinker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuda, decoder = PretendCuda(), StaticDecoder()
    due = static_decode(thinker, taken_in(thinker, "omnizip", retained=0.5), 3)
    for name in ("Stream", "CUDAGraph", "current_stream", "stream"):
        monkeypatch.setattr(torch.cuda, name, getattr(cuda, name))
    for pool in ("a new pool", "the same pool"):
        run = decoder.prepare(thinker, taken_in(thinker, "omnizip", retained=0.5), 3)
        cuda.body = run.step
        decoder._capture(run)
        assert cuda.log == [
            "side waits for main",
            "side is awaited",
            f"capture into {pool}",
            "captured",
            "main waits for side",
            "replay",
        ]
        cuda.log.clear()
        run.run()
        assert cuda.log == ["replay"] * 3
        assert run.tokens() == due, "warm-up, capture and first replay leave no trace"
        cuda.log.clear()


def test_an_error_while_capturing_is_the_one_that_is_told(
    thinker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuda, decoder = PretendCuda(), StaticDecoder()
    for name in ("Stream", "CUDAGraph", "current_stream", "stream"):
        monkeypatch.setattr(torch.cuda, name, getattr(cuda, name))
    run = decoder.prepare(thinker, taken_in(thinker, "omnizip", retained=0.5), 3)
    steps: list[int] = []

    def fail(self: StaticRun) -> None:
        steps.append(1)
        if len(steps) > WARM_UP_STEPS:
            raise MemoryError("no room for a graph")

    monkeypatch.setattr(StaticRun, "step", fail)
    with pytest.raises(MemoryError, match="no room for a graph"):
        decoder._capture(run)
    assert cuda.log[-1] == "captured", "the stream does not stay in capture mode"


@pytest.mark.parametrize(
    ("method", "attention", "steps", "words"),
    [
        ("fastv", "sdpa", 2, "its layers hold .* tokens, as FastV leaves them"),
        ("full", "eager", 2, "attention 'eager' a decode step waits for the device"),
        ("full", "sdpa", 0, "steps must be a whole number, 1 or more, got 0"),
    ],
)
def test_what_a_static_cache_cannot_hold_is_refused(
    thinker: Any, method: str, attention: str, steps: int, words: str
) -> None:
    config = thinker.config.text_config
    settings = {"retained": 0.5, "fastv_layer": 2} if method == "fastv" else {}
    start = taken_in(thinker, method, **settings)
    config._attn_implementation = attention
    try:
        with pytest.raises((UnsupportedModelError, InvalidValueError), match=words):
            StaticDecoder().prepare(thinker, start, steps)
    finally:
        config._attn_implementation = "sdpa"
