"""Witness: operators that torch dispatches in the real selection, one by one, on meta tensors.

Kernels are counted exactly on any layout; bytes and arithmetic outside products, at the model's
width, within a tenth.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from dispatched import Dispatched
from drawn_layouts import layouts, token_ids
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_thinker import TOKENS, tiny_spec
from torch.utils.flop_counter import FlopCounterMode

import omnizip_cost as oz
from omnizip_cost.cost import SelectionOp, selection_ops
from omnizip_cost.cost.encoders import attention_blocks
from omnizip_cost.cost.selection.prompt import PlannedPrompt
from omnizip_cost.cost.selection.visionzip import visionzip_steps
from omnizip_cost.runtime.fastv_layers import last_token_attention, rotate
from omnizip_cost.runtime.scores import audio_scores
from omnizip_cost.runtime.selection import fastv_keep, read_layout
from omnizip_cost.runtime.selection.visionzip import visionzip
from omnizip_cost.runtime.vision_scores import attention_received
from omnizip_cost.specs import ThinkerSpec
from omnizip_cost.workload.workload import Workload

SPEC = tiny_spec()
GATHER = "gather of survivors"
SIZES = "audio scores of the clip"
"""What surrounds the real scores and selection: looked at in tests of their own."""


def _scored(spec: ThinkerSpec, work: Workload, dtype: torch.dtype, mode: Any) -> torch.Tensor:
    """The real scores, of queries and keys laid out as the encoder's projections leave them."""
    blocks = attention_blocks(spec.audio, work.mel_frames)
    shape = (sum(blocks), spec.audio.heads, spec.audio.hidden_size // spec.audio.heads)
    query, key = (torch.empty(shape, dtype=dtype, device="meta").transpose(0, 1) for _ in range(2))
    return audio_scores(query, key, blocks, scaling=0.125, mode=mode)


def _run(spec: ThinkerSpec, work: Workload, method: str, dtype: str, **choices: Any) -> Dispatched:
    """Everything between the encoder's projections and the mask, on meta tensors."""
    ids = token_ids(work)
    layout = read_layout(
        ids, audio_id=TOKENS.audio, video_id=TOKENS.video, tokens_per_grid=work.tokens_per_grid
    )
    number = getattr(torch, dtype)
    embeddings = torch.empty(len(ids), spec.text.hidden_size, dtype=number, device="meta")
    with Dispatched() as seen, torch.no_grad():
        scores = None
        if method == "omnizip" and work.audio_tokens:
            scores = _scored(spec, work, number, choices.get("mode", "paper"))
        oz.select(
            method,
            embeddings,
            scores,
            layout,
            audio_id=TOKENS.audio,
            video_id=TOKENS.video,
            tokens_per_grid=work.tokens_per_grid,
            **choices,
        )
    return seen


def _stated(
    spec: ThinkerSpec, work: Workload, method: str, dtype: str, **choices: Any
) -> list[SelectionOp]:
    ops = selection_ops(spec, oz.plan(method, work, spec, **choices), dtype=dtype)
    assert ops is not None
    return [op for op in ops if op.name not in (GATHER, SIZES)]


RATIOS = st.sampled_from([0.0, 0.1, 0.3, 0.35, 0.5, 0.7, 0.75, 0.9, 1.0])
DTYPES = st.sampled_from(["float32", "bfloat16"])


@settings(deadline=None, max_examples=250)
@given(
    work=layouts(SPEC),
    rho_a=RATIOS,
    rho_v=RATIOS,
    anchor_share=st.sampled_from([0.0, 0.05, 0.1, 1.0]),
    merge=st.sampled_from([0, 3]),
    mode=st.sampled_from(["paper", "official"]),
    dtype=DTYPES,
)
def test_kernels_of_omnizip(
    work: Workload,
    rho_a: float,
    rho_v: float,
    anchor_share: float,
    merge: int,
    mode: str,
    dtype: str,
) -> None:
    choices: dict[str, Any] = {
        "audio_pruning": rho_a,
        "video_pruning": rho_v,
        "anchor_share": anchor_share,
        "merge": merge,
        "mode": mode,
    }
    if not rho_a and not rho_v:
        return
    seen = _run(SPEC, work, "omnizip", dtype, **choices)
    ops = _stated(SPEC, work, "omnizip", dtype, **choices)
    assert seen.kernels == sum(op.kernels for op in ops), (seen.ops, ops)


@settings(deadline=None, max_examples=60)
@given(
    work=layouts(SPEC),
    method=st.sampled_from(["random", "dycoke"]),
    rho_a=RATIOS,
    rho_v=RATIOS,
    dtype=DTYPES,
)
def test_kernels_of_random_and_dycoke(
    work: Workload, method: str, rho_a: float, rho_v: float, dtype: str
) -> None:
    if not rho_a and not rho_v:
        return
    choices = {"audio_pruning": rho_a, "video_pruning": rho_v}
    seen = _run(SPEC, work, method, dtype, **choices)
    ops = _stated(SPEC, work, method, dtype, **choices)
    assert seen.kernels == sum(op.kernels for op in ops), (seen.ops, ops)


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
@pytest.mark.parametrize("seconds", [2, 21, 300])
@pytest.mark.parametrize(
    ("method", "choices"),
    [
        ("random", {}),
        ("dycoke", {}),
        ("omnizip", {"mode": "paper"}),
        ("omnizip", {"mode": "official"}),
    ],
    ids=str,
)
def test_kernels_and_bytes_at_full_size(
    method: str, choices: dict[str, Any], seconds: int, dtype: str
) -> None:
    """The 7B's width; up to 300 s, where clips are cut into several blocks. Products as well."""
    spec = oz.load_spec("qwen2.5-omni-7b")
    work = oz.workload(spec, seconds=seconds, pixels=(252, 448))
    choices = {**choices, "audio_pruning": 0.3, "video_pruning": 0.6}
    with FlopCounterMode(display=False) as counter:
        seen = _run(spec, work, method, dtype, **choices)
    ops = _stated(spec, work, method, dtype, **choices)
    assert counter.get_total_flops() == 2 * sum(op.multiply_adds for op in ops)
    assert seen.kernels == sum(op.kernels for op in ops)
    assert sum(op.bytes_moved for op in ops) == pytest.approx(seen.bytes_moved, rel=0.1)
    assert sum(op.unseen_flops for op in ops) == pytest.approx(seen.unseen_flops, rel=0.1)


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
@pytest.mark.parametrize("form", ["materialised", "last-query"])
@pytest.mark.parametrize("seconds", [1, 20])
def test_kernels_and_bytes_of_fastv(form: Any, dtype: str, seconds: int) -> None:
    """The real ranking at the 7B's heads, from what the K-th layer's projections left."""
    spec = oz.load_spec("qwen2.5-omni-7b")
    work = oz.workload(spec, seconds=seconds, pixels=(252, 448))
    text, number, n = spec.text, getattr(torch, dtype), work.tokens
    layout = read_layout(
        token_ids(work),
        audio_id=TOKENS.audio,
        video_id=TOKENS.video,
        tokens_per_grid=work.tokens_per_grid,
    )
    queries = n if form == "materialised" else 1
    query, key, cos = (
        torch.empty(shape, dtype=number, device="meta")
        for shape in (
            (text.heads, queries, text.head_dim),
            (text.kv_heads, n, text.head_dim),
            (n, text.head_dim),
        )
    )
    with FlopCounterMode(display=False) as counter, Dispatched() as seen, torch.no_grad():
        attention = last_token_attention(
            rotate(query, cos[-queries:], cos[-queries:]),
            rotate(key, cos, cos),
            scaling=0.1,
            form=form,
        )
        fastv_keep(attention, layout, retained=0.5)
    ops = _stated(spec, work, "fastv", dtype, retained=0.5, fastv_form=form)
    assert counter.get_total_flops() == 2 * sum(op.multiply_adds for op in ops) > 0
    assert seen.kernels == sum(op.kernels for op in ops), seen.ops
    assert sum(op.bytes_moved for op in ops) == pytest.approx(seen.bytes_moved, rel=0.1)
    assert sum(op.unseen_flops for op in ops) == pytest.approx(seen.unseen_flops, rel=0.1)


@settings(deadline=None, max_examples=60)
@given(work=layouts(SPEC), rho_a=RATIOS, rho_v=RATIOS, dtype=DTYPES)
def test_kernels_and_products_of_visionzip(
    work: Workload, rho_a: float, rho_v: float, dtype: str
) -> None:
    """Scores given: those of the vision encoder are a step of their own."""
    if not rho_a and not rho_v:
        return
    plan = oz.plan("random", work, SPEC, audio_pruning=rho_a, video_pruning=rho_v)
    ids = token_ids(work)
    layout = read_layout(
        ids, audio_id=TOKENS.audio, video_id=TOKENS.video, tokens_per_grid=work.tokens_per_grid
    )
    rows_, heard, looked = (
        torch.empty(shape, dtype=number, device="meta")
        for shape, number in (
            ((len(ids), SPEC.text.hidden_size), getattr(torch, dtype)),
            ((work.audio_tokens,), torch.float32),
            ((work.video_tokens,), torch.float32),
        )
    )
    with FlopCounterMode(display=False) as counter, Dispatched() as seen, torch.no_grad():
        visionzip(rows_, heard, looked, layout, audio_pruning=rho_a, video_pruning=rho_v)
    ops = list(visionzip_steps(PlannedPrompt(spec=SPEC, plan=plan, dtype=dtype)))
    assert counter.get_total_flops() == 2 * sum(op.multiply_adds for op in ops)
    assert seen.kernels == sum(op.kernels for op in ops), (seen.ops, ops)


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
@pytest.mark.parametrize("seconds", [1, 5, 60])
def test_kernels_and_bytes_of_vision_scores(seconds: int, dtype: str) -> None:
    """One grid, a few together, and several blocks of grids."""
    spec = oz.load_spec("qwen2.5-omni-7b")
    work = oz.workload(spec, seconds=seconds, pixels=(252, 448))
    plan = oz.plan("visionzip", work, spec, retained=0.5)
    vision = spec.vision
    patches = work.tokens_per_grid * vision.merge_size**2
    grids = work.video_tokens // work.tokens_per_grid
    size = vision.hidden_size // vision.heads
    query, key = (
        torch.empty(grids * patches, vision.heads, size, dtype=getattr(torch, dtype), device="meta")
        for _ in range(2)
    )
    rotary = torch.empty(grids * patches, size, device="meta")
    with FlopCounterMode(display=False) as counter, Dispatched() as seen:
        attention_received(query, key, (rotary, rotary), [patches] * grids, scaling=0.1)
    ops = selection_ops(spec, plan, dtype=dtype)
    assert ops is not None
    (scores,) = [op for op in ops if op.name == "video scores"]
    assert counter.get_total_flops() == 2 * scores.multiply_adds
    assert seen.kernels == scores.kernels
    assert scores.bytes_moved == pytest.approx(seen.bytes_moved, rel=0.1)
    assert scores.unseen_flops == pytest.approx(seen.unseen_flops, rel=0.1)


@pytest.mark.parametrize("merge", [0, 3])
def test_kernels_and_bytes_of_the_gather(merge: int) -> None:
    """It waits for the host, so it runs here on the CPU, whose operators are the same."""
    spec = oz.load_spec("omni-tiny")
    work = oz.workload(spec, seconds=20, pixels=(252, 448))
    choices: dict[str, Any] = {"audio_pruning": 0.4, "video_pruning": 0.7, "merge": merge}
    ids = token_ids(work)
    selection = oz.select(
        "omnizip",
        torch.randn(len(ids), spec.text.hidden_size),
        torch.rand(work.audio_tokens),
        ids,
        audio_id=TOKENS.audio,
        video_id=TOKENS.video,
        tokens_per_grid=work.tokens_per_grid,
        **choices,
    )
    with Dispatched("cpu") as seen:
        rows_ = selection.gather()
    ops = selection_ops(spec, oz.plan("omnizip", work, spec, **choices), dtype="float32")
    assert ops is not None
    (gather,) = [op for op in ops if op.name == GATHER]
    assert abs(len(rows_) - oz.plan("omnizip", work, spec, **choices).kept_tokens) < 40
    to_an_accelerator = 1 + (merge > 0)  # two numbers to the host, positions of audio from it
    assert seen.kernels + to_an_accelerator == gather.kernels, seen.ops
    assert gather.bytes_moved == pytest.approx(seen.bytes_moved, rel=0.1)


@pytest.mark.parametrize("mode", ["paper", "official"])
def test_no_product_hides_from_the_counter(mode: str) -> None:
    """In-place products (``addmm_``) and their kin count as nothing: none may run."""
    work = oz.workload(oz.load_spec("omni-tiny"), seconds=20, pixels=(252, 448))
    choices: dict[str, Any] = {"audio_pruning": 0.4, "video_pruning": 0.7, "mode": mode}
    seen = {name for name, _ in _run(SPEC, work, "omnizip", "float32", **choices).ops}
    counted_products = {"mm", "addmm", "bmm", "baddbmm"}
    assert seen & counted_products
    hidden = {"addmm_", "baddbmm_", "addbmm", "addbmm_", "mv", "addmv", "addmv_", "dot", "vdot"}
    assert not seen & (hidden | {"einsum", "matmul", "linear", "cdist", "_cdist_forward"})
