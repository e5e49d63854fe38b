"""Audio scores: how much attention each audio token receives in the encoder's last layer.

Source: OmniZip, Eq. 2. :class:`ScoreTap` reads them off a real encoder while it runs;
:func:`~omnizip_cost.runtime.proxy.proxy_scores` stands in where there are no real weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from omnizip_cost.compression.blocks import LEAST_QUERIES
from omnizip_cost.compression.settings import MODES, Mode
from omnizip_cost.errors import InvalidValueError, UnknownNameError, UnsupportedModelError
from omnizip_cost.runtime.proxy import proxy_scores
from omnizip_cost.runtime.selection.rows import blocks
from omnizip_cost.runtime.tap import Tap

__all__ = ["ENCODER_POOLING", "ScoreTap", "audio_scores", "proxy_scores"]

ENCODER_POOLING: dict[str, int] = {"Qwen2_5OmniAudioEncoder": 2, "Qwen3OmniMoeAudioEncoder": 1}
"""Hidden states averaged into one audio token after the last layer, by encoder class."""

_ATTENTIONS = ("Qwen2_5OmniAudioAttention", "Qwen3OmniMoeAudioAttention")


@torch.no_grad()
def audio_scores(
    query: torch.Tensor,
    key: torch.Tensor,
    block_lengths: Sequence[int],
    *,
    scaling: float,
    mode: Mode = "paper",
    pooling: int = 2,
) -> torch.Tensor:
    """Score the audio tokens of one clip by the attention they receive (OmniZip, Eq. 2).

    softmax(q k^T * scaling), averaged over heads and over all queries of the clip, then averaged
    over ``pooling`` neighbours as the encoder pools its tokens; an odd last position is dropped.
    Memory is linear in the clip's length: blocks, or chunks of queries, are taken in turn.

    Parameters
    ----------
    query, key : tensor, shape (h, N, a)
        Of the encoder's last layer, heads first.
    block_lengths : sequence of int
        Sizes of the blocks inside which the encoder attends (2 s in Qwen2.5-Omni); sums to N.
    scaling : float
        1/sqrt(a), as the layer applies it.
    mode : {"paper", "official"}
        Softmax inside the blocks, or over the whole clip as in the published code. In ``paper``
        mode the sum over a block's queries is divided by the queries of the *clip*: a short last
        block is not favoured.
    pooling : int
        2 in Qwen2.5-Omni, 1 (none) in Qwen3-Omni.

    Returns
    -------
    tensor, shape (N // pooling,), float32 (float64 for float64 inputs)

    Raises
    ------
    InvalidValueError, UnknownNameError
    """
    if query.ndim != 3 or query.shape != key.shape:
        raise InvalidValueError(
            "audio scores",
            "query and key",
            "both of shape (heads, positions, head size)",
            f"{tuple(query.shape)} and {tuple(key.shape)}",
        )
    if mode not in MODES:
        raise UnknownNameError("mode", str(mode), MODES)
    positions = query.shape[1]
    if any(length <= 0 for length in block_lengths) or sum(block_lengths) != positions:
        raise InvalidValueError(
            "audio scores",
            "block_lengths",
            f"positive lengths that sum to {positions}",
            list(block_lengths),
        )
    dtype = query.dtype if query.dtype == torch.float64 else torch.float32
    query, key = query.to(dtype) * scaling, key.to(dtype)
    received = _in_blocks(query, key, block_lengths) if mode == "paper" else _over_clip(query, key)
    received = received / max(positions, 1)
    whole = positions // pooling * pooling
    return received[:whole].view(-1, pooling).mean(dim=1)


def _in_blocks(
    query: torch.Tensor, key: torch.Tensor, block_lengths: Sequence[int]
) -> torch.Tensor:
    """Attention received inside each block, summed over its queries; equal blocks together."""
    heads, positions, size = query.shape
    received = query.new_empty(positions)
    start = 0
    for length, run in groupby(block_lengths):
        count = len(list(run))
        stop = start + count * length
        q = query[:, start:stop].view(heads, count, length, size)
        k = key[:, start:stop].view(heads, count, length, size)
        out = received[start:stop].view(count, length)
        for block in blocks(count, heads * length * length, query):
            weights = (q[:, block] @ k[:, block].transpose(2, 3)).softmax(dim=3)
            out[block] = weights.sum(dim=2).mean(dim=0)
        start = stop
    return received


def _over_clip(query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
    """Attention received when every query sees the whole clip, summed over chunks of queries."""
    heads, positions, _ = query.shape
    received = query.new_zeros(positions)
    for some in blocks(heads, LEAST_QUERIES * positions, query):
        q, k = query[some], key[some].transpose(1, 2)
        for chunk in blocks(positions, len(q) * positions, query):
            received += (q[:, chunk] @ k).softmax(dim=2).sum(dim=(0, 1))
    return received / heads


class ScoreTap(Tap):
    """Record the audio scores of a real audio encoder while it runs.

    Queries and keys of the last self-attention are kept as the layer computes them, whatever
    its attention backend; the scores themselves are computed when :attr:`scores` is first read,
    so that their time falls where they are used. Leaving the block removes every hook.

    Parameters
    ----------
    encoder : Module
        A Qwen2.5-Omni or Qwen3-Omni audio encoder.
    mode : {"paper", "official"}

    Raises
    ------
    UnsupportedModelError
        An encoder of another class.

    Examples
    --------
    ``with ScoreTap(find_audio_encoder(thinker)) as tap: thinker(**inputs)``, then ``tap.scores``.
    """

    def __init__(self, encoder: nn.Module, *, mode: Mode = "paper") -> None:
        names = [base.__name__ for base in type(encoder).__mro__]
        known = [name for name in names if name in ENCODER_POOLING]
        attentions = [
            module for module in encoder.modules() if type(module).__name__ in _ATTENTIONS
        ]
        if not known or not attentions:
            raise UnsupportedModelError(
                type(encoder).__name__,
                "it is no audio encoder of Qwen2.5-Omni or Qwen3-Omni",
                f"give a {' or '.join(ENCODER_POOLING)}",
            )
        if mode not in MODES:
            raise UnknownNameError("mode", str(mode), MODES)
        self.mode = mode
        self.pooling = ENCODER_POOLING[known[0]]
        self._encoder = encoder
        self._attention: Any = attentions[-1]
        super().__init__()

    def clear(self) -> None:
        """Forget what was recorded."""
        self._query: torch.Tensor | None = None
        self._key: torch.Tensor | None = None
        self._boundaries: torch.Tensor | None = None
        self._feature_lengths: torch.Tensor | None = None
        self._scores: torch.Tensor | None = None

    def _hooks(self) -> list[RemovableHandle]:
        attention = self._attention
        return [
            self._encoder.register_forward_pre_hook(self._on_encoder, with_kwargs=True),
            attention.register_forward_pre_hook(self._on_attention, with_kwargs=True),
            attention.q_proj.register_forward_hook(self._on_query),
            attention.k_proj.register_forward_hook(self._on_key),
        ]

    @property
    def scores(self) -> torch.Tensor | None:
        """Scores of the last forward, shape (N_a,); None when the encoder has not run."""
        if self._scores is None and self._query is not None:
            self._scores = self._compute()
            self._query = self._key = None
        return self._scores

    def _on_encoder(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.clear()
        self._feature_lengths = kwargs.get("feature_lens", args[1] if len(args) > 1 else None)

    def _on_attention(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self._boundaries = kwargs["cu_seqlens"] if "cu_seqlens" in kwargs else args[1]

    def _on_query(self, module: nn.Module, args: tuple[Any, ...], output: torch.Tensor) -> None:
        self._query = output.detach()

    def _on_key(self, module: nn.Module, args: tuple[Any, ...], output: torch.Tensor) -> None:
        self._key = output.detach()

    def _compute(self) -> torch.Tensor:
        assert self._query is not None and self._key is not None
        assert self._boundaries is not None
        lengths = self._boundaries.diff().tolist()
        heads = self._attention.num_heads
        query, key = (
            states.view(len(states), heads, -1).transpose(0, 1)
            for states in (self._query, self._key)
        )
        parts, start = [], 0
        for clip in self._clips(lengths):
            stop = start + sum(clip)
            parts.append(
                audio_scores(
                    query[:, start:stop],
                    key[:, start:stop],
                    clip,
                    scaling=self._attention.scaling,
                    mode=self.mode,
                    pooling=self.pooling,
                )
            )
            start = stop
        return torch.cat(parts)

    def _clips(self, lengths: list[int]) -> list[list[int]]:
        """Block lengths of each clip: tokens are pooled, and scored, clip by clip."""
        features = [] if self._feature_lengths is None else self._feature_lengths.tolist()
        if len(features) <= 1:
            return [lengths]
        if self.pooling == 1:
            raise UnsupportedModelError(
                type(self._encoder).__name__,
                f"scores of {len(features)} clips in one call are not supported",
                "give one clip at a time",
            )
        clips, left = [], iter(lengths)
        for frames in features:
            clip: list[int] = []
            while sum(clip) < (frames + 1) // 2:  # one stride-2 convolution
                clip.append(next(left))
            clips.append(clip)
        return clips
