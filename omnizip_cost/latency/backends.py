"""What executes the model: the stock modules eagerly, compiled, or an ideal engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from omnizip_cost.cost.executed import AttentionKind
from omnizip_cost.errors import UnknownNameError

Engine = Literal["stock", "compiled", "ideal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """One way to execute the model."""

    name: str
    engine: Engine
    convention: str
    """Name of the count whose pairs and logits are executed."""
    attention: AttentionKind
    dispatched: bool
    """Whether the host dispatches operators one by one; else the whole pass is one CUDA graph."""
    says: str


BACKENDS: Mapping[str, Backend] = MappingProxyType(
    {
        one.name: one
        for one in (
            Backend(
                name="hf-eager",
                engine="stock",
                convention="torch",
                attention="eager",
                dispatched=True,
                says="the stock transformers modules, operator by operator, attention by products "
                "and a softmax in float32",
            ),
            Backend(
                name="hf-sdpa",
                engine="stock",
                convention="sdpa",
                attention="sdpa",
                dispatched=True,
                says="the stock transformers modules, operator by operator, fused attention",
            ),
            Backend(
                name="compiled",
                engine="compiled",
                convention="sdpa",
                attention="sdpa",
                dispatched=False,
                says="the stock products; chains of elementwise operators fused, each reading its "
                "inputs and writing its outputs once; a static cache; CUDA graphs",
            ),
            Backend(
                name="ideal",
                engine="ideal",
                convention="hardware",
                attention="sdpa",
                dispatched=False,
                says="products alone, fused where they share their input, with logits of the last "
                "position only; nothing else moves",
            ),
        )
    }
)


def require_backend(name: str) -> Backend:
    """Return a backend by name.

    Raises
    ------
    UnknownNameError
    """
    if name not in BACKENDS:
        raise UnknownNameError("backend", str(name), BACKENDS)
    return BACKENDS[name]
