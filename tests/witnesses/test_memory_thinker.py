"""Witness: a whole real thinker on the CPU, from its inputs to the logits, stage by stage.

What the thinker's own functions go on naming (features, rows of the whole prompt) is in it, and
what hooks cut. Widths are a third of the published ones; whole numbers, left out of the estimate,
weigh more than at full width.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import transformers
from live_tensors import LiveTensors
from tiny_thinker import tiny_spec

import omnizip_cost as oz
from omnizip_cost.cost.formats import Formats
from omnizip_cost.cost.memory import memory_peak
from omnizip_cost.cost.memory.storage import weight_bytes
from omnizip_cost.runtime.decode import prefill
from omnizip_cost.runtime.inputs import random_inputs
from omnizip_cost.runtime.modules import find_audio_encoder, find_vision_encoder
from omnizip_cost.specs import ThinkerSpec

D, M, INNER = 1024, 2048, 320
CLOSE = 0.01
KEEPS_ENCODED = tuple(map(int, transformers.__version__.split(".")[:2])) >= (5, 23)
"""Whether the thinker goes on naming what the vision encoder returned, patches and features: 5.17
lets go of them once the features are copied."""


@cache
def _spec() -> ThinkerSpec:
    spec, text = tiny_spec(layers=2), {"hidden_size": D, "intermediate_size": M}
    audio = {"d_model": INNER, "encoder_ffn_dim": 4 * INNER, "output_dim": D}
    vision = {"hidden_size": INNER, "intermediate_size": 2 * INNER, "out_hidden_size": D}
    config: dict[str, Any] = {name: dict(spec.config[name]) for name in (
        "text_config", "audio_config", "vision_config")}  # fmt: skip
    config["text_config"] |= text | {"num_attention_heads": 8, "num_key_value_heads": 2}
    config["audio_config"] |= audio
    config["vision_config"] |= vision
    widths = {"hidden_size": INNER, "output_size": D}
    return replace(
        spec,
        config={**spec.config, **config},
        text=replace(spec.text, **text, heads=8, kv_heads=2),
        audio=replace(spec.audio, **widths, intermediate_size=4 * INNER),
        vision=replace(spec.vision, **widths, intermediate_size=2 * INNER),
    )


@cache
def _thinker() -> Any:
    return oz.build_thinker(_spec(), dtype="bfloat16")


def _seen(method: str, work: Any, ratios: dict[str, float]) -> dict[str, int]:
    """Peak of each stage of one prefill."""
    thinker, kwargs = _thinker(), random_inputs(_spec(), work, dtype="bfloat16").kwargs()
    encoders = {
        "audio_encoder": find_audio_encoder(thinker),
        "vision_encoder": find_vision_encoder(thinker),
    }
    peaks: dict[str, int] = {}
    with LiveTensors("cpu") as live:

        def leave(name: str) -> None:
            peaks[name] = live.peak
            live.restart()

        hooks = []
        for name, encoder in encoders.items():
            hooks.append(encoder.register_forward_pre_hook(lambda *_: live.restart()))
            hooks.append(encoder.register_forward_hook(lambda *_, name=name: leave(name)))
        around = nullcontext() if method == "full" else oz.compressed(thinker, method, **ratios)
        try:
            with around:
                prefill(thinker, kwargs)
        finally:
            for hook in hooks:
                hook.remove()
        leave("prefill")
    return peaks


@pytest.mark.parametrize(
    ("method", "ratios"),
    [
        ("full", {}),
        ("omnizip", {"audio_pruning": 0.3, "video_pruning": 0.6}),
    ],
)
def test_stages_of_a_real_prefill(method: str, ratios: dict[str, float]) -> None:
    work = oz.workload(_spec(), seconds=2, pixels=(112, 112))
    seen = _seen(method, work, ratios)
    plan = oz.plan(method, work, _spec(), **ratios)
    told = memory_peak(_spec(), plan, work, allocator=False)
    held = weight_bytes(_spec(), Formats.of())
    for name, most in seen.items():
        stage = told.stage(name)
        assert stage is not None
        own = stage.total_bytes - stage.inputs - held
        if name == "prefill" and not KEEPS_ENCODED:
            own -= 2 * work.video_tokens * (4 * INNER + D)
        assert own == pytest.approx(most, rel=CLOSE), name
