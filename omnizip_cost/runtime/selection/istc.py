"""ISTC, interleaved spatio-temporal compression: which video tokens of each grid survive.

Grids alternate inside a window: even ones keep the best density peaks (DPC-KNN, OmniZip,
Eqs. 7-8), odd ones the tokens that changed most since the grid before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch

from omnizip_cost.compression.settings import Mode
from omnizip_cost.runtime.selection.layout import Grid, Layout
from omnizip_cost.runtime.selection.rows import (
    aligned_cosine,
    blocks,
    cosines,
    keep_best,
    on_device,
    working_dtype,
)

NEIGHBOURS = 5
"""k of DPC-KNN, at most P - 1: the published code's value."""


def istc(
    embeddings: torch.Tensor, layout: Layout, kept: Sequence[Sequence[int]], *, mode: Mode
) -> torch.Tensor:
    """Prompt positions of the video tokens that survive.

    Parameters
    ----------
    embeddings : tensor, shape (L, d)
    layout : Layout
    kept : sequence per window of int per grid
        Tokens each grid keeps; a short last grid has its own count.
    mode : {"paper", "official"}
        Distance of DPC-KNN: Euclidean, or one minus cosine.

    Returns
    -------
    bool tensor, shape (L,)
        True at surviving video tokens only.
    """
    survivors = torch.zeros(layout.length, dtype=torch.bool, device=embeddings.device)
    alike: dict[tuple[int, bool], list[tuple[Grid, int]]] = defaultdict(list)
    for grid in layout.grids():
        count = kept[grid.window][grid.ordinal]
        if count >= grid.size:
            survivors[grid.start : grid.start + grid.size] = True
        elif count > 0:
            alike[grid.size, grid.ordinal % 2 == 1].append((grid, count))
    for (size, odd), members in alike.items():
        for block in blocks(len(members), size * max(size, embeddings.shape[1])):
            starts = on_device([grid.start for grid, _ in members[block]], embeddings)
            counts = on_device([count for _, count in members[block]], embeddings)
            places = starts[:, None] + torch.arange(size, device=embeddings.device)
            rows = _rows(embeddings, places)
            if odd:
                before = _rows(embeddings, places - layout.tokens_per_grid)
                values = -aligned_cosine(rows, before)
            else:
                values = density_peaks(rows, mode=mode)
            survivors[places] = keep_best(values, counts)
    return survivors


def _rows(embeddings: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    return embeddings[places].to(working_dtype(embeddings.dtype))


def density_peaks(rows: torch.Tensor, *, mode: Mode) -> torch.Tensor:
    """DPC-KNN scores of the tokens of each grid: high where dense and far from denser tokens.

    With k = min(5, P - 1), density is rho = exp(-mean over the k nearest other tokens of
    dist^2), delta the smallest distance to a denser token (the densest: largest distance to
    any), and the score rho * delta (OmniZip, Eqs. 7-8). ``official`` uses one minus cosine,
    unsquared, for both. ``paper`` returns the logarithm, the same order: at the model's width
    exp(-dist^2) underflows and every token would tie. A lone token scores as the worst, which
    cannot matter: it has no rival.

    Parameters
    ----------
    rows : tensor, shape (B, P, d)
    mode : {"paper", "official"}

    Returns
    -------
    tensor, shape (B, P)
    """
    size = rows.shape[1]
    if size == 1:
        return rows.new_zeros(rows.shape[:2])
    if mode == "official":
        distance = spread = 1 - _symmetric(cosines(rows, rows))
    else:
        spread = _squared_distances(rows)
        distance = spread.sqrt()
    itself = torch.eye(size, dtype=torch.bool, device=rows.device)
    nearest = spread.masked_fill(itself, torch.inf).topk(min(NEIGHBOURS, size - 1), largest=False)
    sparsity = nearest.values.mean(dim=2)
    if mode == "official":
        density = (-sparsity).exp()
        return density * _separation(distance, density)
    return _separation(distance, -sparsity).log() - sparsity


def _separation(distance: torch.Tensor, density: torch.Tensor) -> torch.Tensor:
    """Smallest distance to a denser token; for the densest, the largest distance to any."""
    denser = density[:, None, :] > density[:, :, None]
    closest = distance.masked_fill(~denser, torch.inf).amin(dim=2)
    return torch.where(denser.any(dim=2), closest, distance.amax(dim=2))


def _squared_distances(rows: torch.Tensor) -> torch.Tensor:
    """Squared Euclidean distances inside each grid, shape (B, P, P).

    Rows are centred first: the products then lose little when tokens are much alike.
    """
    centred = rows - rows.mean(dim=1, keepdim=True)
    products = _symmetric(centred @ centred.transpose(1, 2))
    norms = products.diagonal(dim1=1, dim2=2)
    return (norms[:, :, None] + norms[:, None, :] - 2 * products).clamp(min=0)


def _symmetric(products: torch.Tensor) -> torch.Tensor:
    """Remove the rounding by which (i, j) and (j, i) of a product may differ: ties stay ties."""
    return (products + products.transpose(1, 2)) / 2
