"""Witness: working tensors of the real selections and scores, on shape-only tensors."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from drawn_layouts import token_ids
from live_tensors import LiveTensors, live_tensors
from tiny_thinker import TOKENS

import omnizip_cost as oz
from omnizip_cost.cost.encoders import attention_blocks
from omnizip_cost.cost.formats import Formats
from omnizip_cost.cost.memory.live import Live
from omnizip_cost.cost.memory.run import Run
from omnizip_cost.cost.memory.selection import audio_scores as told_scores
from omnizip_cost.cost.memory.selection import workspace
from omnizip_cost.runtime.scores import audio_scores
from omnizip_cost.runtime.selection import read_layout
from omnizip_cost.specs import require_thinker

RUN = Run.of("hf-sdpa", Formats.of())


def _clip(model: str, seconds: int) -> tuple[Any, Any]:
    spec = require_thinker(oz.load_spec(model))
    return spec, oz.workload(spec, seconds=seconds, pixels=(252, 448))


def _at_work(live: LiveTensors, before: int) -> int:
    return live.peak - before


@pytest.mark.parametrize(("model", "seconds"), [("qwen2.5-omni-7b", 20), ("qwen2.5-omni-3b", 120)])
@pytest.mark.parametrize("mode", ["paper", "official"])
@pytest.mark.parametrize("method", ["omnizip", "dycoke", "visionzip"])
def test_similarities(method: str, mode: Any, model: str, seconds: int) -> None:
    spec, work = _clip(model, seconds)
    ratios: dict[str, Any] = {"audio_pruning": 0.4, "video_pruning": 0.7, "mode": mode}
    ids = token_ids(work)
    layout = read_layout(
        ids, audio_id=TOKENS.audio, video_id=TOKENS.video, tokens_per_grid=work.tokens_per_grid
    )
    with live_tensors() as seen:
        rows = torch.empty(len(ids), spec.text.hidden_size, dtype=torch.bfloat16, device="meta")
        heard, looked = (
            torch.empty(count, device="meta") for count in (work.audio_tokens, work.video_tokens)
        )
        before = seen.live
        seen.restart()
        oz.select(
            method,
            rows,
            None if method == "dycoke" else heard,
            layout,
            video_scores=looked if method == "visionzip" else None,
            audio_id=TOKENS.audio,
            video_id=TOKENS.video,
            tokens_per_grid=work.tokens_per_grid,
            **ratios,
        )
        took = _at_work(seen, before)
    live = Live()
    workspace(live, RUN, spec, oz.plan(method, work, spec, **ratios))
    assert sum(live.peak.values()) == pytest.approx(took, rel=0.1)


@pytest.mark.parametrize("seconds", [9, 120])
@pytest.mark.parametrize("mode", ["paper", "official"])
def test_audio_scores(mode: Any, seconds: int) -> None:
    spec, work = _clip("qwen2.5-omni-7b", seconds)
    plan = oz.plan("omnizip", work, spec, audio_pruning=0.4, video_pruning=0.7, mode=mode)
    blocks = attention_blocks(spec.audio, work.mel_frames)
    shape = sum(blocks), spec.audio.heads, spec.audio.hidden_size // spec.audio.heads
    with live_tensors() as seen:
        query, key = (
            torch.empty(shape, dtype=torch.bfloat16, device="meta").transpose(0, 1) for _ in "qk"
        )
        before = seen.live
        seen.restart()
        audio_scores(query, key, blocks, scaling=0.125, mode=mode)
        took = _at_work(seen, before)
    live = Live()
    told_scores(live, spec, plan, blocks)
    assert live.peak["audio_scores"] == pytest.approx(took, rel=0.01)
