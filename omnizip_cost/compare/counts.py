"""From a measured row back to the plan it realised, and the FLOPs of that plan."""

from __future__ import annotations

from omnizip_cost.compression.plan import Plan, WindowPlan
from omnizip_cost.cost import count, selection_ops
from omnizip_cost.errors import InvalidValueError
from omnizip_cost.results import MeasurementRow
from omnizip_cost.specs.spec import ModelSpec


def observed_plan(row: MeasurementRow, spec: ModelSpec) -> Plan:
    """Plan with the counts that were really kept, as the measured row reports them.

    Totals are certain; a window's share of them is proportional.

    Raises
    ------
    InvalidValueError
        The row does not say how many tokens were kept (it failed before that was known).
    """
    if row.av_kept is None or row.realised is None:
        raise InvalidValueError("compare", "av_kept", "known for a finished cell", row.av_kept)
    full = row.fastv_layer or 0
    windows = _windows(row)
    return Plan(
        method=row.method,
        av_tokens=row.av_tokens,
        video_tokens=row.video_tokens,
        audio_tokens=row.audio_tokens,
        text_tokens=row.text_tokens,
        layer_av_tokens=(row.av_tokens,) * full + (row.av_kept,) * (spec.text.layers - full),
        video_kept=row.video_kept or 0,
        audio_kept=row.audio_kept or 0,
        retained=row.realised if row.retained is None else row.retained,
        rho_a=row.rho_a,
        rho_v=row.rho_v,
        fastv_layer=row.fastv_layer,
        fastv_form=row.fastv_form,
        mode=row.mode,
        tokens_per_grid=row.tokens_per_grid,
        mel_frames=row.mel_frames or 0,
        anchor_share=row.anchor_share,
        merge=row.merge,
        windows=windows,
        exact=not windows,
    )


def _windows(row: MeasurementRow) -> tuple[WindowPlan, ...]:
    """Windows as the row lists them; none in rows measured before windows were noted."""
    video = (row.video_kept or 0) / row.video_tokens if row.video_tokens else 0.0
    audio = (row.audio_kept or 0) / row.audio_tokens if row.audio_tokens else 0.0
    return tuple(
        WindowPlan(
            video_tokens=seen,
            audio_tokens=heard,
            video_kept=video * seen,
            audio_kept=audio * heard,
        )
        for seen, heard in zip(row.video_windows, row.audio_windows, strict=True)
    )


def stage_flops(row: MeasurementRow, spec: ModelSpec, convention: str) -> dict[str, int]:
    """FLOPs of the stages ``prefill`` (decoder and LM head), ``decode`` and ``selection``.

    ``selection`` is 0 under a convention that leaves it out, and absent where it is not known:
    the method does not state its steps, or the row does not say what they worked on.
    """
    plan = observed_plan(row, spec)
    stages = {"prefill": 0, "decode": 0, "selection": 0}
    for counted in count(spec, plan, convention, decode=row.decode_steps):
        stage = "selection" if counted.component == "selection" else counted.phase
        stages[stage] += counted.flops
    if not _selection_known(row, plan, spec):
        del stages["selection"]
    return stages


def _selection_known(row: MeasurementRow, plan: Plan, spec: ModelSpec) -> bool:
    if row.method == "full":
        return True
    return row.tokens_per_grid is not None and selection_ops(spec, plan) is not None
