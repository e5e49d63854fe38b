"""A real transformers thinker: built from a spec at random, or loaded with its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from omnizip_cost.errors import InputFileError, InvalidValueError, UnsupportedModelError
from omnizip_cost.runtime.modules import part_class
from omnizip_cost.specs.spec import ThinkerSpec
from omnizip_cost.units import BYTES_PER_ELEMENT

WEIGHT_STD = 0.02
"""Spread of random weights: ``initializer_range`` of the published configs."""

_TOKEN_FIELDS = {
    "audio_token_id": "audio",
    "video_token_id": "video",
    "image_token_id": "image",
    "audio_start_token_id": "audio_start",
    "audio_end_token_id": "audio_end",
    "vision_start_token_id": "vision_start",
    "vision_end_token_id": "vision_end",
}
"""Config attribute -> field of TokenIds. The class defaults of the config lack some of them."""


def build_thinker(
    spec: ThinkerSpec,
    *,
    dtype: str = "float32",
    device: str = "cpu",
    attention: str = "sdpa",
    seed: int = 0,
) -> nn.Module:
    """Return the stock transformers thinker of ``spec`` with random weights, ready for inference.

    Parameters are made directly on ``device`` in ``dtype``, never twice. The same spec, dtype,
    device type and seed give the same weights. Linear, convolution and embedding weights are
    normal with spread 0.02, norms are 1, so that logits stay finite in bfloat16.

    Parameters
    ----------
    spec : ThinkerSpec
    dtype : {"float32", "bfloat16", "float16"}
    device : str
        A torch device; ``"meta"`` gives shapes without weights.
    attention : {"sdpa", "eager", "flash_attention_2", ...}
        Attention implementation of transformers, for the decoder and both encoders.
    seed : int

    Raises
    ------
    InvalidValueError
        Unknown dtype, or a device that is not there.
    UnsupportedModelError
        When transformers refuses the config or the attention implementation.
    """
    target = _require_device("build_thinker", device)
    precision = require_dtype("build_thinker", dtype)
    from transformers.initialization import no_init_weights

    model_class: Any = part_class(spec.family, "thinker")
    config = _config_of(spec, model_class)
    try:
        with torch.device(target), no_init_weights():
            thinker = model_class._from_config(
                config, dtype=precision, attn_implementation=attention
            )
    except (ImportError, TypeError, ValueError) as error:
        raise UnsupportedModelError(
            spec.name,
            f"transformers cannot build it with attention {attention!r}: {_sentence(error)}",
        ) from error
    thinker.tie_weights()
    if target.type != "meta":
        _fill_with_random_weights(thinker, torch.Generator(target).manual_seed(seed))
    return _ready(thinker)


def load_checkpoint(
    path_or_id: str | Path,
    *,
    dtype: str = "bfloat16",
    device: str = "cpu",
    attention: str = "sdpa",
) -> tuple[nn.Module, ThinkerSpec]:
    """Load a thinker with its weights, from a folder or a Hugging Face Hub id.

    Whole omni checkpoints (talker and vocoder left out) and thinker checkpoints both work. Only
    safetensors are read and no remote code is ever run. Every weight must be in the files: one
    that transformers would fill at random is an error.

    Returns
    -------
    tuple of (thinker, ThinkerSpec)

    Raises
    ------
    InputFileError
        When the folder or id is missing, incomplete, or not a checkpoint that can be read.
    InvalidValueError, UnsupportedModelError
    """
    from omnizip_cost.specs import load_spec, require_thinker

    target = _require_device("load_checkpoint", device)
    precision = require_dtype("load_checkpoint", dtype)
    spec = require_thinker(load_spec(str(_config_file(path_or_id))))
    model_class: Any = part_class(spec.family, "thinker")
    try:
        thinker, report = model_class.from_pretrained(
            str(path_or_id),
            dtype=precision,
            attn_implementation=attention,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # safetensors, hub and transformers each raise their own
        if isinstance(error, ImportError) or "attn_implementation" in str(error):
            raise UnsupportedModelError(
                spec.name, f"attention {attention!r} is not available: {_sentence(error)}"
            ) from error
        raise InputFileError(
            path_or_id,
            f"the weights cannot be loaded: {_sentence(error)}",
            "give a folder with config.json and safetensors files",
        ) from error
    if missing := sorted(report["missing_keys"]):
        raise InputFileError(
            path_or_id,
            f"{len(missing)} weights of the thinker are missing, {missing[0]} among them",
            "give a complete checkpoint",
        )
    _name_tokens(thinker.config, spec)
    return _ready(thinker.to(target)), spec


def quieten_transformers() -> None:
    """Switch transformers' progress bars off, for a stderr that is no terminal."""
    from transformers.utils import logging

    logging.disable_progress_bar()


def _config_of(spec: ThinkerSpec, model_class: Any) -> Any:
    """Return the transformers config of the spec, with every token id set."""
    try:
        config = model_class.config_class(**dict(spec.config))
    except Exception as error:  # config classes raise errors of the hub client's own
        raise UnsupportedModelError(
            spec.name, f"transformers refuses its config: {_sentence(error)}"
        ) from error
    _name_tokens(config, spec)
    return config


def _name_tokens(config: Any, spec: ThinkerSpec) -> None:
    """Set the token ids that the config lacks; positions cannot be computed without them."""
    for name, field in _TOKEN_FIELDS.items():
        if getattr(config, name, None) is None:
            setattr(config, name, getattr(spec.tokens, field))


@torch.no_grad()
def _fill_with_random_weights(thinker: nn.Module, generator: torch.Generator) -> None:
    """Fill every parameter in place, in the order in which the modules are declared."""
    done: set[int] = set()
    for module in thinker.modules():
        is_norm = "norm" in type(module).__name__.lower()
        for name, parameter in module.named_parameters(recurse=False):
            if id(parameter) in done:  # tied weights
                continue
            done.add(id(parameter))
            if is_norm:
                parameter.fill_(1.0 if name == "weight" else 0.0)
            else:
                parameter.normal_(0.0, WEIGHT_STD, generator=generator)


def _ready(thinker: Any) -> nn.Module:
    thinker.requires_grad_(False)
    model: nn.Module = thinker.eval()
    return model


def _config_file(path_or_id: str | Path) -> Path:
    """Find the checkpoint's config.json in the folder, or fetch it from the Hub."""
    folder = Path(path_or_id)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise InputFileError(
                path_or_id, "there is no config.json in this folder", "give a checkpoint's folder"
            )
        return folder / "config.json"
    if folder.is_file():
        raise InputFileError(path_or_id, "this is a file", "give the checkpoint's folder")
    if folder.is_absolute() or str(path_or_id).startswith((".", "~")):
        raise InputFileError(path_or_id, "there is no such folder", "give a checkpoint's folder")
    from transformers.utils import cached_file

    try:
        return Path(cached_file(str(path_or_id), "config.json"))
    except Exception as error:  # the hub client raises many kinds
        raise InputFileError(
            path_or_id,
            "there is no such folder and the Hugging Face Hub gives no such checkpoint",
            "give a checkpoint's folder or a Hub id that this machine can reach",
        ) from error


def require_dtype(owner: str, dtype: str) -> torch.dtype:
    """Return torch's dtype of that name, or raise :class:`InvalidValueError`."""
    if dtype not in BYTES_PER_ELEMENT:
        raise InvalidValueError(owner, "dtype", f"one of {', '.join(BYTES_PER_ELEMENT)}", dtype)
    found: torch.dtype = getattr(torch, dtype)
    return found


def _require_device(owner: str, device: str) -> torch.device:
    try:
        target = torch.device(device)
        torch.empty(0, device=target)
    except (RuntimeError, AssertionError) as error:
        raise InvalidValueError(
            owner, "device", "a torch device of this machine, such as 'cpu'", device
        ) from error
    return target


def _sentence(error: BaseException) -> str:
    """Return the first sentence of another library's error, on one line."""
    return " ".join(str(error).split()).split(". ")[0].rstrip(".") or type(error).__name__
