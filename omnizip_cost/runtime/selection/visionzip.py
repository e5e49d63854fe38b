"""VisionZip-style selection: dominant and contextual video tokens, the best-scored audio tokens.

Source: VisionZip (arXiv 2412.04467), with which OmniZip's ablation replaces ISTC. That paper
compresses single images of models without sound, so for an omnimodal prompt these choices are
ours:

- Each temporal grid is compressed on its own, like an image, at the clip's ratio; counts are
  those of :mod:`omnizip_cost.compression.visionzip`.
- Dominant tokens are those that receive the most attention in the encoder's last layer, as the
  paper does for encoders without a class token; see :mod:`omnizip_cost.runtime.vision_scores`.
- A token joins the target with the largest cosine between *embeddings* (norms as in OmniZip,
  Eq. 4). The paper compares the encoder's keys, which are not part of a prompt.
- A contextual token is the plain mean of its target and all tokens that joined it. The published
  code adds the mean of the joined tokens to the target, before the projection into the language
  model; after it, as here, that would double the length of the rows.
- Merged tokens take the position of their target.
- Audio keeps the best ``round((1 - rho_a) * N_a)`` scores of OmniZip's Eq. 2, without anchors.
"""

from __future__ import annotations

from collections import defaultdict

import torch

from omnizip_cost.compression.counts import kept_count
from omnizip_cost.compression.visionzip import GridSplit, visionzip_splits
from omnizip_cost.errors import InvalidValueError
from omnizip_cost.runtime.selection.layout import Layout
from omnizip_cost.runtime.selection.result import Selection
from omnizip_cost.runtime.selection.rows import (
    NORM_EPSILON,
    blocks,
    descending,
    on_device,
    raised,
)


def visionzip(
    embeddings: torch.Tensor,
    audio_scores: torch.Tensor | None,
    video_scores: torch.Tensor | None,
    layout: Layout,
    *,
    audio_pruning: float,
    video_pruning: float,
) -> Selection:
    """Select dominant and contextual video tokens and the best-scored audio tokens.

    Nothing waits for the device, and equal scores go to the earliest token. When every token is
    kept, the caller's own embeddings come back.

    Parameters
    ----------
    embeddings : tensor, shape (L, d)
        Never changed in place; half types are averaged in float32.
    audio_scores : tensor, shape (N_a,), optional
        OmniZip's Eq. 2, in prompt order; needed when audio is dropped.
    video_scores : tensor, shape (N_v,), optional
        Attention received in the vision encoder, in prompt order; needed when video is dropped.
    layout : Layout
    audio_pruning, video_pruning : float
        Share of each modality to drop, in [0, 1].

    Returns
    -------
    Selection

    Raises
    ------
    InvalidValueError
        Scores that are missing, or of another shape.
    """
    keep = torch.ones(layout.length, dtype=torch.bool, device=embeddings.device)
    ranked_by: dict[str, torch.Tensor] = {}
    kept = kept_count(layout.audio_tokens, audio_pruning)
    if kept < layout.audio_tokens:
        heard = _required("scores", "audio", audio_scores, layout.audio_tokens)
        places = on_device(layout.audio_positions(), keep)
        keep.index_fill_(0, places[descending(heard)[kept:]], False)
        ranked_by["scores"] = heard
    pruned = _pruned_grids(layout, video_pruning)
    if pruned:
        seen = _required("video_scores", "video", video_scores, layout.video_tokens)
        embeddings = _compress(keep, embeddings, seen, pruned)
        ranked_by["video_scores"] = seen
    return Selection(keep=keep, embeddings=embeddings, scores=ranked_by)


def _pruned_grids(layout: Layout, pruning: float) -> dict[GridSplit, list[tuple[int, int]]]:
    """Grids that lose tokens, those of one split together.

    Each is given by its first prompt position and its first video token, counted over the clip.
    """
    alike: dict[GridSplit, list[tuple[int, int]]] = defaultdict(list)
    splits = visionzip_splits(layout.video_sizes, layout.tokens_per_grid, pruning)
    first = 0
    for grid in layout.grids():
        split = splits[grid.window][grid.ordinal]
        if split.kept < split.size:
            alike[split].append((grid.start, first))
        first += grid.size
    return alike


def _compress(
    keep: torch.Tensor,
    embeddings: torch.Tensor,
    scores: torch.Tensor,
    pruned: dict[GridSplit, list[tuple[int, int]]],
) -> torch.Tensor:
    """Drop tokens of these grids from ``keep``; return the prompt's rows after merging."""
    merges = any(split.contextual for split in pruned)
    result = embeddings.clone() if merges else embeddings
    for split, members in pruned.items():
        inside = torch.arange(split.size, device=keep.device)
        for block in blocks(len(members), split.size * embeddings.shape[1], keep):
            starts = on_device(members[block], keep)
            order = descending(scores[starts[:, 1:] + inside])
            others = order[:, split.dominant :].sort(dim=1).values
            rest = starts[:, :1] + others
            targets = rest[:, split.targets]
            keep.index_fill_(0, rest.flatten(), False)
            keep.index_fill_(0, targets.flatten(), True)
            if split.contextual:
                new = _contextual(raised(embeddings[rest]), split).to(embeddings.dtype)
                result.index_copy_(0, targets.flatten(), new.flatten(0, 1))
    return result


def _contextual(rows: torch.Tensor, split: GridSplit) -> torch.Tensor:
    """Average each target with the tokens that are most similar to it.

    A token's own norm scales all its cosines alike and is left out.

    Parameters
    ----------
    rows : tensor, shape (B, rest, d)
        Tokens that are not dominant, in prompt order, targets among them.
    split : GridSplit

    Returns
    -------
    tensor, shape (B, contextual, d)
    """
    targets = rows[:, split.targets]
    similarity = rows @ targets.transpose(1, 2)
    similarity /= (torch.linalg.vector_norm(targets, dim=2) + NORM_EPSILON)[:, None]
    joined = similarity.max(dim=2).indices
    names = torch.arange(split.contextual, device=rows.device)
    joined[:, split.targets] = names
    member = (joined[:, None, :] == names[:, None]).to(rows.dtype)
    return (member @ rows) / member.sum(dim=2, keepdim=True)


def _required(field: str, modality: str, scores: torch.Tensor | None, tokens: int) -> torch.Tensor:
    if scores is None or tuple(scores.shape) != (tokens,):
        raise InvalidValueError(
            "selection",
            field,
            f"of shape ({tokens},), one score per {modality} token",
            None if scores is None else f"shape {tuple(scores.shape)}",
            f"VisionZip ranks {modality} by the attention received in its encoder's last layer",
        )
    return scores
