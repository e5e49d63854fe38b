"""Witness: torch's counter on the real encoders of both families, small widths, math backend.

Any length of sound, any grid, configs that no release has; whole numbers, never within a tolerance.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatch
from functools import cache
from typing import Any

import pytest
from encoder_modules import Encoders, small_encoders
from hypothesis import given, settings
from hypothesis import strategies as st

import omnizip_cost as oz
from omnizip_cost.cost import CostRow, Op, audio_encoder_ops, vision_encoder_ops
from omnizip_cost.errors import InvalidValueError, UnsupportedModelError

AUDIO: dict[str, tuple[str, dict[str, Any]]] = {
    "2.5: released chunks": ("qwen2.5-omni", {}),
    "2.5: chunks of 2 frames": ("qwen2.5-omni", {"n_window": 1}),
    "2.5: chunks of 14 frames": ("qwen2.5-omni", {"n_window": 7, "num_mel_bins": 5}),
    "3: released chunks and blocks": ("qwen3-omni", {}),
    "3: one chunk a block": ("qwen3-omni", {"n_window_infer": 100, "num_mel_bins": 13}),
    "3: a block of no whole chunks": ("qwen3-omni", {"n_window": 52, "n_window_infer": 250}),
    "3: longer chunks": ("qwen3-omni", {"n_window": 60, "n_window_infer": 240}),
    "3: convolutions in batches": ("qwen3-omni", {"n_window_infer": 300, "conv_chunksize": 2}),
}
VISION: dict[str, tuple[str, dict[str, Any]]] = {
    "2.5: released windows": ("qwen2.5-omni", {}),
    "2.5: windows of one token": ("qwen2.5-omni", {"window_size": 28}),
    "2.5: windows everywhere": (
        "qwen2.5-omni",
        {"window_size": 100, "fullatt_block_indexes": [], "temporal_patch_size": 1},
    ),
    "2.5: windows nowhere": ("qwen2.5-omni", {"fullatt_block_indexes": [2, 0, 1, 7]}),
    "2.5: no merging": ("qwen2.5-omni", {"spatial_merge_size": 1, "window_size": 42}),
    "3: deepstack": ("qwen3-omni", {}),
    "3: no deepstack": ("qwen3-omni", {"deepstack_visual_indexes": []}),
    "3: deepstack past the last layer": ("qwen3-omni", {"deepstack_visual_indexes": [9, 2, 0, 3]}),
    "3: a layer named twice": ("qwen3-omni", {"deepstack_visual_indexes": [1, 1]}),
    "3: merging 3 x 3": (
        "qwen3-omni",
        {"spatial_merge_size": 3, "patch_size": 5, "in_channels": 1, "num_position_embeddings": 9},
    ),
}


@cache
def audio(variant: str) -> Encoders:
    family, changes = AUDIO[variant]
    return small_encoders(family, audio=changes)


@cache
def vision(variant: str) -> Encoders:
    family, changes = VISION[variant]
    return small_encoders(family, vision=changes)


def flops(ops: Iterable[Op]) -> int:
    """Two per multiply-add, which must be a whole number already."""
    total = 2 * sum(op.multiply_adds for op in ops)
    assert isinstance(total, int)
    return total


@pytest.mark.parametrize("variant", AUDIO)
def test_sounds_at_every_edge(variant: str) -> None:
    """A frame, two, three; a chunk and a block, exactly, short by one and over by one to three."""
    encoders = audio(variant)
    spec = encoders.spec.audio
    chunk, block = spec.mel_frames_per_chunk, spec.mel_frames_per_block
    near = {edge + off for edge in (chunk, block, block + chunk) for off in (-1, 0, 1, 3)}
    for frames in sorted({1, 2, 3} | near):
        if frames:
            ours = flops(audio_encoder_ops(spec, frames))
            assert encoders.count_audio(frames) == ours, f"{frames} mel frames"


@settings(max_examples=15, deadline=None)
@given(data=st.data(), variant=st.sampled_from(list(AUDIO)))
def test_any_sound(data: st.DataObject, variant: str) -> None:
    """Up to twenty chunks, which is two blocks and more."""
    encoders = audio(variant)
    frames = data.draw(st.integers(1, 20 * encoders.spec.audio.mel_frames_per_chunk))
    assert encoders.count_audio(frames) == flops(audio_encoder_ops(encoders.spec.audio, frames))


@pytest.mark.parametrize("variant", VISION)
def test_videos_at_every_edge(variant: str) -> None:
    """One token, less than a window, whole windows, windows cut on either side and on both."""
    encoders = vision(variant)
    spec = encoders.spec.vision
    merge = spec.merge_size
    for tokens in ((1, 1, 1), (2, 1, 9), (1, 4, 8), (1, 7, 3), (2, 5, 5)):
        grid = (tokens[0], tokens[1] * merge, tokens[2] * merge)
        assert encoders.count_vision(grid) == flops(vision_encoder_ops(spec, grid)), f"{grid}"


@settings(max_examples=15, deadline=None)
@given(
    variant=st.sampled_from(list(VISION)),
    grids=st.lists(
        st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)),
        min_size=1,
        max_size=2,
    ),
)
def test_any_videos(variant: str, grids: list[tuple[int, int, int]]) -> None:
    """Several videos in one pass cost what they cost alone: no window and no grid spans two."""
    encoders = vision(variant)
    spec = encoders.spec.vision
    merge = spec.merge_size
    patches = [(time, height * merge, width * merge) for time, height, width in grids]
    ours = sum(flops(vision_encoder_ops(spec, grid)) for grid in patches)
    assert encoders.count_vision(*patches) == ours


@pytest.mark.parametrize("variant", AUDIO)
def test_valid_frames_are_what_chunks_cost_alone(variant: str) -> None:
    """Without padding: convolutions of each chunk run alone, all else as in the whole."""
    encoders = audio(variant)
    spec = encoders.spec.audio
    chunk = spec.mel_frames_per_chunk
    lengths = [chunk, chunk, 1]
    executed, valid = (
        classes(audio_encoder_ops(spec, sum(lengths), as_executed=padded))
        for padded in (True, False)
    )
    alone = [by_class(encoders.audio_by_module(length))["convolution"] for length in lengths]
    assert valid == {**executed, "convolution": sum(alone)}
    assert valid["convolution"] < executed["convolution"]


@pytest.mark.parametrize("variant", AUDIO)
def test_each_class_of_the_audio_encoders(variant: str) -> None:
    encoders = audio(variant)
    frames = 3 * encoders.spec.audio.mel_frames_per_chunk + 1
    ours = classes(audio_encoder_ops(encoders.spec.audio, frames))
    assert ours == by_class(encoders.audio_by_module(frames))


@pytest.mark.parametrize("variant", VISION)
def test_each_class_of_the_vision_encoders_and_attention_layer_by_layer(variant: str) -> None:
    encoders = vision(variant)
    spec = encoders.spec.vision
    grid = (2, 6 * spec.merge_size, 7 * spec.merge_size)
    seen = encoders.vision_by_module(grid)
    ops = list(vision_encoder_ops(spec, grid))
    assert classes(ops) == by_class(seen)
    attention = [op for op in ops if op.operator == "attention"]
    layers = {
        f"blocks.{op.first_layer + i}.attn": flops([op]) // op.layers
        for op in attention
        for i in range(op.layers)
    }
    assert layers == {name: seen[name] for name in seen if name.endswith(".attn")}


def classes(ops: Iterable[Op]) -> dict[str, int]:
    """FLOPs of each operator class."""
    found: dict[str, int] = {}
    for op in ops:
        found[op.operator] = found.get(op.operator, 0) + flops([op])
    return found


CLASSES = {
    "convolution": ("conv*", "patch_embed.proj"),
    "connector": ("proj", "proj1", "proj2", "merger.*", "merger_list.*"),
    "projection": ("layers.*.self_attn.*_proj", "blocks.*.attn.*"),
    "attention": ("layers.*.self_attn", "blocks.*.attn"),
    "ffn": ("layers.*.fc?", "blocks.*.mlp.*"),
}
"""Paths of transformers' modules, by the class that we put their products in."""


def by_class(seen: dict[str, int]) -> dict[str, int]:
    """FLOPs of each class; a module that belongs to none, or to two, is a failure."""
    found: dict[str, int] = {}
    for path, number in seen.items():
        (kind,) = [k for k, paths in CLASSES.items() if any(fnmatch(path, p) for p in paths)]
        found[kind] = found.get(kind, 0) + number
    return found


def test_chunks_too_short_for_the_positions_taken_are_refused_where_the_module_fails() -> None:
    encoders = small_encoders("qwen3-omni", audio={"n_window": 40, "n_window_infer": 160})
    spec = encoders.spec.audio
    for frames in (79, 81, 161):
        assert encoders.count_audio(frames) == flops(audio_encoder_ops(spec, frames))
    for frames in (80, 160, 400):
        with pytest.raises(IndexError):
            encoders.count_audio(frames)
        with pytest.raises(UnsupportedModelError) as caught:
            list(audio_encoder_ops(spec, frames))
    assert str(caught.value) == (
        "Qwen3-Omni's audio encoder: of a chunk of 80 mel frames (2 x n_window) its convolutions "
        "make 10 positions, and it takes 13 of each whole chunk: the real module fails; give an "
        "n_window of 49 to 52, as the released 50"
    )


def test_windows_of_less_than_a_token_are_refused_where_the_module_fails() -> None:
    encoders = small_encoders("qwen2.5-omni")
    encoders.vision.window_size = 27
    with pytest.raises(ZeroDivisionError):
        encoders.count_vision((1, 4, 4))
    with pytest.raises(InvalidValueError) as caught:
        small_encoders("qwen2.5-omni", vision={"window_size": 27})
    assert str(caught.value) == (
        "VisionEncoderSpec: window_pixels must be at least the 28 pixels of one token, got 27"
    )


def _component(rows: list[CostRow], name: str) -> CostRow:
    return next(row for row in rows if row.component == name)


@pytest.mark.parametrize("name", ["qwen2.5-omni-7b", "qwen3-omni-30b-a3b"])
def test_rows_carry_the_encoders_for_a_clip_and_not_for_a_bare_count(name: str) -> None:
    spec = oz.load_spec(name)
    work = oz.workload(spec, seconds=10, pixels=(252, 448))
    plan = oz.plan("full", work, spec)
    rows = oz.count(spec, plan, "torch", workload=work)
    heard, seen = _component(rows, "audio_encoder"), _component(rows, "vision_encoder")
    assert 0 < heard.flops < seen.flops
    assert heard.n_tokens == {"qwen2.5-omni-7b": 500, "qwen3-omni-30b-a3b": 130}[name]
    assert work.grid_thw is not None
    time, height, width = work.grid_thw
    assert seen.n_tokens == time * height * width
    assert {row.component for row in oz.count(spec, plan, "eq9", workload=work)} == {"llm"}
    bare = oz.bare_workload(100)
    rows = oz.count(spec, oz.plan("full", bare, spec), "torch", workload=bare)
    assert {row.component for row in rows} == {"llm", "lm_head"}
