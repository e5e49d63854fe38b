"""Structured pruning as a change of the spec: fewer decoder layers, a narrower FFN.

The pruned model is read again from its pruned config, so that it is counted, timed and built like
any other. Which layers go matters to accuracy, and to cost only where layers differ: in a mixture
of experts with plain layers among them, or where some layers slide.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.specs.load import spec_from_config
from omnizip_cost.specs.spec import ModelSpec


def pruned(
    spec: ModelSpec,
    *,
    layers: int | Sequence[int] | None = None,
    ffn_width: int | None = None,
) -> ModelSpec:
    """Return the model with some decoder layers or some of each FFN's width cut away.

    Parameters
    ----------
    spec : ModelSpec
    layers : int or sequence of int, optional
        How many layers stay, the first ones; or the numbers of those that stay, from 0.
    ffn_width : int, optional
        Width m that stays of each FFN; of a mixture of experts, of each expert.

    Returns
    -------
    ModelSpec
        Its name says what was cut; ``spec`` itself where nothing is.

    Raises
    ------
    InvalidValueError
        More than there is, nothing left, or layers that are no rising numbers.

    Examples
    --------
    >>> from omnizip_cost.specs.load import load_spec
    >>> pruned(load_spec("qwen2.5-omni-7b"), layers=20, ffn_width=9472).name
    'qwen2.5-omni-7b-20-layers-ffn-9472'
    """
    kept = _kept_layers(spec, layers)
    width = _kept_width(spec, ffn_width)
    cut_layers, cut_width = len(kept) < spec.text.layers, width < _full_width(spec)
    if not cut_layers and not cut_width:
        return spec
    config = copy.deepcopy(dict(spec.config))
    text = config.get("text_config", config)
    if cut_layers:
        _cut_layers(spec, text, kept)
    if cut_width:
        text["intermediate_size" if spec.text.experts is None else "moe_intermediate_size"] = width
    name = spec.name
    name += f"-{len(kept)}-layers" if cut_layers else ""
    name += f"-ffn-{width}" if cut_width else ""
    cuts = [f"layers {', '.join(map(str, kept))}"] if cut_layers else []
    cuts += [f"{width:,} of {_full_width(spec):,} FFN columns"] if cut_width else []
    source = f"{spec.source.rstrip('.')}; pruned to {' and '.join(cuts)}"
    return replace(spec_from_config(config, name), source=source)


def _full_width(spec: ModelSpec) -> int:
    experts = spec.text.experts
    return spec.text.intermediate_size if experts is None else experts.intermediate_size


def _kept_width(spec: ModelSpec, ffn_width: object) -> int:
    full = _full_width(spec)
    return full if ffn_width is None else _whole(spec, "ffn_width", ffn_width, full)


def _kept_layers(spec: ModelSpec, layers: int | Sequence[int] | None) -> tuple[int, ...]:
    full = spec.text.layers
    if layers is None:
        return tuple(range(full))
    if not isinstance(layers, Sequence) or isinstance(layers, str):
        return tuple(range(_whole(spec, "layers", layers, full)))
    rising = [old for old in range(full) if old in layers]
    if not layers or rising != list(layers):
        expected = f"rising numbers from 0 to {full - 1}"
        raise InvalidValueError(f"pruned {spec.name}", "layers", expected, layers)
    return tuple(rising)


def _whole(spec: ModelSpec, field: str, value: object, most: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most:
        return value
    expected = f"a whole number from 1 to {most:,}"
    raise InvalidValueError(f"pruned {spec.name}", field, expected, value)


def _cut_layers(spec: ModelSpec, text: dict[str, Any], kept: Sequence[int]) -> None:
    """Leave these layers in a text section, each of its own kind, under new numbers."""
    text["num_hidden_layers"] = len(kept)
    if text.get("layer_types") is not None:
        text["layer_types"] = [text["layer_types"][old] for old in kept]
    elif spec.family in ("qwen2", "qwen3") and spec.text.sliding_layers:
        sliding = [old in spec.text.sliding_layers for old in kept]
        text["layer_types"] = [
            "sliding_attention" if slides else "full_attention" for slides in sliding
        ]
    experts = spec.text.experts
    if experts is not None:
        plain = [new for new, old in enumerate(kept) if old in experts.dense_layers]
        text["mlp_only_layers"], text["decoder_sparse_step"] = plain, 1
