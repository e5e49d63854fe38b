"""Row arithmetic shared by all selections: unit rows, aligned cosines, bounded blocks, ranking."""

from __future__ import annotations

from collections.abc import Iterator

import torch

NORM_EPSILON = 1e-6
"""Added to the norm before dividing: OmniZip, Eq. 4."""

BLOCK_ELEMENTS = 2**24
"""Elements of the largest temporary tensor (64 MB in float32): what keeps memory linear."""


def working_dtype(dtype: torch.dtype) -> torch.dtype:
    """Dtype in which similarities are computed: half types are raised to float32."""
    return dtype if dtype in (torch.float32, torch.float64) else torch.float32


def unit_rows(rows: torch.Tensor) -> torch.Tensor:
    """L2-normalise along the last axis, epsilon 1e-6 added to the norm (OmniZip, Eq. 4)."""
    norms: torch.Tensor = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
    return rows / (norms + NORM_EPSILON)


def aligned_cosine(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Cosine of row i of ``left`` with row i of ``right``: one number per row."""
    return (unit_rows(left) * unit_rows(right)).sum(dim=-1)


def blocks(count: int, elements_each: int) -> Iterator[slice]:
    """Slices over ``count`` items so that one block stays below ``BLOCK_ELEMENTS`` elements."""
    step = max(1, BLOCK_ELEMENTS // max(1, elements_each))
    return (slice(start, min(start + step, count)) for start in range(0, count, step))


def descending(values: torch.Tensor) -> torch.Tensor:
    """Return the indices that sort the last axis from high to low, the earliest of equals first."""
    return torch.sort(values, dim=-1, descending=True, stable=True).indices


def keep_best(values: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Mark the ``counts[b]`` highest of each row; ties go to the earliest.

    Parameters
    ----------
    values : tensor, shape (B, P)
    counts : integer tensor, shape (B,)

    Returns
    -------
    bool tensor, shape (B, P)
    """
    places = torch.arange(values.shape[1], device=values.device)
    best = places[None, :] < counts[:, None]
    return torch.zeros_like(best).scatter_(1, descending(values), best)


def on_device(numbers: object, like: torch.Tensor) -> torch.Tensor:
    """Host integers as an int64 tensor beside ``like``."""
    return torch.as_tensor(numbers, dtype=torch.int64).to(like.device, non_blocking=True)
