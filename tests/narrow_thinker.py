"""Real thinkers of published widths with few layers: quick to build, whole where it counts."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache
from typing import Any

import omnizip_cost as oz
from omnizip_cost.specs import ThinkerSpec, require_thinker


@cache
def few_layers(model: str, layers: int = 3) -> ThinkerSpec:
    """Return the published spec with its first decoder layers and two of each encoder."""
    spec = require_thinker(oz.load_spec(model))
    config: dict[str, Any] = copy.deepcopy(dict(spec.config))
    config["text_config"] |= {"num_hidden_layers": layers, "layer_types": None}
    config["audio_config"] |= {"encoder_layers": 2}
    config["vision_config"] |= {"depth": 2, "fullatt_block_indexes": [1]}
    return replace(
        spec,
        config=config,
        text=replace(spec.text, layers=layers),
        audio=replace(spec.audio, layers=2),
        vision=replace(spec.vision, layers=2, full_attention_layers=(1,)),
    )


@cache
def built(model: str, dtype: str, attention: str, device: str = "meta") -> Any:
    """Build it once per test session."""
    return oz.build_thinker(few_layers(model), dtype=dtype, attention=attention, device=device)
