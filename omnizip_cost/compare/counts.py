"""From a measured row back to the plan it realised, and the FLOPs of that plan."""

from __future__ import annotations

from omnizip_cost.compression.plan import Plan
from omnizip_cost.cost import CostRow, count
from omnizip_cost.errors import InvalidValueError
from omnizip_cost.results import MeasurementRow
from omnizip_cost.specs.spec import ThinkerSpec


def observed_plan(row: MeasurementRow, spec: ThinkerSpec) -> Plan:
    """Plan with the counts that were really kept, as the measured row reports them.

    Raises
    ------
    InvalidValueError
        The row does not say how many tokens were kept (it failed before that was known).
    """
    if row.av_kept is None or row.realised is None:
        raise InvalidValueError("compare", "av_kept", "known for a finished cell", row.av_kept)
    full = row.fastv_layer if row.method == "fastv" and row.fastv_layer else 0
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
        mode=row.mode,
        exact=True,
    )


def phase_flops(row: MeasurementRow, spec: ThinkerSpec, convention: str) -> dict[str, int]:
    """FLOPs of prefill and decode of a measured cell (decoder and LM head; no encoders)."""
    rows: list[CostRow] = count(spec, observed_plan(row, spec), convention, decode=row.decode_steps)
    phases = {"prefill": 0, "decode": 0}
    for counted in rows:
        phases[counted.phase] += counted.flops
    return phases
