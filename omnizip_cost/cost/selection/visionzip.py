"""VisionZip-style steps: dominant tokens by score, contextual ones merged grid by grid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from omnizip_cost import formulas
from omnizip_cost.compression.counts import kept_count
from omnizip_cost.compression.selection_op import SelectionOp
from omnizip_cost.compression.visionzip import GridSplit, visionzip_splits
from omnizip_cost.cost.selection.prompt import WORKING, PlannedPrompt, pieces


def visionzip_steps(prompt: PlannedPrompt) -> Iterator[SelectionOp]:
    """Best-scored audio, then the grids of each split together."""
    plan = prompt.plan
    yield SelectionOp(name="mask", bytes_moved=prompt.rows, kernels=1)
    heard = kept_count(plan.audio_tokens, plan.rho_a or 0.0) < plan.audio_tokens
    if heard:
        yield SelectionOp(name="best-scored audio", kernels=4)
    sizes = [window.video_tokens for window in plan.windows]
    splits = Counter(
        split
        for window in visionzip_splits(sizes, plan.tokens_per_grid or 0, plan.rho_v or 0.0)
        for split in window
        if split.kept < split.size
    )
    if any(split.contextual for split in splits):
        yield SelectionOp(
            name="copy of the rows",
            bytes_moved=2 * prompt.rows * prompt.d * prompt.width,
            kernels=1,
        )
    for split, grids in splits.items():
        yield _compressed(prompt, split, grids)
    if heard or splits:
        yield SelectionOp(name="check of the scores", kernels=5 + (heard and bool(splits)))


def _compressed(prompt: PlannedPrompt, split: GridSplit, grids: int) -> SelectionOp:
    d = prompt.d
    rest, merged = grids * split.rest * d, grids * split.contextual * d
    pairs = grids * split.rest * split.contextual
    blocks = pieces(grids, split.size * d)
    if not split.contextual:
        return SelectionOp(name="dominant video", kernels=1 + 8 * blocks)
    return SelectionOp(
        name="dominant and contextual video",
        multiply_adds=2 * grids * formulas.similarities(split.rest, split.contextual, d),
        unseen_flops=2 * pairs + 3 * merged,
        bytes_moved=prompt.gathered(grids * split.rest)
        + WORKING * (2 * rest + 6 * merged + 8 * pairs),
        kernels=1 + (22 + 2 * prompt.half) * blocks,
    )
