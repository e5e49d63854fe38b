"""Operators between the encoders and the text model: the prompt's rows put together.

Source: ``Qwen2_5OmniThinkerModel.forward``, ``get_placeholder_mask``, ``get_audio_features`` and
``get_video_features``, transformers 5.23; witness: tests/witnesses/test_assembly.py. Ids are looked
up, log-mel frames that are padding are cut away, and each modality's features are scattered over
their placeholders. Qwen3-Omni's thinker does the same. Positions, which ``get_rope_index`` works
out run by run on the host, are not listed.
"""

from __future__ import annotations

from collections.abc import Iterator

from omnizip_cost.compression.plan import Plan
from omnizip_cost.cost.executed.modules import embedding, lookup
from omnizip_cost.cost.executed.op import (
    BOOL,
    FLOAT32,
    INT64,
    ExecutedOp,
    Kernel,
    Pass,
    Tensor,
    integers,
    kernel,
    placed,
    single_call,
)
from omnizip_cost.cost.executed.passes import prompt_tokens
from omnizip_cost.specs.spec import ModelSpec, ThinkerSpec

UNLISTED = "assembly: positions, worked out on the host"
"""What of the stage is not listed."""


def assembly_executed(spec: ModelSpec, plan: Plan, width: int) -> Iterator[ExecutedOp]:
    """Look up the prompt's ids and write the features of a clip over their placeholders.

    A bare count of tokens has no features: its rows are looked up alone.
    """
    rows, d = prompt_tokens(plan), spec.text.hidden_size
    run = single_call(rows, width)
    yield from placed(embedding(run, rows, d), "assembly", run, "embedding")
    if not isinstance(spec, ThinkerSpec) or not plan.windows:
        return
    x = run.numbers(rows * d)
    if plan.audio_tokens:
        frames = _heard(spec.audio.mel_bins, plan.mel_frames)
        yield from placed(frames, "assembly", run, "frames")
        yield from placed(_scattered(run, x, plan.audio_tokens * d), "assembly", run, "audio")
    if plan.video_tokens:
        part = run.numbers(plan.video_tokens * d)
        yield from placed(_seen(part), "assembly", run, "grids")
        yield from placed(_scattered(run, x, part.numbers), "assembly", run, "video")


def _heard(mel_bins: int, mel_frames: int) -> Iterator[Kernel]:
    """Frames that are no padding, how many they are, and how many tokens they make."""
    frames = Tensor(mel_frames * mel_bins, FLOAT32)
    for _ in ("before the encoder", "for positions"):
        yield integers("sum", (mel_frames,), 1)
    yield kernel("_to_copy", "layout", (Tensor(mel_frames, INT64),), Tensor(mel_frames, BOOL))
    yield lookup(frames, Tensor(mel_frames, BOOL), "layout")
    for _ in ("convolution", "pooling"):
        for aten in ("sub", "floor_divide", "add"):
            yield integers(aten, (1,), 1)


def _seen(features: Tensor) -> Iterator[Kernel]:
    """Tokens of the video, held against its placeholders; features put together."""
    yield integers("prod", (3,), 1)
    yield integers("floor_divide", (1,), 1)
    yield integers("_local_scalar_dense", (1,))
    yield integers("mul", (1,), 1)
    one = Tensor(1, BOOL)
    yield kernel("eq", "indexing", (Tensor(1, INT64),), one)
    yield kernel("_is_all_true", "indexing", (one,), one)
    yield kernel("_local_scalar_dense", "indexing", (one,))
    yield kernel("cat", "layout", (features,), features)


def _scattered(run: Pass, x: Tensor, numbers: int) -> Iterator[Kernel]:
    """Placeholders of all modalities found, and one's features written over its own."""
    ids, mask = Tensor(run.rows, INT64), Tensor(run.rows, BOOL)
    for _ in ("audio", "image", "video"):
        yield kernel("eq", "indexing", (ids,), mask)
    for _ in ("image", "video"):
        yield kernel("sum", "indexing", (mask,), Tensor(1, INT64), whole=True)
    yield kernel("masked_scatter", "layout", (x, mask, run.numbers(numbers)), x)
