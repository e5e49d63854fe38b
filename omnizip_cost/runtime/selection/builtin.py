"""The built-in methods on tensors: from the name of a method to the code that selects."""

from __future__ import annotations

from collections.abc import Callable

import torch

from omnizip_cost.runtime.selection.dycoke import dycoke_keep
from omnizip_cost.runtime.selection.omnizip import omnizip
from omnizip_cost.runtime.selection.request import SelectionRequest
from omnizip_cost.runtime.selection.result import Selection
from omnizip_cost.runtime.selection.uniform import random_keep
from omnizip_cost.runtime.selection.visionzip import visionzip

Select = Callable[[SelectionRequest], Selection]


def _full(request: SelectionRequest) -> Selection:
    rows = request.embeddings
    keep = torch.ones(request.layout.length, dtype=torch.bool, device=rows.device)
    return Selection(keep=keep, embeddings=rows)


def _random(request: SelectionRequest) -> Selection:
    keep = random_keep(
        request.layout,
        audio_pruning=request.rho_a,
        video_pruning=request.rho_v,
        seed=request.seed,
        device=request.embeddings.device,
    )
    return Selection(keep=keep, embeddings=request.embeddings)


def _dycoke(request: SelectionRequest) -> Selection:
    keep = dycoke_keep(
        request.embeddings,
        request.layout,
        audio_pruning=request.rho_a,
        video_pruning=request.rho_v,
    )
    return Selection(keep=keep, embeddings=request.embeddings)


def _visionzip(request: SelectionRequest) -> Selection:
    return visionzip(
        request.embeddings,
        request.audio_scores,
        request.video_scores,
        request.layout,
        audio_pruning=request.rho_a,
        video_pruning=request.rho_v,
    )


SELECT: dict[str, Select] = {
    "full": _full,
    "random": _random,
    "dycoke": _dycoke,
    "omnizip": omnizip,
    "visionzip": _visionzip,
}
"""FastV is not among them: it selects between two decoder layers."""
