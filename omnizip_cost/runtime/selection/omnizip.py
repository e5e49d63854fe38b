"""OmniZip on tensors: audio first, then the video of each window, guided by the audio kept.

Source: OmniZip, Secs. 3.2-3.3 and supplement, Alg. 1; the published code for ``official``.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from omnizip_cost.compression.counts import anchor_stride, kept_count, kept_of_grids
from omnizip_cost.compression.rates import balanced, initial_rates, normalised, widened
from omnizip_cost.compression.settings import Mode
from omnizip_cost.runtime.selection.audio import Merged, merge_into_anchors, split_salient
from omnizip_cost.runtime.selection.istc import istc
from omnizip_cost.runtime.selection.layout import Layout
from omnizip_cost.runtime.selection.request import SelectionRequest
from omnizip_cost.runtime.selection.result import Rates, Selection
from omnizip_cost.runtime.selection.rows import norms, on_device


def omnizip(request: SelectionRequest) -> Selection:
    """Select by OmniZip; a clip with nothing to prune comes back untouched.

    From the layout on nothing waits for the device: which products are computed, and of what
    size, depends on layout and settings alone.
    """
    embeddings, layout, scores = request.embeddings, request.layout, request.audio_scores
    if not layout.windows or (request.rho_a == 0 and request.rho_v == 0):
        return _untouched(request)
    lengths = norms(embeddings)
    survivors, merged = _audio(request, lengths)
    rates = _rates(_retention(survivors, layout, request.mode), request)
    keep = torch.from_numpy(_certain(layout, request.mode)).to(lengths.device, non_blocking=True)
    if layout.audio_runs:
        keep.index_copy_(0, on_device(layout.audio_positions(), keep), survivors)
    if layout.video_runs:
        kept = _kept_of_grids(rates, request)
        istc(embeddings, lengths, layout, kept, keep, mode=request.mode)
    return Selection(
        keep=keep,
        embeddings=embeddings,
        merged=merged,
        merged_at=layout.audio_positions(),
        rates=rates,
        scores=None if scores is None else {"scores": scores},
    )


def _untouched(request: SelectionRequest) -> Selection:
    embeddings, layout = request.embeddings, request.layout
    bounds = request.rho_min, request.rho_max
    everything = torch.ones(layout.length, dtype=torch.bool, device=embeddings.device)
    heard = torch.ones(len(layout.audio_runs), dtype=torch.float64, device=embeddings.device)
    rates = Rates(
        retention=heard,
        initial_rates=initial_rates(heard, *bounds),
        rates=torch.zeros_like(heard),
        notes=widened("paper", 0.0, *bounds)[1] if len(heard) else (),
    )
    return Selection(keep=everything, embeddings=embeddings, rates=rates)


def _audio(request: SelectionRequest, lengths: torch.Tensor) -> tuple[torch.Tensor, Merged | None]:
    """Which audio tokens survive, bool of shape (N_a,), and what their anchors hold."""
    tokens, scores = request.layout.audio_tokens, request.audio_scores
    survivors = torch.zeros(tokens, dtype=torch.bool, device=lengths.device)
    if scores is None:
        return survivors, None
    salient, rest = split_salient(scores, kept_count(tokens, request.rho_a))
    survivors.index_fill_(0, salient, True)
    anchors, stride = anchor_stride(tokens, len(rest), request.anchor_share)
    if not anchors or not request.merge:
        return survivors, None
    merged = merge_into_anchors(
        request.embeddings,
        lengths,
        request.layout,
        rest,
        anchors=anchors,
        stride=stride,
        merge=request.merge,
        mode=request.mode,
    )
    survivors.index_fill_(0, merged.anchors, True)
    return survivors, merged


def _retention(survivors: torch.Tensor, layout: Layout, mode: Mode) -> torch.Tensor:
    """S_a(i) of the windows with audio, float64; ``official`` takes a float32 mean."""
    sizes = np.array([run.length for run in layout.audio_runs], dtype=np.int64)
    ends = on_device(np.cumsum(sizes), survivors)
    kept = torch.nn.functional.pad(survivors.cumsum(0), (1, 0))[ends]
    kept = torch.diff(kept, prepend=kept.new_zeros(1))
    exact = torch.float32 if mode == "official" else torch.float64
    return (kept.to(exact) / on_device(sizes, survivors).to(exact)).double()


def _rates(retention: torch.Tensor, request: SelectionRequest) -> Rates:
    """Algorithm 1 on the windows with audio."""
    layout, mode = request.layout, request.mode
    budget, bounds = request.rho_v, (request.rho_min, request.rho_max)
    initial = initial_rates(retention, *bounds)
    if not layout.audio_runs:
        return Rates(retention=retention, initial_rates=initial, rates=initial)
    sizes = np.array(layout.video_sizes[: len(layout.audio_runs)], dtype=np.float64)
    weights = torch.from_numpy(balanced(mode, sizes))
    weights = weights.to(retention.device, non_blocking=True)
    widest, notes = widened(mode, budget, *bounds)
    rates = normalised(mode, initial, weights, budget, widest, torch)
    return Rates(retention=retention, initial_rates=initial, rates=rates, notes=notes)


def _certain(layout: Layout, mode: Mode) -> NDArray[np.bool_]:
    """Tokens that survive whatever they hold: all but audio and video, shape (L,).

    ``official`` mode keeps a window of less than one grid whole.
    """
    keep = np.ones(layout.length, dtype=np.bool_)
    for run in layout.audio_runs:
        keep[run.start : run.start + run.length] = False
    for run in layout.video_runs:
        whole = mode == "official" and run.length < layout.tokens_per_grid
        keep[run.start : run.start + run.length] = whole
    return keep


def _kept_of_grids(rates: Rates, request: SelectionRequest) -> torch.Tensor:
    """Tokens that each grid keeps, shape (grids,); windows without audio get rho_v."""
    layout, budget = request.layout, request.rho_v
    silent = layout.windows - len(layout.audio_runs)
    all_rates = torch.nn.functional.pad(rates.rates, (0, silent), value=budget)
    each = all_rates[on_device(layout.grid_windows, all_rates)]
    if request.mode == "official":
        return torch.floor(layout.tokens_per_grid * (1 - each))
    kept: torch.Tensor = kept_of_grids(
        on_device(layout.grid_tokens, each).double(),
        each,
        rounding=request.rounding,
        budget=kept_count(layout.video_tokens, budget),
        xp=torch,
    )
    return kept
