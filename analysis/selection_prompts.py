"""Prompts for the selection benchmark: made at real sizes, with the readings they are given to.

Read by :mod:`bench_selection`.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from omnizip_cost.runtime.selection import Layout, Selection, read_layout, select

AUDIO_ID, VIDEO_ID, TEXT_ID = 2, 1, 0
AUDIO, GRID, GRIDS = 50, 144, 2
"""Tokens of one 2 s window of Qwen2.5-Omni at 252 x 448 pixels."""
WIDTH = 3584
ANCHOR_SHARE = 0.05


@dataclass(frozen=True, kw_only=True)
class MadePrompt:
    """One made prompt and what is asked of it."""

    embeddings: torch.Tensor
    scores: torch.Tensor
    ids: torch.Tensor
    layout: Layout
    rho_a: float
    rho_v: float

    def arguments(self, mode: str) -> dict[str, Any]:
        """Keyword arguments that ours and the plain reading share."""
        return {
            "audio_pruning": self.rho_a,
            "video_pruning": self.rho_v,
            "anchor_share": ANCHOR_SHARE,
            "mode": mode,
        }

    def ours(self, mode: str) -> Selection:
        """Select by the product, from a layout that nobody has looked at yet."""
        layout = replace(self.layout)
        return select("omnizip", self.embeddings, self.scores, layout, **self.arguments(mode))

    def plain(self, mode: str, dtype: torch.dtype | None = None) -> Any:
        """Select by the plain reading, in the embeddings' dtype or another."""
        return plain_select(
            self.embeddings,
            self.scores,
            self.ids,
            audio_id=AUDIO_ID,
            video_id=VIDEO_ID,
            tokens_per_grid=GRID,
            dtype=dtype,
            **self.arguments(mode),
        )


def _plain_select() -> Callable[..., Any]:
    path = Path(__file__).resolve().parent.parent / "tests" / "golden" / "plain.py"
    spec = importlib.util.spec_from_file_location("plain", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    select_plainly: Callable[..., Any] = module.plain_select
    return select_plainly


plain_select = _plain_select()


MEAN = 0.5
"""Size of what all rows share, beside noise of 1: a cosine of 0.1; 5 makes it 0.93, 20 0.995."""


def made_prompt(
    tokens: int, device: torch.device, dtype: torch.dtype, mean: float = MEAN
) -> MadePrompt:
    """Whole windows nearest to ``tokens``; video repeats itself in time, rows share a mean."""
    random = torch.Generator().manual_seed(tokens)
    windows = max(1, round(tokens / (GRIDS * GRID + AUDIO)))
    video = torch.randn(windows, GRIDS, GRID, WIDTH, generator=random)
    video += torch.randn(windows, 1, GRID, WIDTH, generator=random)
    sound = torch.randn(windows, AUDIO, WIDTH, generator=random)
    rows = torch.cat([video.flatten(1, 2), sound], dim=1).flatten(0, 1)
    rows += mean * torch.randn(WIDTH, generator=random)
    ids = torch.tensor(([VIDEO_ID] * (GRIDS * GRID) + [AUDIO_ID] * AUDIO) * windows)
    layout = read_layout(ids, audio_id=AUDIO_ID, video_id=VIDEO_ID, tokens_per_grid=GRID)
    scores = torch.rand(windows * AUDIO, generator=random)
    return MadePrompt(
        embeddings=rows.to(device, dtype),
        scores=scores.to(device),
        ids=ids.to(device),
        layout=layout,
        rho_a=0.0,
        rho_v=0.0,
    )


def floor_of(prompt: MadePrompt) -> Callable[[], None]:
    """Return the two products that cannot be left out, ready to run."""
    layout, x = prompt.layout, prompt.embeddings
    heard = layout.audio_tokens
    left = heard - round((1 - prompt.rho_a) * heard) - round(ANCHOR_SHARE * heard)
    audio = x[torch.as_tensor(layout.audio_positions()[:left], device=x.device)].contiguous()
    video = x[torch.as_tensor(layout.video_positions(), device=x.device)].contiguous()
    even = video.view(-1, GRID, WIDTH)[::GRIDS].contiguous()
    similar = x.new_empty(left, len(video))
    within = x.new_empty(len(even), GRID, GRID)

    def run() -> None:
        torch.mm(audio, video.T, out=similar)
        torch.bmm(even, even.transpose(1, 2), out=within)

    return run
