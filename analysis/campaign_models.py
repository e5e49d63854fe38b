"""The campaign's own models: a slice of the 7B at true width, and few experts for rehearsals.

Their configs are written by code from the bundled ones, so that nothing is typed twice; each can be
saved (:func:`write_config`) and read again by ``load_spec``.
"""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import omnizip_cost as oz
from omnizip_cost.results.tables import atomic_write_bytes
from omnizip_cost.specs import ThinkerSpec, pruned, require_thinker
from omnizip_cost.specs.load import bundled_names, spec_from_config

SLICE = "qwen2.5-omni-7b-slice"
"""One decoder layer of the 7B at true width, behind small encoders and a small vocabulary."""

FEW_EXPERTS = "few-experts"
"""Qwen3-Omni in small, for rehearsals only."""

_TINY = "omni-tiny"
_WHOLE = "qwen2.5-omni-7b"
_EXPERTS = "qwen3-omni-30b-a3b"

_SLICE_SOURCE = (
    "ours, never released and never trained: one decoder layer of qwen2.5-omni-7b at its true "
    "width (d 3584, m 18944, 28 query and 4 key/value heads of 128), so that a machine without a "
    "GPU can run it. Vocabulary (2,048) and token ids are those of omni-tiny, since logits over "
    "152,064 entries at each position would be most of the pass; so are both encoders, but for "
    "their outputs, which are 3584 wide."
)


def model_spec(name: str, layers: int | None = None) -> ThinkerSpec:
    """Return the spec of a bundled model, or of one of this module, cut to ``layers``.

    Raises
    ------
    UnknownNameError, InvalidValueError
        No such model, or more layers than it has.
    """
    written = {SLICE: slice_spec, FEW_EXPERTS: few_experts}
    spec = written[name]() if name in written else oz.load_spec(name)
    return require_thinker(pruned(require_thinker(spec), layers=layers))


def is_bundled(name: str) -> bool:
    """Whether ``load_spec`` knows the model by name, so that a checkpoint of it can exist."""
    return name in bundled_names()


def slice_spec() -> ThinkerSpec:
    """Return one layer of the 7B at true width; what is left out is in its ``source``."""
    whole, tiny = oz.load_spec(_WHOLE), oz.load_spec(_TINY)
    config: dict[str, Any] = copy.deepcopy(dict(tiny.config))
    text: dict[str, Any] = copy.deepcopy(whole.config["text_config"])
    text["num_hidden_layers"] = 1
    text["vocab_size"] = config["text_config"]["vocab_size"]
    config["text_config"] = text
    config["audio_config"]["output_dim"] = text["hidden_size"]
    config["vision_config"]["out_hidden_size"] = text["hidden_size"]
    spec = spec_from_config(config, SLICE)
    return replace(require_thinker(spec), source=_SLICE_SOURCE)


def few_experts() -> ThinkerSpec:
    """Return Qwen3-Omni with eight layers of six experts and every other size small."""
    config: dict[str, Any] = copy.deepcopy(dict(oz.load_spec(_EXPERTS).config))
    config["text_config"] |= {
        "num_hidden_layers": 8,
        "hidden_size": 128,
        "intermediate_size": 96,
        "moe_intermediate_size": 64,
        "num_experts": 6,
        "num_experts_per_tok": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
    }
    config["audio_config"] |= {
        "encoder_layers": 1,
        "d_model": 64,
        "encoder_attention_heads": 2,
        "encoder_ffn_dim": 64,
        "output_dim": 128,
    }
    config["vision_config"] |= {
        "depth": 1,
        "hidden_size": 64,
        "num_heads": 2,
        "intermediate_size": 64,
        "out_hidden_size": 128,
        "deepstack_visual_indexes": [0],
    }
    spec = spec_from_config(config, FEW_EXPERTS)
    source = "ours, never released: Qwen3-Omni's classes with small sizes, to rehearse campaigns"
    return replace(require_thinker(spec), source=source)


def write_config(spec: ThinkerSpec, folder: Path) -> Path:
    """Write ``config.json`` into ``folder/<name>``, for ``load_spec``; return its path."""
    path = folder / spec.name / "config.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write_bytes(path, (json.dumps(dict(spec.config), indent=1) + "\n").encode())
    return path
