"""Working tensors of choosing tokens: scores, similarities, the gather, FastV's ranking.

Source: ``omnizip_cost.runtime``, whose temporaries are cut to ``DEVICE_BLOCK_ELEMENTS`` numbers;
witness: its real selections on shape-only tensors (tests/witnesses/test_memory_selection.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from omnizip_cost.compression.blocks import DEVICE_BLOCK_ELEMENTS, LEAST_QUERIES
from omnizip_cost.compression.plan import Plan
from omnizip_cost.compression.visionzip import visionzip_splits
from omnizip_cost.cost.executed.op import BOOL, FLOAT32
from omnizip_cost.cost.memory.decoder import rotation, softmax
from omnizip_cost.cost.memory.live import Live, Part
from omnizip_cost.cost.memory.run import Run
from omnizip_cost.cost.selection.prompt import PlannedPrompt, block_lengths
from omnizip_cost.specs.spec import TextSpec, ThinkerSpec

WORKSPACES = ("random", "fastv", "dycoke", "omnizip", "visionzip")
"""Methods whose working tensors are told; a plugin's are not known."""

_GROUP_OF_GRIDS = 4
"""Grids that DyCoke compares with the first of them."""


def fastv_ranking(live: Live, run: Run, text: TextSpec, n: int, kept: int, form: str) -> None:
    """Rank n tokens by the attention that the last one pays them, and go on with ``kept``.

    ``materialised`` writes out all h x n x n scores, as published; ``last-query`` the one row that
    is used. Queries and keys of the ranking layer were kept for it by hooks.
    """
    queries = 1 if form == "last-query" else n
    if not run.stock:
        live.hold("tapped q", run.rows(queries, text.query_width))
        live.hold("tapped k", run.rows(n, text.kv_width))
    head, pairs = text.query_width, text.heads * queries * n
    rotation(live, run.rows(queries, head), "ranking q")
    rotation(live, run.rows(n, text.kv_width), "ranking k")
    live.hold("repeated k", run.rows(n, head), "selection")
    live.drop("ranking k")
    live.hold("scores", pairs * run.width, "attention_weights")
    if form != "last-query":
        live.hold("future", n * n * BOOL, "attention_weights")
    softmax(live, run, pairs)
    live.drop_all("future")
    live.hold("received", text.heads * n * run.width, "selection")
    live.drop("weights", "repeated k", "ranking q", "tapped q", "tapped k")
    live.hold("mean", n * FLOAT32, "selection")
    live.hold("survivors", run.rows(kept, text.hidden_size))
    live.drop("mean", "received", "hidden")
    live.rename("survivors", "hidden")
    for name in ("kept cosines", "kept sines"):
        live.hold(name, run.rows(kept, text.head_dim))


def audio_scores(live: Live, spec: ThinkerSpec, plan: Plan, blocks: Sequence[int]) -> None:
    """Attention that each audio token receives, from the tapped queries and keys (Eq. 2).

    ``paper`` takes equal blocks of the encoder together, ``official`` chunks of queries over the
    whole clip; neither writes more than ``DEVICE_BLOCK_ELEMENTS`` scores at a time.
    """
    heads, d, n = spec.audio.heads, spec.audio.hidden_size, sum(blocks)
    part: Part = "audio_scores"
    for name in ("raised q", "raised k"):
        live.hold(name, n * d * FLOAT32, part)
    if plan.mode == "official":
        taken = block_lengths(heads, LEAST_QUERIES * n)[0]
        scores = taken * n * block_lengths(n, taken * n)[0]
    else:
        size, count = max((size, sum(1 for _ in run)) for size, run in groupby(blocks))
        together = block_lengths(count, heads * size * size)[0]
        scores = together * heads * size * size
        if count > 1:
            live.hold("blocks of q and k", 2 * together * size * d * FLOAT32, part)
    live.hold("attention received", scores * FLOAT32, part)
    live.drop_all("blocks of q and k")
    live.hold("shares received", scores * FLOAT32, part)
    live.drop("shares received", "attention received", "raised q", "raised k")


def video_scores(live: Live, run: Run, spec: ThinkerSpec, plan: Plan) -> None:
    """Attention that each patch receives inside its grid; some grids at a time."""
    vision = spec.vision
    if not plan.video_tokens or not plan.tokens_per_grid:
        return
    patches = plan.tokens_per_grid * vision.merge_size**2
    grids, width = plan.video_tokens // plan.tokens_per_grid, vision.hidden_size
    each = vision.heads * patches * max(patches, width // vision.heads)
    taken = block_lengths(grids, each)[0]
    chunk = block_lengths(patches, taken * vision.heads * patches)[0]
    for name in ("turned q", "turned k"):
        live.hold(name, taken * patches * width * FLOAT32, "selection")
    scores = taken * vision.heads * chunk * patches * FLOAT32
    live.hold("attention received", scores, "selection")
    live.hold("shares received", scores, "selection")
    live.drop("shares received", "attention received", "turned q", "turned k")


def workspace(live: Live, run: Run, spec: ThinkerSpec, plan: Plan) -> None:
    """Similarities by which tokens are chosen, method by method."""
    d, part = spec.text.hidden_size, plan.tokens_per_grid or 0
    rows = plan.av_tokens + plan.text_tokens
    if not part:
        return
    layout = PlannedPrompt(spec=spec, plan=plan, dtype=run.formats.torch_dtype).layout
    if plan.method == "omnizip":
        for grids in layout.grid_strips:
            told = _three if grids.odd else _peaks
            told(live, grids.strip.repeats, grids.strip.size, d)
        if plan.mode == "official" and plan.rho_a and plan.merge:
            _over_clip(live, plan, d)
    elif plan.method == "dycoke":
        groups = -(-plan.video_tokens // (part * _GROUP_OF_GRIDS))
        _three(live, groups, part * (_GROUP_OF_GRIDS - 1), d)
    elif plan.method == "visionzip" and plan.rho_v:
        splits = visionzip_splits(layout.video_sizes, part, plan.rho_v)
        live.hold("rows of the prompt", run.rows(rows, d), "selection")
        for split, count in Counter(split for window in splits for split in window).items():
            taken = block_lengths(count, split.size * d)[0]
            rest = taken * (split.size - split.dominant)
            live.hold("rows to merge", run.rows(rest, d) + rest * d * FLOAT32, "selection")
            live.drop("rows to merge")
        live.drop("rows of the prompt")


def _peaks(live: Live, count: int, rows: int, d: int) -> None:
    """Rows of whole grids, centred, with the distances inside each grid (DPC-KNN)."""
    taken = block_lengths(count, rows * max(d, rows))[0]
    live.hold("rows here", taken * rows * d * FLOAT32, "selection")
    live.hold("centred", taken * rows * d * FLOAT32, "selection")
    live.hold("distances", taken * rows * rows * FLOAT32, "selection")
    live.drop("centred", "distances")
    live.hold("distances", 5 * taken * rows * rows * FLOAT32, "selection")
    live.drop("distances", "rows here")


def _three(live: Live, count: int, rows: int, d: int) -> None:
    """Rows, those they are held against, and their products, all in float32, block by block."""
    if not count:
        return
    taken = block_lengths(count, rows * max(d, rows))[0]
    for name in ("rows here", "rows there", "products"):
        live.hold(name, taken * rows * d * FLOAT32, "selection")
    live.drop("rows here", "rows there", "products")


def _over_clip(live: Live, plan: Plan, d: int) -> None:
    """Cosines of all audio tokens to merge with the video of the whole clip."""
    rest = max(1, round(plan.audio_tokens * (plan.rho_a or 0)))
    columns = min(plan.video_tokens, max(1, DEVICE_BLOCK_ELEMENTS // rest))
    live.hold("audio rows", rest * d * FLOAT32, "selection")
    live.hold("video rows", columns * d * FLOAT32, "selection")
    live.hold("cosines", rest * columns * FLOAT32, "selection")
    live.drop("audio rows", "video rows", "cosines")
