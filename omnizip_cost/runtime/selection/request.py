"""What a method sees of one prompt on the device, and the one way to answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from omnizip_cost.compression.counts import ANCHOR_SHARE, MERGE, Rounding
from omnizip_cost.compression.settings import RHO_MAX, RHO_MIN, Mode
from omnizip_cost.errors import InvalidValueError
from omnizip_cost.runtime.selection.layout import Layout
from omnizip_cost.runtime.selection.result import Selection
from omnizip_cost.runtime.selection.rows import on_device

Which = Sequence[int] | NDArray[Any] | torch.Tensor
"""Numbers of tokens of one modality, counted from 0 over the clip, or one bool per token."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SelectionRequest:
    """One prompt and what is asked of it, checked: all that a method's ``select`` needs.

    Sizes are host integers, named as in a plan request. To stay fast on an accelerator, a method
    computes on tensors without asking for their values.
    """

    embeddings: torch.Tensor
    """shape (L, d): the prompt's rows, audio and video features among them. Not to be changed."""
    layout: Layout
    """Where audio and video sit in the prompt: ``video_positions()``, ``audio_positions()``,
    ``grids()``."""
    rho_a: float
    rho_v: float
    audio_scores: torch.Tensor | None = None
    """shape (N_a,), Eq. 2; given to a method whose ``scores`` hold ``"audio"``."""
    video_scores: torch.Tensor | None = None
    """shape (N_v,), attention received in the vision encoder; likewise."""
    seed: int = 0
    mode: Mode = "paper"
    anchor_share: float = ANCHOR_SHARE
    merge: int = MERGE
    rho_min: float = RHO_MIN
    rho_max: float = RHO_MAX
    rounding: Rounding = "floor"

    @property
    def video_sizes(self) -> tuple[int, ...]:
        """Video tokens of each window (0 without video)."""
        return self.layout.video_sizes

    @property
    def audio_sizes(self) -> tuple[int, ...]:
        """Audio tokens of each window (0 without audio)."""
        return self.layout.audio_sizes

    @property
    def video_tokens(self) -> int:
        """Video tokens of the clip."""
        return self.layout.video_tokens

    @property
    def audio_tokens(self) -> int:
        """Audio tokens of the clip."""
        return self.layout.audio_tokens

    @property
    def tokens_per_grid(self) -> int:
        """P, video tokens of one temporal grid."""
        return self.layout.tokens_per_grid

    def video(self) -> torch.Tensor:
        """Rows of the video tokens, shape (N_v, d), in prompt order."""
        return self.embeddings[on_device(self.layout.video_positions(), self.embeddings)]

    def audio(self) -> torch.Tensor:
        """Rows of the audio tokens, shape (N_a, d), in prompt order."""
        return self.embeddings[on_device(self.layout.audio_positions(), self.embeddings)]

    def keep(
        self, *, video: Which, audio: Which, embeddings: torch.Tensor | None = None
    ) -> Selection:
        """Keep these audio and video tokens and everything else of the prompt.

        Parameters
        ----------
        video, audio : integers, or bool of shape (N_v,) and (N_a,)
            Tokens that survive: their numbers among the clip's tokens of that modality, in any
            order, or one bool per token. A list, an array or a tensor.
        embeddings : tensor, shape (L, d), optional
            New rows of the whole prompt, where tokens were merged.

        Raises
        ------
        InvalidValueError
            Numbers that are no tokens of the clip, in a list or an array, or a mask of another
            length. A tensor's numbers are not looked at, since that would wait for the device:
            they must be from 0 to the modality's tokens less one.
        """
        keep = torch.ones(self.layout.length, dtype=torch.bool, device=self.embeddings.device)
        for name, which, positions in (
            ("video", video, self.layout.video_positions()),
            ("audio", audio, self.layout.audio_positions()),
        ):
            mask = _mask(name, which, len(positions), keep)
            keep.index_copy_(0, on_device(positions, keep), mask)
        named = {"scores": self.audio_scores, "video_scores": self.video_scores}
        return Selection(
            keep=keep,
            embeddings=self.embeddings if embeddings is None else embeddings,
            scores={name: row for name, row in named.items() if row is not None},
        )


def _mask(name: str, which: Which, tokens: int, like: torch.Tensor) -> torch.Tensor:
    """One bool per token of a modality, on the device, from numbers or a mask."""
    if isinstance(which, torch.Tensor):
        given = which
    else:
        host = np.asarray(which)
        _refuse_strangers(name, host, tokens)
        given = torch.from_numpy(host if host.size else host.astype(np.int64))
    if given.dtype == torch.bool and tuple(given.shape) == (tokens,):
        return given.to(like.device, non_blocking=True)
    if given.ndim != 1 or given.dtype == torch.bool or given.is_floating_point():
        raise InvalidValueError(
            "selection",
            name,
            f"a row of token numbers, or {tokens} bools",
            f"{given.dtype} of shape {tuple(given.shape)}",
        )
    return like.new_zeros(tokens).index_fill_(
        0, given.to(like.device, torch.int64, non_blocking=True), True
    )


def _refuse_strangers(name: str, numbers: NDArray[Any], tokens: int) -> None:
    """Refuse numbers that no token of the clip has."""
    if numbers.dtype.kind not in "iu" or not numbers.size:
        return
    low, high = int(numbers.min()), int(numbers.max())
    if low < 0 or high >= tokens:
        raise InvalidValueError(
            "selection", name, f"numbers of tokens from 0 to {tokens - 1}", f"{low} to {high}"
        )
