"""Steps of the methods OmniZip is compared with: random choice, DyCoke (V&A), FastV."""

from __future__ import annotations

from collections.abc import Iterator

from omnizip_cost import formulas
from omnizip_cost.compression.counts import (
    DYCOKE_GROUP,
    dycoke_audio_drops,
    dycoke_drops,
)
from omnizip_cost.compression.selection_op import SelectionOp
from omnizip_cost.cost.selection.prompt import WORKING, PlannedPrompt, pieces

_COSINE_KERNELS = 10
"""Two gathers, two norms with their epsilon, product, sum, product of norms, division."""


def random_steps(prompt: PlannedPrompt) -> Iterator[SelectionOp]:
    """A choice drawn on the host: one mask goes to the device."""
    yield SelectionOp(name="choice", bytes_moved=2 * prompt.rows, kernels=1)


def dycoke_steps(prompt: PlannedPrompt) -> Iterator[SelectionOp]:
    """Cosines with the group's first grid, or first audio token: no product of matrices."""
    plan, d, size = prompt.plan, prompt.d, prompt.plan.tokens_per_grid or 0
    yield SelectionOp(name="mask", bytes_moved=prompt.rows, kernels=1)
    grids = sum(window.video_tokens // size for window in plan.windows) if size else 0
    moving = sum(1 for drop in dycoke_drops(grids, size, plan.rho_v or 0.0) if drop)
    if moving:
        blocks = pieces(moving, size * d)
        kernels = (_COSINE_KERNELS + 2 * prompt.half + 13) * blocks
        yield _cosines(prompt, "video like its reference", moving * size, kernels)
    if dycoke_audio_drops(plan.audio_tokens, plan.rho_a or 0.0):
        apart = plan.audio_tokens - -(-plan.audio_tokens // DYCOKE_GROUP)
        blocks = pieces(apart, d)
        kernels = (_COSINE_KERNELS + 2 * prompt.half + 2) * blocks + 13
        yield _cosines(prompt, "audio like its reference", apart, kernels)


def _cosines(prompt: PlannedPrompt, name: str, rows: int, kernels: int) -> SelectionOp:
    numbers = rows * prompt.d
    return SelectionOp(
        name=name,
        unseen_flops=6 * numbers,
        bytes_moved=2 * prompt.gathered(rows) + WORKING * 6 * numbers,
        kernels=kernels,
    )


def fastv_steps(prompt: PlannedPrompt) -> Iterator[SelectionOp]:
    """Attention of the prompt's last token in the K-th layer, text included, then the ranking."""
    text, plan = prompt.spec.text, prompt.plan
    n, q, kv, w = prompt.rows, text.query_width, text.kv_width, prompt.width
    whole = plan.fastv_form == "materialised"
    queries = n if whole else 1
    yield SelectionOp(
        name="rotary positions",
        unseen_flops=7 * (queries * text.heads + n * text.kv_heads) * (text.head_dim // 2),
        bytes_moved=10 * w * (queries * q + n * kv),
        kernels=10,
    )
    weights = text.heads * queries * n
    each = 5 * w + 8 + prompt.half * 2 * (w + WORKING) if whole else 0
    yield SelectionOp(
        name="attention of the last token",
        multiply_adds=formulas.similarities(queries, n, q),
        unseen_flops=5 * weights,
        bytes_moved=w * (n * kv + 2 * n * q + queries * q) + each * weights + 4 * n * n * whole,
        kernels=5 + 2 * prompt.half + 3 * whole,
        in_rows_dtype=True,
    )
    yield SelectionOp(name="ranking", bytes_moved=2 * w * text.heads * n, kernels=11 + prompt.half)
