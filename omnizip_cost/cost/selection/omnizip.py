"""OmniZip's steps: salient audio and anchors (Sec. 3.2), window rates, ISTC (Sec. 3.3).

Kernels are operators that torch dispatches, views apart. Where they do not depend on the layout
they are plain numbers; a test holds them to the operators that really run.
"""

from __future__ import annotations

from collections.abc import Iterator

from omnizip_cost import formulas
from omnizip_cost.compression.counts import anchor_stride, kept_count
from omnizip_cost.compression.layout import Strip
from omnizip_cost.compression.selection_op import SelectionOp
from omnizip_cost.compression.settings import RHO_MAX, RHO_MIN
from omnizip_cost.cost.selection.prompt import INDEX, WORKING, PlannedPrompt, block_lengths, pieces

_PAPER_KERNELS = 47
"""Algorithm 1 with one shift, solved among its breakpoints."""

_OFFICIAL_KERNELS = 46
"""Algorithm 1 as published."""

_RANK_KERNELS = 6
"""To keep the best of each row: places, comparison, mask, sort, scatter, and writing them."""


def omnizip_steps(prompt: PlannedPrompt) -> Iterator[SelectionOp]:
    """Everything between the scores and the mask, in the order in which it runs."""
    plan, d = prompt.plan, prompt.d
    yield SelectionOp(
        name="norms of all rows",
        unseen_flops=2 * prompt.rows * d,
        bytes_moved=prompt.rows * (d * prompt.width + 5 * WORKING),
        kernels=pieces(prompt.rows, d) + 2,
    )
    if plan.audio_tokens:
        yield from _audio(prompt)
    yield _rates(prompt)
    for grids in prompt.layout.grid_strips:
        if plan.mode == "official" and grids.strip.size < prompt.layout.tokens_per_grid:
            continue
        step = _change if grids.odd else _density_peaks
        yield step(prompt, grids.strip)
    if plan.audio_tokens:
        yield SelectionOp(name="check of the scores", kernels=5)


def merges(prompt: PlannedPrompt) -> bool:
    """Whether audio is merged into anchors."""
    return _anchors_and_others(prompt)[0] > 0


def _anchors_and_others(prompt: PlannedPrompt) -> tuple[int, int]:
    """Audio tokens that are anchors, and those left over that go to them."""
    plan = prompt.plan
    if not plan.merge or not plan.audio_tokens:
        return 0, 0
    rest = plan.audio_tokens - kept_count(plan.audio_tokens, plan.rho_a or 0.0)
    anchors = anchor_stride(plan.audio_tokens, rest, plan.anchor_share or 0.0)[0]
    return anchors, rest - anchors


def _audio(prompt: PlannedPrompt) -> Iterator[SelectionOp]:
    plan, d = prompt.plan, prompt.d
    yield SelectionOp(name="salient audio", bytes_moved=7 * INDEX * plan.audio_tokens, kernels=4)
    anchors, others = _anchors_and_others(prompt)
    if not anchors:
        return
    yield SelectionOp(
        name="rows of anchors and left-over audio",
        bytes_moved=prompt.gathered(anchors + others),
        kernels=6 + prompt.half + bool(others) * (8 + prompt.half),
    )
    if not others:
        return
    pairs = others * anchors
    blocks = pieces(others, anchors)
    to_anchors = formulas.similarities(others, anchors, d)
    yield SelectionOp(
        name="nearest anchor",
        multiply_adds=to_anchors,
        unseen_flops=pairs,
        bytes_moved=WORKING * (others * d + blocks * anchors * d + 4 * pairs),
        kernels=3 * blocks + 3,
    )
    if plan.video_tokens:
        yield from _relevance(prompt, others)
    yield SelectionOp(name="best of each group", bytes_moved=14 * INDEX * others, kernels=12)
    yield SelectionOp(
        name="merging into anchors",
        multiply_adds=to_anchors,
        unseen_flops=2 * pairs + 3 * anchors * d,
        bytes_moved=WORKING * (others * d + 4 * pairs + (3 * blocks + 11) * anchors * d),
        kernels=5 * blocks + 11,
    )


def _relevance(prompt: PlannedPrompt, others: int) -> Iterator[SelectionOp]:
    """Eq. 3: left-over audio with all video, or all audio of a window with its own video."""
    d, half = prompt.d, prompt.half
    products, raised, read, kernels = 0, 0, 0, 0
    if prompt.plan.mode == "official":
        for strip in prompt.layout.video_strips:
            seen = strip.repeats * strip.size
            parts = block_lengths(strip.size, others)
            blocks = sum(pieces(strip.repeats, others * part) for part in parts)
            products += others * seen
            raised += seen
            read += (seen + blocks * others) * d
            kernels += blocks * (4 + half)
        kernels += 2
    else:
        strips = prompt.layout.window_strips
        for windows in strips:
            count, heard, size = windows.audio.repeats, windows.audio.size, windows.video.size
            parts = block_lengths(size, heard)
            blocks = sum(pieces(count, heard * part) for part in parts)
            products += count * heard * size
            raised += count * (size + len(parts) * heard)
            read += count * (size + len(parts) * heard) * d
            kernels += 2 + blocks * (5 + 2 * half)
        if not strips:
            return
        kernels += 5
    yield SelectionOp(
        name="relevance to the video",
        multiply_adds=formulas.linear(products, d, 1),
        unseen_flops=products,
        bytes_moved=prompt.raised(raised * d) + WORKING * (read + 4 * products),
        kernels=kernels,
    )


def _rates(prompt: PlannedPrompt) -> SelectionOp:
    """Share of audio kept per window, Algorithm 1, tokens of each grid: a few numbers a window."""
    plan = prompt.plan
    official = plan.mode == "official"
    kernels = 15 if official else 14
    kernels += 3 + _algorithm_kernels(prompt) if plan.audio_tokens else 1
    if plan.video_tokens:
        kernels += 6 if official else 9
    return SelectionOp(name="rates and counts (Algorithm 1)", kernels=kernels)


def _algorithm_kernels(prompt: PlannedPrompt) -> int:
    plan = prompt.plan
    if plan.mode == "official":
        heard = sum(1 for window in plan.windows if window.audio_tokens)
        return 1 if heard <= 2 else _OFFICIAL_KERNELS
    rho = plan.rho_v or 0.0
    return _PAPER_KERNELS if min(RHO_MIN, rho) < rho < max(RHO_MAX, rho) else 2


def _density_peaks(prompt: PlannedPrompt, strip: Strip) -> SelectionOp:
    """Eqs. 7-8: similarities inside each even grid, and what DPC-KNN makes of them."""
    d, size = prompt.d, strip.size
    rows, pairs = strip.repeats * size, strip.repeats * size * size
    blocks = pieces(strip.repeats, size * max(d, size))
    if size == 1:
        return SelectionOp(name="density peaks", kernels=blocks * (2 + prompt.half) + _RANK_KERNELS)
    official = prompt.plan.mode == "official"
    passes = 2 if official else 5
    return SelectionOp(
        name="density peaks",
        multiply_adds=strip.repeats * formulas.similarities(size, size, d),
        unseen_flops=(5 if official else 6) * pairs + (0 if official else 2 * rows * d),
        bytes_moved=prompt.raised(rows * d)
        + WORKING * passes * rows * d
        + (81 if official else 97) * pairs,
        kernels=blocks * ((21 if official else 25) + prompt.half) + _RANK_KERNELS,
    )


def _change(prompt: PlannedPrompt, strip: Strip) -> SelectionOp:
    """Cosine of each token of an odd grid with the same place of the grid before."""
    rows = strip.repeats * strip.size
    blocks = pieces(strip.repeats, strip.size * max(prompt.d, strip.size))
    return SelectionOp(
        name="change since the grid before",
        unseen_flops=2 * rows * prompt.d,
        bytes_moved=2 * prompt.raised(rows * prompt.d) + WORKING * 4 * rows * prompt.d,
        kernels=1 + blocks * (5 + 2 * prompt.half) + _RANK_KERNELS,
    )
