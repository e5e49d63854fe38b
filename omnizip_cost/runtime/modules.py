"""Where the parts of a real thinker are: found by class, since their paths differ by release.

In transformers 5.17 the thinker holds the text model as ``model`` and the encoders beside it; in
5.23 all three sit under ``thinker.model``. Only the classes are the same.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Literal

from torch import nn

from omnizip_cost.errors import UnsupportedModelError

Part = Literal["thinker", "text_model", "audio_encoder", "vision_encoder"]

_MODELLING = {
    "qwen2.5-omni": "transformers.models.qwen2_5_omni.modeling_qwen2_5_omni",
    "qwen3-omni": "transformers.models.qwen3_omni_moe.modeling_qwen3_omni_moe",
}
_CLASSES: dict[str, dict[Part, str]] = {
    "qwen2.5-omni": {
        "thinker": "Qwen2_5OmniThinkerForConditionalGeneration",
        "text_model": "Qwen2_5OmniThinkerTextModel",
        "audio_encoder": "Qwen2_5OmniAudioEncoder",
        "vision_encoder": "Qwen2_5OmniVisionEncoder",
    },
    "qwen3-omni": {
        "thinker": "Qwen3OmniMoeThinkerForConditionalGeneration",
        "text_model": "Qwen3OmniMoeThinkerTextModel",
        "audio_encoder": "Qwen3OmniMoeAudioEncoder",
        "vision_encoder": "Qwen3OmniMoeVisionEncoder",
    },
}
"""Class names of transformers 5.17 to 5.23."""

_TITLES: dict[Part, str] = {
    "thinker": "thinker",
    "text_model": "text model",
    "audio_encoder": "audio encoder",
    "vision_encoder": "vision encoder",
}


@cache
def part_class(family: str, part: Part) -> type[nn.Module]:
    """Return the transformers class of one part of one family."""
    found: type[nn.Module] = getattr(import_module(_MODELLING[family]), _CLASSES[family][part])
    return found


def find_thinker(model: nn.Module) -> nn.Module:
    """Return the thinker inside ``model``: itself, or that of a whole omni model or wrapper.

    Raises
    ------
    UnsupportedModelError
        When there is no Qwen2.5-Omni or Qwen3-Omni thinker in it, or more than one.
    """
    return _find(model, "thinker")[1]


def thinker_family(model: nn.Module) -> str:
    """``"qwen2.5-omni"`` or ``"qwen3-omni"``, by the thinker's class."""
    return _find(model, "thinker")[0]


def find_text_model(model: nn.Module) -> nn.Module:
    """Return the decoder stack of the thinker: embeddings, layers and final norm, no LM head."""
    return _part_of_thinker(model, "text_model")


def find_audio_encoder(model: nn.Module) -> nn.Module:
    """Return the audio encoder of the thinker."""
    return _part_of_thinker(model, "audio_encoder")


def find_vision_encoder(model: nn.Module) -> nn.Module:
    """Return the vision encoder of the thinker."""
    return _part_of_thinker(model, "vision_encoder")


def find_lm_head(model: nn.Module) -> nn.Module:
    """Return the projection from hidden states to the vocabulary."""
    thinker = find_thinker(model)
    head = thinker.get_output_embeddings()  # type: ignore[operator]
    if not isinstance(head, nn.Module):
        raise UnsupportedModelError(type(thinker).__name__, "it has no LM head")
    return head


def find_decoder_layers(model: nn.Module) -> nn.ModuleList:
    """Return the decoder layers of the text model, in order."""
    layers = find_text_model(model).layers
    assert isinstance(layers, nn.ModuleList)
    return layers


def find_text_owner(model: nn.Module) -> nn.Module:
    """Return the module that fills embeddings, computes positions and calls the text model.

    It also keeps ``rope_deltas``, by which decode positions run ahead of the cache's length:
    the thinker itself in transformers 5.17, the module between it and the text model in 5.23.
    """
    thinker = find_thinker(model)
    text = find_text_model(thinker)
    for module in thinker.modules():
        if any(child is text for child in module.children()):
            return module
    raise UnsupportedModelError(type(thinker).__name__, "nothing in it calls the text model")


def _part_of_thinker(model: nn.Module, part: Part) -> nn.Module:
    family, thinker = _find(model, "thinker")
    return _find(thinker, part, families=(family,))[1]


def _find(
    model: nn.Module, part: Part, families: tuple[str, ...] = tuple(_CLASSES)
) -> tuple[str, nn.Module]:
    """Return the only module of that class inside ``model``, with its family."""
    if not isinstance(model, nn.Module):
        raise UnsupportedModelError(
            type(model).__name__, "it is no torch module", "give a transformers thinker"
        )
    found = [
        (family, module)
        for family in families
        for module in model.modules()
        if isinstance(module, part_class(family, part))
    ]
    if len(found) != 1:
        names = " or ".join(_CLASSES[family][part] for family in families)
        number = f"{len(found)} {_TITLES[part]}s" if found else f"no {_TITLES[part]}"
        raise UnsupportedModelError(
            type(model).__name__, f"there is {number} in it", f"exactly one {names} is needed"
        )
    return found[0]
