"""Made prompts of any layout, and sets of settings in which every pair of levels meets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import torch

AUDIO, VIDEO, TEXT = 8, 7, 1


@dataclass(frozen=True, kw_only=True)
class Case:
    """One prompt and what is asked of it."""

    windows: int = 3
    grids: int = 2
    audio: int = 25
    tokens_per_grid: int = 9
    end: str = "whole"
    """How the clip ends: whole, short audio, no audio, trailing audio, silent half, short grid."""
    scores: str = "random"
    """Audio scores: random, a few levels (many ties), or flat (silence)."""
    width: int = 32
    rho_a: float = 0.3
    rho_v: float = 0.6
    anchor_share: float = 0.05
    merge: int = 3
    seed: int = 0

    @property
    def label(self) -> str:
        """What a failing test is called."""
        return f"{self.windows}x{self.grids}x{self.tokens_per_grid}-{self.end}-{self.width}"

    def runs(self) -> list[tuple[int, int]]:
        """Token and length of every run."""
        video = self.grids * self.tokens_per_grid
        runs = [(TEXT, 2)]
        for window in range(self.windows):
            last = window == self.windows - 1
            seen, heard = video, self.audio
            if last and self.end == "short audio":
                heard = 7
            if last and self.end == "short grid":
                seen = video - self.tokens_per_grid // 2
            if (last and self.end == "no audio") or (
                self.end == "silent half" and window >= self.windows // 2
            ):
                heard = 0
            runs += [(VIDEO, seen), (AUDIO, heard), (TEXT, 0 if heard else 1)]
        if self.end == "trailing audio":
            runs += [(TEXT, 1), (AUDIO, 3 * self.audio)]
        return [*runs, (TEXT, 3)]

    @property
    def ids(self) -> torch.Tensor:
        return torch.tensor([token for token, length in self.runs() for _ in range(length)])

    def embeddings(self) -> torch.Tensor:
        """Float32 rows that share a mean, as a model's do; small, so that no exponential is 0."""
        random = torch.Generator().manual_seed(self.seed)
        rows = torch.randn(len(self.ids), self.width, generator=random)
        return (rows + 0.5 * torch.randn(self.width, generator=random)) / self.width**0.5

    def audio_scores(self) -> torch.Tensor:
        random = torch.Generator().manual_seed(self.seed + 1)
        values = torch.rand(int((self.ids == AUDIO).sum()), generator=random)
        if self.scores == "flat":
            return torch.full_like(values, 0.25)
        return (values * 4).floor() if self.scores == "levels" else values

    @property
    def asked(self) -> dict[str, Any]:
        """Keyword arguments that every implementation takes."""
        return {
            "audio_id": AUDIO,
            "video_id": VIDEO,
            "tokens_per_grid": self.tokens_per_grid,
            "audio_pruning": self.rho_a,
            "video_pruning": self.rho_v,
            "anchor_share": self.anchor_share,
            "merge": self.merge,
        }


LEVELS: dict[str, Sequence[Any]] = {
    "windows": (1, 2, 3, 5),
    "grids": (1, 2, 4),
    "audio": (25, 50),
    "tokens_per_grid": (9, 16),
    "end": ("whole", "short audio", "no audio", "trailing audio", "silent half", "short grid"),
    "scores": ("random", "levels", "flat"),
    "width": (32, 48, 200),
    "rho_a": (0.1, 0.4, 0.55, 0.8),
    "rho_v": (0.1, 0.45, 0.6, 0.8),
    "anchor_share": (0.0, 0.02, 0.05, 0.1),
    "merge": (0, 1, 3, 15),
}


def pairs(chosen: Mapping[str, Any]) -> set[tuple[Any, ...]]:
    """Every pair of levels that a choice holds."""
    return {(a, chosen[a], b, chosen[b]) for a, b in combinations(sorted(chosen), 2)}


def pairwise(levels: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """Choices that together hold every pair of levels of any two settings.

    Each choice starts from a pair not met yet; every other setting takes the level that meets the
    most new pairs. Nothing is drawn at random.
    """
    left = {
        (a, x, b, y)
        for a, b in combinations(sorted(levels), 2)
        for x, y in product(levels[a], levels[b])
    }
    while left:
        a, x, b, y = min(left, key=repr)
        chosen = {a: x, b: y}
        for name in sorted(levels.keys() - chosen.keys()):
            chosen[name] = max(
                levels[name], key=lambda value: len(pairs({**chosen, name: value}) & left)
            )
        left -= pairs(chosen)
        yield chosen


CASES = [Case(**chosen, seed=seed) for seed, chosen in enumerate(pairwise(LEVELS))]
