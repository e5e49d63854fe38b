"""OmniZip on tensors: audio first, then the video of each window, guided by the audio kept.

Source: OmniZip, Secs. 3.2-3.3 and supplement, Alg. 1; the published code for ``official``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from omnizip_cost.compression.counts import (
    Rounding,
    anchor_stride,
    kept_count,
    official_grid_kept,
    paper_grid_kept,
)
from omnizip_cost.compression.rates import Allocation, allocation
from omnizip_cost.compression.settings import Mode, require_settings
from omnizip_cost.errors import InvalidValueError
from omnizip_cost.runtime.selection.audio import (
    merge_into_anchors,
    relevance_to_clip,
    relevance_to_window,
    split_salient,
)
from omnizip_cost.runtime.selection.istc import istc
from omnizip_cost.runtime.selection.layout import Layout
from omnizip_cost.runtime.selection.result import Selection
from omnizip_cost.runtime.selection.rows import on_device, working_dtype


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """OmniZip's settings, as :func:`omnizip_cost.runtime.selection.select` describes them."""

    audio_pruning: float
    video_pruning: float
    anchor_share: float
    merge: int
    mode: Mode
    rho_min: float
    rho_max: float
    rounding: Rounding

    def __post_init__(self) -> None:
        require_settings(
            "selection",
            anchor_share=self.anchor_share,
            merge=self.merge,
            mode=self.mode,
            rho_min=self.rho_min,
            rho_max=self.rho_max,
            rounding=self.rounding,
        )


def omnizip(
    embeddings: torch.Tensor, scores: torch.Tensor | None, layout: Layout, settings: Settings
) -> Selection:
    """Select by OmniZip; a clip with nothing to prune comes back untouched."""
    everything = torch.ones(layout.length, dtype=torch.bool, device=embeddings.device)
    if not layout.windows:
        return Selection(keep=everything, embeddings=embeddings)
    if settings.audio_pruning == 0 and settings.video_pruning == 0:
        retention = np.where(np.array(layout.audio_sizes) > 0, 1.0, np.nan)
        return _selection(everything, embeddings, _rates(retention, layout, settings, "paper"))
    embeddings, survivors = _audio(embeddings, scores, layout, settings)
    rates = _rates(_retention(survivors, layout, settings.mode), layout, settings, settings.mode)
    keep = everything
    keep[on_device(layout.video_positions(), keep)] = False
    keep[on_device(layout.audio_positions(), keep)] = on_device(survivors, keep).bool()
    keep |= istc(embeddings, layout, _grid_counts(rates, layout, settings), mode=settings.mode)
    return _selection(keep, embeddings, rates)


def _audio(
    embeddings: torch.Tensor, scores: torch.Tensor | None, layout: Layout, settings: Settings
) -> tuple[torch.Tensor, NDArray[np.bool_]]:
    """Embeddings after merging, and which audio tokens survive (on the host)."""
    tokens = layout.audio_tokens
    if not tokens:
        return embeddings, np.empty(0, dtype=np.bool_)
    if scores is None:
        raise InvalidValueError(
            "selection",
            "scores",
            f"one score for each of the {tokens} audio tokens",
            None,
            "OmniZip ranks audio by the attention of the audio encoder's last layer",
        )
    salient, rest = split_salient(scores, kept_count(tokens, settings.audio_pruning))
    survivors = torch.zeros(tokens, dtype=torch.bool, device=scores.device)
    survivors[salient] = True
    anchors, stride = anchor_stride(tokens, len(rest), settings.anchor_share)
    if anchors and settings.merge:
        places = on_device(layout.audio_positions(), embeddings)
        audio = embeddings[places].to(working_dtype(embeddings.dtype))
        relevance = (
            relevance_to_window(audio, embeddings, layout)
            if settings.mode == "paper"
            else relevance_to_clip(audio, rest, embeddings, layout)
        )
        chosen, merged = merge_into_anchors(
            audio, rest, relevance, anchors=anchors, stride=stride, merge=settings.merge
        )
        survivors[chosen] = True
        embeddings = embeddings.index_copy(0, places[chosen], merged.to(embeddings.dtype))
    return embeddings, _checked_host_copy(survivors, scores)


def _checked_host_copy(survivors: torch.Tensor, scores: torch.Tensor) -> NDArray[np.bool_]:
    """Survivors on the host, with the check on the scores in the same transfer."""
    host: NDArray[np.bool_] = torch.cat([survivors, scores.isfinite().all()[None]]).cpu().numpy()
    if not host[-1]:
        raise InvalidValueError("selection", "scores", "finite", "NaN or infinite scores")
    return host[:-1]


def _retention(survivors: NDArray[np.bool_], layout: Layout, mode: Mode) -> NDArray[np.float64]:
    """S_a(i) per window, NaN without audio; ``official`` takes a float32 mean."""
    exact = np.float32 if mode == "official" else np.float64
    shares = np.full(layout.windows, np.nan)
    first = 0
    for window, run in enumerate(layout.audio_runs):
        kept = np.count_nonzero(survivors[first : first + run.length])
        shares[window] = exact(kept) / exact(run.length)
        first += run.length
    return shares


def _rates(
    retention: NDArray[np.float64], layout: Layout, settings: Settings, mode: Mode
) -> Allocation:
    return allocation(
        retention,
        video_pruning=settings.video_pruning,
        video_tokens=layout.video_sizes,
        mode=mode,
        rho_min=settings.rho_min,
        rho_max=settings.rho_max,
    )


def _grid_counts(
    rates: Allocation, layout: Layout, settings: Settings
) -> tuple[tuple[int, ...], ...]:
    """Tokens kept in each grid of each window."""
    size = layout.tokens_per_grid
    per_window = rates.rates.tolist()
    if settings.mode == "official":
        return tuple(
            official_grid_kept(tokens, size, rate)
            for tokens, rate in zip(layout.video_sizes, per_window, strict=True)
        )
    return paper_grid_kept(
        layout.video_sizes,
        size,
        per_window,
        settings.rounding,
        budget=kept_count(layout.video_tokens, settings.video_pruning),
    )


def _selection(keep: torch.Tensor, embeddings: torch.Tensor, rates: Allocation) -> Selection:
    heard = ~np.isnan(rates.retention)
    return Selection(
        keep=keep,
        embeddings=embeddings,
        retention=rates.retention[heard],
        initial_rates=rates.initial_rates[heard],
        rates=rates.rates[heard],
        notes=rates.notes,
    )
