"""Finding a model by bundled name or by path, and reading it into a spec.

Nothing here but the standard library is imported, so that the command line starts fast.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from omnizip_cost.errors import (
    InputFileError,
    InvalidValueError,
    UnknownNameError,
    UnsupportedModelError,
    near,
)
from omnizip_cost.specs.decoders import DECODER_FALLBACKS, read_decoder
from omnizip_cost.specs.families import FALLBACKS, read_thinker, refuse_quantization
from omnizip_cost.specs.section import Section
from omnizip_cost.specs.spec import DecoderFamily, ModelSpec, ThinkerFamily
from omnizip_cost.units import MEBI

_BUNDLED = (
    "qwen2.5-omni-7b",
    "qwen2.5-omni-3b",
    "qwen3-omni-30b-a3b",
    "omni-tiny",
    "llava-1.5-7b",
)
_DATA = Path(__file__).with_name("data")

_WHOLE_MODELS: dict[str, ThinkerFamily] = {
    "qwen2_5_omni": "qwen2.5-omni",
    "qwen3_omni_moe": "qwen3-omni",
}
_THINKERS: dict[str, ThinkerFamily] = {
    "qwen2_5_omni_thinker": "qwen2.5-omni",
    "qwen3_omni_moe_thinker": "qwen3-omni",
}
_DECODERS: dict[str, DecoderFamily] = {
    "llama": "llama",
    "mistral": "mistral",
    "qwen2": "qwen2",
    "qwen3": "qwen3",
    "phi3": "phi3",
}
"""``model_type`` of the config classes in transformers 5.17 and 5.23, in all three."""


_LARGEST_CONFIG_BYTES = 16 * MEBI
"""Published configs hold some 20 kB; anything this large is another file, such as weights."""


def bundled_names() -> tuple[str, ...]:
    """Names that :func:`load_spec` knows without a file."""
    return _BUNDLED


def bundled_source(name: str) -> str:
    """Where the facts of a bundled model come from.

    Raises
    ------
    UnknownNameError
        No bundled model has this name.
    """
    return load_bundled(name).source


def load_spec(name_or_path: str | os.PathLike[str]) -> ModelSpec:
    """Return the spec of a bundled model, or of a Hugging Face ``config.json``.

    Parameters
    ----------
    name_or_path
        A name of :func:`bundled_names`, or the path of a ``config.json`` of the Qwen2.5-Omni or
        Qwen3-Omni family (a thinker's config alone will do) or of a dense decoder (llama, mistral,
        qwen2, qwen3, phi3), or of a directory that holds one.
        A bundled name always means the bundled model; anything else that has a separator, ends in
        ``.json`` or exists on disk is a path.

    Raises
    ------
    UnknownNameError
        Neither a bundled name nor a path.
    InputFileError
        The file is missing, is not JSON, or lacks a size.
    InvalidValueError
        A field has the wrong type or an impossible value.
    UnsupportedModelError
        Another family, or a feature whose cost is not modelled.

    Examples
    --------
    >>> load_spec("qwen2.5-omni-7b").text.layers
    28
    """
    if isinstance(name_or_path, str):
        if name_or_path in _BUNDLED or not _looks_like_path(name_or_path):
            return load_bundled(name_or_path)
    elif not isinstance(name_or_path, os.PathLike):
        raise InvalidValueError("load_spec", "name_or_path", "a name or a path", name_or_path)
    return load_config(Path(name_or_path))


def load_bundled(name: str) -> ModelSpec:
    """Return the spec of the bundled model ``name``."""
    if name not in _BUNDLED:
        raise UnknownNameError("model", name, _BUNDLED, "the path of a config.json")
    path = _DATA / f"{name}.json"
    record = _read_object(path)
    unknown = sorted(set(record) ^ {"name", "source", "config"})
    if unknown:
        raise InputFileError(path, f"a record has name, source and config, not {unknown}")
    return _spec(path, record["config"], name=record["name"], source=record["source"])


def load_config(path: Path) -> ModelSpec:
    """Return the spec of the ``config.json`` at ``path`` or in the directory ``path``.

    Its name is the directory's, or the file's own when that is not ``config.json``.
    """
    if _exists(path) and path.is_dir():
        if not (path / "config.json").is_file():
            raise InputFileError(
                path, "this directory holds no config.json", "give the one of a checkpoint"
            )
        path = path / "config.json"
    document = _read_object(path)
    name = path.resolve().parent.name if path.name == "config.json" else path.stem
    return _spec(path, document, name=name, source=f"{path}, read as given")


def spec_from_config(config: Mapping[str, Any], name: str) -> ModelSpec:
    """Return the spec of a config that is already in memory, as a measurement's sidecar keeps it.

    Raises
    ------
    InputFileError, InvalidValueError, UnsupportedModelError
        As :func:`load_spec`; ``name`` stands where the file's path would.
    """
    return _spec(Path(name), dict(config), name=name, source=f"{name}, config kept with its rows")


def _looks_like_path(name: str) -> bool:
    separators = {os.sep, os.altsep} - {None}
    return bool(name) and (
        any(str(mark) in name for mark in separators)
        or name.lower().endswith(".json")
        or _exists(Path(name))
    )


def _exists(path: Path) -> bool:
    """Whether ``path`` exists; a string that no file could be called does not."""
    with suppress(OSError, ValueError):
        return path.exists()
    return False


def _read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in the file ``path``."""
    try:
        size = path.stat().st_size
        if size > _LARGEST_CONFIG_BYTES:
            raise InputFileError(path, f"{size} bytes is no config.json", "give the model's config")
        document = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        meant = near(path.name, _BUNDLED, 1)
        hint = f"did you mean the bundled {meant[0]}?" if meant else "check the path"
        raise InputFileError(path, "no such file or directory", hint) from error
    except OSError as error:
        raise InputFileError(path, f"cannot be read ({error.strerror})") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InputFileError(path, f"not valid JSON ({error.msg} at {place})") from error
    except (ValueError, RecursionError) as error:
        raise InputFileError(path, f"cannot be read as JSON ({error})") from error
    if not isinstance(document, dict):
        kind = type(document).__name__
        raise InputFileError(path, f"holds a JSON {kind}, not an object", "give a config.json")
    return document


def _spec(path: Path, document: dict[str, Any], *, name: str, source: str) -> ModelSpec:
    whole = Section(path=str(path), label="", values=document, fallbacks={})
    refuse_quantization(whole)
    if "thinker_config" in document:
        return _whole_model(whole, name=name, source=source)
    kind = _model_type(whole, (*_WHOLE_MODELS, *_THINKERS, *_DECODERS))
    if kind in _DECODERS:
        decoder = _DECODERS[kind]
        section = replace(whole, fallbacks=DECODER_FALLBACKS[decoder])
        return read_decoder(section, decoder, name=name, source=source)
    if kind in _WHOLE_MODELS:
        raise InputFileError(
            path, "lacks its thinker_config section", "give the whole model's config.json"
        )
    family = _THINKERS[kind]
    thinker = replace(whole, fallbacks=FALLBACKS[family]["thinker_config"])
    return read_thinker(thinker, family, name=name, source=source)


def _whole_model(whole: Section, *, name: str, source: str) -> ModelSpec:
    """Return the thinker of a config that has it as a section."""
    outer = None
    if "model_type" in whole.values:
        outer = _WHOLE_MODELS[_model_type(whole, tuple(_WHOLE_MODELS))]
    thinker = whole.child("thinker_config", {})
    if outer is None or "model_type" in thinker.values:
        inner = _THINKERS[_model_type(thinker, tuple(_THINKERS))]
    else:
        inner = outer
    if outer not in (None, inner):
        raise UnsupportedModelError(
            thinker.place,
            f"its model_type is of family {inner}, but the file's is of family {outer}",
            "both must name one family",
        )
    thinker = replace(thinker, fallbacks=FALLBACKS[inner]["thinker_config"])
    return read_thinker(thinker, inner, name=name, source=source)


def _model_type(section: Section, known: tuple[str, ...]) -> str:
    """Return the section's ``model_type``, one of ``known``."""
    kind = section.values.get("model_type")
    supported = f"supported: {', '.join(known)}"
    if kind is None:
        raise InputFileError(
            section.place, "lacks model_type, which names the model family", supported
        )
    if not isinstance(kind, str):
        raise InvalidValueError(section.place, "model_type", "a string", kind, supported)
    if kind not in known:
        raise UnsupportedModelError(
            section.place,
            f"model family {kind!r} (model_type) is not supported",
            _decoder_inside(section) or supported,
        )
    return kind


def _decoder_inside(section: Section) -> str:
    """Say which section of another model's config is a decoder that can be counted alone."""
    for key, part in section.values.items():
        kind = part.get("model_type") if isinstance(part, dict) else None
        if isinstance(kind, str) and kind in _DECODERS:
            sizes = "" if "num_hidden_layers" in part else ", with the sizes that it leaves out,"
            return (
                f"its {key} is the config of a {kind} decoder: save that section{sizes} as a file "
                "of its own to count the decoder alone"
            )
    return ""
