"""Tables behind the figures: time per stage, and one configuration under every convention."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from omnizip_cost.compression.plan import Plan
from omnizip_cost.cost import CONVENTIONS, Convention, count, share_left, total_flops
from omnizip_cost.results import FlatRow, MeasurementRow
from omnizip_cost.specs.spec import ModelSpec
from omnizip_cost.workload.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRow(FlatRow):
    """Measured time of one stage of one configuration."""

    model: str
    label: str
    method: str
    stage: str
    seconds: float | None
    low_s: float | None
    high_s: float | None
    weights: str
    device: str
    decode_steps: int
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConventionRow(FlatRow):
    """FLOPs of one component under one convention, for one labelled configuration."""

    model: str
    convention: str
    label: str
    method: str
    n_tokens: int
    phase: str
    component: str
    flops: int
    ratio: float
    """Share of the full-token FLOPs left under this convention, all components together."""


def stage_rows(rows: Iterable[MeasurementRow]) -> list[StageRow]:
    """Time per stage of every measured cell, in the order of the rows."""
    return [
        StageRow(
            model=row.model,
            label=row.label,
            method=row.method,
            stage=row.stage,
            seconds=row.median_s,
            low_s=row.low_s,
            high_s=row.high_s,
            weights=row.weights,
            device=row.device,
            decode_steps=row.decode_steps,
            status=row.status,
        )
        for row in rows
    ]


def convention_rows(
    spec: ModelSpec,
    plans: Mapping[str, Plan],
    work: Workload,
    decode: int,
    conventions: Mapping[str, Convention] = CONVENTIONS,
) -> list[ConventionRow]:
    """Count labelled plans under several conventions, the built-in ones by default.

    Parameters
    ----------
    spec : ModelSpec
    plans : mapping of label to Plan
        One of them of method ``full``: the ratio's denominator.
    work : Workload
    decode : int
        R, for the conventions that count decode steps.
    conventions : mapping of name to Convention
        In the order of the table; :func:`~omnizip_cost.cost.require_conventions` makes one.
    """
    full = next(plan for plan in plans.values() if plan.method == "full")
    table = []
    for convention in conventions.values():
        whole = total_flops(count(spec, full, convention, decode, workload=work))
        for label, plan in plans.items():
            rows = count(spec, plan, convention, decode, workload=work)
            left = share_left(total_flops(rows), whole)
            table += [
                ConventionRow(
                    model=row.model,
                    convention=row.convention,
                    label=label,
                    method=row.method,
                    n_tokens=row.n_tokens,
                    phase=row.phase,
                    component=row.component,
                    flops=row.flops,
                    ratio=left,
                )
                for row in rows
            ]
    return table
