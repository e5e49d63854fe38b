"""Stages of predictions as a table, in the columns of measured ones."""

from __future__ import annotations

from dataclasses import dataclass

from omnizip_cost.latency.prediction import Prediction
from omnizip_cost.results.row import FlatRow


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictedStageRow(FlatRow):
    """Predicted time of one stage of one configuration."""

    model: str
    label: str
    method: str
    stage: str
    seconds: float
    low_s: float
    """Nine in ten such predictions should lie between this and ``high_s``."""
    high_s: float
    device: str
    dtype: str
    """Bits of weights, activations and cache."""
    attention: str
    """What executes the model."""
    clip: str
    decode_steps: int
    status: str
    """``oom`` where the configuration does not fit the device, else ``ok``."""
    timed: str = "predicted"


def stage_rows(prediction: Prediction, *, input: str, label: str) -> list[PredictedStageRow]:
    """Lay the time of one prediction out, stage by stage.

    Parameters
    ----------
    prediction : Prediction
    input, label : str
        What the prompt is, and what tables call the configuration.
    """
    return [
        PredictedStageRow(
            model=prediction.spec.name,
            label=label,
            method=prediction.plan.method,
            stage=stage.stage,
            seconds=stage.seconds,
            low_s=stage.low_s,
            high_s=stage.high_s,
            device=prediction.device.name,
            dtype=prediction.scheme.name,
            attention=prediction.backend.name,
            clip=input,
            decode_steps=prediction.decode_steps,
            status="ok" if prediction.fits else "oom",
        )
        for stage in prediction.stages
    ]
