"""Random selection: a uniform choice of each modality, the weakest baseline (OmniZip, Tab. 1)."""

from __future__ import annotations

import torch

from omnizip_cost.compression.counts import kept_count
from omnizip_cost.runtime.selection.layout import Layout
from omnizip_cost.runtime.selection.rows import on_device


def random_keep(
    layout: Layout, *, audio_pruning: float, video_pruning: float, seed: int, device: torch.device
) -> torch.Tensor:
    """Keep ``round((1 - rho) * N)`` tokens of each modality, chosen uniformly.

    The generator lives on the host and draws audio first, so one seed gives one choice on
    every device.

    Returns
    -------
    bool tensor, shape (L,)
    """
    generator = torch.Generator().manual_seed(seed)
    keep = torch.ones(layout.length, dtype=torch.bool)
    for positions, pruning in (
        (layout.audio_positions(), audio_pruning),
        (layout.video_positions(), video_pruning),
    ):
        order = torch.randperm(len(positions), generator=generator)
        dropped = order[kept_count(len(positions), pruning) :]
        keep.index_fill_(0, on_device(positions, keep)[dropped], False)
    return keep.to(device, non_blocking=True)
