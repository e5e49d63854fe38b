"""How a model runs, as far as memory goes: backend and formats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from omnizip_cost.cost.executed.op import FLOAT32
from omnizip_cost.cost.formats import Formats
from omnizip_cost.cost.memory.storage import cached_bytes
from omnizip_cost.errors import UnknownNameError
from omnizip_cost.specs.spec import TextSpec

Backend = Literal["hf-eager", "hf-sdpa", "hf-graphs", "compiled", "ideal"]

BACKENDS: tuple[Backend, ...] = ("hf-eager", "hf-sdpa", "hf-graphs", "compiled", "ideal")
"""``hf-eager`` and ``hf-sdpa``: the stock modules, attention written out or fused; ``hf-graphs``:
the latter, whose decode has a cache of fixed size; ``compiled``: the same products, elementwise
work fused into few kernels and a cache of fixed size; ``ideal``: one product for queries, keys and
values, one for gate and up, logits of the last position alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One way to run a model."""

    backend: Backend
    formats: Formats

    @classmethod
    def of(cls, backend: str, formats: Formats) -> Run:
        """Check the backend's name.

        Raises
        ------
        UnknownNameError
        """
        for known in BACKENDS:
            if known == backend:
                return cls(backend=known, formats=formats)
        raise UnknownNameError("backend", str(backend), BACKENDS)

    @property
    def stock(self) -> bool:
        """Whether transformers' own modules run, operator by operator."""
        return self.backend in {"hf-eager", "hf-sdpa", "hf-graphs"}

    @property
    def moves_cache(self) -> bool:
        """Whether the prefill's cache is copied into one of fixed size before decoding."""
        return self.backend == "hf-graphs"

    @property
    def eager(self) -> bool:
        """Whether attention weights are written out."""
        return self.backend == "hf-eager"

    @property
    def width(self) -> int:
        """Bytes of a number that is computed with."""
        return self.formats.width

    @property
    def narrow(self) -> bool:
        """Whether numbers are narrower than float32."""
        return self.width < FLOAT32

    @property
    def softmax_copies(self) -> bool:
        """Whether a softmax in float32 first makes a float32 copy of its input.

        torch fuses the cast for float16 on CUDA alone (``softmax`` in ATen/native/SoftMax.cpp), so
        bfloat16 is copied there as well.
        """
        return self.formats.dtype == "bf16"

    @property
    def dequantises(self) -> bool:
        """Whether attention reads a copy of the cache in the computing format."""
        return self.formats.cache_dtype != self.formats.dtype and self.backend != "ideal"

    def rows(self, n: int, numbers: int) -> int:
        """Bytes of n rows of so many numbers each."""
        return n * numbers * self.width

    def cached(self, text: TextSpec, keys: int) -> int:
        """Bytes of the keys, or of the values, of one layer's cache."""
        return cached_bytes(text, keys, self.formats)
