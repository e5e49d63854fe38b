"""Scores of audio and video tokens: attention received in an encoder's last layer.

The encoders hand no attention out, so queries and keys are multiplied once more.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from omnizip_cost import formulas
from omnizip_cost.compression.blocks import LEAST_QUERIES
from omnizip_cost.compression.selection_op import SelectionOp
from omnizip_cost.cost.encoders import attention_blocks
from omnizip_cost.cost.selection.prompt import WORKING, PlannedPrompt, block_lengths, pieces

_SOFTMAX_FLOPS = 4
"""Per attention weight: largest subtracted, exponential, sum, division."""


def audio_score_steps(prompt: PlannedPrompt) -> Iterator[SelectionOp]:
    """Eq. 2 on the last layer: inside its blocks (``paper``) or over the clip (``official``)."""
    audio, plan = prompt.spec.audio, prompt.plan
    blocks = attention_blocks(audio, plan.mel_frames)
    if not plan.audio_tokens:
        return
    official = plan.mode == "official"
    lengths = [sum(blocks)] if official else blocks
    width, n = audio.hidden_size, sum(blocks)
    pairs = sum(length * length for length in lengths)
    weights = audio.heads * pairs
    kernels, moved = 3 + 2 * prompt.half, 4 * weights
    if official:
        for heads, chunks in _head_groups(audio.heads, n):
            kernels += 4 * chunks
            moved += chunks * n * heads * (width // audio.heads)
        kernels, moved = kernels + 2, moved + 3 * n * width
    else:
        kernels += sum(_kernels_of_blocks(audio.heads, run) for run in _runs(blocks))
        moved += 8 * n * width
    yield SelectionOp(
        name="audio scores",
        multiply_adds=sum(formulas.similarities(length, length, width) for length in lengths),
        unseen_flops=(_SOFTMAX_FLOPS + 1) * weights + n * width,
        bytes_moved=2 * prompt.raised(n * width) + WORKING * moved,
        kernels=kernels,
    )
    yield SelectionOp(name="audio scores of the clip", kernels=4)


def _runs(blocks: list[int]) -> list[tuple[int, int]]:
    return [(length, sum(1 for _ in run)) for length, run in groupby(blocks)]


def _kernels_of_blocks(heads: int, run: tuple[int, int]) -> int:
    """Queries and keys of several blocks are copied, so that one product takes them all."""
    length, count = run
    cut = pieces(count, heads * length * length)
    return cut * (5 + 2 * (count > 1))


def _head_groups(heads: int, n: int) -> list[tuple[int, int]]:
    """Heads of each group taken together, and the chunks of queries in it: each reads all keys."""
    return [(size, pieces(n, size * n)) for size in block_lengths(heads, LEAST_QUERIES * n)]


def video_score_steps(prompt: PlannedPrompt) -> Iterator[SelectionOp]:
    """Attention that each patch receives inside its grid, rotary positions applied again."""
    vision, plan = prompt.spec.vision, prompt.plan
    if not plan.video_tokens or not plan.tokens_per_grid:
        return
    patches = plan.tokens_per_grid * vision.merge_size**2
    grids, heads, width = (
        plan.video_tokens // plan.tokens_per_grid,
        vision.heads,
        vision.hidden_size,
    )
    weights, numbers = grids * heads * patches * patches, grids * patches * width
    kernels = 1
    for taken in block_lengths(grids, heads * patches * max(patches, width // heads)):
        chunks = pieces(patches, taken * heads * patches)
        kernels += 10 + 8 * prompt.half + chunks * (6 + 2 * (taken > 1))
    yield SelectionOp(
        name="video scores",
        multiply_adds=grids * formulas.similarities(patches, patches, width),
        unseen_flops=(_SOFTMAX_FLOPS + 1) * weights + 8 * numbers,
        bytes_moved=8 * prompt.raised(numbers) + WORKING * (28 * numbers + 4 * weights),
        kernels=kernels,
    )
    yield SelectionOp(name="video scores in prompt order", kernels=7)
