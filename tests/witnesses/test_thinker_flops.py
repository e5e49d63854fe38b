"""Witness: torch's counter on whole small thinkers, from pixels and log-mel frames to logits.

Real classes with every part at small sizes, on the CPU with the math backend; the mixture of
experts takes eager experts, since grouped ones count as zero on the CPU. DeepStack is on: what the
vision encoder hands to the decoder's first layers is added there, without a product.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from encoder_modules import counted, small_config
from torch import nn

import omnizip_cost as oz
from omnizip_cost.runtime.build import build_thinker
from omnizip_cost.runtime.inputs import random_inputs
from omnizip_cost.runtime.modules import find_text_model
from omnizip_cost.specs import ThinkerSpec, require_thinker, spec_from_config
from omnizip_cost.workload import VideoSettings, Workload

TEXT = {
    "num_hidden_layers": 3,
    "hidden_size": 256,
    "intermediate_size": 48,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 128,
    "vocab_size": 96,
}
EXPERTS = {
    "num_experts": 5,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 24,
    "mlp_only_layers": [1],
}
TOKENS = {
    "audio_token_id": 80,
    "image_token_id": 81,
    "video_token_id": 82,
    "audio_start_token_id": 83,
    "audio_end_token_id": 84,
    "vision_start_token_id": 85,
    "vision_end_token_id": 86,
}


@pytest.fixture(scope="module", params=["qwen2.5-omni", "qwen3-omni"])
def small(request: pytest.FixtureRequest) -> tuple[ThinkerSpec, Any]:
    family = request.param
    text = TEXT if family == "qwen2.5-omni" else {**TEXT, **EXPERTS}
    width = {"out_hidden_size": 256}
    config = small_config(family, audio={"output_dim": 256}, vision=width, text=text)
    for name, number in TOKENS.items():
        config.pop(name.replace("_id", "_index"), None)
        config[name] = number
    spec = require_thinker(spec_from_config(config, "small"))
    thinker: Any = build_thinker(spec)
    if spec.text.experts is not None:
        find_text_model(thinker).config._experts_implementation = "eager"
    return spec, thinker


def _clip(spec: ThinkerSpec, seconds: float, *, audio: bool = True, video: bool = True) -> Workload:
    side = spec.vision.pixels_per_token
    settings = VideoSettings(min_pixels=side**2, max_pixels=16 * side**2)
    pixels = (4 * side, 3 * side) if video else None
    return oz.workload(
        spec, seconds=seconds, pixels=pixels, audio=audio, settings=settings, text_tokens=7
    )


def _table(thinker: nn.Module, spec: ThinkerSpec, tokens: int) -> int:
    """FLOPs of the rotary table, which release 5.17 makes by a matrix product."""
    text: Any = find_text_model(thinker)
    positions = torch.arange(tokens).expand(3, 1, tokens)
    hidden = torch.empty(1, tokens, spec.text.hidden_size)
    flops = counted(lambda: text.rotary_emb(hidden, positions)).get_total_flops()
    assert flops in (0, 3 * spec.text.head_dim * tokens)
    return flops


@pytest.mark.parametrize(
    ("seconds", "heard", "watched"),
    [(3.21, True, True), (9.07, True, False), (2, False, True)],
    ids=["sound and video", "sound alone", "video alone"],
)
def test_forward(
    small: tuple[ThinkerSpec, Any], seconds: float, heard: bool, watched: bool
) -> None:
    spec, thinker = small
    work = _clip(spec, seconds, audio=heard, video=watched)
    inputs = random_inputs(spec, work).kwargs()
    logits: list[torch.Tensor] = []
    counter = counted(lambda: logits.append(thinker(**inputs).logits))
    assert logits[0].shape[1] == work.tokens  # the stock head runs at every position
    rows = oz.count(spec, oz.plan("full", work, spec), "torch", workload=work, decode=0)
    assert {row.component for row in rows} == {
        "llm",
        "lm_head",
        *(["audio_encoder"] if heard else []),
        *(["vision_encoder"] if watched else []),
    }
    seen = counter.get_total_flops() - _table(thinker, spec, work.tokens)
    assert seen == sum(row.flops for row in rows)


def test_generate_runs_the_head_at_every_position_of_the_prompt(
    small: tuple[ThinkerSpec, Any],
) -> None:
    """Four new tokens: one from the prefill, three decode steps; encoders run once."""
    spec, thinker = small
    work = _clip(spec, 2.5)
    inputs = random_inputs(spec, work).kwargs()
    asked = {"max_new_tokens": 4, "min_new_tokens": 4, "do_sample": False, "pad_token_id": 0}
    counter = counted(lambda: thinker.generate(**inputs, **asked))
    rows = oz.count(spec, oz.plan("full", work, spec), "torch", workload=work, decode=3)
    tables = _table(thinker, spec, work.tokens) + 3 * _table(thinker, spec, 1)
    assert counter.get_total_flops() - tables == sum(row.flops for row in rows)
