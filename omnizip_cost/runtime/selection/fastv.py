"""FastV's ranking: audio and video tokens by the attention they receive from the last token.

Source: FastV (arXiv 2403.06764); set up as in OmniZip, Tab. 1 (K = 5, audio and video alike).
"""

from __future__ import annotations

import numpy as np
import torch

from omnizip_cost.errors import InvalidValueError, require_ratio
from omnizip_cost.runtime.selection.layout import Layout
from omnizip_cost.runtime.selection.rows import keep_best, on_device


def fastv_kept(tokens: int, retained: float) -> int:
    """Audio and video tokens that go on to the layers above K: ``round(retained * n)``."""
    return round(retained * tokens)


def fastv_keep(attention: torch.Tensor, layout: Layout, *, retained: float) -> torch.Tensor:
    """Keep ``round(retained * n)`` audio and video tokens, and all text.

    Parameters
    ----------
    attention : tensor, shape (h, L) or (L,)
        Attention weights of the last token of the prompt at layer K, per head or already
        averaged over heads.
    layout : Layout
        From :func:`omnizip_cost.runtime.selection.layout.read_layout`.
    retained : float
        Share of audio and video tokens, taken together, that goes on to the layers above K.

    Returns
    -------
    bool tensor, shape (L,)

    Raises
    ------
    InvalidValueError
        Attention of another length, or a ratio outside [0, 1].
    """
    require_ratio("FastV", "retained", retained)
    if attention.ndim not in (1, 2) or attention.shape[-1] != layout.length:
        raise InvalidValueError(
            "FastV",
            "attention",
            f"one row of {layout.length} weights per head",
            f"shape {tuple(attention.shape)}",
        )
    received = attention.float().mean(dim=0) if attention.ndim == 2 else attention
    ranked = np.sort(np.concatenate([layout.video_positions(), layout.audio_positions()]))
    places = on_device(ranked, attention)
    kept = on_device([fastv_kept(len(ranked), retained)], attention)
    keep = torch.ones(layout.length, dtype=torch.bool, device=attention.device)
    keep[places] = keep_best(received[places][None], kept)[0]
    return keep
