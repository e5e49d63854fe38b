"""What a selection returns: which tokens survive, what they hold, and the rates behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.runtime.selection.audio import Merged
from omnizip_cost.runtime.selection.rows import on_device


@dataclass(frozen=True, kw_only=True, eq=False)
class Rates:
    """Algorithm 1 where it was computed: float64 tensors, one value per window with audio."""

    retention: torch.Tensor
    initial_rates: torch.Tensor
    rates: torch.Tensor
    notes: tuple[str, ...] = ()

    @cached_property
    def on_host(self) -> dict[str, NDArray[np.float64]]:
        """The three by name as arrays; the first time, the host waits for the device."""
        names = ("retention", "initial_rates", "rates")
        return {name: getattr(self, name).cpu().numpy() for name in names}


class Allocated:
    """What holds the outcome of Algorithm 1, or none: its numbers as arrays."""

    __slots__ = ()
    allocated: Rates | None

    @property
    def retention(self) -> NDArray[np.float64]:
        """S_a(i), share of audio kept, per window with audio; empty where a method knows none."""
        return self._on_host("retention")

    @property
    def initial_rates(self) -> NDArray[np.float64]:
        """rho'_v(i) of Eq. 5, per window with audio."""
        return self._on_host("initial_rates")

    @property
    def rates(self) -> NDArray[np.float64]:
        """Video pruning rates after Algorithm 1, per window with audio."""
        return self._on_host("rates")

    def _on_host(self, name: str) -> NDArray[np.float64]:
        if self.allocated is None:
            return np.empty(0, dtype=np.float64)
        return self.allocated.on_host[name]


class Selection(Allocated):
    """The outcome of :func:`omnizip_cost.runtime.selection.select`.

    Nothing here has waited for the device. The first of :meth:`survivors`, :meth:`gather` and the
    rates that is asked for does.

    Parameters
    ----------
    keep : bool tensor, shape (L,)
        Survivors, in prompt order; text and marks always survive.
    embeddings : tensor, shape (L, d)
        The caller's own, never changed.
    merged : Merged, optional
        New rows of some audio tokens.
    merged_at : integer array, shape (N_a,), optional
        Prompt positions of the clip's audio tokens, which ``merged`` counts.
    rates : Rates, optional
    scores : mapping of name to tensor, optional
        What tokens were ranked by, named as ``select`` names it: not finite, and no selection
        came of it.
    """

    def __init__(
        self,
        *,
        keep: torch.Tensor,
        embeddings: torch.Tensor,
        merged: Merged | None = None,
        merged_at: NDArray[np.int64] | None = None,
        rates: Rates | None = None,
        scores: Mapping[str, torch.Tensor] | None = None,
    ) -> None:
        self.keep = keep
        self.notes: tuple[str, ...] = rates.notes if rates is not None else ()
        self._given = embeddings.detach() if embeddings.requires_grad else embeddings
        self._merged = merged
        self._merged_at = merged_at
        self.allocated = rates
        self._scores = scores or {}
        self._finite = _together(self._scores).isfinite().all() if self._scores else None

    @cached_property
    def embeddings(self) -> torch.Tensor:
        """Rows of the whole prompt after merging, shape (L, d); the caller's own without any."""
        if self._merged is None:
            return self._given
        return self._given.index_copy(0, self._places(), self._merged.rows.to(self._given.dtype))

    def survivors(self) -> torch.Tensor:
        """Prompt positions of the survivors, in order: here, once, the host waits for the device.

        Returns
        -------
        integer tensor, shape (survivors,)

        Raises
        ------
        InvalidValueError
            Scores that are not finite.
        """
        return self._survivors

    @cached_property
    def _survivors(self) -> torch.Tensor:
        kept = self.keep.sum()
        finite = torch.ones_like(kept) if self._finite is None else self._finite.to(kept)
        count, sound = torch.stack([kept, finite]).tolist()
        if not sound:
            refuse_unsound(self._scores)
        return torch.sort(self.keep.byte(), descending=True, stable=True).indices[:count]

    def gather(self) -> torch.Tensor:
        """Rows of the survivors, shape (survivors, d), without a copy of the whole prompt's."""
        rows = self._given[self.survivors()]
        if self._merged is None:
            return rows
        number = self.keep.cumsum(0)[self._places()] - 1
        return rows.index_copy_(0, number, self._merged.rows.to(rows.dtype))

    def _places(self) -> torch.Tensor:
        """Prompt positions of the anchors."""
        assert self._merged is not None and self._merged_at is not None
        return on_device(self._merged_at, self._merged.anchors)[self._merged.anchors]

    def __repr__(self) -> str:
        known = self.__dict__.get("_survivors")
        kept = "" if known is None else f"{len(known)} of "
        return f"Selection({kept}{len(self.keep)} tokens, {self._given.dtype}, {self.keep.device})"


def refuse_unsound(scores: Mapping[str, torch.Tensor | None]) -> None:
    """Name the scores that are not finite; the host waits for each.

    Raises
    ------
    InvalidValueError
    """
    for name, values in scores.items():
        if values is not None and not bool(values.isfinite().all()):
            first = float(values[~values.isfinite()][0])
            raise InvalidValueError("selection", name, "finite", first)


def _together(scores: Mapping[str, torch.Tensor]) -> torch.Tensor:
    rows = list(scores.values())
    return rows[0] if len(rows) == 1 else torch.cat([row.float() for row in rows])
