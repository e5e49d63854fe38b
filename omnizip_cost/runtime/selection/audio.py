"""OmniZip's audio part: salient tokens, anchors, and what is merged into them.

Source: OmniZip, Sec. 3.2, Eqs. 2-4, and the behaviour of its published code.
"""

from __future__ import annotations

from collections import defaultdict

import torch

from omnizip_cost.runtime.selection.layout import Layout
from omnizip_cost.runtime.selection.rows import blocks, cosines, descending, on_device


def split_salient(scores: torch.Tensor, kept: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the indices of the ``kept`` best scores, and of the rest in order.

    Sizes are known on the host, so nothing waits for the device.
    """
    order = descending(scores)
    return order[:kept], order[kept:].sort().values


def merge_into_anchors(
    audio: torch.Tensor,
    rest: torch.Tensor,
    relevance: torch.Tensor | None,
    *,
    anchors: int,
    stride: int,
    merge: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Merge non-salient audio tokens into anchors taken at a uniform stride.

    Parameters
    ----------
    audio : tensor, shape (N_a, d)
        Audio embeddings in the working dtype.
    rest : integer tensor, shape (n_rest,)
        Non-salient tokens, in order.
    relevance : tensor, shape (N_a,), optional
        Audio-video cosine of each token (Eq. 3), NaN where there is no video to look at; such
        tokens, and all tokens when None, are scored by the cosine to their nearest anchor.
    anchors, stride : int
        How many anchors, and their distance among ``rest``; at least one anchor.
    merge : int
        G, tokens merged into each anchor; at least one.

    Returns
    -------
    integer tensor, shape (anchors,)
        The anchors, as indices into ``audio``.
    tensor, shape (anchors, d)
        Their new embeddings: (anchor + weighted mean of its group's best)/2.
    """
    is_anchor = torch.zeros(len(rest), dtype=torch.bool)
    is_anchor[torch.arange(anchors) * stride] = True
    chosen = rest[on_device(torch.nonzero(is_anchor)[:, 0], rest)]
    others = rest[on_device(torch.nonzero(~is_anchor)[:, 0], rest)]
    old = audio[chosen]
    if not len(others):
        return chosen, old
    nearest, group = _nearest_anchor(audio, others, old)
    score = nearest
    if relevance is not None:
        given = relevance[others]
        score = torch.where(given.isnan(), nearest, given)
    merged = _best_of_groups(score, group, anchors, merge)
    return chosen, _pull(old, audio, others, score.exp() * merged, group)


def _nearest_anchor(
    audio: torch.Tensor, others: torch.Tensor, anchors: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Find each token's largest cosine to an anchor, and that anchor (the first of equals)."""
    values, groups = [], []
    for block in blocks(len(others), max(len(anchors), audio.shape[1])):
        best = cosines(audio[others[block]], anchors).max(dim=1)
        values.append(best.values)
        groups.append(best.indices)
    return torch.cat(values), torch.cat(groups)


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
    old: torch.Tensor,
    audio: torch.Tensor,
    others: torch.Tensor,
    weights: torch.Tensor,
    group: torch.Tensor,
) -> torch.Tensor:
    """Move each anchor half-way to the weighted mean of its group; an empty group moves nothing.

    ``weights`` are exponentials of cosines (a softmax not yet divided by its sum).
    """
    sums = torch.zeros_like(old)
    totals = old.new_zeros(len(old))
    names = torch.arange(len(old), device=old.device)
    for block in blocks(len(others), max(len(old), audio.shape[1])):
        table = (group[None, block] == names[:, None]) * weights[None, block]
        sums += table @ audio[others[block]]
        totals += table.sum(dim=1)
    mean = sums / totals.clamp(min=torch.finfo(old.dtype).tiny)[:, None]
    return torch.where(totals[:, None] > 0, (old + mean) / 2, old)


def relevance_to_clip(
    audio: torch.Tensor, rest: torch.Tensor, embeddings: torch.Tensor, layout: Layout
) -> torch.Tensor | None:
    """Largest cosine of each token of ``rest`` to any video token of the clip (``official``).

    Returns
    -------
    tensor, shape (N_a,), NaN outside ``rest``; None without video
    """
    if not layout.video_runs:
        return None
    found = audio.new_full((len(audio),), torch.nan)
    found[rest] = _largest_cosine(audio[rest][None], embeddings, layout.video_positions()[None])[0]
    return found


def relevance_to_window(
    audio: torch.Tensor, embeddings: torch.Tensor, layout: Layout
) -> torch.Tensor | None:
    """Largest cosine of each audio token to the video of its own window (``paper``, Eq. 3).

    Windows of one shape, all but a few, are computed together.

    Returns
    -------
    tensor, shape (N_a,), NaN where the window has no video; None without video
    """
    if not layout.video_runs:
        return None
    shapes: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    first = 0
    for index, run in enumerate(layout.audio_runs):
        if index < len(layout.video_runs):
            video = layout.video_runs[index]
            shapes[run.length, video.length].append((first, video.start))
        first += run.length
    found = audio.new_full((len(audio),), torch.nan)
    for (heard, seen), members in shapes.items():
        step = max(heard, seen)
        for block in blocks(len(members), step * audio.shape[1] + heard * seen):
            starts = torch.tensor(members[block])
            rows = on_device(starts[:, :1] + torch.arange(heard), audio)
            places = (starts[:, 1:] + torch.arange(seen)).numpy()
            found[rows] = _largest_cosine(audio[rows], embeddings, places)
    return found


def _largest_cosine(audio: torch.Tensor, embeddings: torch.Tensor, places: object) -> torch.Tensor:
    """Largest cosine of each audio row to the video rows of its batch entry.

    Parameters
    ----------
    audio : tensor, shape (B, n, d)
    embeddings : tensor, shape (L, d)
    places : integer array, shape (B, v)
        Prompt positions of the video rows.

    Returns
    -------
    tensor, shape (B, n)
    """
    where = on_device(places, audio)
    batch, heard, width = audio.shape
    best = audio.new_full((batch, heard), -torch.inf)
    for block in blocks(where.shape[1], batch * max(width, heard)):
        video = embeddings[where[:, block]].to(audio.dtype)
        best = torch.maximum(best, cosines(audio, video).amax(dim=2))
    return best
