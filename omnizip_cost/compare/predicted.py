"""What the model of time predicts for a measured cell: the plan it realised, run as it was run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from omnizip_cost.compare.cells import MeasuredCell
from omnizip_cost.compare.counts import observed_plan
from omnizip_cost.compare.join import CompareRow
from omnizip_cost.errors import InvalidValueError
from omnizip_cost.hardware import Device, plain_dtype
from omnizip_cost.latency import Calibration, Prediction, predict, speedup
from omnizip_cost.results import MeasurementRow
from omnizip_cost.specs.spec import ModelSpec, ThinkerSpec
from omnizip_cost.workload.workload import Window, Workload

TIMED = ("selection", "prefill")
"""Stages inside the speed-ups of a :class:`CompareRow`."""

_BACKENDS: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("stock", "eager"): "hf-eager",
        ("stock", "sdpa"): "hf-sdpa",
        ("stock", "flash_attention_2"): "hf-sdpa",
        ("graph", "sdpa"): "hf-graphs",
    }
)
"""What executes the model, by the execution and the attention that a row names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedCompareRow(CompareRow):
    """A compared configuration with what the model of time predicts for it."""

    predicted_on: str | None = None
    """Device whose peaks and kernels were taken."""
    calibrated: bool | None = None
    prefill_predicted_s: float | None = None
    prefill_predicted_low_s: float | None = None
    prefill_predicted_high_s: float | None = None
    prefill_error: float | None = None
    """Signed: predicted / observed - 1."""
    speedup_predicted: float | None = None
    """Full prefill / (prefill + selection), in predicted seconds."""
    speedup_predicted_low: float | None = None
    speedup_predicted_high: float | None = None
    error_predicted: float | None = None
    """Of the speed-up: signed, predicted / observed - 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictedCell:
    """One measured configuration and its full tokens, each predicted."""

    cell: MeasuredCell
    spec: ModelSpec
    mine: Prediction
    full: Prediction


def predicted_cell(
    cell: MeasuredCell, spec: ModelSpec, device: Device, calibration: Calibration | None = None
) -> PredictedCell:
    """Predict a measured configuration and its full tokens on one device.

    Raises
    ------
    InvalidValueError
        An attention that no backend stands for, or a decoder whose operators are not listed.
    UnknownNameError
        The device has no peak for the measured dtype.
    """
    return PredictedCell(
        cell=cell,
        spec=spec,
        mine=predicted_row(cell.row, spec, device, calibration),
        full=predicted_row(cell.full["prefill"], spec, device, calibration),
    )


def predicted_row(
    row: MeasurementRow, spec: ModelSpec, device: Device, calibration: Calibration | None = None
) -> Prediction:
    """Predict the pass that a row is a stage of, from the counts that it realised."""
    prediction = predict(
        spec,
        observed_plan(row, spec),
        device,
        workload=observed_workload(row, spec),
        backend=backend_of(row.attention, row.execution),
        dtype=plain_dtype(row.dtype),
        decode=row.decode_steps,
        calibration=calibration,
    )
    if not prediction.prefill_s:
        raise InvalidValueError(
            "predicting",
            "model",
            "one whose operators are listed",
            spec.name,
            "; ".join(prediction.unlisted),
        )
    return prediction


def backend_of(attention: str, execution: str) -> str:
    """Return the backend that stands for how measured passes were run.

    >>> backend_of("flash_attention_2", "stock"), backend_of("sdpa", "graph")
    ('hf-sdpa', 'hf-graphs')

    Raises
    ------
    InvalidValueError
    """
    if (execution, attention) not in _BACKENDS:
        known = [name for how, name in _BACKENDS if how == execution]
        raise InvalidValueError(
            f"predicting {execution} passes", "attention", f"one of {', '.join(known)}", attention
        )
    return _BACKENDS[execution, attention]


def run_as(backend: str) -> tuple[str, str]:
    """Return the execution and the attention of passes that a backend stands for.

    >>> run_as("hf-graphs")
    ('graph', 'sdpa')

    Raises
    ------
    InvalidValueError
        Nothing measures what the backend describes.
    """
    for run, name in _BACKENDS.items():
        if name == backend:
            return run
    known = ", ".join(dict.fromkeys(_BACKENDS.values()))
    raise InvalidValueError(
        "predicting passes", "backend", f"one that is measured: {known}", backend
    )


def observed_workload(row: MeasurementRow, spec: ModelSpec) -> Workload | None:
    """Return the clip behind a row, for its encoders; None where the row does not tell.

    Rows measured before the sides of a frame were noted (:func:`sides_assumed`) have its patches
    laid out as near to square as their number allows. The windows in which the vision encoder
    works are cut at its edges, so that their number depends on the sides.
    """
    grid = row.tokens_per_grid
    if not isinstance(spec, ThinkerSpec) or not grid or not row.video_windows:
        return None
    time, height, width = (
        row.video_tokens // grid,
        *(spec.vision.merge_size * n for n in _sides(grid)),
    )
    if row.grid_thw:
        time, height, width = row.grid_thw
    return Workload(
        name=row.clip,
        windows=tuple(
            Window(video_tokens=seen, audio_tokens=heard)
            for seen, heard in zip(row.video_windows, row.audio_windows, strict=True)
        ),
        tokens_per_grid=grid,
        text_before=row.text_tokens,
        text_after=0,
        grid_thw=(time, height, width) if time else None,
        mel_frames=row.mel_frames or 0,
    )


def sides_assumed(row: MeasurementRow) -> bool:
    """Whether a row with video does not say how high and wide its frames were."""
    return bool(row.video_tokens) and not row.grid_thw


def timed(row: CompareRow, predicted: PredictedCell | None) -> TimedCompareRow:
    """Put a prediction beside a compared configuration, if there is one."""
    kept: dict[str, Any] = dict(row)
    if (
        predicted is None
        or row.status != "ok"
        or row.speedup_observed is None
        or row.prefill_s is None
    ):
        return TimedCompareRow(**kept)
    mine = predicted.mine
    low_s, high_s = mine.interval("prefill")
    ratio = speedup(mine, predicted.full, *TIMED)
    return TimedCompareRow(
        **kept,
        predicted_on=mine.device.name,
        calibrated=mine.calibration.measured,
        prefill_predicted_s=mine.prefill_s,
        prefill_predicted_low_s=low_s,
        prefill_predicted_high_s=high_s,
        prefill_error=mine.prefill_s / row.prefill_s - 1,
        speedup_predicted=ratio.ratio if ratio else None,
        speedup_predicted_low=ratio.low if ratio else None,
        speedup_predicted_high=ratio.high if ratio else None,
        error_predicted=ratio.ratio / row.speedup_observed - 1 if ratio else None,
    )


def _sides(cells: int) -> tuple[int, int]:
    """Two whole numbers whose product is ``cells``, as near to one another as can be.

    >>> _sides(120), _sides(7)
    ((10, 12), (1, 7))
    """
    short = next(side for side in range(int(cells**0.5), 0, -1) if cells % side == 0)
    return short, cells // short
