"""DyCoke (V&A): temporal merging of video and audio by similarity to a group's first member.

Source: DyCoke (arXiv 2411.15024) for the idea; OmniZip compares with a variant for video and
audio and gives no details, so grouping and rounding are ours, as counted in
:mod:`omnizip_cost.compression.counts`.
"""

from __future__ import annotations

import numpy as np
import torch

from omnizip_cost.compression.counts import DYCOKE_GROUP, dycoke_audio_drops, dycoke_drops
from omnizip_cost.runtime.selection.layout import Layout
from omnizip_cost.runtime.selection.rows import (
    aligned_cosine,
    blocks,
    keep_best,
    on_device,
    working_dtype,
)


def dycoke_keep(
    embeddings: torch.Tensor, layout: Layout, *, audio_pruning: float, video_pruning: float
) -> torch.Tensor:
    """Drop what repeats the reference of its group of four grids, or of four audio tokens.

    Grids are counted over the clip, across windows. A run's remainder of less than one grid
    belongs to no group and is kept. In each grid, and over the clip's audio, the most similar
    tokens go first, the earliest of equals first.

    Parameters
    ----------
    embeddings : tensor, shape (L, d)
    layout : Layout
    audio_pruning, video_pruning : float
        Share of each modality to drop, as far as the non-reference members hold it.

    Returns
    -------
    bool tensor, shape (L,)
    """
    keep = torch.ones(layout.length, dtype=torch.bool, device=embeddings.device)
    _drop_video(keep, embeddings, layout, video_pruning)
    _drop_audio(keep, embeddings, layout, audio_pruning)
    return keep


def _drop_video(
    keep: torch.Tensor, embeddings: torch.Tensor, layout: Layout, pruning: float
) -> None:
    size = layout.tokens_per_grid
    starts = [grid.start for grid in layout.grids() if grid.size == size]
    drops = dycoke_drops(len(starts), size, pruning)
    moving = [grid for grid, count in enumerate(drops) if count]
    for block in blocks(len(moving), size * embeddings.shape[1], embeddings):
        grids = moving[block]
        inside = torch.arange(size, device=embeddings.device)
        places = on_device([starts[grid] for grid in grids], keep)[:, None] + inside
        first = [starts[grid - grid % DYCOKE_GROUP] for grid in grids]
        similarity = _cosine(embeddings, places, on_device(first, keep)[:, None] + inside)
        keep[places] = ~keep_best(similarity, on_device([drops[grid] for grid in grids], keep))


def _drop_audio(
    keep: torch.Tensor, embeddings: torch.Tensor, layout: Layout, pruning: float
) -> None:
    tokens = layout.audio_tokens
    drops = dycoke_audio_drops(tokens, pruning)
    if not drops:
        return
    places = on_device(layout.audio_positions(), keep)
    order = np.arange(tokens)
    apart = order[order % DYCOKE_GROUP != 0]
    first = on_device(apart - apart % DYCOKE_GROUP, keep)
    moving = on_device(apart, keep)
    similarity = torch.cat(
        [
            _cosine(embeddings, places[moving[block]], places[first[block]])
            for block in blocks(len(moving), embeddings.shape[1], embeddings)
        ]
    )
    dropped = keep_best(similarity[None], on_device([drops], keep))[0]
    keep[places[moving]] = ~dropped


def _cosine(embeddings: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    dtype = working_dtype(embeddings.dtype)
    return aligned_cosine(embeddings[left].to(dtype), embeddings[right].to(dtype))
