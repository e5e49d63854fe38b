"""Row arithmetic shared by all selections: cosines, bounded blocks, ranking."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from omnizip_cost.compression.blocks import DEVICE_BLOCK_ELEMENTS, block_starts

NORM_EPSILON = 1e-6
"""Added to the norm before dividing: OmniZip, Eq. 4."""

BLOCK_ELEMENTS = 2**19
"""Elements of a temporary tensor on a CPU: 2 MB in float32, which stays in the cache."""


def working_dtype(dtype: torch.dtype) -> torch.dtype:
    """Dtype in which similarities are computed: half types are raised to float32."""
    return dtype if dtype in (torch.float32, torch.float64) else torch.float32


def raised(rows: torch.Tensor) -> torch.Tensor:
    """Rows in the working dtype: themselves, without a copy, unless they are of a half type."""
    return rows.to(working_dtype(rows.dtype))


def block_elements(like: torch.Tensor) -> int:
    """Elements that one temporary tensor may have, which keeps memory linear."""
    return BLOCK_ELEMENTS if like.device.type == "cpu" else DEVICE_BLOCK_ELEMENTS


def blocks(count: int, elements_each: int, like: torch.Tensor) -> Iterator[slice]:
    """Even slices over ``count`` items, as few as keep a block within :func:`block_elements`."""
    starts = block_starts(count, elements_each, block_elements(like))
    return (slice(start, min(start + starts.step, count)) for start in starts)


def norms(rows: torch.Tensor) -> torch.Tensor:
    """Norm of each row plus 1e-6, by which Eq. 4 of OmniZip divides.

    Parameters
    ----------
    rows : tensor, shape (L, d)

    Returns
    -------
    tensor, shape (L,), in the working dtype
    """
    dtype = working_dtype(rows.dtype)
    lengths = [
        torch.linalg.vector_norm(rows[block], dim=1, dtype=dtype)
        for block in blocks(len(rows), rows.shape[1], rows)
    ]
    return torch.cat(lengths).add_(NORM_EPSILON) if lengths else rows.new_empty(0, dtype=dtype)


def aligned_cosine(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Cosine of row i of ``left`` with row i of ``right``: one number per row."""
    own, other = (torch.linalg.vector_norm(rows, dim=-1) + NORM_EPSILON for rows in (left, right))
    cosine: torch.Tensor = (left * right).sum(dim=-1) / (own * other)
    return cosine


def descending(values: torch.Tensor) -> torch.Tensor:
    """Return the indices that sort the last axis from high to low, the earliest of equals first."""
    return torch.sort(values, dim=-1, descending=True, stable=True).indices


def keep_best(values: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Mark the ``counts[b]`` highest of each row; ties go to the earliest.

    Parameters
    ----------
    values : tensor, shape (B, P)
    counts : tensor of whole numbers, shape (B,)

    Returns
    -------
    bool tensor, shape (B, P)
    """
    places = torch.arange(values.shape[1], device=values.device)
    best = places[None, :] < counts[:, None]
    return torch.zeros_like(best).scatter_(1, descending(values), best)


def on_device(numbers: object, like: torch.Tensor) -> torch.Tensor:
    """Host integers as an int64 tensor beside ``like``; the host does not wait."""
    return torch.as_tensor(numbers, dtype=torch.int64).to(like.device, non_blocking=True)
