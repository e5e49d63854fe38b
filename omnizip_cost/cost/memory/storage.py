"""How many bytes all weights and one layer's cache take, in every format they may be stored in."""

from __future__ import annotations

from math import ceil

from omnizip_cost.cost.formats import STORED_BYTES, Formats
from omnizip_cost.specs.parameters import parameter_counts
from omnizip_cost.specs.spec import ModelSpec, TextSpec


def weight_bytes(spec: ModelSpec, formats: Formats) -> int:
    """Bytes of all weights of a model: the layers' matrices as stored, the rest in its dtype.

    A tied head is the embedding table and counts once. Buffers (positions of the audio encoder,
    some 8 MB) are left out.

    Examples
    --------
    >>> from omnizip_cost.specs import load_spec
    >>> spec = load_spec("qwen2.5-omni-7b")
    >>> weight_bytes(spec, Formats.of()), weight_bytes(spec, Formats.of(weight_dtype="int4"))
    (17863627776, 8177652736)
    """
    matrices = decoder_matrices(spec.text)
    rest = parameter_counts(spec)["total"] - matrices
    return rest * formats.width + ceil(matrices * STORED_BYTES[formats.weight_dtype])


def decoder_matrices(text: TextSpec) -> int:
    """Numbers in the matrices of all decoder layers: projections, FFN, experts."""
    d, m = text.hidden_size, text.intermediate_size
    numbers = text.layers * (d * (text.query_width + 2 * text.kv_width) + text.query_width * d)
    experts = text.experts
    if experts is None:
        return numbers + text.layers * text.ffn_matrices * d * m
    dense = len(experts.dense_layers)
    sparse = (text.layers - dense) * experts.experts * experts.intermediate_size
    return numbers + text.ffn_matrices * d * (dense * m + sparse)


def cached_bytes(text: TextSpec, keys: int, formats: Formats) -> int:
    """Bytes of the keys, or of the values, of ``keys`` tokens in one layer's cache.

    Examples
    --------
    >>> from omnizip_cost.specs import load_spec
    >>> text = load_spec("qwen2.5-omni-7b").text
    >>> cached_bytes(text, 10_000, Formats.of()), cached_bytes(
    ...     text, 10_000, Formats.of(cache_dtype="int4")
    ... )
    (10240000, 2640000)
    """
    return ceil(keys * text.kv_width * STORED_BYTES[formats.cache_dtype])
