"""What a selection returns: which tokens survive, what they hold, and the rates behind it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray


def _no_windows() -> NDArray[np.float64]:
    return np.empty(0, dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Selection:
    """The outcome of :func:`omnizip_cost.runtime.selection.select`.

    ``retention``, ``initial_rates`` and ``rates`` hold one float64 per window with audio, in
    prompt order; they are empty for methods that know no windows.
    """

    keep: torch.Tensor
    """bool, shape (L,): survivors, in prompt order; text and marks always survive."""
    embeddings: torch.Tensor
    """shape (L, d), after merging and before gathering; the caller's own tensor when nothing
    was merged."""
    retention: NDArray[np.float64] = field(default_factory=_no_windows)
    """S_a(i), share of the window's audio tokens kept (salient and anchors)."""
    initial_rates: NDArray[np.float64] = field(default_factory=_no_windows)
    """rho'_v(i) of Eq. 5."""
    rates: NDArray[np.float64] = field(default_factory=_no_windows)
    """Video pruning rates after Algorithm 1."""
    notes: tuple[str, ...] = ()

    def gather(self) -> torch.Tensor:
        """Embeddings of the survivors, shape (survivors, d)."""
        return self.embeddings[self.keep]
