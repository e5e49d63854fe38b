"""Vision scores: how much attention each video token receives in the encoder's last layer.

Source: VisionZip (arXiv 2412.04467), which ranks the tokens of encoders without a class token by
the attention they receive from all others. The paper reads the layer whose output its models use,
here the last one. :class:`VisionScoreTap` reads it off a real encoder while it runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.hooks import RemovableHandle

from omnizip_cost.errors import UnsupportedModelError
from omnizip_cost.runtime.selection.rows import blocks, on_device, working_dtype
from omnizip_cost.runtime.tap import Tap

__all__ = ["VisionScoreTap", "attention_received", "window_order"]

_ENCODERS = ("Qwen2_5OmniVisionEncoder", "Qwen3OmniMoeVisionEncoder")
_PROJECTIONS: dict[str, tuple[str, ...]] = {
    "Qwen2_5OmniVisionAttention": ("q", "k"),
    "Qwen3OmniMoeVisionAttention": ("qkv",),
}
"""Linear layers that give queries and keys, by attention class (transformers 5.17 to 5.23)."""

Video = tuple[int, int, int]
"""Temporal grids, rows and columns of patches of one video, as in ``grid_thw``."""


@torch.no_grad()
def attention_received(
    query: torch.Tensor,
    key: torch.Tensor,
    rotary: tuple[torch.Tensor, torch.Tensor],
    block_lengths: Sequence[int],
    *,
    scaling: float,
) -> torch.Tensor:
    """Attention that each patch receives, summed over its block's queries, averaged over heads.

    softmax(q k^T * scaling) inside each block, after rotary positions. Equal blocks are taken
    together and long ones by chunks of queries, so that memory is linear in the frames.

    Parameters
    ----------
    query, key : tensor, shape (N, h, a)
        As projected, before rotary positions.
    rotary : two tensors, shape (N, a)
        Cosines and sines.
    block_lengths : sequence of int
        Patches of each block inside which the layer attends; sums to N.
    scaling : float
        1/sqrt(a), as the layer applies it.

    Returns
    -------
    tensor, shape (N,), float32 (float64 for float64 inputs)
    """
    heads, size = query.shape[1:]
    received = query.new_zeros(len(query), dtype=working_dtype(query.dtype))
    start = 0
    for length, run in groupby(block_lengths):
        count = len(list(run))
        for some in blocks(count, heads * length * max(length, size), query):
            span = slice(start + some.start * length, start + some.stop * length)
            shape = (some.stop - some.start, length, heads, size)
            cos, sin = (part[span] for part in rotary)
            q, k = (
                _turned(states[span], cos, sin).view(shape).transpose(1, 2)
                for states in (query, key)
            )
            sums = received[span].view(-1, length)
            for chunk in blocks(length, shape[0] * heads * length, query):
                weights = ((q[:, :, chunk] * scaling) @ k.transpose(2, 3)).softmax(dim=3)
                sums += weights.sum(dim=2).mean(dim=1)
        start += count * length
    return received


def _turned(states: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Apply rotary positions as the layer does: in float32, rounded to its dtype, then raised."""
    cos, sin = cos.float()[:, None], sin.float()[:, None]
    low, high = states.float().chunk(2, dim=-1)
    turned = states.float() * cos + torch.cat((-high, low), dim=-1) * sin
    return turned.to(states.dtype).to(working_dtype(states.dtype))


def window_order(videos: Sequence[Video], *, merge: int, window: int) -> NDArray[np.int64]:
    """Prompt-order index of each merged token, in the order in which the encoder holds them.

    Qwen2.5-Omni's encoder goes through each grid window by window and, inside a window, row by
    row; windows at the right and lower edge may be partial.

    Parameters
    ----------
    videos : sequence of (grids, rows, columns)
        In patches.
    merge : int
        Patches per token and axis.
    window : int
        Tokens per window and axis.

    Returns
    -------
    array, shape (tokens,)
        A permutation.

    Examples
    --------
    >>> window_order([(1, 4, 6)], merge=2, window=2).tolist()
    [0, 1, 3, 4, 2, 5]
    """
    parts, first = [np.empty(0, dtype=np.int64)], 0
    for grids, height, width in videos:
        shape = grids, height // merge, width // merge
        grid, row, column = np.indices(shape).reshape(3, -1)
        parts.append(first + np.lexsort((column, row, column // window, row // window, grid)))
        first += len(grid)
    return np.concatenate(parts)


class VisionScoreTap(Tap):
    """Record the vision scores of a real vision encoder while it runs.

    Queries and keys of the last attention are kept as the layer projects them, whatever its
    attention backend; the scores are computed when :attr:`scores` is first read, so that their
    time falls where they are used: the sizes of grids and blocks are copied to the host then.
    Leaving the block removes every hook.

    A token's score is the attention its patches receive, averaged over heads, over the queries
    of its grid, and over the patches that are merged into it. In the released encoders the last
    layer attends over whole grids; where it is given smaller windows, their sums are divided by
    the queries of the *grid*, so that partial windows are not favoured.

    Parameters
    ----------
    encoder : Module
        A Qwen2.5-Omni or Qwen3-Omni vision encoder.

    Raises
    ------
    UnsupportedModelError
        An encoder of another class.

    Examples
    --------
    ``with VisionScoreTap(find_vision_encoder(thinker)) as tap: thinker(**inputs)``, then
    ``tap.scores``. The thinker encodes images before videos: the last forward is the videos'.
    """

    def __init__(self, encoder: nn.Module) -> None:
        bases = [base.__name__ for base in type(encoder).__mro__]
        attentions = [
            module for module in encoder.modules() if type(module).__name__ in _PROJECTIONS
        ]
        if not any(name in bases for name in _ENCODERS) or not attentions:
            raise UnsupportedModelError(
                type(encoder).__name__,
                "it is no vision encoder of Qwen2.5-Omni or Qwen3-Omni",
                f"give a {' or '.join(_ENCODERS)}",
            )
        self._encoder: Any = encoder
        self._attention: Any = attentions[-1]
        self._projections = [
            getattr(self._attention, name) for name in _PROJECTIONS[type(attentions[-1]).__name__]
        ]
        super().__init__()

    def clear(self) -> None:
        """Forget what was recorded."""
        self._projected: list[torch.Tensor] = []
        self._rotary: tuple[torch.Tensor, torch.Tensor] | None = None
        self._boundaries: torch.Tensor | None = None
        self._videos: torch.Tensor | None = None
        self._order: torch.Tensor | None = None
        self._scores: torch.Tensor | None = None

    def _hooks(self) -> list[RemovableHandle]:
        return [
            self._encoder.register_forward_pre_hook(self._on_encoder, with_kwargs=True),
            self._attention.register_forward_pre_hook(self._on_attention, with_kwargs=True),
            *(layer.register_forward_hook(self._on_projection) for layer in self._projections),
        ]

    @property
    def scores(self) -> torch.Tensor | None:
        """Scores of the last forward in prompt order, shape (N_v,); None when none has run."""
        if self._scores is None and len(self._projected) == len(self._projections):
            self._scores = self._compute()
            self._projected, self._rotary = [], None
        return self._scores

    def _on_encoder(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.clear()
        self._videos = kwargs["grid_thw"] if "grid_thw" in kwargs else args[1]
        if kwargs.get("cu_window_seqlens") is not None:  # both given: the encoder uses them as is
            self._order = kwargs.get("window_index")

    def _on_attention(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self._boundaries = kwargs["cu_seqlens"] if "cu_seqlens" in kwargs else args[1]
        self._rotary = kwargs["position_embeddings"] if "position_embeddings" in kwargs else args[2]

    def _on_projection(
        self, module: nn.Module, args: tuple[Any, ...], output: torch.Tensor
    ) -> None:
        self._projected.append(output.detach())

    @torch.no_grad()
    def _compute(self) -> torch.Tensor:
        assert self._videos is not None and self._rotary is not None
        assert self._boundaries is not None
        heads, size = self._attention.num_heads, self._attention.head_dim
        query, key = [
            part.view(len(part), heads, size)
            for output in self._projected
            for part in output.split(heads * size, dim=1)
        ][:2]
        received = attention_received(
            query,
            key,
            self._rotary,
            self._boundaries.diff().tolist(),
            scaling=self._attention.scaling,
        )
        videos: list[Video] = [(t, h, w) for t, h, w in self._videos.tolist()]
        start = 0
        for grids, height, width in videos:
            stop = start + grids * height * width
            received[start:stop] /= height * width
            start = stop
        per_token = received.view(-1, self._encoder.spatial_merge_size**2).mean(dim=1)
        order = self._encoder_order(videos, per_token)
        if order is None:
            return per_token
        return torch.empty_like(per_token).index_copy_(0, order, per_token)

    def _encoder_order(self, videos: list[Video], like: torch.Tensor) -> torch.Tensor | None:
        """Prompt-order index of each token as the encoder holds them; None where nothing moves."""
        if self._order is not None:
            return on_device(self._order, like)
        pixels = getattr(self._encoder, "window_size", None)
        if pixels is None:
            return None
        merge = self._encoder.spatial_merge_size
        window = pixels // merge // self._encoder.patch_size
        return on_device(window_order(videos, merge=merge, window=window), like)
