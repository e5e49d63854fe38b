"""Measured rows whose seconds somebody chose, with the counts that a plan and a clip give them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from omnizip_cost.compare import WaterfallRow, measured_cells, predicted_cell, waterfall
from omnizip_cost.compression import Plan, make_plan
from omnizip_cost.hardware import load_device
from omnizip_cost.latency import Prediction, predict
from omnizip_cost.results import MeasurementRow
from omnizip_cost.results.schema import STAGES
from omnizip_cost.specs import load_spec
from omnizip_cost.workload import Workload
from omnizip_cost.workload import workload as build_workload


def planted(
    prediction: Prediction,
    work: Workload,
    stage_s: Callable[[str], float] | None = None,
    **changes: Any,
) -> list[MeasurementRow]:
    """Rows of one cell whose every sample is ``stage_s``, by default as predicted."""
    plan = prediction.plan
    found = {name: (stage_s or prediction.seconds)(name) for name in STAGES}
    identity = _identity(plan, work, prediction)
    return [
        MeasurementRow(
            **{**identity, **changes},
            stage=stage,
            median_s=taken,
            low_s=taken,
            high_s=taken,
            samples_s=(taken,) * 3,
            order="interleaved",
        )
        for stage, taken in found.items()
        if stage == "prefill" or taken
    ]


def _identity(plan: Plan, work: Workload, prediction: Prediction) -> dict[str, Any]:
    dtypes = {"bf16": "bfloat16", "fp32": "float32"}
    return {
        "environment_id": "planted",
        "model": prediction.spec.name,
        "weights": "random",
        "device": prediction.device.title,
        "dtype": dtypes[prediction.scheme.formats.dtype],
        "attention": prediction.backend.attention,
        "clip": work.name,
        "method": plan.method,
        "mode": plan.mode,
        "label": f"{plan.method} {plan.realised:.0%}",
        "retained": plan.retained,
        "realised": plan.realised,
        "rho_a": plan.rho_a,
        "rho_v": plan.rho_v,
        "fastv_layer": plan.fastv_layer,
        "fastv_form": plan.fastv_form,
        "full_tokens": work.tokens,
        "kept_tokens": plan.kept_tokens,
        "text_tokens": work.text_tokens,
        "av_tokens": plan.av_tokens,
        "av_kept": round(plan.layer_av_tokens[-1]),
        "audio_tokens": plan.audio_tokens,
        "audio_kept": round(plan.audio_kept),
        "video_tokens": plan.video_tokens,
        "video_kept": round(plan.video_kept),
        "tokens_per_grid": plan.tokens_per_grid,
        "mel_frames": plan.mel_frames,
        "anchor_share": plan.anchor_share,
        "merge": plan.merge,
        "video_windows": tuple(window.video_tokens for window in plan.windows),
        "audio_windows": tuple(window.audio_tokens for window in plan.windows),
        "grid_thw": work.grid_thw or (),
        "decode_steps": prediction.decode_steps,
    }


def planted_waterfall(timer: str = "prefill") -> list[WaterfallRow]:
    """Steps of three configurations of the small model, whose passes took a chosen time."""
    spec = load_spec("omni-tiny")
    work = build_workload(spec, seconds=4, pixels=(112, 112))
    device = load_device("h100-sxm")
    settings = (("random", 0.5), ("omnizip", 0.5), ("omnizip", 0.35))
    plans = [make_plan("full", work, spec)]
    plans += [make_plan(name, work, spec, retained=retained) for name, retained in settings]
    rows = [
        row
        for plan in plans
        for row in planted(
            predict(spec, plan, device, decode=2),
            work,
            lambda name, plan=plan: 0.01 * plan.realised**0.8 if name == "prefill" else 1e-4,
            device=device.title,
        )
    ]
    return [
        step
        for cell in measured_cells(rows)
        if cell.row.method != "full"
        for step in waterfall(predicted_cell(cell, spec, device), timer)
    ]
