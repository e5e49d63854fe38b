"""What was kept of one prompt: the record that ``compressed`` hands out."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from omnizip_cost.runtime.request import Request
from omnizip_cost.runtime.selection import Layout, Selection
from omnizip_cost.runtime.selection.result import Allocated, Rates


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Choice(Allocated):
    """A selection without the rows it chose among: what may outlive the prefill.

    ``retention``, ``initial_rates`` and ``rates`` are those of
    :class:`~omnizip_cost.runtime.selection.result.Selection`; they wait for the device.
    """

    keep: torch.Tensor
    """bool, shape (L,)."""
    allocated: Rates | None
    """Algorithm 1 where it was computed; None for methods that know no windows."""
    notes: tuple[str, ...]

    @classmethod
    def of(cls, selection: Selection) -> Choice:
        """Take down what was chosen and let go of the prompt's rows."""
        return cls(keep=selection.keep, allocated=selection.allocated, notes=selection.notes)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kept:
    """The outcome of one prefill under :func:`omnizip_cost.runtime.compressed.compressed`."""

    method: str
    keep: torch.Tensor
    """bool, shape (L,): tokens that reach the last decoder layer."""
    full_positions: torch.Tensor
    """int, shape (3, L): temporal, height and width position of every prompt token."""
    layer_tokens: tuple[int, ...]
    """Tokens that enter each decoder layer in this prefill, text included."""
    layout: Layout
    """Runs of audio and video tokens of the whole prompt."""
    selection: Choice | None
    """What was chosen before the first layer; None for FastV, which chooses between two."""

    @property
    def full_tokens(self) -> int:
        """Tokens of the whole prompt."""
        return self.layout.length

    @property
    def kept_tokens(self) -> int:
        """Tokens that enter the last layer, text included."""
        return self.layer_tokens[-1]

    @property
    def video_tokens(self) -> int:
        """Video tokens of the whole prompt."""
        return self.layout.video_tokens

    @property
    def audio_tokens(self) -> int:
        """Audio tokens of the whole prompt."""
        return self.layout.audio_tokens

    @property
    def video_kept(self) -> int:
        """Video tokens that reach the last layer."""
        return int(self.keep.cpu()[self.layout.video_positions()].sum())

    @property
    def audio_kept(self) -> int:
        """Audio tokens that reach the last layer."""
        return int(self.keep.cpu()[self.layout.audio_positions()].sum())

    @property
    def realised(self) -> float:
        """Share of audio and video tokens kept; 1 for a prompt without any."""
        total = self.video_tokens + self.audio_tokens
        return (self.video_kept + self.audio_kept) / total if total else 1.0

    @property
    def positions(self) -> torch.Tensor:
        """Positions of the survivors, shape (3, kept): those they had in the full prompt."""
        return self.full_positions[:, self.keep.to(self.full_positions.device)]

    @property
    def next_position(self) -> int:
        """Position of the first decoded token, counted on the full prompt: largest + 1."""
        return int(self.full_positions.max()) + 1


class Handle:
    """What ``compressed`` yields: the request, and the record of the latest prefill."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.last: Kept | None = None
        """Set by every prefill inside the block; None before the first."""

    def __repr__(self) -> str:
        done = f"{self.last.kept_tokens} of {self.last.full_tokens} tokens" if self.last else "idle"
        return f"Handle({self.request.found.name}, {done})"
