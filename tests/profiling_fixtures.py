"""A tiny prompt and thinker for the profiling tests, and a clock that only work moves on."""

from __future__ import annotations

from typing import Any

from tiny_thinker import tiny_spec, tiny_thinker

from omnizip_cost.profiling.cell import Cell
from omnizip_cost.runtime.inputs import ModelInputs, random_inputs
from omnizip_cost.workload import VideoSettings, workload

LAYERS = 4
SPEC = tiny_spec(layers=LAYERS)
ONE_GRID = 56 * 56
"""Pixels of a frame with four tokens."""

FULL = Cell(method="full", label="Full tokens", retained=1.0)
OMNIZIP = Cell(method="omnizip", label="OmniZip", audio_pruning=0.3, video_pruning=0.6)
RANDOM = Cell(method="random", label="Random", retained=0.5)
FASTV = Cell(method="fastv", label="FastV", retained=0.5, fastv_layer=2)


def inputs(seconds: float = 4, *, pixels: tuple[int, int] | None = (56, 56)) -> ModelInputs:
    """Return random inputs of a short clip."""
    settings = VideoSettings(min_pixels=ONE_GRID, max_pixels=ONE_GRID)
    work = workload(SPEC, seconds=seconds, pixels=pixels, settings=settings, text_tokens=16)
    return random_inputs(SPEC, work)


def thinker() -> Any:
    """Return the stock thinker for :data:`SPEC`."""
    return tiny_thinker(layers=LAYERS)


class WorkClock:
    """Time stands still until somebody calls :meth:`work`."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def work(self, seconds: float) -> None:
        """Let time pass."""
        self.now_s += seconds

    def mark(self) -> float:
        """Return the moment."""
        return self.now_s

    def synchronise(self) -> None:
        """Nothing to wait for."""

    def elapsed_s(self, start: float, stop: float) -> float:
        """Seconds between two moments."""
        return stop - start
