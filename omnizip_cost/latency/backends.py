"""What executes the model: the stock modules eagerly, compiled, or an ideal engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from omnizip_cost.cost.executed import AttentionKind
from omnizip_cost.errors import UnknownNameError
from omnizip_cost.hardware.device import Device

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
    replayed: bool = False
    """Whether decode has a cache of fixed size, and each step is one CUDA graph where there are
    such: of these operators the host dispatches none."""

    def dispatches(self, stage: str, device: Device) -> bool:
        """Whether the host dispatches the operators of a stage one by one: selection's always."""
        if stage == "selection":
            return True
        return self.dispatched and not (self.replayed and stage == "decode" and device.asynchronous)


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
                name="hf-graphs",
                engine="stock",
                convention="sdpa",
                attention="sdpa",
                dispatched=True,
                replayed=True,
                says="as hf-sdpa, but decode has a cache of fixed size and each step is one CUDA "
                "graph (on a CPU: the cache alone); keys and values are copied to every query "
                "head, as transformers 5.17 does before attention with a mask",
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
