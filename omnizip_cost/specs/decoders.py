"""From the ``config.json`` of a dense decoder to a spec: llama, mistral, qwen2, qwen3, phi3.

What each family's class builds is spelled out here: which keys it reads, which biases and norms it
has, which layers slide. Sources: models/llama, mistral, qwen2, qwen3 and phi3 of transformers 5.17
and 5.23; witness: the classes built on the ``meta`` device.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from omnizip_cost.errors import InvalidValueError, UnsupportedModelError
from omnizip_cost.specs.rotary import read_rotary
from omnizip_cost.specs.section import Section
from omnizip_cost.specs.spec import DecoderFamily, DecoderSpec, TextSpec

_ALL: Mapping[str, Any] = {
    "architectures": None,
    "tie_word_embeddings": False,
    "layer_types": None,
}

DECODER_FALLBACKS: Mapping[DecoderFamily, Mapping[str, Any]] = {
    # LlamaConfig; no key/value heads means as many as query heads, no head_dim hidden // heads.
    "llama": {
        **_ALL,
        "num_key_value_heads": None,
        "head_dim": None,
        "attention_bias": False,
        "mlp_bias": False,
        "sliding_window": None,
    },
    # MistralConfig; its class default of 8 key/value heads is a size, so the file must say it.
    "mistral": {**_ALL, "head_dim": None, "sliding_window": 4096},
    # Qwen2Config; as Mistral's, its 32 key/value heads must be said.
    "qwen2": {
        **_ALL,
        "head_dim": None,
        "use_sliding_window": False,
        "sliding_window": 4096,
        "max_window_layers": 28,
    },
    # Qwen3Config; head_dim is no quotient here but a size of its own, so the file must say it.
    "qwen3": {
        **_ALL,
        "attention_bias": False,
        "use_sliding_window": False,
        "sliding_window": 4096,
        "max_window_layers": 28,
    },
    # Phi3Config.
    "phi3": {
        **_ALL,
        "num_key_value_heads": None,
        "head_dim": None,
        "sliding_window": None,
    },
}
"""Values of keys that a decoder's config may leave out: the class defaults of transformers 5.17 and
5.23. No size is among them but the window of layers that slide."""

_FOREIGN_KEYS = (
    "num_experts",
    "num_local_experts",
    "n_routed_experts",
    "attention_chunk_size",
    "per_layer_config",
)
"""Keys that no dense family has: experts, chunked attention, layers of unequal sizes."""

_LAYER_KINDS = ("full_attention", "sliding_attention")

_MOST_LAYERS = 10_000
"""Far beyond the deepest there are (126 in Llama-3.1-405B): plans list their layers one by one."""

_NARROWEST_WINDOW = 2
"""transformers keeps W - 1 keys by a slice that keeps all of them when W is 1."""


def read_decoder(section: Section, family: DecoderFamily, *, name: str, source: str) -> DecoderSpec:
    """Return the spec of one decoder's config.

    Raises
    ------
    InputFileError
        A size is missing.
    InvalidValueError
        A field has the wrong type or an impossible value.
    UnsupportedModelError
        The config asks for something that changes cost and is not modelled here.
    """
    _refuse_foreign(section, family)
    layers, hidden, heads = stack_sizes(section)
    window, sliding = _sliding(section, family, layers)
    attention_bias = section.flag("attention_bias") if family in ("llama", "qwen3") else False
    text = TextSpec(
        layers=layers,
        hidden_size=hidden,
        intermediate_size=section.size("intermediate_size"),
        heads=heads,
        kv_heads=key_value_heads(section, heads),
        head_dim=_head_dim(section, family, hidden, heads),
        vocab_size=section.size("vocab_size"),
        tied_embeddings=section.flag("tie_word_embeddings"),
        qkv_bias=attention_bias or family == "qwen2",
        output_bias=attention_bias,
        ffn_bias=section.flag("mlp_bias") if family == "llama" else False,
        qk_norm=family == "qwen3",
        sliding_window=window,
        sliding_layers=sliding,
        rotary=read_rotary(section),
    )
    config = copy.deepcopy(dict(section.values))
    return DecoderSpec(name=name, family=family, text=text, source=source, config=config)


def stack_sizes(text: Section) -> tuple[int, int, int]:
    """Return layers, hidden size and query heads, each required."""
    layers = text.size("num_hidden_layers")
    if layers > _MOST_LAYERS:
        raise InvalidValueError(
            text.place, "num_hidden_layers", f"at most {_MOST_LAYERS:,}", layers
        )
    return layers, text.size("hidden_size"), text.size("num_attention_heads")


def key_value_heads(text: Section, heads: int) -> int:
    """Return the key/value heads; a null means as many as query heads.

    An absent key means the same where the section's fallbacks say null; else it is an error.
    """
    kv_heads = heads if text.says_null("num_key_value_heads") else text.size("num_key_value_heads")
    text.divides("num_key_value_heads", kv_heads, heads, f"{heads} query heads")
    return kv_heads


def quotient_head_dim(text: Section, hidden: int, heads: int) -> int:
    """Return the head size of a config that may leave it to be ``hidden / heads``."""
    if not text.says_null("head_dim"):
        return text.size("head_dim")
    text.divides("num_attention_heads", heads, hidden, f"hidden size {hidden}")
    return hidden // heads


def _head_dim(text: Section, family: DecoderFamily, hidden: int, heads: int) -> int:
    """Return the head size, which rotary positions need to be even."""
    if family == "llama":  # LlamaConfig refuses a quotient with a rest, head_dim given or not
        text.divides("num_attention_heads", heads, hidden, f"hidden size {hidden}")
    size = text.size("head_dim") if family == "qwen3" else quotient_head_dim(text, hidden, heads)
    if size % 2:
        raise InvalidValueError(
            text.place, "head_dim", "an even number: rotary positions turn pairs", size
        )
    return size


def _sliding(
    text: Section, family: DecoderFamily, layers: int
) -> tuple[int | None, tuple[int, ...]]:
    """Return the window W and the layers that attend through it."""
    kinds = _layer_kinds(text, layers)
    window = _window(text, family)
    sliding: tuple[int, ...] = ()
    if window is not None:
        later = family in ("qwen2", "qwen3")
        sliding = tuple(range(text.count("max_window_layers") if later else 0, layers))
    if kinds is not None:
        named = tuple(i for i, kind in enumerate(kinds) if kind == "sliding_attention")
        if named and window is None:
            raise UnsupportedModelError(
                text.place,
                f"layer_types asks for sliding_attention, but no window of family {family} is set",
                "set sliding_window (and use_sliding_window) or name full_attention",
            )
        if family in ("llama", "mistral", "phi3") and named != sliding:
            raise UnsupportedModelError(
                text.place,
                f"layer_types contradicts sliding_window, which cuts all layers of family {family}",
                "give one of the two",
            )
        sliding = named
    return (window, sliding) if sliding else (None, ())


def _window(text: Section, family: DecoderFamily) -> int | None:
    """Return sliding_window where the family heeds it."""
    if family in ("qwen2", "qwen3") and not text.flag("use_sliding_window"):
        return None
    window = text.optional_size("sliding_window")
    if window is not None and family == "llama":
        raise UnsupportedModelError(
            text.place, "sliding_window is set, which family llama does not have", "set it to null"
        )
    if window is not None and window < _NARROWEST_WINDOW:
        raise UnsupportedModelError(
            text.place,
            f"sliding_window is {window}, at which transformers' cache is not cut",
            f"windows of {_NARROWEST_WINDOW} tokens and more are modelled",
        )
    return window


def _layer_kinds(text: Section, layers: int) -> tuple[str, ...] | None:
    kinds = text.layer_names("layer_types", layers)
    other = sorted(set(kinds or ()) - set(_LAYER_KINDS))
    if other:
        raise UnsupportedModelError(
            text.place,
            f"layer_types asks for {', '.join(other)}, which is not modelled",
            f"only {' and '.join(_LAYER_KINDS)} are",
        )
    return kinds


def _refuse_foreign(section: Section, family: DecoderFamily) -> None:
    """Refuse what the family's class would ignore or misread: another model under its name."""
    own = re.compile(rf"{family}(Model|ForCausalLM)", re.IGNORECASE)
    for architecture in section.names("architectures") or ():
        if not own.fullmatch(architecture):
            raise UnsupportedModelError(
                section.place,
                f"architectures names {architecture}, which is no plain {family} decoder",
                f"leave that key out to count the {family} decoder of these sizes alone",
            )
    for key in _FOREIGN_KEYS:
        if section.values.get(key):
            raise UnsupportedModelError(
                section.place,
                f"{key} is set, which the dense family {family} does not have",
                "nothing is guessed: give the config of a dense decoder",
            )
