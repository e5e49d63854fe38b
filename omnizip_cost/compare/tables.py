"""Tables behind the figures: time per stage, and one configuration under every convention."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from omnizip_cost.compare.recorded import RecordedPrediction
from omnizip_cost.compression.plan import Plan
from omnizip_cost.cost import Counts
from omnizip_cost.results import STAGES, FlatRow, MeasurementRow


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRow(FlatRow):
    """Time of one stage of one configuration: measured, or predicted beforehand."""

    model: str
    label: str
    method: str
    stage: str
    seconds: float | None
    low_s: float | None
    high_s: float | None
    weights: str
    device: str
    dtype: str
    attention: str
    clip: str
    decode_steps: int
    status: str
    execution: str
    full_tokens: int
    """Prompt tokens before compression, text included."""
    timed: str = "observed"
    """"observed": median and quartiles. "uncalibrated" or "calibrated": predicted, and on record
    before the measurement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConventionRow(FlatRow):
    """FLOPs of one component under one convention, for one labelled configuration."""

    model: str
    input: str
    """What was counted: a number of tokens, or a clip."""
    decode_steps: int
    """R, where the convention counts decode."""
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
            dtype=row.dtype,
            attention=row.attention,
            clip=row.clip,
            decode_steps=row.decode_steps,
            status=row.status,
            execution=row.execution,
            full_tokens=row.full_tokens,
        )
        for row in rows
    ]


def recorded_stage_rows(row: MeasurementRow, found: RecordedPrediction) -> list[StageRow]:
    """Time per stage of a prediction on record, under the names of the cell that it is about.

    Parameters
    ----------
    row : MeasurementRow
        Any stage of the measured cell.
    found : RecordedPrediction
        What was on record for it, as :func:`~omnizip_cost.compare.recorded_check.recorded_for`
        says.
    """
    return [
        StageRow(
            model=row.model,
            label=row.label,
            method=row.method,
            stage=stage,
            seconds=seconds,
            low_s=low_s,
            high_s=high_s,
            weights=row.weights,
            device=row.device,
            dtype=row.dtype,
            attention=row.attention,
            clip=row.clip,
            decode_steps=row.decode_steps,
            status="ok",
            execution=row.execution,
            full_tokens=row.full_tokens,
            timed=found.kind,
        )
        for stage in STAGES
        for seconds, low_s, high_s in [_recorded_seconds(found, stage)]
        if seconds
    ]


def _recorded_seconds(
    found: RecordedPrediction, stage: str
) -> tuple[float | None, float | None, float | None]:
    """Seconds of one recorded stage, the least and the most of them; None where it has none."""
    if stage != "decode":
        return found[f"{stage}_s"], found[f"{stage}_low_s"], found[f"{stage}_high_s"]
    each = (found.decode_low_s_per_token, found.decode_high_s_per_token)
    low_s, high_s = (None if one is None else one * found.decode_steps for one in each)
    return found.decode_s, low_s, high_s


def convention_rows(counts: Counts, labelled: Mapping[str, Plan]) -> list[ConventionRow]:
    """Lay counts out by component, convention by convention.

    Parameters
    ----------
    counts : Counts
        As :func:`~omnizip_cost.cost.counted` returns them.
    labelled : mapping of label to Plan
        Plans that were counted, in the order of the table.
    """
    return [
        ConventionRow(
            model=row.model,
            input=counts.work.name,
            decode_steps=counts.decode_steps,
            convention=name,
            label=label,
            method=row.method,
            n_tokens=row.n_tokens,
            phase=row.phase,
            component=row.component,
            flops=row.flops,
            ratio=counts.share_left(plan, name),
        )
        for name in counts.conventions
        for label, plan in labelled.items()
        for row in counts.rows[plan, name]
    ]
