"""Made-up prompts on which a method is tried: every shape of clip, at several ratios."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from omnizip_cost.compression.counts import ANCHOR_SHARE, MERGE
from omnizip_cost.compression.method import Method
from omnizip_cost.compression.request import PlanRequest
from omnizip_cost.compression.settings import FASTV_FORMS, RHO_MAX, RHO_MIN
from omnizip_cost.runtime.selection import Layout, SelectionRequest
from omnizip_cost.runtime.selection.layout import Run
from omnizip_cost.workload.workload import Window, Workload

WIDTH = 16
"""Hidden size of the made-up rows."""

SEED = 20
"""Seed of the rows, and of methods that choose at random."""

_BEFORE, _AFTER = 5, 4
"""Text around the clip: what must survive."""

SHAPES: dict[str, tuple[int, tuple[tuple[int, int], ...]]] = {
    "windows of one grid": (9, ((9, 25),) * 5),
    "windows of two grids": (12, ((24, 50),) * 4),
    "windows of four grids": (6, ((24, 50),) * 3),
    "a short last audio run": (12, ((24, 50), (24, 50), (24, 7))),
    "a last window without audio": (8, ((16, 25), (16, 25), (8, 0))),
    "a last run of audio beyond the video": (6, ((12, 20), (6, 61))),
    "no audio": (7, ((56, 0),)),
    "no video": (0, ((0, 83),)),
    "a single window": (16, ((32, 50),)),
    "grids of one token": (1, ((3, 4), (2, 5))),
}
"""Tokens per grid, and (video, audio) tokens of each window in prompt order."""

PAIRS = ((0.3, 0.6), (0.4, 0.7), (0.0, 0.5), (0.65, 0.0), (0.9, 0.95), (1.0, 1.0))
"""(rho_a, rho_v)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One shape of clip at one pair of ratios and one choice of settings."""

    shape: str
    rho_a: float
    rho_v: float
    settings: dict[str, Any] = field(default_factory=dict)
    alike: bool = False
    """Whether all rows and scores are equal, so that nothing tells tokens apart."""

    def __str__(self) -> str:
        parts = [self.shape, *map(str, self.settings.values())]
        if self.alike:
            parts.append("all rows alike")
        return f"{', '.join(parts)}, ratios ({self.rho_a:g}, {self.rho_v:g})"

    @property
    def workload(self) -> Workload:
        """The clip as plans see it."""
        grid, windows = SHAPES[self.shape]
        return Workload(
            name=self.shape,
            windows=tuple(
                Window(video_tokens=video, audio_tokens=audio) for video, audio in windows
            ),
            tokens_per_grid=grid,
            text_before=_BEFORE,
            text_after=_AFTER,
            grid_thw=None,
        )

    @property
    def layout(self) -> Layout:
        """The clip as selections see it."""
        grid, windows = SHAPES[self.shape]
        runs: tuple[list[Run], list[Run]] = ([], [])
        place = _BEFORE
        for window in windows:
            for found, tokens in zip(runs, window, strict=True):
                if tokens:
                    found.append(Run(place, tokens))
                place += tokens
        return Layout(
            length=place + _AFTER,
            tokens_per_grid=grid,
            video_runs=tuple(runs[0]),
            audio_runs=tuple(runs[1]),
        )

    @property
    def retained(self) -> float:
        """Share of the clip's tokens that the pair stands for."""
        work = self.workload
        kept = (1 - self.rho_a) * work.audio_tokens + (1 - self.rho_v) * work.video_tokens
        return kept / work.av_tokens

    def plan_request(
        self, method: Method, retention: tuple[float, ...] | None = None
    ) -> PlanRequest:
        """What the method's ``planned`` is asked."""
        return PlanRequest(
            method=method,
            workload=self.workload,
            layers=2,
            retained=self.retained,
            rho_a=self.rho_a,
            rho_v=self.rho_v,
            retention=retention,
            **{**DEFAULTS, "fastv_layer": 1, "fastv_form": FASTV_FORMS[0], **self.settings},
        )

    def request(
        self, method: Method, *, dtype: torch.dtype = torch.float32, device: torch.device
    ) -> SelectionRequest:
        """What the method's ``select`` is asked: fresh tensors, the same at every call."""
        generator = torch.Generator().manual_seed(SEED)
        layout = self.layout
        rows = torch.randn(layout.length, WIDTH, generator=generator)
        audio, video = (
            torch.rand(tokens, generator=generator)
            for tokens in (layout.audio_tokens, layout.video_tokens)
        )
        if self.alike:
            rows, audio, video = (torch.ones_like(part) for part in (rows, audio, video))
        return SelectionRequest(
            embeddings=rows.to(device, dtype),
            layout=layout,
            rho_a=self.rho_a,
            rho_v=self.rho_v,
            audio_scores=audio.to(device) if "audio" in method.scores else None,
            video_scores=video.to(device) if "video" in method.scores else None,
            seed=SEED,
            **{**DEFAULTS, **self.settings},
        )


DEFAULTS: dict[str, Any] = {
    "mode": "paper",
    "anchor_share": ANCHOR_SHARE,
    "merge": MERGE,
    "rho_min": RHO_MIN,
    "rho_max": RHO_MAX,
    "rounding": "floor",
}
"""OmniZip's settings, as everywhere."""


def cases(method: Method) -> Iterator[Case]:
    """Every case on which this method is tried."""
    variants: list[dict[str, Any]] = [{}]
    if "mode" in method.own_settings:
        variants = [{}, {"mode": "official"}, {"rounding": "largest-remainder"}]
    for settings in variants:
        for rho_a, rho_v in pairs(method):
            for shape in SHAPES:
                yield Case(shape=shape, rho_a=rho_a, rho_v=rho_v, settings=settings)
            yield Case(
                shape="windows of two grids",
                rho_a=rho_a,
                rho_v=rho_v,
                settings=settings,
                alike=True,
            )


def pairs(method: Method) -> tuple[tuple[float, float], ...]:
    """Ratios that this method can be asked for."""
    if method.prunes == "nothing":
        return ((0.0, 0.0),)
    if method.ranks_together:
        return tuple((ratio, ratio) for ratio in (0.35, 0.5, 0.65, 0.95, 1.0))
    return PAIRS
