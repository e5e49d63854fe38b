"""Witness: every operator that the real thinker dispatches between encoders and text model."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from executed_record import Executed, differences, listed
from tiny_thinker import tiny_inputs, tiny_spec, tiny_thinker

import omnizip_cost as oz
from omnizip_cost.cost.executed import assembly_executed
from omnizip_cost.profiling.stages import thinker_parts
from omnizip_cost.specs import ThinkerSpec
from omnizip_cost.workload import VideoSettings, Workload

LARGE = ("embedding", "index", "cat", "masked_scatter")
"""What moves the prompt's rows or the frames; the rest is a few whole numbers."""


class _Outside(Executed):
    """Records what runs outside encoders, text model and head."""

    def __init__(self, thinker: Any) -> None:
        super().__init__()
        self.inside = 0
        for module, _ in thinker_parts(thinker):
            module.register_forward_pre_hook(lambda *_: self.entered(1))
            module.register_forward_hook(lambda *_: self.entered(-1))

    def entered(self, step: int) -> None:
        self.inside += step

    def add(self, *operator: Any) -> None:
        if not self.inside:
            super().add(*operator)


def _clip(spec: ThinkerSpec, only: str, text_tokens: int) -> Workload:
    """Six seconds of 2 x 4 tokens, as the tiny prompt has them."""
    side = spec.vision.pixels_per_token
    return oz.workload(
        spec,
        seconds=6,
        pixels=None if only == "audio" else (2 * side, 4 * side),
        audio=only != "video",
        settings=VideoSettings(min_pixels=side**2, max_pixels=64 * side**2),
        text_tokens=text_tokens,
    )


@pytest.mark.parametrize("only", ["", "audio", "video"])
def test_rows_are_put_together_as_listed(only: str) -> None:
    """Positions are given, so that they are not worked out."""
    spec, thinker = tiny_spec(layers=1), tiny_thinker(layers=1)
    inputs = tiny_inputs(seconds=6, only=only)
    rows = inputs["input_ids"].shape[1]
    inputs["position_ids"] = torch.arange(rows).expand(3, 1, rows)
    seen = _Outside(thinker)
    with seen, torch.no_grad():
        thinker(**inputs, use_cache=True)
    work = _clip(spec, only, text_tokens=1)
    work = _clip(spec, only, text_tokens=1 + rows - work.tokens)
    ours = listed(assembly_executed(spec, oz.plan("full", work, spec), 4))
    if tuple(map(int, transformers.__version__.split(".")[:2])) < (5, 23):
        ours, seen.sums = (
            {name: one[name] for name in LARGE if name in one} for one in (ours, seen.sums)
        )
    assert not differences(ours, seen.sums)
