"""Row arithmetic shared by all selections: cosines, bounded blocks, ranking."""

from __future__ import annotations

from collections.abc import Iterator

import torch

NORM_EPSILON = 1e-6
"""Added to the norm before dividing: OmniZip, Eq. 4."""

BLOCK_ELEMENTS = 2**22
"""Elements of the largest temporary tensor (16 MB in float32), which keeps memory linear."""


def working_dtype(dtype: torch.dtype) -> torch.dtype:
    """Dtype in which similarities are computed: half types are raised to float32."""
    return dtype if dtype in (torch.float32, torch.float64) else torch.float32


def norms(rows: torch.Tensor) -> torch.Tensor:
    """Norm of each row plus 1e-6, by which Eq. 4 of OmniZip divides; last axis dropped."""
    lengths: torch.Tensor = torch.linalg.vector_norm(rows, dim=-1)
    return lengths + NORM_EPSILON


def cosines(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Cosine of every row of ``left`` with every row of ``right``, shape (..., n, m).

    Products are divided by the norms, not the rows before them: no copy of the rows is made.
    """
    products = left @ right.transpose(-1, -2)
    return products.div_(norms(left)[..., :, None]).div_(norms(right)[..., None, :])


def aligned_cosine(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Cosine of row i of ``left`` with row i of ``right``: one number per row."""
    return (left * right).sum(dim=-1) / (norms(left) * norms(right))


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
