"""An account while it is filled: counted products first, then all that runs beside them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from omnizip_cost.compression.plan import Plan
from omnizip_cost.cost.account.row import added
from omnizip_cost.cost.convention import Convention
from omnizip_cost.cost.decoder import Op
from omnizip_cost.cost.executed import ExecutedOp, Listing
from omnizip_cost.cost.selection import selection_ops
from omnizip_cost.specs.spec import ModelSpec

_OUTSIDE_LAYERS = ("lm_head", "convolution", "connector")
"""Classes of products before or after a component's layers."""


class Key(NamedTuple):
    """What tells one row from another."""

    phase: str
    component: str
    operator: str
    first_layer: int | None


class Layers(NamedTuple):
    """Consecutive layers, as they are printed."""

    first: int
    last: int

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


@dataclass(slots=True)
class Entry:
    """What is known of one row while it is filled."""

    groups: tuple[Layers, ...] = ()
    flops: int = 0
    counted: bool = False
    executed: bool = False
    names: dict[str, None] = field(default_factory=dict)
    kernels: int = 0
    unseen_flops: int | None = 0
    bytes_read: int | None = 0
    bytes_written: int | None = 0
    bytes_moved: int = 0

    @property
    def layers(self) -> int:
        """How many layers it covers; 0 outside the layers."""
        return sum(group.last - group.first + 1 for group in self.groups)

    def equals(self, other: Entry) -> bool:
        """Whether a layer of the one does the same as a layer of the other."""
        mine, theirs = self.layers, other.layers
        return bool(mine and theirs) and all(
            one * theirs == another * mine
            for one, another in (
                (self.flops, other.flops),
                (self.bytes_moved, other.bytes_moved),
                (self.kernels, other.kernels),
            )
        )

    def take(self, other: Entry) -> None:
        """Add the layers of another entry."""
        self.groups += other.groups
        self.flops += other.flops
        self.names |= other.names
        self.kernels += other.kernels
        self.unseen_flops = added((self.unseen_flops, other.unseen_flops))
        self.bytes_read = added((self.bytes_read, other.bytes_read))
        self.bytes_written = added((self.bytes_written, other.bytes_written))
        self.bytes_moved += other.bytes_moved


def add_counted(entries: dict[Key, Entry], ops: Iterable[Op], convention: Convention) -> None:
    """Whole FLOPs of each class; a component's real-valued sum is rounded as its row is."""
    sums: dict[tuple[str, str], float] = {}
    for op in ops:
        entry = _entry(entries, op)
        part = (op.component, op.phase)
        before = sums.get(part, 0)
        sums[part] = before + op.multiply_adds
        factor = convention.flop_per_multiply_add
        entry.flops += round(factor * sums[part]) - round(factor * before)
        entry.counted = True


def add_executed(entries: dict[Key, Entry], listing: Listing) -> None:
    """Bytes, kernels and unseen arithmetic of everything that is listed."""
    for op in listing.ops:
        entry = _entry(entries, op)
        entry.executed = True
        if op.aten:
            entry.names[op.aten] = None
        entry.kernels += op.kernels
        entry.unseen_flops = added((entry.unseen_flops, op.unseen_flops))
        entry.bytes_read = added((entry.bytes_read, op.bytes_read))
        entry.bytes_written = added((entry.bytes_written, op.bytes_written))
        entry.bytes_moved += op.bytes_read + op.bytes_written


def add_selection(
    entries: dict[Key, Entry], spec: ModelSpec, plan: Plan, convention: Convention, dtype: str
) -> None:
    """Selection in one row; its steps have a table of their own."""
    steps = selection_ops(spec, plan, dtype=dtype)
    if not steps:
        return
    entries[Key("prefill", "selection", "selection", None)] = Entry(
        flops=convention.flop_per_multiply_add * sum(step.multiply_adds for step in steps),
        counted=any(step.multiply_adds for step in steps),
        executed=True,
        kernels=sum(step.kernels for step in steps),
        unseen_flops=sum(step.unseen_flops for step in steps),
        bytes_read=None,
        bytes_written=None,
        bytes_moved=sum(step.bytes_moved for step in steps),
    )


def merged(entries: dict[Key, Entry]) -> dict[Key, Entry]:
    """Runs of equal encoder layers put together, such as those that see whole grids.

    The decoder's groups stay apart: their layers hold different numbers of tokens.
    """
    kept: dict[Key, Entry] = {}
    for key, entry in entries.items():
        likes = (other for at, other in kept.items() if at[:3] == key[:3] and entry.equals(other))
        alike = next(likes, None) if key.component.endswith("_encoder") else None
        if alike is None:
            kept[key] = entry
        else:
            alike.take(entry)
    return kept


def _entry(entries: dict[Key, Entry], op: Op | ExecutedOp) -> Entry:
    """The entry of an op's class and group of layers, made where there is none yet."""
    first = None if op.operator in _OUTSIDE_LAYERS else op.first_layer
    groups = () if first is None else (Layers(first, first + op.layers - 1),)
    key = Key(op.phase, op.component, op.operator, first)
    return entries.setdefault(key, Entry(groups=groups))
