"""FastV inside the decoder: rank after K layers, and run the others on the survivors.

Layers 0 .. K-1 see all tokens. The attention that the last token pays in the K-th of them (layer
index K-1) ranks audio and video tokens; layers K .. T-1 see the best of them and all text. So
their key/value caches are shorter, and a mask made for the first layer's cache does not fit them.

Source: FastV (arXiv 2403.06764), set up as in OmniZip, Tab. 1 (K = 5).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import Any

import torch
from torch import nn

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.runtime.request import FastvForm, Request
from omnizip_cost.runtime.selection import Layout, fastv_keep
from omnizip_cost.runtime.selection.fastv import fastv_kept
from omnizip_cost.runtime.selection.rows import descending


def last_token_attention(
    query: torch.Tensor, key: torch.Tensor, *, scaling: float, form: FastvForm
) -> torch.Tensor:
    """Attention that the last token pays to every token, per head.

    Fused attention kernels do not hand out weights. ``materialised`` computes the whole causal
    h x n x n matrix as the published variant does. With a softmax in float32 its peak is 10 bytes
    per element, 10·h·n^2, in bfloat16, on CUDA as on a CPU, since torch first copies the scores to
    float32; it is 8 in float32, and in float16 on CUDA, where no copy is made. ``last-query``
    computes the one row that is used. Both agree up to the rounding of the product.

    Parameters
    ----------
    query : tensor, shape (h, n, a)
        With positions applied; ``last-query`` also accepts its last row alone, (h, 1, a).
    key : tensor, shape (g, n, a)
        Each of the g heads serves h/g query heads.
    scaling : float
        1/sqrt(a).

    Returns
    -------
    tensor, shape (h, n)
    """
    key = key.repeat_interleave(query.shape[0] // key.shape[0], dim=0)
    if form == "last-query":
        query = query[:, -1:]
    weights = (query @ key.transpose(1, 2)).mul_(scaling)
    if form == "materialised":
        future = torch.ones(weights.shape[1:], dtype=torch.bool, device=weights.device).triu_(1)
        weights.masked_fill_(future, float("-inf"))
    weights = weights.softmax(dim=-1, dtype=torch.float32).to(query.dtype)
    return weights[:, -1].clone()


def rotate(states: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Apply rotary positions: (.., n, a) states with (n, a) cosines and sines."""
    first, second = states.chunk(2, dim=-1)
    return states * cos + torch.cat((-second, first), dim=-1) * sin


class FastvLayers:
    """Hooks on the decoder layers of one text model; inactive between :meth:`begin` calls."""

    def __init__(
        self,
        text: nn.Module,
        request: Request,
        stage: Callable[[str], AbstractContextManager[None]],
    ) -> None:
        layers: Any = text.layers
        if not 1 <= request.fastv_layer < len(layers):
            raise InvalidValueError(
                "method 'fastv'",
                "fastv_layer",
                f"between 1 and {len(layers) - 1}, one less than the decoder's layers",
                request.fastv_layer,
            )
        self.request = request
        self._layers = layers
        self._attention: Any = layers[request.fastv_layer - 1].self_attn
        self._stage = stage
        self._forget()

    def _forget(self) -> None:
        self._layout: Layout | None = None
        self._keep: torch.Tensor | None = None
        self._query: torch.Tensor | None = None
        self._key: torch.Tensor | None = None
        self._side: dict[str, Any] = {}

    def attach(self, stack: ExitStack) -> None:
        """Register every hook; leaving ``stack`` removes them."""
        first = self.request.fastv_layer
        handles = [
            self._attention.q_proj.register_forward_hook(self._on_query),
            self._attention.k_proj.register_forward_hook(self._on_key),
        ] + [
            layer.register_forward_pre_hook(
                partial(self._before_layer, number=number), with_kwargs=True
            )
            for number, layer in enumerate(self._layers)
            if number >= first
        ]
        for handle in handles:
            stack.callback(handle.remove)

    def begin(self, layout: Layout) -> None:
        """Expect the prefill of this prompt."""
        self._layout = layout

    def end(self) -> tuple[torch.Tensor, int] | None:
        """Forget the prefill; return which tokens it kept and how many, None if none was ranked."""
        keep, layout = self._keep, self._layout
        self._forget()
        if keep is None or layout is None:
            return None
        return keep, self._kept(layout)

    def _kept(self, layout: Layout) -> int:
        """Tokens that go on: known before any is ranked."""
        ranked = layout.video_tokens + layout.audio_tokens
        return layout.length - ranked + fastv_kept(ranked, self.request.fastv_retained)

    def _on_query(self, module: nn.Module, args: tuple[Any, ...], output: torch.Tensor) -> None:
        if self._layout is not None:
            last = self.request.fastv_form == "last-query"
            self._query = output[:, -1:].clone() if last else output

    def _on_key(self, module: nn.Module, args: tuple[Any, ...], output: torch.Tensor) -> None:
        if self._layout is not None:
            self._key = output

    def _before_layer(
        self, layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], *, number: int
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        hidden = args[0] if args else kwargs["hidden_states"]
        if self._layout is None:
            return _fit_mask(hidden, args, kwargs, number)
        if self._keep is None:
            with self._stage("selection"):
                self._keep = self._rank(self._layout, *kwargs["position_embeddings"])
                count = self._kept(self._layout)
                if count < hidden.shape[1]:
                    index = descending(self._keep.byte())[:count]
                    self._side = _gathered(kwargs, index)
                    hidden = hidden[:, index]
        if not self._side:
            return None
        return (), {**kwargs, **self._side, "hidden_states": hidden}

    @torch.no_grad()
    def _rank(self, layout: Layout, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        """Which tokens go on, by the attention of layer K-1."""
        assert self._query is not None and self._key is not None
        cos, sin, size = cos[0], sin[0], cos.shape[-1]
        query, key = (
            states[0].unflatten(-1, (-1, size)).transpose(0, 1)
            for states in (self._query, self._key)
        )
        self._query = self._key = None
        attention = last_token_attention(
            rotate(query, cos[-query.shape[1] :], sin[-query.shape[1] :]),
            rotate(key, cos, sin),
            scaling=self._attention.scaling,
            form=self.request.fastv_form,
        )
        return fastv_keep(attention, layout, retained=self.request.fastv_retained)


def _gathered(kwargs: dict[str, Any], index: torch.Tensor) -> dict[str, Any]:
    """Cut the layer's other inputs to the survivors: rotary and text positions, mask."""
    cos, sin = kwargs["position_embeddings"]
    side: dict[str, Any] = {"position_embeddings": (cos[:, index], sin[:, index])}
    mask = kwargs.get("attention_mask")
    if isinstance(mask, torch.Tensor):
        rows = mask if mask.ndim == 2 else mask.index_select(-2, index)
        side["attention_mask"] = rows.index_select(-1, index)
    if kwargs.get("position_ids") is not None:
        # Flash attention takes gaps in these for packed sequences: number the survivors anew.
        side["position_ids"] = torch.arange(len(index), device=index.device)[None]
    return side


def _fit_mask(
    hidden: torch.Tensor, args: tuple[Any, ...], kwargs: dict[str, Any], number: int
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """Cut a mask made for the first layer's cache to this layer's shorter one (decode)."""
    mask, cache = kwargs.get("attention_mask"), kwargs.get("past_key_values")
    if not isinstance(mask, torch.Tensor) or cache is None:
        return None
    visible = cache.get_seq_length(number) + hidden.shape[1]
    if mask.shape[-1] == visible:
        return None
    return args, {**kwargs, "attention_mask": mask[..., -visible:]}
