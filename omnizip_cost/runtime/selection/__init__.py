"""Selection on tensors: which tokens of a prompt enter the decoder, and what they hold."""

from __future__ import annotations

import torch

from omnizip_cost.compression.counts import ANCHOR_SHARE, MERGE, Rounding
from omnizip_cost.compression.methods import require_method
from omnizip_cost.compression.settings import RHO_MAX, RHO_MIN, Mode
from omnizip_cost.errors import InvalidValueError, UnsupportedModelError, require_ratio
from omnizip_cost.runtime.selection.dycoke import dycoke_keep
from omnizip_cost.runtime.selection.fastv import fastv_keep
from omnizip_cost.runtime.selection.layout import Layout, read_layout
from omnizip_cost.runtime.selection.omnizip import Settings, omnizip
from omnizip_cost.runtime.selection.result import Selection
from omnizip_cost.runtime.selection.uniform import random_keep

__all__ = ["Layout", "Selection", "fastv_keep", "read_layout", "select"]


@torch.no_grad()
def select(
    method: str,
    embeddings: torch.Tensor,
    scores: torch.Tensor | None,
    token_ids: torch.Tensor,
    *,
    audio_id: int,
    video_id: int,
    tokens_per_grid: int,
    audio_pruning: float,
    video_pruning: float,
    anchor_share: float = ANCHOR_SHARE,
    merge: int = MERGE,
    mode: Mode = "paper",
    rho_min: float = RHO_MIN,
    rho_max: float = RHO_MAX,
    rounding: Rounding = "floor",
    seed: int = 0,
) -> Selection:
    """Choose the tokens of one prompt that enter the decoder (OmniZip, Secs. 3.2-3.3).

    Both ratios at zero return the prompt untouched, whatever the method.

    Parameters
    ----------
    method : {"full", "random", "dycoke", "omnizip"}
        FastV ranks inside the decoder and is no selection before it.
    embeddings : floating tensor or array, shape (L, d)
        Prompt embeddings with audio and video features written in. Never changed in place.
    scores : tensor, shape (N_a,), optional
        Audio scores of Eq. 2, in prompt order; needed by ``omnizip`` when there is audio.
    token_ids : integer tensor, shape (L,)
    audio_id, video_id : int
        Ids of the placeholders.
    tokens_per_grid : int
        P, video tokens of one temporal grid.
    audio_pruning, video_pruning : float
        rho_a and rho_v in [0, 1].
    anchor_share : float
        Anchors per audio token: 0.05 in the published code, not given in the paper.
    merge : int
        G, audio tokens merged into each anchor; 0 means no anchors.
    mode : {"paper", "official"}
        What the paper says, or what the published code does.
    rho_min, rho_max : float
        Bounds of a window's video pruning rate.
    rounding : {"floor", "largest-remainder"}
        How ``paper`` mode rounds tokens per grid; the second meets the clip's budget exactly.
    seed : int
        For ``random``.

    Returns
    -------
    Selection

    Raises
    ------
    UnknownNameError, InvalidValueError, UnsupportedModelError
    """
    require_method(method)
    if method == "fastv":
        raise UnsupportedModelError(
            "select('fastv')",
            "FastV ranks by the attention of a decoder layer and selects nothing before it",
            "use compressed(thinker, 'fastv', ...), or fastv_keep on attention weights",
        )
    audio_pruning = require_ratio("selection", "audio_pruning", audio_pruning)
    video_pruning = require_ratio("selection", "video_pruning", video_pruning)
    settings = Settings(
        audio_pruning=audio_pruning,
        video_pruning=video_pruning,
        anchor_share=anchor_share,
        merge=merge,
        mode=mode,
        rho_min=rho_min,
        rho_max=rho_max,
        rounding=rounding,
    )
    embeddings, token_ids = torch.as_tensor(embeddings), torch.as_tensor(token_ids)
    scores = None if scores is None else torch.as_tensor(scores)
    layout = read_layout(
        token_ids, audio_id=audio_id, video_id=video_id, tokens_per_grid=tokens_per_grid
    )
    _check_tensors(embeddings, scores, layout)
    if method == "omnizip":
        if scores is not None:
            scores = scores.to(embeddings.device)
        return omnizip(embeddings, scores, layout, settings)
    if method == "full" or (audio_pruning == 0 and video_pruning == 0):
        keep = torch.ones(layout.length, dtype=torch.bool, device=embeddings.device)
    elif method == "random":
        keep = random_keep(
            layout,
            audio_pruning=audio_pruning,
            video_pruning=video_pruning,
            seed=seed,
            device=embeddings.device,
        )
    else:
        keep = dycoke_keep(
            embeddings, layout, audio_pruning=audio_pruning, video_pruning=video_pruning
        )
    return Selection(keep=keep, embeddings=embeddings)


def _check_tensors(embeddings: torch.Tensor, scores: torch.Tensor | None, layout: Layout) -> None:
    shape = tuple(embeddings.shape)
    if embeddings.ndim != 2 or shape[0] != layout.length or not embeddings.is_floating_point():
        raise InvalidValueError(
            "selection",
            "embeddings",
            f"floating point of shape ({layout.length}, d), one row per token id",
            f"{embeddings.dtype} of shape {shape}",
        )
    if scores is not None and tuple(scores.shape) != (layout.audio_tokens,):
        raise InvalidValueError(
            "selection",
            "scores",
            f"of shape ({layout.audio_tokens},), one score per audio token",
            f"shape {tuple(scores.shape)}",
        )
