"""The account: what each kind of work takes, in FLOPs, bytes and kernels, and what no counter sees.

Products are counted by the same ops as :func:`~omnizip_cost.cost.rows.count`, so that the FLOPs of
an account add up to its rows. Under a convention that describes an execution every other operator
has its row as well: counted and listed operators together are all that run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from omnizip_cost.compression.plan import Plan
from omnizip_cost.cost.convention import Convention
from omnizip_cost.cost.conventions import CONVENTIONS, EQ9_DECODE_STEPS, require_convention
from omnizip_cost.cost.decoder import Op
from omnizip_cost.cost.executed import AttentionKind, ExecutedOp, Listing, executed_listing
from omnizip_cost.cost.rows import counted_ops
from omnizip_cost.cost.selection import selection_ops
from omnizip_cost.results.row import FlatRow
from omnizip_cost.specs.spec import ModelSpec
from omnizip_cost.workload.workload import Workload

_OUTSIDE_LAYERS = ("lm_head", "convolution", "connector")
"""Classes of products before or after a component's layers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRow(FlatRow):
    """One class of work of one component, in one phase and one group of equal layers."""

    model: str
    method: str
    retained: float
    """Nominal ratio."""
    rho_a: float | None
    rho_v: float | None
    convention: str
    definition: str | None
    """Choices of a convention that is not built in, in words; None of those that are."""
    attention: str | None
    """Attention of the stock module; None under conventions that describe no stock module."""
    dtype: str | None
    """Of weights and activations; None where no bytes are counted."""
    phase: str
    component: str
    operator: str
    """Class of work: of products projection, attention, ffn, ...; else norm, rotary, ..."""
    layers: str | None
    """Numbers of the layers of the group, "0-4" or "7, 15, 23, 31"; None outside the layers."""
    layer_count: int | None
    counted: bool
    """Whether it holds products or convolutions, which torch's counter counts."""
    aten: str | None
    """Names of the operators that torch dispatches; None where they are not known one by one."""
    flops: int
    """Of products and convolutions, under the convention."""
    flops_share: float
    """Of all FLOPs of the phase."""
    unseen_flops: int | None
    """Other arithmetic, which no counter of products sees; None where it is not counted."""
    bytes_read: int | None
    bytes_written: int | None
    bytes_moved: int | None
    """Read and written together; None where it is not counted."""
    bytes_share: float | None
    """Of all bytes of the phase; None where some of them are not known."""
    intensity: float | None
    """FLOPs per byte, unseen ones included where they are counted."""
    kernels: int | None
    """Operators dispatched, or products of an ideal engine; None where they are not counted."""


class _Key(NamedTuple):
    phase: str
    component: str
    operator: str
    first_layer: int | None


class _Layers(NamedTuple):
    """Consecutive layers, as they are printed."""

    first: int
    last: int

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


@dataclass(slots=True)
class _Entry:
    """What is known of one row while it is filled."""

    groups: tuple[_Layers, ...] = ()
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

    def equals(self, other: _Entry) -> bool:
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

    def take(self, other: _Entry) -> None:
        """Add the layers of another entry."""
        self.groups += other.groups
        self.flops += other.flops
        self.names |= other.names
        self.kernels += other.kernels
        self.unseen_flops = _plus(self.unseen_flops, other.unseen_flops)
        self.bytes_read = _plus(self.bytes_read, other.bytes_read)
        self.bytes_written = _plus(self.bytes_written, other.bytes_written)
        self.bytes_moved += other.bytes_moved


def account(
    spec: ModelSpec,
    plan: Plan,
    convention: str | Convention = "torch",
    decode: int = EQ9_DECODE_STEPS,
    workload: Workload | None = None,
    *,
    attention: AttentionKind = "sdpa",
    dtype: str = "bfloat16",
) -> list[AccountRow]:
    """Break a count down: a row per component, phase, class of work and group of equal layers.

    Under ``torch`` and ``sdpa`` the rows describe the stock transformers module run eagerly, each
    operator one kernel; under ``hardware`` an ideal engine (see
    :mod:`~omnizip_cost.cost.executed.ideal`); under any other convention FLOPs alone are known.

    Parameters
    ----------
    spec : ModelSpec
    plan : Plan
    convention : str or Convention
    decode : int
        R: decode steps, all together; weights are read R times.
    workload : Workload, optional
        Adds the encoders under conventions that count them.
    attention : {"sdpa", "math", "eager"}
        Of the stock module: one fused operator; what that falls back to where there is none; or
        products and softmax one by one.
    dtype : {"bfloat16", "float16", "float32"}
        Of weights and activations.

    Returns
    -------
    list of AccountRow
        FLOPs add up to those of :func:`~omnizip_cost.cost.rows.count`, component by component.
        What is not counted is None, never 0.

    Raises
    ------
    UnknownNameError, InvalidValueError
    """
    chosen = require_convention(convention)
    ops = counted_ops(spec, plan, chosen, decode, workload)
    listing = executed_listing(
        spec, plan, chosen, decode, workload, attention=attention, dtype=dtype
    )
    entries: dict[_Key, _Entry] = {}
    _count(entries, ops, chosen)
    if listing is not None:
        _execute(entries, listing)
    if chosen.selection:
        _select(entries, spec, plan, chosen, dtype)
    stock = listing is not None and listing.engine == "stock"
    how = (attention if stock else None, dtype if listing is not None else None)
    rows = [_row(spec, plan, chosen, key, entry, *how) for key, entry in _merged(entries).items()]
    return list(_with_shares(_in_order(rows)))


def folded(rows: list[AccountRow]) -> list[AccountRow]:
    """Put what is listed beside the products of a component together, whatever its layers.

    Parameters
    ----------
    rows : list of AccountRow
        Of one account; rows that hold products stay as they are.
    """
    whole: dict[object, AccountRow] = {}
    for row in rows:
        key: object = (row.phase, row.component, row.operator) if not row.counted else id(row)
        whole[key] = _together(whole[key], row) if key in whole else row
    return list(whole.values())


def _together(one: AccountRow, other: AccountRow) -> AccountRow:
    unseen = _plus(one.unseen_flops, other.unseen_flops)
    moved = _plus(one.bytes_moved, other.bytes_moved)
    names = ", ".join(name for name in (one.aten, other.aten) if name)
    return replace(
        one,
        layers=None,
        layer_count=None,
        aten=", ".join(dict.fromkeys(names.split(", "))) or None,
        unseen_flops=unseen,
        bytes_read=_plus(one.bytes_read, other.bytes_read),
        bytes_written=_plus(one.bytes_written, other.bytes_written),
        bytes_moved=moved,
        bytes_share=None
        if one.bytes_share is None or other.bytes_share is None
        else one.bytes_share + other.bytes_share,
        intensity=(unseen or 0) / moved if moved else None,
        kernels=_plus(one.kernels, other.kernels),
    )


def _count(entries: dict[_Key, _Entry], ops: Iterable[Op], convention: Convention) -> None:
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


def _entry(entries: dict[_Key, _Entry], op: Op | ExecutedOp) -> _Entry:
    """The entry of an op's class and group of layers, made where there is none yet."""
    first = None if op.operator in _OUTSIDE_LAYERS else op.first_layer
    groups = () if first is None else (_Layers(first, first + op.layers - 1),)
    key = _Key(op.phase, op.component, op.operator, first)
    return entries.setdefault(key, _Entry(groups=groups))


def _merged(entries: dict[_Key, _Entry]) -> dict[_Key, _Entry]:
    """Runs of equal encoder layers put together, such as those that see whole grids.

    The decoder's groups stay apart: their layers hold different numbers of tokens.
    """
    kept: dict[_Key, _Entry] = {}
    for key, entry in entries.items():
        likes = (other for at, other in kept.items() if at[:3] == key[:3] and entry.equals(other))
        alike = next(likes, None) if key.component.endswith("_encoder") else None
        if alike is None:
            kept[key] = entry
        else:
            alike.take(entry)
    return kept


def _execute(entries: dict[_Key, _Entry], listing: Listing) -> None:
    for op in listing.ops:
        entry = _entry(entries, op)
        entry.executed = True
        if op.aten:
            entry.names[op.aten] = None
        entry.kernels += op.kernels
        entry.unseen_flops = _plus(entry.unseen_flops, op.unseen_flops)
        entry.bytes_read = _plus(entry.bytes_read, op.bytes_read)
        entry.bytes_written = _plus(entry.bytes_written, op.bytes_written)
        entry.bytes_moved += op.bytes_read + op.bytes_written


def _select(
    entries: dict[_Key, _Entry], spec: ModelSpec, plan: Plan, convention: Convention, dtype: str
) -> None:
    """Selection in one row; its steps have a table of their own."""
    steps = selection_ops(spec, plan, dtype=dtype)
    if not steps:
        return
    entries[_Key("prefill", "selection", "selection", None)] = _Entry(
        flops=convention.flop_per_multiply_add * sum(step.multiply_adds for step in steps),
        counted=any(step.multiply_adds for step in steps),
        executed=True,
        kernels=sum(step.kernels for step in steps),
        unseen_flops=sum(step.unseen_flops for step in steps),
        bytes_read=None,
        bytes_written=None,
        bytes_moved=sum(step.bytes_moved for step in steps),
    )


def _plus(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


def _row(
    spec: ModelSpec,
    plan: Plan,
    convention: Convention,
    key: _Key,
    entry: _Entry,
    attention: str | None,
    dtype: str | None,
) -> AccountRow:
    known = entry.executed
    moved = entry.bytes_moved if known else None
    work = entry.flops + (entry.unseen_flops or 0)
    return AccountRow(
        model=spec.name,
        method=plan.method,
        retained=plan.retained,
        rho_a=plan.rho_a,
        rho_v=plan.rho_v,
        convention=convention.name,
        definition=None if convention.name in CONVENTIONS else convention.choices,
        attention=attention,
        dtype=dtype,
        phase=key.phase,
        component=key.component,
        operator=key.operator,
        layers=", ".join(map(str, entry.groups)) or None,
        layer_count=entry.layers or None,
        counted=entry.counted,
        aten=", ".join(entry.names) or None,
        flops=entry.flops,
        flops_share=0.0,
        unseen_flops=entry.unseen_flops if known else None,
        bytes_read=entry.bytes_read if known else None,
        bytes_written=entry.bytes_written if known else None,
        bytes_moved=moved,
        bytes_share=None,
        intensity=work / moved if moved else None,
        kernels=entry.kernels if known else None,
    )


def _in_order(rows: list[AccountRow]) -> list[AccountRow]:
    """Phase by phase, component by component; products before what is listed beside them."""
    components = list(dict.fromkeys(row.component for row in rows))
    return sorted(
        rows,
        key=lambda row: (
            row.phase != "prefill",
            components.index(row.component),
            not row.counted,
            row.layers is not None,
        ),
    )


def _with_shares(rows: list[AccountRow]) -> Iterator[AccountRow]:
    flops: dict[str, int] = {}
    moved: dict[str, int | None] = {}
    for row in rows:
        flops[row.phase] = flops.get(row.phase, 0) + row.flops
        moved[row.phase] = _plus(moved.get(row.phase, 0), row.bytes_moved)
    for row in rows:
        total, all_moved = flops[row.phase], moved[row.phase]
        share = None
        if all_moved and row.bytes_moved is not None:
            share = row.bytes_moved / all_moved
        yield replace(row, flops_share=row.flops / total if total else 0.0, bytes_share=share)
