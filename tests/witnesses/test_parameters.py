"""Parameter counts and fallbacks, held against the transformers classes on the meta device."""

from __future__ import annotations

import copy
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    Qwen2_5OmniConfig,
    Qwen2_5OmniThinkerConfig,
    Qwen2_5OmniThinkerForConditionalGeneration,
    Qwen3OmniMoeConfig,
    Qwen3OmniMoeThinkerConfig,
    Qwen3OmniMoeThinkerForConditionalGeneration,
)
from transformers.models.qwen2_5_omni import configuration_qwen2_5_omni as config25
from transformers.models.qwen2_5_omni import modeling_qwen2_5_omni as modeling25
from transformers.models.qwen3_omni_moe import configuration_qwen3_omni_moe as config3
from transformers.models.qwen3_omni_moe import modeling_qwen3_omni_moe as modeling3

from omnizip_cost.specs import ThinkerSpec, bundled_names, load_spec, parameter_counts
from omnizip_cost.specs.families import FALLBACKS

CLASSES: dict[str, tuple[Any, ...]] = {
    "qwen2.5-omni": (
        Qwen2_5OmniThinkerConfig,
        Qwen2_5OmniThinkerForConditionalGeneration,
        modeling25.Qwen2_5OmniAudioEncoder,
        modeling25.Qwen2_5OmniVisionEncoder,
        modeling25.Qwen2_5OmniThinkerTextModel,
    ),
    "qwen3-omni": (
        Qwen3OmniMoeThinkerConfig,
        Qwen3OmniMoeThinkerForConditionalGeneration,
        modeling3.Qwen3OmniMoeAudioEncoder,
        modeling3.Qwen3OmniMoeVisionEncoder,
        modeling3.Qwen3OmniMoeThinkerTextModel,
    ),
}
WHOLE = {"qwen2.5-omni": Qwen2_5OmniConfig, "qwen3-omni": Qwen3OmniMoeConfig}


def weights(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def meta_counts(spec: ThinkerSpec) -> dict[str, int]:
    """Count the class built from the spec's own config; parts found by class, not by path."""
    config_class, thinker_class, *part_classes = CLASSES[spec.family]
    with torch.device("meta"):
        thinker = thinker_class(config_class(**copy.deepcopy(dict(spec.config))))
    parts = {}
    for name, part in zip(
        ("audio_encoder", "vision_encoder", "text_model"), part_classes, strict=True
    ):
        (found,) = [module for module in thinker.modules() if isinstance(module, part)]
        parts[name] = weights(found)
    total = weights(thinker)
    return {**parts, "lm_head": total - sum(parts.values()), "total": total}


@pytest.mark.parametrize("name", [name for name in bundled_names() if "omni" in name])
def test_bundled_counts_equal_the_class(name: str) -> None:
    spec = load_spec(name)
    assert parameter_counts(spec) == meta_counts(spec)


def test_published_figures() -> None:
    # 7B and 3B: figures handed to this project; 30B: printed in ai-bot-pro/achatbot PR 196.
    seven, three = (parameter_counts(load_spec(f"qwen2.5-omni-{size}b")) for size in (7, 3))
    assert seven["total"] == 8_931_813_888
    assert (seven["audio_encoder"], seven["vision_encoder"]) == (639_647_232, 676_550_144)
    assert three["total"] == 4_703_464_448
    assert parameter_counts(load_spec("qwen3-omni-30b-a3b"))["total"] == 31_719_205_488


def test_a_tied_head_is_counted_once(tmp_path: Path) -> None:
    document = copy.deepcopy(dict(load_spec("qwen2.5-omni-3b").config))
    document["tie_word_embeddings"] = True
    (tmp_path / "config.json").write_text(json.dumps(document))
    spec = load_spec(tmp_path)
    assert parameter_counts(spec)["lm_head"] == 0
    assert parameter_counts(spec)["total"] == 4_392_299_520
    assert parameter_counts(spec) == meta_counts(spec)


def small_config(family: str, seed: int) -> dict[str, Any]:
    """Draw a small thinker with sizes independent of one another, so none can stand in for one."""
    draw = random.Random(seed)
    text_width, kv_heads = 16 * draw.randint(3, 9), draw.randint(1, 3)
    audio_heads, vision_heads = draw.randint(1, 3), draw.randint(1, 3)
    depth = draw.randint(1, 5)
    audio = {
        "encoder_layers": draw.randint(1, 3),
        "d_model": 8 * audio_heads * draw.randint(1, 3),
        "encoder_attention_heads": audio_heads,
        "encoder_ffn_dim": draw.randint(5, 60),
        "num_mel_bins": draw.choice((40, 80, 101, 128)),
        "n_window": draw.randint(5, 60),
        "output_dim": text_width,
    }
    vision = {
        "depth": depth,
        "hidden_size": 4 * vision_heads * draw.randint(1, 5),
        "num_heads": vision_heads,
        "intermediate_size": draw.randint(5, 60),
        "in_channels": draw.randint(1, 4),
        "patch_size": draw.randint(2, 16),
        "temporal_patch_size": draw.randint(1, 3),
        "spatial_merge_size": draw.randint(1, 3),
        "out_hidden_size": text_width,
    }
    text = {
        "vocab_size": draw.randint(50, 300),
        "hidden_size": text_width,
        "intermediate_size": draw.randint(5, 60),
        "num_hidden_layers": draw.randint(1, 5),
        "num_key_value_heads": kv_heads,
        "num_attention_heads": kv_heads * draw.randint(1, 3),
        "head_dim": 2 * draw.randint(2, 20),
    }
    if family == "qwen2.5-omni":
        vision["fullatt_block_indexes"] = draw.sample(range(8), 3)
    else:
        audio["downsample_hidden_size"] = draw.randint(3, 20)
        audio["n_window_infer"] = 2 * audio["n_window"] * draw.randint(1, 4)
        vision["num_position_embeddings"] = draw.randint(2, 9) ** 2
        vision["deepstack_visual_indexes"] = draw.sample(range(8), draw.randint(0, 4))
        text |= {
            "num_experts": draw.choice((0, 3, 5)),
            "num_experts_per_tok": 2,
            "moe_intermediate_size": draw.randint(5, 60),
            "decoder_sparse_step": draw.randint(1, 3),
            "mlp_only_layers": draw.sample(range(6), draw.randint(0, 2)),
            "attention_bias": draw.random() < 0.5,
        }
    sections = {"audio_config": audio, "vision_config": vision, "text_config": text}
    return {**sections, "tie_word_embeddings": draw.random() < 0.3}


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("family", CLASSES)
def test_random_small_configs_equal_the_class(family: str, seed: int, tmp_path: Path) -> None:
    config_class = CLASSES[family][0]
    config_class(**small_config(family, seed)).save_pretrained(tmp_path)
    spec = load_spec(tmp_path)
    assert spec.family == family
    assert parameter_counts(spec) == meta_counts(spec)


@pytest.mark.parametrize("name", ["qwen2.5-omni-3b", "qwen3-omni-30b-a3b", "omni-tiny"])
@pytest.mark.parametrize("whole", [False, True], ids=["thinker alone", "whole model"])
def test_what_transformers_saves_loads_as_the_same_spec(
    name: str, whole: bool, tmp_path: Path
) -> None:
    bundled = load_spec(name)
    config = CLASSES[bundled.family][0](**copy.deepcopy(dict(bundled.config)))
    if whole:
        config = WHOLE[bundled.family](thinker_config=config.to_dict())
    config.save_pretrained(tmp_path)
    (tmp_path / "as_dict.json").write_text(json.dumps(config.to_dict()))
    for path in (tmp_path, tmp_path / "config.json", str(tmp_path / "as_dict.json")):
        loaded = load_spec(path)
        assert replace(loaded, name=bundled.name, source=bundled.source) == bundled
    assert load_spec(tmp_path).name == tmp_path.name
    assert load_spec(tmp_path / "as_dict.json").name == "as_dict"


def class_default(config_class: Any, key: str) -> Any:
    """Return the default of a field of a config class, under either spelling; KeyError if none."""
    fields = config_class.__dataclass_fields__
    return fields[config_class.attribute_map.get(key, key)].default


# Keys that the thinker's or text model's own class lacks: families.py says where they come from.
ELSEWHERE = {
    ("qwen2.5-omni", "vision_start_token_id"): (config25.Qwen2_5OmniTalkerConfig, 151652),
    ("qwen2.5-omni", "vision_end_token_id"): (config25.Qwen2_5OmniTalkerConfig, 151653),
    ("qwen2.5-omni", "head_dim"): (None, None),
    ("qwen3-omni", "vision_start_token_id"): (config3.Qwen3OmniMoeTalkerConfig, 151652),
    ("qwen3-omni", "vision_end_token_id"): (None, 151653),
    ("qwen3-omni", "audio_end_token_id"): (None, 151670),
}


def test_fallbacks_are_the_defaults_of_the_classes() -> None:
    owners = {
        ("qwen2.5-omni", "thinker_config"): Qwen2_5OmniThinkerConfig,
        ("qwen2.5-omni", "text_config"): config25.Qwen2_5OmniTextConfig,
        ("qwen3-omni", "thinker_config"): Qwen3OmniMoeThinkerConfig,
        ("qwen3-omni", "audio_config"): config3.Qwen3OmniMoeAudioEncoderConfig,
        ("qwen3-omni", "text_config"): config3.Qwen3OmniMoeTextConfig,
    }
    for family, sections in FALLBACKS.items():
        for section, fallbacks in sections.items():
            owner = owners[family, section]
            for key, value in fallbacks.items():
                if (family, key) in ELSEWHERE:
                    other, expected = ELSEWHERE[family, key]
                    with pytest.raises(KeyError):
                        class_default(owner, key)
                    assert value == expected
                    assert other is None or class_default(other, key) == value
                else:
                    default = class_default(owner, key)
                    assert value == (() if key == "mlp_only_layers" else default), key


def test_released_ids_that_no_class_gives_are_those_of_the_bundled_record() -> None:
    released = load_spec("qwen3-omni-30b-a3b").config
    fallbacks = FALLBACKS["qwen3-omni"]["thinker_config"]
    for key in ("audio_end_token_id", "vision_start_token_id", "vision_end_token_id"):
        assert fallbacks[key] == released[key]
