"""In which number formats a model runs, and what each takes to store.

``dtype`` is that of activations and of products. ``weight_dtype`` is how the matrices of the
decoder's layers are stored: projections, FFN, experts. Embedding, head, norms, biases, router and
both encoders stay in ``dtype``, as in published GPTQ, AWQ and FP8 checkpoints. ``cache_dtype`` is
how cached keys and values are stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.units import BYTES_PER_ELEMENT

LONG_NAMES: Mapping[str, str] = MappingProxyType(
    {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}
)
"""Formats in which products are computed, and torch's names of them."""

_SHORT_NAMES = {long: short for short, long in LONG_NAMES.items()}

GROUP = 128
"""Numbers of 4 bits that share one scale of 16 bits: the default of GPTQ (arXiv 2210.17323) and
AWQ (arXiv 2306.00978) checkpoints."""

STORED_BYTES: Mapping[str, Fraction] = MappingProxyType(
    {
        **{short: Fraction(BYTES_PER_ELEMENT[long]) for short, long in LONG_NAMES.items()},
        "fp8": Fraction(1),
        "int8": Fraction(1),
        "int4": Fraction(1, 2) + Fraction(2, GROUP),
    }
)
"""Bytes of one stored number, scales of groups included; a scale per row of 8-bit weights is too
little to count."""

NARROW = ("fp8", "int8", "int4")
"""Formats in which weights and cache can be stored beside ``dtype`` itself."""


def short_dtype(owner: str, field: str, name: object, known: tuple[str, ...]) -> str:
    """Return the short name of a format, if it is one of ``known``.

    >>> short_dtype("predict", "dtype", "bfloat16", ("bf16",))
    'bf16'

    Raises
    ------
    InvalidValueError
    """
    plain = name.strip().lower() if isinstance(name, str) else ""
    short = _SHORT_NAMES.get(plain, plain)
    if short not in known:
        raise InvalidValueError(owner, field, f"one of {', '.join(known)}", name)
    return short


@dataclass(frozen=True, slots=True, kw_only=True)
class Formats:
    """Formats of activations, of the layers' matrices, and of the cache."""

    dtype: str = "bf16"
    weight_dtype: str = "bf16"
    cache_dtype: str = "bf16"

    @classmethod
    def of(
        cls,
        dtype: str = "bf16",
        weight_dtype: str | None = None,
        cache_dtype: str | None = None,
    ) -> Formats:
        """Read names as users write them; None stands for ``dtype``.

        Raises
        ------
        InvalidValueError
            An unknown name, or weights or cache in another 16- or 32-bit format than ``dtype``.
        """
        own = short_dtype("formats", "dtype", dtype, tuple(LONG_NAMES))
        stored = {}
        for field, name in (("weight_dtype", weight_dtype), ("cache_dtype", cache_dtype)):
            stored[field] = short_dtype(
                "formats", field, own if name is None else name, (own, *NARROW)
            )
        return cls(dtype=own, **stored)

    @property
    def torch_dtype(self) -> str:
        """Name of ``dtype`` in torch, as the listings of operators take it."""
        return LONG_NAMES[self.dtype]

    @property
    def width(self) -> int:
        """Bytes of one activation."""
        return BYTES_PER_ELEMENT[self.torch_dtype]

    @property
    def weight_bytes(self) -> float:
        """Bytes of one weight of the layers' matrices."""
        return float(STORED_BYTES[self.weight_dtype])

    @property
    def cache_bytes(self) -> float:
        """Bytes of one cached number."""
        return float(STORED_BYTES[self.cache_dtype])
