"""The hooks of one ``compressed`` block, and what they remember between calls."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal
from weakref import WeakKeyDictionary

import torch
from torch import nn

from omnizip_cost.compression.methods import METHODS
from omnizip_cost.errors import UnsupportedModelError
from omnizip_cost.runtime.fastv_layers import FastvLayers
from omnizip_cost.runtime.gather import Arguments, gathered, three_rows, trimmed
from omnizip_cost.runtime.kept import Choice, Handle, Kept
from omnizip_cost.runtime.modules import (
    find_audio_encoder,
    find_text_model,
    find_text_owner,
    find_vision_encoder,
)
from omnizip_cost.runtime.prompt import (
    cached_tokens,
    call_arguments,
    is_decode_step,
    read_prompt,
)
from omnizip_cost.runtime.request import Request
from omnizip_cost.runtime.scores import ScoreTap
from omnizip_cost.runtime.selection import Layout, Selection, select
from omnizip_cost.runtime.vision_scores import VisionScoreTap

Observer = Callable[[str, Literal["start", "stop"]], None]
"""Called around a stage with its name, so that a profiler can time it."""


@dataclass(slots=True, kw_only=True, eq=False)
class _Prefill:
    """A prefill on its way: read before the thinker runs, closed after the text model has."""

    layout: Layout
    positions: torch.Tensor | None = None
    keep: torch.Tensor | None = None
    kept_tokens: int = 0
    selection: Choice | None = None


class Session:
    """The hooks of one block on one thinker.

    In call order: ``_before_owner`` reads the prompt, the thinker fills embeddings and computes
    positions, ``_before_text`` drops tokens, ``_after_text`` closes the prefill.
    """

    def __init__(self, thinker: nn.Module, request: Request, observer: Observer | None) -> None:
        self.thinker: Any = thinker
        self.text: Any = find_text_model(thinker)
        self.owner: Any = find_text_owner(thinker)
        self.vision = find_vision_encoder(thinker)
        self.request = request
        self.method = request.found
        self.observer = observer
        self.handle = Handle(request)
        self.fastv = (
            FastvLayers(self.text, request, self._stage) if request.inside_decoder else None
        )
        self.tap = (
            ScoreTap(find_audio_encoder(thinker), mode=request.mode)
            if "audio" in self.method.scores and request.prunes
            else None
        )
        self.vision_tap = (
            VisionScoreTap(self.vision)
            if "video" in self.method.scores and request.prunes
            else None
        )
        self._names = {
            module: tuple(inspect.signature(module.forward).parameters)
            for module in (self.owner, self.text)
        }
        self._seen_grid: torch.Tensor | None = None
        self._prefill: _Prefill | None = None
        self._caches: WeakKeyDictionary[Any, Kept] = WeakKeyDictionary()

    def attach(self, stack: ExitStack) -> None:
        """Register every hook; leaving ``stack`` removes them and restores ``rope_deltas``."""
        stack.callback(setattr, self.owner, "rope_deltas", self.owner.rope_deltas)
        for tap in (self.tap, self.vision_tap):
            if tap is not None:
                stack.enter_context(tap)
        if self.fastv is not None:
            self.fastv.attach(stack)
        for handle in (
            self.vision.register_forward_pre_hook(self._before_vision, with_kwargs=True),
            self.thinker.register_forward_pre_hook(self._before_thinker, with_kwargs=True),
            self.owner.register_forward_pre_hook(self._before_owner, with_kwargs=True),
            self.text.register_forward_pre_hook(self._before_text, with_kwargs=True),
            self.text.register_forward_hook(self._after_text, with_kwargs=True, always_call=True),
        ):
            stack.callback(handle.remove)

    def _before_vision(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self._seen_grid = kwargs.get("grid_thw", args[1] if len(args) > 1 else None)

    def _before_thinker(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        if self.request.prunes and kwargs.get("labels") is not None:
            raise UnsupportedModelError(
                "compressed thinker", "labels do not match pruned logits", "leave them out"
            )

    def _before_owner(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Arguments | None:
        """Read the prompt of a prefill; give a decode step its position when it brings none."""
        call = call_arguments(self._names[self.owner], args, kwargs)
        self._prefill = None
        if is_decode_step(call):
            return self._placed(call)
        if cached_tokens(call.get("past_key_values")) and not self.request.prunes:
            return None
        self.handle.last = None
        if self.tap is not None:
            self.tap.clear()
        layout = read_prompt(call, self.thinker.config, self.request, self._seen_grid)
        self._prefill = _Prefill(layout=layout)
        return None

    def _placed(self, call: dict[str, Any]) -> Arguments | None:
        cache = call["past_key_values"]
        kept = self._caches.get(cache)
        if kept is None or call.get("position_ids") is not None or not self.request.prunes:
            return None
        position = kept.next_position + cached_tokens(cache) - kept.layer_tokens[0]
        placed = torch.full((3, 1, 1), position, device=kept.full_positions.device)
        return (), {**call, "position_ids": placed}

    def _before_text(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Arguments | None:
        """Drop tokens before the first layer, or get FastV's layers ready to."""
        call = call_arguments(self._names[self.text], args, kwargs)
        now = self._prefill
        if now is None:
            return trimmed(call) if self.request.prunes else None
        embeddings, layout = call["inputs_embeds"], now.layout
        if embeddings.shape[1] != layout.length:
            raise UnsupportedModelError(
                "compressed thinker",
                f"{embeddings.shape[1]} embeddings come with {layout.length} input_ids",
                "give both of the same prompt",
            )
        now.positions = three_rows(call.get("position_ids"), embeddings)
        if not self.request.prunes or not layout.windows:
            now.selection = Choice.of(self._select(layout, embeddings[0], (0.0, 0.0)))
            now.keep, now.kept_tokens = now.selection.keep, layout.length
            return None
        if self.fastv is not None:
            self.fastv.begin(layout)
            return None
        with self._stage("selection"):
            selection = self._select(layout, embeddings[0], None)
            index = selection.survivors()
            untouched = len(index) == layout.length
            pruned = None if untouched else gathered(call, selection.gather(), index)
        now.selection, now.keep = Choice.of(selection), selection.keep
        now.kept_tokens = len(index)
        return pruned

    def _after_text(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
    ) -> None:
        """Close the prefill, also after an error; know its cache again in decode."""
        now, self._prefill = self._prefill, None
        ranked = self.fastv.end() if self.fastv is not None else None
        if self.tap is not None:
            self.tap.clear()
        if now is None or output is None:
            return
        if ranked is not None:
            now.keep, now.kept_tokens = ranked
        assert now.keep is not None and now.positions is not None
        layers = len(self.text.layers)
        full = self.request.fastv_layer if ranked is not None else 0
        kept = Kept(
            method=self.method.name,
            keep=now.keep,
            full_positions=now.positions,
            layer_tokens=(now.layout.length,) * full + (now.kept_tokens,) * (layers - full),
            layout=now.layout,
            selection=now.selection,
        )
        self.handle.last = kept
        cache = getattr(output, "past_key_values", None)
        if cache is not None:
            self._caches[cache] = kept

    def _select(
        self, layout: Layout, embeddings: torch.Tensor, pair: tuple[float, float] | None
    ) -> Selection:
        request = self.request
        rho_a, rho_v = pair or request.pair(
            video_tokens=layout.video_tokens, audio_tokens=layout.audio_tokens
        )
        return select(
            METHODS["full"] if self.method.prunes == "inside the decoder" else self.method,
            embeddings,
            self.tap.scores if self.tap is not None and pair is None else None,
            layout,
            audio_pruning=rho_a,
            video_pruning=rho_v,
            video_scores=self._video_scores(layout) if pair is None else None,
            anchor_share=request.anchor_share,
            merge=request.merge,
            mode=request.mode,
            rho_min=request.rho_min,
            rho_max=request.rho_max,
            rounding=request.rounding,
            seed=request.seed,
        )

    def _video_scores(self, layout: Layout) -> torch.Tensor | None:
        """Scores of this prompt's video, from when the encoder last ran.

        5.23's ``generate`` encodes the video once, before the forward call, and not again in
        steps without a cache.
        """
        scores = self.vision_tap.scores if self.vision_tap is not None else None
        return scores if scores is not None and len(scores) == layout.video_tokens else None

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        if self.observer is None:
            yield
            return
        self.observer(name, "start")
        try:
            yield
        finally:
            self.observer(name, "stop")
