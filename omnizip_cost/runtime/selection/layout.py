"""The layout of a real prompt, read once from its token ids, and strips of its rows as views.

After the reading no step has to ask the device for a size.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from omnizip_cost.compression.layout import GridStrip, Layout, Run, Strip
from omnizip_cost.errors import InvalidValueError

__all__ = ["GridStrip", "Layout", "Run", "Strip", "read_layout", "view"]


def read_layout(
    token_ids: torch.Tensor, *, audio_id: int, video_id: int, tokens_per_grid: int
) -> Layout:
    """Read runs of audio and video placeholders from a prompt's token ids.

    Parameters
    ----------
    token_ids : integer tensor, shape (L,)
        One prompt; copied to the host once.
    audio_id, video_id : int
        Ids of the placeholders.
    tokens_per_grid : int
        P, video tokens of one temporal grid; not looked at in a prompt without video.

    Raises
    ------
    InvalidValueError
        Ids that are not one row of integers, equal placeholder ids, or no grid size.
    """
    if token_ids.ndim != 1 or token_ids.is_floating_point() or token_ids.is_complex():
        raise InvalidValueError(
            "selection",
            "token_ids",
            "one row of integer ids",
            f"{token_ids.dtype} of shape {tuple(token_ids.shape)}",
            "batches are not supported: select for one prompt at a time",
        )
    if audio_id == video_id:
        raise InvalidValueError("selection", "audio_id", "different from video_id", audio_id)
    ids = token_ids.detach().cpu().numpy()
    video_runs = _runs(ids == video_id)
    return Layout(
        length=len(ids),
        tokens_per_grid=tokens_per_grid if video_runs else 0,
        video_runs=video_runs,
        audio_runs=_runs(ids == audio_id),
    )


def view(strip: Strip, rows: torch.Tensor) -> torch.Tensor:
    """View a strip of rows of shape (L, ...) as (repeats, size, ...), without a copy."""
    row, *inner = rows.stride()
    return rows.as_strided(
        (strip.repeats, strip.size, *rows.shape[1:]),
        (strip.step * row, row, *inner),
        rows.storage_offset() + strip.start * row,
    )


def _runs(member: NDArray[np.bool_]) -> tuple[Run, ...]:
    edges = np.flatnonzero(np.diff(member.astype(np.int8), prepend=0, append=0))
    return tuple(
        Run(start, stop - start)
        for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    )
