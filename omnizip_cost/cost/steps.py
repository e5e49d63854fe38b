"""A selection step by step, as rows: what a counter of products sees of each, and what not."""

from __future__ import annotations

from dataclasses import dataclass

from omnizip_cost.compression.plan import Plan
from omnizip_cost.cost.selection import selection_ops
from omnizip_cost.results.row import FlatRow
from omnizip_cost.specs.spec import ModelSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow(FlatRow):
    """One step of one plan's selection, over the whole clip."""

    model: str
    method: str
    retained: float
    """Nominal ratio."""
    rho_a: float | None
    rho_v: float | None
    mode: str
    dtype: str
    step: str
    flops: int
    """Of matrix products, two per multiply-add: what torch's counter sees."""
    unseen_flops: int
    """Other arithmetic on large tensors, which no counter of products sees."""
    bytes_moved: int
    kernels: int
    """Operators that torch dispatches, views apart; each is at least one launch."""


def step_rows(spec: ModelSpec, plan: Plan, *, dtype: str = "bfloat16") -> list[StepRow]:
    """Steps of a plan's selection in their order, those of one name added up.

    Empty where nothing is chosen or the method does not state its steps. The sums are those of
    the row ``selection`` that :func:`~omnizip_cost.cost.rows.count` gives under ``torch``.

    Raises
    ------
    InvalidValueError
        An unknown dtype.
    """
    ops = selection_ops(spec, plan, dtype=dtype) or ()
    names = dict.fromkeys(op.name for op in ops)
    alike = {name: [op for op in ops if op.name == name] for name in names}
    return [
        StepRow(
            model=spec.name,
            method=plan.method,
            retained=plan.retained,
            rho_a=plan.rho_a,
            rho_v=plan.rho_v,
            mode=plan.mode,
            dtype=dtype,
            step=name,
            flops=2 * sum(op.multiply_adds for op in members),
            unseen_flops=sum(op.unseen_flops for op in members),
            bytes_moved=sum(op.bytes_moved for op in members),
            kernels=sum(op.kernels for op in members),
        )
        for name, members in alike.items()
    ]
