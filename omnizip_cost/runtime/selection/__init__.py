"""Selection on tensors: which tokens of a prompt enter the decoder, and what they hold."""

from __future__ import annotations

import torch

from omnizip_cost.compression.counts import ANCHOR_SHARE, MERGE, Rounding
from omnizip_cost.compression.method import Method
from omnizip_cost.compression.methods import require_method
from omnizip_cost.compression.settings import RHO_MAX, RHO_MIN, Mode, require_settings
from omnizip_cost.errors import (
    InvalidValueError,
    UnsupportedModelError,
    require_ratio,
)
from omnizip_cost.runtime.selection.call import call_method
from omnizip_cost.runtime.selection.fastv import fastv_keep
from omnizip_cost.runtime.selection.layout import Layout, read_layout
from omnizip_cost.runtime.selection.request import SelectionRequest
from omnizip_cost.runtime.selection.result import Selection, refuse_unsound

__all__ = [
    "Layout",
    "Selection",
    "SelectionRequest",
    "fastv_keep",
    "read_layout",
    "select",
]


@torch.no_grad()
def select(
    method: str | Method | type[Method],
    embeddings: torch.Tensor,
    scores: torch.Tensor | None,
    token_ids: torch.Tensor | Layout,
    *,
    audio_id: int | None = None,
    video_id: int | None = None,
    tokens_per_grid: int | None = None,
    audio_pruning: float,
    video_pruning: float,
    video_scores: torch.Tensor | None = None,
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
    method : str, Method or subclass of Method
        A name that ``omnizip-cost methods`` lists, or a method object of your own. FastV ranks
        inside the decoder and is no selection before it.
    embeddings : floating tensor or array, shape (L, d)
        Prompt embeddings with audio and video features written in. Never changed in place.
    scores : tensor, shape (N_a,), optional
        Audio scores of Eq. 2, in prompt order; needed where audio is ranked by them.
    token_ids : integer tensor, shape (L,), or Layout
        With a layout already read nothing is copied from the device, and scores that are not
        finite are refused when the survivors are asked for.
    audio_id, video_id : int
        Ids of the placeholders; not looked at with a layout.
    tokens_per_grid : int
        P, video tokens of one temporal grid; likewise.
    audio_pruning, video_pruning : float
        rho_a and rho_v in [0, 1].
    video_scores : tensor, shape (N_v,), optional
        Attention that each video token receives in the vision encoder, in prompt order.
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
        For methods that choose at random.

    Returns
    -------
    Selection

    Raises
    ------
    UnknownNameError, InvalidValueError, UnsupportedModelError, PluginError
    """
    found = require_method(method)
    if found.prunes == "inside the decoder":
        raise UnsupportedModelError(
            f"select({found.name!r})",
            f"{found.title} ranks by the attention of a decoder layer and selects nothing "
            "before it",
            f"use compressed(thinker, {found.name!r}, ...), or fastv_keep on attention weights",
        )
    rho_a = require_ratio("selection", "audio_pruning", audio_pruning)
    rho_v = require_ratio("selection", "video_pruning", video_pruning)
    require_settings(
        "selection",
        anchor_share=anchor_share,
        merge=merge,
        mode=mode,
        rho_min=rho_min,
        rho_max=rho_max,
        rounding=rounding,
    )
    embeddings = torch.as_tensor(embeddings)
    layout = _layout(token_ids, audio_id, video_id, tokens_per_grid)
    _check_embeddings(embeddings, layout)
    request = SelectionRequest(
        embeddings=embeddings,
        layout=layout,
        rho_a=rho_a,
        rho_v=rho_v,
        audio_scores=_checked("scores", scores, layout.audio_tokens, embeddings),
        video_scores=_checked("video_scores", video_scores, layout.video_tokens, embeddings),
        seed=seed,
        mode=mode,
        anchor_share=anchor_share,
        merge=merge,
        rho_min=rho_min,
        rho_max=rho_max,
        rounding=rounding,
    )
    _require_scores(found, request)
    if not isinstance(token_ids, Layout) and (rho_a or rho_v):
        refuse_unsound({"scores": request.audio_scores, "video_scores": request.video_scores})
    return call_method(found, request)


def _layout(
    token_ids: torch.Tensor | Layout,
    audio_id: int | None,
    video_id: int | None,
    tokens_per_grid: int | None,
) -> Layout:
    if isinstance(token_ids, Layout):
        return token_ids
    for name, value in (
        ("audio_id", audio_id),
        ("video_id", video_id),
        ("tokens_per_grid", tokens_per_grid),
    ):
        if value is None:
            raise InvalidValueError("selection", name, "given with token ids", None)
    return read_layout(
        torch.as_tensor(token_ids),
        audio_id=audio_id,  # type: ignore[arg-type]
        video_id=video_id,  # type: ignore[arg-type]
        tokens_per_grid=tokens_per_grid,  # type: ignore[arg-type]
    )


def _check_embeddings(embeddings: torch.Tensor, layout: Layout) -> None:
    shape = tuple(embeddings.shape)
    if embeddings.ndim != 2 or shape[0] != layout.length or not embeddings.is_floating_point():
        raise InvalidValueError(
            "selection",
            "embeddings",
            f"floating point of shape ({layout.length}, d), one row per token id",
            f"{embeddings.dtype} of shape {shape}",
        )


def _checked(
    name: str, scores: torch.Tensor | None, tokens: int, like: torch.Tensor
) -> torch.Tensor | None:
    """Scores on the embeddings' device, one for each of the tokens."""
    if scores is None:
        return None
    scores = torch.as_tensor(scores)
    if tuple(scores.shape) != (tokens,):
        modality = "audio" if name == "scores" else "video"
        raise InvalidValueError(
            "selection",
            name,
            f"of shape ({tokens},), one score per {modality} token",
            f"shape {tuple(scores.shape)}",
        )
    return scores.to(like.device, non_blocking=True)


def _require_scores(method: Method, request: SelectionRequest) -> None:
    """Refuse a method that ranks by scores nobody gave."""
    if request.rho_a == 0 and request.rho_v == 0:
        return
    for modality, name, scores, tokens in (
        ("audio", "scores", request.audio_scores, request.layout.audio_tokens),
        ("video", "video_scores", request.video_scores, request.layout.video_tokens),
    ):
        if modality in method.scores and tokens and scores is None:
            encoder = "audio" if modality == "audio" else "vision"
            raise InvalidValueError(
                "selection",
                name,
                f"one score for each of the {tokens} {modality} tokens",
                None,
                f"{method.title} ranks {modality} by the attention of the {encoder} encoder's "
                "last layer",
            )
