"""ISTC, interleaved spatio-temporal compression: which video tokens of each grid survive.

Grids alternate inside a window: even ones keep the best density peaks (DPC-KNN, OmniZip,
Eqs. 7-8), odd ones the tokens that changed most since the grid before.
"""

from __future__ import annotations

import torch

from omnizip_cost.compression.settings import Mode
from omnizip_cost.runtime.selection.layout import GridStrip, Layout, view
from omnizip_cost.runtime.selection.rows import blocks, keep_best, raised

NEIGHBOURS = 5
"""k of DPC-KNN, at most P - 1: the published code's value."""


def istc(
    embeddings: torch.Tensor,
    lengths: torch.Tensor,
    layout: Layout,
    kept: torch.Tensor,
    keep: torch.Tensor,
    *,
    mode: Mode,
) -> None:
    """Mark the video tokens that survive.

    Every grid is ranked whatever its count: how much work there is depends on the layout alone,
    so that nobody has to look at the counts.

    Parameters
    ----------
    embeddings : tensor, shape (L, d)
    lengths : tensor, shape (L,)
        Norms of the rows, as :func:`~omnizip_cost.runtime.selection.rows.norms` gives them.
    layout : Layout
    kept : tensor of whole numbers, shape (grids,)
        Tokens each grid keeps, in prompt order.
    keep : bool tensor, shape (L,)
        Written at the video tokens. ``official`` mode leaves out short grids: it keeps or drops
        them whole.
    mode : {"paper", "official"}
        Distance of DPC-KNN: Euclidean, or one minus cosine.
    """
    for grids in layout.grid_strips:
        if mode == "official" and grids.strip.size < layout.tokens_per_grid:
            continue
        values = _values(embeddings, lengths, grids, layout.tokens_per_grid, mode)
        view(grids.strip, keep).copy_(keep_best(values, kept[grids.numbers]))


def _values(
    embeddings: torch.Tensor,
    lengths: torch.Tensor,
    grids: GridStrip,
    tokens_per_grid: int,
    mode: Mode,
) -> torch.Tensor:
    """Rank of each token inside its grid, shape (grids of the strip, P): high survives."""
    strip = grids.strip
    values = lengths.new_empty(strip.repeats, strip.size)
    here, own = view(strip, embeddings), view(strip, lengths)
    if grids.odd:
        before = strip._replace(start=strip.start - tokens_per_grid)
        there, scale = view(before, embeddings), own * view(before, lengths)
    for block in blocks(
        strip.repeats, strip.size * max(embeddings.shape[1], strip.size), embeddings
    ):
        rows = raised(here[block])
        if grids.odd:
            values[block] = -(rows * raised(there[block])).sum(dim=2) / scale[block]
        else:
            values[block] = density_peaks(rows, own[block], mode=mode)
    return values


def density_peaks(rows: torch.Tensor, lengths: torch.Tensor, *, mode: Mode) -> torch.Tensor:
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
    lengths : tensor, shape (B, P)
        Norms of the rows; read in ``official`` mode.
    mode : {"paper", "official"}

    Returns
    -------
    tensor, shape (B, P)
    """
    size = rows.shape[1]
    if size == 1:
        return rows.new_zeros(rows.shape[:2])
    if mode == "official":
        products = rows @ rows.transpose(1, 2)
        products.div_(lengths[:, :, None]).div_(lengths[:, None, :])
        distance = spread = 1 - _symmetric(products)
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
