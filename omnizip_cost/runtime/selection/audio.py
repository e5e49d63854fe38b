"""OmniZip's audio part: salient tokens, anchors, and what is merged into them.

Source: OmniZip, Sec. 3.2, Eqs. 2-4, and the behaviour of its published code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from omnizip_cost.compression.settings import Mode
from omnizip_cost.runtime.selection.layout import Layout, Strip, view
from omnizip_cost.runtime.selection.rows import blocks, descending, on_device, raised


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Merged:
    """The anchors of a clip, and what they hold after merging."""

    anchors: torch.Tensor
    """Integer, shape (anchors,): which audio tokens they are, counted over the clip."""
    rows: torch.Tensor
    """Shape (anchors, d), in the working dtype."""


def split_salient(scores: torch.Tensor, kept: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the indices of the ``kept`` best scores, and of the rest in order.

    Sizes are known on the host, so nothing waits for the device.
    """
    order = descending(scores)
    return order[:kept], order[kept:].sort().values


def merge_into_anchors(
    embeddings: torch.Tensor,
    lengths: torch.Tensor,
    layout: Layout,
    rest: torch.Tensor,
    *,
    anchors: int,
    stride: int,
    merge: int,
    mode: Mode,
) -> Merged:
    """Merge non-salient audio tokens into anchors taken at a uniform stride.

    A token goes to its nearest anchor by cosine; of each anchor's group the ``merge`` tokens most
    like the video (Eq. 3; without video, most like their anchor) are averaged with weights
    softmax(cosine), and the anchor moves half-way to that mean.

    Parameters
    ----------
    embeddings : tensor, shape (L, d)
    lengths : tensor, shape (L,)
        Norms of the rows, as :func:`~omnizip_cost.runtime.selection.rows.norms` gives them.
    layout : Layout
    rest : integer tensor, shape (n_rest,)
        Non-salient audio tokens, counted over the clip, in order.
    anchors, stride : int
        How many anchors, and their distance among ``rest``; at least one anchor.
    merge : int
        G, tokens merged into each anchor; at least one.
    mode : {"paper", "official"}
        Whether Eq. 3 looks at the video of the token's own window, or of the whole clip.
    """
    at_anchor = np.arange(anchors) * stride
    at_other = np.setdiff1d(np.arange(len(rest)), at_anchor)
    places = on_device(layout.audio_positions(), embeddings)
    chosen = rest[on_device(at_anchor, rest)]
    old = raised(embeddings[places[chosen]])
    if not len(at_other):
        return Merged(anchors=chosen, rows=old)
    others = rest[on_device(at_other, rest)]
    rows, own = raised(embeddings[places[others]]), lengths[places[others]]
    nearest, group = _nearest_anchor(rows, own, old, lengths[places[chosen]])
    score = nearest
    if layout.video_runs and mode == "official":
        score = best_over_clip(rows, embeddings, lengths, layout).div_(own)
    elif layout.window_strips:
        seen = best_in_window(embeddings, lengths, layout)[others].div_(own)
        score = torch.where(seen.isnan(), nearest, seen)
    merged = _best_of_groups(score, group, anchors, merge)
    return Merged(anchors=chosen, rows=_pull(old, rows, score.exp() * merged, group))


def _nearest_anchor(
    rows: torch.Tensor, lengths: torch.Tensor, anchors: torch.Tensor, anchor_lengths: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Find each row's largest cosine to an anchor, and that anchor (the first of equals)."""
    values, groups = [], []
    for block in blocks(len(rows), len(anchors), rows):
        best = (rows[block] @ anchors.T).div_(anchor_lengths).max(dim=1)
        values.append(best.values)
        groups.append(best.indices)
    return torch.cat(values).div_(lengths), torch.cat(groups)


def best_over_clip(
    rows: torch.Tensor, embeddings: torch.Tensor, lengths: torch.Tensor, layout: Layout
) -> torch.Tensor:
    """Largest cosine of each row to any video token of the clip, times the row's own norm.

    Returns
    -------
    tensor, shape (n,)
    """
    best = rows.new_full((len(rows),), -torch.inf)
    for strip in layout.video_strips:
        for columns in blocks(strip.size, len(rows), embeddings):
            part = _part(strip, columns)
            for block in blocks(strip.repeats, len(rows) * part.size, embeddings):
                video = raised(view(part, embeddings)[block])
                batch = rows.expand(len(video), -1, -1)
                cosine = (batch @ video.transpose(1, 2)).div_(view(part, lengths)[block][:, None])
                torch.maximum(best, cosine.amax(dim=(0, 2)), out=best)
    return best


def best_in_window(embeddings: torch.Tensor, lengths: torch.Tensor, layout: Layout) -> torch.Tensor:
    """Largest cosine of each audio token to the video of its window, times its own norm (Eq. 3).

    Returns
    -------
    tensor, shape (N_a,), NaN where the window has no video
    """
    best = lengths.new_full((layout.audio_tokens,), torch.nan)
    for audio, video, first in layout.window_strips:
        found = lengths.new_full((audio.repeats, audio.size), -torch.inf)
        for columns in blocks(video.size, audio.size, embeddings):
            part = _part(video, columns)
            for block in blocks(part.repeats, audio.size * part.size, embeddings):
                heard, seen = (raised(view(strip, embeddings)[block]) for strip in (audio, part))
                cosine = (heard @ seen.transpose(1, 2)).div_(view(part, lengths)[block][:, None])
                found[block] = torch.maximum(found[block], cosine.amax(dim=2))
        best[first : first + found.numel()] = found.flatten()
    return best


def _part(strip: Strip, columns: slice) -> Strip:
    """Cut the same columns out of every stretch of a strip."""
    return strip._replace(start=strip.start + columns.start, size=columns.stop - columns.start)


def _best_of_groups(
    score: torch.Tensor, group: torch.Tensor, groups: int, merge: int
) -> torch.Tensor:
    """Mark the ``merge`` highest scores inside each group; ties go to the earliest token."""
    order = descending(score)
    ordered, by_group = torch.sort(group[order], stable=True)
    order = order[by_group]
    first = torch.searchsorted(ordered, torch.arange(groups, device=group.device))
    rank = torch.arange(len(order), device=group.device) - first[ordered]
    return torch.zeros_like(group, dtype=torch.bool).scatter_(0, order, rank < merge)


def _pull(
    old: torch.Tensor, rows: torch.Tensor, weights: torch.Tensor, group: torch.Tensor
) -> torch.Tensor:
    """Move each anchor half-way to the weighted mean of its group; an empty group moves nothing.

    ``weights`` are exponentials of cosines (a softmax not yet divided by its sum).
    """
    names = torch.arange(len(old), device=old.device)
    sums, totals = torch.zeros_like(old), old.new_zeros(len(old))
    for block in blocks(len(rows), len(old), rows):
        table = (group[None, block] == names[:, None]) * weights[None, block]
        torch.addmm(sums, table, rows[block], out=sums)
        totals += table.sum(dim=1)
    mean = sums / totals.clamp(min=torch.finfo(old.dtype).tiny)[:, None]
    return torch.where(totals[:, None] > 0, (old + mean) / 2, old)
