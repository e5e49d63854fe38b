"""Operators between the encoders and the text model: the prompt's rows put together.

Source: ``Qwen2_5OmniThinkerModel.forward`` and ``get_placeholder_mask``, transformers 5.23: ids are
looked up, and each modality's features are scattered over their placeholders. Positions, which
``get_rope_index`` works out token run by token run on the host, are not listed.
"""

from __future__ import annotations

from collections.abc import Iterator

from omnizip_cost.compression.plan import Plan
from omnizip_cost.cost.executed.modules import embedding
from omnizip_cost.cost.executed.op import (
    BOOL,
    INT64,
    ExecutedOp,
    Kernel,
    Tensor,
    kernel,
    placed,
    single_call,
)
from omnizip_cost.cost.executed.passes import prompt_tokens
from omnizip_cost.specs.spec import ModelSpec, ThinkerSpec

UNLISTED = "assembly: positions, worked out on the host"
"""What of the stage is not listed."""

_PLACEHOLDERS = 3
"""Ids that are looked for each time: audio, image and video."""


def assembly_executed(spec: ModelSpec, plan: Plan, width: int) -> Iterator[ExecutedOp]:
    """Look up the prompt's ids and write the features of a clip over their placeholders.

    A bare count of tokens has no features: its rows are looked up alone.
    """
    rows, d = prompt_tokens(plan), spec.text.hidden_size
    run = single_call(rows, width)
    yield from placed(embedding(run, rows, d), "assembly", run, "embedding")
    if not isinstance(spec, ThinkerSpec) or not plan.windows:
        return
    for features in (plan.audio_tokens, plan.video_tokens):
        if features:
            x, part = run.numbers(rows * d), run.numbers(features * d)
            yield from placed(_scattered(rows, x, part), "assembly", run, "features")


def _scattered(rows: int, x: Tensor, features: Tensor) -> Iterator[Kernel]:
    ids, mask = Tensor(rows, INT64), Tensor(rows, BOOL)
    for _ in range(_PLACEHOLDERS):
        yield kernel("eq", "indexing", (ids,), mask)
    for _ in ("image", "video"):
        yield kernel("sum", "indexing", (mask,), Tensor(1, INT64), whole=True)
    yield kernel("masked_scatter", "layout", (x, mask, features), x)
