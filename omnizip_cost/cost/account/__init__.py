"""The account: what each operation takes, in FLOPs, bytes, kernels, and what no counter sees.

Products are counted by the same ops as :func:`~omnizip_cost.cost.rows.count`, so that the FLOPs of
an account add up to its rows. Under a convention that describes an execution every other operator
of those modules has its row as well: counted and listed operators together are all that run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from omnizip_cost.compression.plan import Plan
from omnizip_cost.cost.account.entries import (
    Entry,
    Key,
    add_counted,
    add_executed,
    add_selection,
    merged,
)
from omnizip_cost.cost.account.execution import with_execution
from omnizip_cost.cost.account.row import AccountRow, added
from omnizip_cost.cost.convention import Convention
from omnizip_cost.cost.convention_lookup import require_convention
from omnizip_cost.cost.conventions import CONVENTIONS, EQ9_DECODE_STEPS
from omnizip_cost.cost.executed import AttentionKind, executed_listing
from omnizip_cost.cost.rows import counted_ops
from omnizip_cost.specs.spec import ModelSpec
from omnizip_cost.workload.workload import Workload

__all__ = ["AccountRow", "account", "added", "with_execution"]


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
    """Break a count down: a row per component, phase, operator class and group of equal layers.

    Under ``torch`` and ``sdpa`` the rows describe the stock transformers modules run eagerly, each
    operator one kernel: encoders, text model, head and selection, not what the thinker does
    between encoders and text model. Under ``hardware`` they describe an ideal engine (see
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
    entries: dict[Key, Entry] = {}
    add_counted(entries, ops, chosen)
    if listing is not None:
        add_executed(entries, listing)
    if chosen.selection:
        add_selection(entries, spec, plan, chosen, dtype)
    stock = listing is not None and listing.engine == "stock"
    how = (attention if stock else None, dtype if listing is not None else None)
    rows = [_row(spec, plan, chosen, key, entry, *how) for key, entry in merged(entries).items()]
    return list(_with_shares(_in_order(rows)))


def _row(
    spec: ModelSpec,
    plan: Plan,
    convention: Convention,
    key: Key,
    entry: Entry,
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
        moved[row.phase] = added((moved.get(row.phase, 0), row.bytes_moved))
    for row in rows:
        total, all_moved = flops[row.phase], moved[row.phase]
        share = None
        if all_moved and row.bytes_moved is not None:
            share = row.bytes_moved / all_moved
        yield replace(row, flops_share=row.flops / total if total else 0.0, bytes_share=share)
