"""Decode with a static cache; on CUDA one step is captured as a graph and replayed.

The stock loop of :mod:`omnizip_cost.runtime.decode` launches every kernel from Python and grows
its cache. Here keys and values lie in transformers' ``StaticCache``, and a step reads and writes
tensors of fixed address only, so that a CUDA graph of it can be replayed: the host then launches
one graph per token. The model's code is the same, with one difference that costs time: over a
static cache transformers always builds a mask, and with a mask its SDPA takes no grouped heads:
5.17 copies keys and values for every query head at each step (5.23 packs the heads instead).

Rules that capturing imposes (PyTorch, "CUDA semantics: CUDA Graphs"), and how they are kept:
a side stream, the same for warm-up and capture; nothing in a step waits for the device or copies
from the host; everything that a step leaves behind lies in tensors made before. Capturing happens
in inference mode, as the passes do: torch's generator makes its tensors in the mode of the first
capture and updates them in place in later ones (pytorch issue 166792).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from omnizip_cost.errors import InvalidValueError, UnsupportedModelError
from omnizip_cost.runtime.decode import Prefill
from omnizip_cost.runtime.modules import find_text_model, find_thinker

WARM_UP_STEPS = 3
"""Steps run before capturing, so that libraries choose kernels and take their workspaces (as in
PyTorch's own examples)."""

ALIGNMENT = 16
"""The cache's length is rounded up to this: SDPA's masked kernels read rows of 16 bytes, and torch
pads masks of other lengths anew in every layer."""


class StaticDecoder:
    """Prepares decoding on one device; keeps the stream and memory that its graphs share.

    A capture reuses the memory pool of the one before it, which is therefore kept until then;
    else each would leave a pool of its own behind.
    """

    def __init__(self) -> None:
        self._stream: Any = None
        self._last: Any = None

    @torch.inference_mode()
    def prepare(self, thinker: nn.Module, start: Prefill, steps: int) -> StaticRun:
        """Move a prefill's cache into a static one and capture a step.

        Nothing of this is decoding: time it apart. The prefill's cache is emptied layer by layer
        as it is copied, so that both never stand side by side.

        Parameters
        ----------
        thinker : Module
            Outside a ``compressed`` block: its hooks would wait for the device at each step.
        start : Prefill
            Full or compressed; all layers must hold the same number of tokens.
        steps : int
            Forward calls that :meth:`StaticRun.run` makes.

        Raises
        ------
        InvalidValueError
            Steps that are no whole number, 1 or more.
        UnsupportedModelError
            Layers of different lengths (FastV), sliding windows, or attention other than SDPA.
        """
        if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
            raise InvalidValueError("static decode", "steps", "a whole number, 1 or more", steps)
        model = find_thinker(thinker)
        kept = _kept_tokens(model, start.cache)
        run = StaticRun(
            thinker=model,
            cache=_static_copy(model, start.cache, _rounded(kept + steps)),
            kept=kept,
            steps=steps,
            next_position=start.next_position,
            token=start.logits.argmax(dim=-1, keepdim=True),
        )
        if run.token.device.type == "cuda":
            self._capture(run)
        return run

    @torch.inference_mode()
    def _capture(self, run: StaticRun) -> None:
        """Capture a step, then replay it once, for the first replay uploads the graph.

        By hand: ``torch.cuda.graph`` would first give back all memory that earlier passes freed,
        and the next prefill would pay for getting it again.
        """
        device = run.token.device
        self._stream = self._stream or torch.cuda.Stream(device)
        graph = torch.cuda.CUDAGraph()
        self._stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(self._stream):
            for _ in range(WARM_UP_STEPS):
                run.rewind()
                run.step()
            run.rewind()
            self._stream.synchronize()
            pool = {} if self._last is None else {"pool": self._last.pool()}
            graph.capture_begin(**pool)
            try:
                run.step()
            except BaseException:
                with suppress(RuntimeError):  # says the same less plainly
                    graph.capture_end()
                raise
            graph.capture_end()
        torch.cuda.current_stream(device).wait_stream(self._stream)
        self._last = run.graph = graph
        graph.replay()
        run.rewind()


@dataclass(slots=True, kw_only=True, eq=False)
class StaticRun:
    """A prompt ready to decode: tensors of fixed address, and on CUDA the graph over them."""

    thinker: nn.Module
    cache: Any
    kept: int
    """Tokens of the prompt in the cache."""
    steps: int
    next_position: int
    token: torch.Tensor
    """(1, 1): the token that the next step takes in."""
    graph: Any = None
    _first: torch.Tensor = field(init=False)
    _position: torch.Tensor = field(init=False)
    _count: torch.Tensor = field(init=False)
    _found: torch.Tensor = field(init=False)

    def __post_init__(self) -> None:
        device = self.token.device
        self._first = self.token.clone()
        self._position = torch.full((3, 1, 1), self.next_position, device=device)
        self._count = torch.zeros(1, dtype=torch.long, device=device)
        self._found = torch.zeros(self.steps, dtype=torch.long, device=device)

    @torch.inference_mode()
    def step(self) -> None:
        """Take one token in, note the next: all on the device, nothing waited for."""
        output = self.thinker(
            input_ids=self.token,
            position_ids=self._position,
            past_key_values=self.cache,
            use_cache=True,
        )
        self.token.copy_(output.logits[:, -1].argmax(dim=-1, keepdim=True))
        self._found.index_copy_(0, self._count, self.token[0])
        self._position.add_(1)
        self._count.add_(1)

    @torch.inference_mode()
    def rewind(self) -> None:
        """Go back to the end of the prompt; what later steps wrote is masked until overwritten."""
        self.token.copy_(self._first)
        self._position.fill_(self.next_position)
        self._count.zero_()
        for layer in self.cache.layers:
            layer.cumulative_length.fill_(self.kept)

    @torch.inference_mode()
    def run(self) -> None:
        """Give the device all steps; on CUDA one graph launch each, and nothing is waited for."""
        for _ in range(self.steps):
            if self.graph is None:
                self.step()
            else:
                self.graph.replay()

    def tokens(self) -> list[int]:
        """Return ``steps + 1`` token ids, once :meth:`run` has been called; waits for the device.

        The first comes from the prefill's own logits, as in
        :func:`omnizip_cost.runtime.decode.decode`.
        """
        return [int(value) for value in torch.cat([self._first[0], self._found]).tolist()]


def static_decode(thinker: nn.Module, start: Prefill, steps: int) -> list[int]:
    """Decode greedily after a prefill, with a static cache: the tokens of ``decode``."""
    ready = StaticDecoder().prepare(thinker, start, steps)
    ready.run()
    return ready.tokens()


def _kept_tokens(thinker: nn.Module, cache: Any) -> int:
    """Tokens in every layer of a prefill's cache, or the reason why it cannot be a static one."""
    name = type(thinker).__name__
    config: Any = find_text_model(thinker).config
    if config._attn_implementation != "sdpa":
        raise UnsupportedModelError(
            name,
            f"with attention {config._attn_implementation!r} a decode step waits for the device",
            "decode with a static cache under attention 'sdpa'",
        )
    if set(getattr(config, "layer_types", None) or ("full_attention",)) != {"full_attention"}:
        raise UnsupportedModelError(
            name, "some of its layers attend in a sliding window", "decode with the stock cache"
        )
    lengths = {int(layer.keys.shape[-2]) for layer in cache.layers}
    if len(lengths) != 1:
        words = " and ".join(str(length) for length in sorted(lengths, reverse=True))
        raise UnsupportedModelError(
            name,
            f"its layers hold {words} tokens, as FastV leaves them, and a static cache has one "
            "length and one mask for all",
            "decode FastV with the stock cache",
        )
    return lengths.pop()


def _static_copy(thinker: nn.Module, cache: Any, length: int) -> Any:
    """Return a static cache of this length that holds what the prefill's held."""
    from transformers import StaticCache

    static = StaticCache(config=find_text_model(thinker).config, max_cache_len=length)
    for number, layer in enumerate(cache.layers):
        static.update(layer.keys, layer.values, number)
        layer.keys = layer.values = None
    return static


def _rounded(length: int) -> int:
    return -(-length // ALIGNMENT) * ALIGNMENT
