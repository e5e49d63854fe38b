"""Witness: torch's counter around the real selection, alone and inside a real thinker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from drawn_layouts import layouts, token_ids, windowed
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_thinker import TOKENS, tiny_inputs, tiny_spec, tiny_thinker
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import omnizip_cost as oz
from omnizip_cost.cost import selection_ops, total_flops
from omnizip_cost.cost.encoders import attention_blocks
from omnizip_cost.runtime.modules import find_text_model
from omnizip_cost.runtime.scores import audio_scores
from omnizip_cost.specs import ThinkerSpec
from omnizip_cost.workload.workload import Workload

SPEC = tiny_spec()
HEADS, HEAD_SIZE = SPEC.audio.heads, SPEC.audio.hidden_size // SPEC.audio.heads


def _counted(run: Callable[[], object]) -> int:
    with (
        sdpa_kernel(SDPBackend.MATH),
        FlopCounterMode(display=False) as counter,
        torch.no_grad(),
    ):
        run()
    return int(counter.get_total_flops())


def _selected(work: Workload, method: str, width: int, **choices: Any) -> int:
    """FLOPs that torch counts around the real scores and the real selection."""
    generator = torch.Generator().manual_seed(0)
    ids = token_ids(work)
    embeddings = torch.randn(len(ids), width, generator=generator)
    blocks = attention_blocks(SPEC.audio, work.mel_frames)
    states = torch.randn(2, HEADS, sum(blocks), HEAD_SIZE, generator=generator)

    def run() -> None:
        scores = None
        if method == "omnizip" and work.audio_tokens:
            scores = audio_scores(
                states[0], states[1], blocks, scaling=0.25, mode=choices.get("mode", "paper")
            )
            assert len(scores) == work.audio_tokens
        oz.select(
            method,
            embeddings,
            scores,
            ids,
            audio_id=TOKENS.audio,
            video_id=TOKENS.video,
            tokens_per_grid=work.tokens_per_grid,
            **choices,
        )

    return _counted(run)


def _stated(work: Workload, method: str, **choices: Any) -> int:
    """The same, from the plan."""
    ops = selection_ops(SPEC, oz.plan(method, work, SPEC, **choices))
    assert ops is not None
    return 2 * sum(op.multiply_adds for op in ops)


RATIOS = st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0])


@settings(deadline=None, max_examples=150)
@given(
    work=layouts(SPEC),
    rho_a=RATIOS,
    rho_v=RATIOS,
    anchor_share=st.sampled_from([0.0, 0.01, 0.05, 0.1, 0.5, 1.0]),
    merge=st.sampled_from([0, 1, 3, 15]),
    mode=st.sampled_from(["paper", "official"]),
)
def test_omnizip(
    work: Workload, rho_a: float, rho_v: float, anchor_share: float, merge: int, mode: str
) -> None:
    choices = {
        "audio_pruning": rho_a,
        "video_pruning": rho_v,
        "anchor_share": anchor_share,
        "merge": merge,
        "mode": mode,
    }
    if not rho_a and not rho_v:
        assert _stated(work, "omnizip", **choices) == 0
        return
    width = SPEC.text.hidden_size
    assert _selected(work, "omnizip", width, **choices) == _stated(work, "omnizip", **choices)


@settings(deadline=None, max_examples=40)
@given(
    work=layouts(SPEC),
    method=st.sampled_from(["random", "dycoke"]),
    rho_a=RATIOS,
    rho_v=RATIOS,
)
def test_random_and_dycoke_multiply_no_matrices(
    work: Workload, method: str, rho_a: float, rho_v: float
) -> None:
    choices = {"audio_pruning": rho_a, "video_pruning": rho_v}
    assert _selected(work, method, 32, **choices) == _stated(work, method, **choices) == 0


def _clip() -> Workload:
    """The workload of ``tiny_inputs()``: 5 s, grids of 8 tokens, the last window short."""
    work = windowed([(16, 50), (16, 50), (8, 25)], 8, 500)
    return replace(work, text_before=5, text_after=8, grid_thw=(5, 4, 8))


SETTINGS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("full", {}),
    ("random", {"retained": 0.5}),
    ("dycoke", {"retained": 0.5}),
    ("fastv", {"retained": 0.5, "fastv_layer": 2}),
    ("fastv", {"retained": 0.35, "fastv_layer": 1, "fastv_form": "last-query"}),
    ("fastv", {"retained": 1.0, "fastv_layer": 2}),
    ("omnizip", {"audio_pruning": 0.3, "video_pruning": 0.6}),
    ("omnizip", {"audio_pruning": 0.4, "video_pruning": 0.7, "merge": 0}),
    ("omnizip", {"audio_pruning": 0.4, "video_pruning": 0.7, "mode": "official"}),
    ("omnizip", {"audio_pruning": 0.0, "video_pruning": 0.0}),
    ("visionzip", {"retained": 0.5}),
    ("visionzip", {"audio_pruning": 0.0, "video_pruning": 0.6, "mode": "official"}),
)


@pytest.fixture(scope="module")
def thinker() -> tuple[ThinkerSpec, Any]:
    return tiny_spec(layers=4), tiny_thinker(attention="sdpa", layers=4)


@pytest.mark.parametrize(("method", "choices"), SETTINGS, ids=str)
def test_a_compressed_thinker_is_its_parts(
    thinker: tuple[ThinkerSpec, Any], method: str, choices: dict[str, Any]
) -> None:
    """Decoder, head, encoders and selection: nothing else multiplies, nothing is missing."""
    spec, model = thinker
    inputs = tiny_inputs()
    with oz.compressed(model, method, **choices) as handle:
        seen = _counted(lambda: model(**inputs))
    assert handle.last is not None
    work = _clip()
    assert handle.last.full_tokens == work.tokens
    retention = handle.last.selection.retention if handle.last.selection is not None else None
    known = {"retention": retention} if method == "omnizip" else {}
    rows = oz.count(spec, oz.plan(method, work, spec, **choices, **known), "torch", 0, work)
    table = _rotary(model, handle.last.layer_tokens)
    assert seen - table == total_flops(rows)
    stated = {"full", "random", "dycoke"}
    chosen = [row.flops for row in rows if row.component == "selection"]
    assert all(chosen) if method not in stated else not any(chosen)


def _rotary(thinker: Any, layer_tokens: tuple[int, ...]) -> int:
    """FLOPs of the rotary table of the first layer's tokens (see ``test_flop_counter``)."""
    text, n = find_text_model(thinker), layer_tokens[0]
    states = torch.zeros(1, n, SPEC.text.hidden_size)
    return _counted(lambda: text.rotary_emb(states, torch.arange(n).expand(3, 1, n)))
