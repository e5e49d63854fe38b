"""Predicted on record against observed: one row per measured configuration, in its place.

Speed-ups compare like with like, as :mod:`~omnizip_cost.compare.join` says: full prefill over
prefill and selection; the first-token speed-up adds encoders and assembly on both sides, the
end-to-end speed-up decode as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from omnizip_cost.compare.cells import MeasuredCell, gathered_cells
from omnizip_cost.compare.counts import stage_flops
from omnizip_cost.compare.gap import SAME_WORK, Stages
from omnizip_cost.compare.join import compared_cell, spec_of
from omnizip_cost.compare.observed import observed_speedup
from omnizip_cost.compare.result_row import ResultRow
from omnizip_cost.cost import executed_convention
from omnizip_cost.cost.formats import Formats
from omnizip_cost.cost.memory.storage import weight_bytes
from omnizip_cost.errors import InvalidValueError
from omnizip_cost.hardware import plain_dtype
from omnizip_cost.latency import FIRST_TOKEN
from omnizip_cost.results import MeasurementRow
from omnizip_cost.results.schema import CellKey
from omnizip_cost.specs.spec import ModelSpec

if TYPE_CHECKING:
    from omnizip_cost.compare.recorded import RecordedPrediction
    from omnizip_cost.compare.recorded_check import Recorded

__all__ = ["ResultRow", "result_rows"]

ALLOCATED = "allocated on the device"
RESIDENT = "bytes of the weights, and resident memory that the pass added"
"""What ``peak_memory_bytes`` holds. A process on a CPU keeps Python and libraries resident, and of
the weights what the heap makes of them: neither is the pass's own."""

_IDENTITY = (
    "model", "weights", "device", "dtype", "attention", "execution", "clip", "full_tokens",
    "method", "label", "mode", "rho_a", "rho_v", "fastv_form", "retained", "realised",
    "kept_tokens", "av_tokens", "av_kept", "decode_steps", "environment_id", "scores",
)  # fmt: skip
"""Columns that a measured row hands on as they are."""

_COMPARED = (
    "flops_eq9", "flops_exact", "flops_torch", "flops_selection",
    "speedup_eq9", "speedup_exact", "speedup_torch",
    "speedup_observed", "speedup_observed_low", "speedup_observed_high",
)  # fmt: skip
"""Columns that :func:`~omnizip_cost.compare.join.compare` computes."""

_ON_RECORD = MappingProxyType(
    {
        "prefill_{}_s": "prefill_s",
        "prefill_{}_low_s": "prefill_low_s",
        "prefill_{}_high_s": "prefill_high_s",
        "selection_{}_s": "selection_s",
        "ttft_{}_s": "ttft_s",
        "decode_{}_s_per_token": "decode_s_per_token",
        "end_to_end_{}_s": "end_to_end_s",
        "peak_memory_{}_bytes": "peak_memory_bytes",
        "speedup_{}": "speedup",
        "speedup_{}_low": "speedup_low",
        "speedup_{}_high": "speedup_high",
        "ttft_speedup_{}": "ttft_speedup",
        "end_to_end_speedup_{}": "end_to_end_speedup",
    }
)
"""Columns of a kind of prediction, and where a recorded one keeps them."""

_ERRORS = MappingProxyType(
    {
        "prefill_error_{}": ("prefill_{}_s", "prefill_s"),
        "decode_error_{}": ("decode_{}_s_per_token", "decode_s_per_token"),
        "ttft_error_{}": ("ttft_{}_s", "ttft_s"),
        "end_to_end_error_{}": ("end_to_end_{}_s", "end_to_end_s"),
    }
)
"""Errors of a kind of prediction: what was predicted, and what was observed."""


def result_rows(
    measured: Iterable[MeasurementRow],
    specs: Mapping[str, ModelSpec],
    recorded: Mapping[CellKey, Recorded] = MappingProxyType({}),
) -> list[ResultRow]:
    """Join measured configurations with what was predicted of them before.

    Parameters
    ----------
    measured : iterable of MeasurementRow
    specs : mapping of str to ModelSpec
        By the model names of the rows.
    recorded : mapping of cell key to Recorded
        What :func:`~omnizip_cost.compare.recorded_check.recorded_for` answers; a configuration
        that is not in it has no prediction.

    Returns
    -------
    list of ResultRow
        In the order of the rows, one for each configuration. One without a measurement has its
        predictions and says why; where full tokens have none, there are no speed-ups.

    Raises
    ------
    InvalidValueError
        No rows, or no spec for a model.
    """
    cells = gathered_cells(measured)
    if not cells:
        raise InvalidValueError("result", "rows", "at least one measured configuration", 0)
    return [_result(cell, spec_of(cell, specs), recorded.get(cell.row.cell_key)) for cell in cells]


def _result(cell: MeasuredCell, spec: ModelSpec, found: Recorded | None) -> ResultRow:
    sample, broken = cell.row, cell.broken
    columns: dict[str, Any] = {
        **{name: sample[name] for name in _IDENTITY},
        "status": broken.status if broken else "ok",
        "reason": broken.reason if broken else "",
        **_when(cell.stages),
        **(_counted(sample, spec) if broken or not cell.full else _compared(cell, spec)),
        **({} if broken else _observed(cell, spec)),
        **_on_record(found),
    }
    return ResultRow(**{**columns, **_errors(columns)})


def _compared(cell: MeasuredCell, spec: ModelSpec) -> dict[str, Any]:
    row = compared_cell(cell, spec)
    return {name: row[name] for name in _COMPARED}


def _counted(row: MeasurementRow, spec: ModelSpec) -> dict[str, int | None]:
    """FLOPs of a configuration that no speed-up is known of; none before its counts were known."""
    if row.av_kept is None:
        return {}
    exact = stage_flops(row, spec, executed_convention(row.attention))
    return {
        "flops_eq9": stage_flops(row, spec, "eq9")["prefill"],
        "flops_exact": exact["prefill"],
        "flops_torch": stage_flops(row, spec, "torch")["prefill"],
        "flops_selection": exact.get("selection"),
    }


def _observed(cell: MeasuredCell, spec: ModelSpec) -> dict[str, Any]:
    """Measured seconds and bytes, and the speed-ups that hold more than prefill."""
    stages, prefill = cell.stages, cell.stages.get("prefill")
    decode = stages.get("decode")
    ttft_s = _seconds(stages, FIRST_TOKEN) if prefill else None
    peak, basis = _peak(stages, spec)
    first = observed_speedup(stages, cell.full, FIRST_TOKEN)
    whole = observed_speedup(stages, cell.full, (*FIRST_TOKEN, "decode")) if decode else None
    return {
        "prefill_s": prefill.median_s if prefill else None,
        "prefill_low_s": prefill.low_s if prefill else None,
        "prefill_high_s": prefill.high_s if prefill else None,
        **{
            f"{name}_s": stages[name].median_s if name in stages else None
            for name in ("selection", *SAME_WORK)
        },
        "ttft_s": ttft_s,
        "decode_s_per_token": _seconds(stages, ("decode",)) / decode.decode_steps
        if decode and decode.decode_steps
        else None,
        "end_to_end_s": ttft_s + _seconds(stages, ("decode",))
        if decode and ttft_s is not None
        else None,
        "peak_memory_bytes": peak,
        "memory_basis": basis,
        "ttft_speedup_observed": first.ratio if first else None,
        "end_to_end_speedup_observed": whole.ratio if whole else None,
    }


def _seconds(stages: Stages, names: Iterable[str]) -> float:
    """Medians of some stages together; one that a configuration has not takes no time."""
    return sum(stages[name].median_s or 0.0 for name in names if name in stages)


def _peak(stages: Stages, spec: ModelSpec) -> tuple[int | None, str]:
    """Most bytes over the stages, and what they hold."""
    rows = list(stages.values())
    allocated = [row.peak_allocated_bytes for row in rows if row.peak_allocated_bytes is not None]
    if allocated:
        return max(allocated), ALLOCATED
    added = [
        row.resident_bytes - row.resident_base_bytes
        for row in rows
        if row.resident_bytes is not None and row.resident_base_bytes is not None
    ]
    if not added:
        return None, ""
    weights = weight_bytes(spec, Formats.of(plain_dtype(rows[0].dtype)))
    return weights + max(0, *added), RESIDENT


def _when(stages: Stages) -> dict[str, str]:
    """When it was measured, and what the measurement says against itself."""
    doubts: dict[str, list[str]] = {}
    for row in stages.values():
        for doubt in row.doubts:
            doubts.setdefault(doubt, []).append(row.stage)
    began = [row.started_utc for row in stages.values() if row.started_utc]
    return {
        "doubts": "; ".join(f"{doubt} ({', '.join(names)})" for doubt, names in doubts.items()),
        "measured_from_utc": min(began, default=""),
        "measured_utc": max(row.created_utc for row in stages.values()),
    }


def _on_record(found: Recorded | None) -> dict[str, Any]:
    """Columns of both kinds of predictions, and where they come from."""
    if found is None:
        return {}
    kinds: dict[str, RecordedPrediction | None] = {
        "predicted": found.uncalibrated,
        "calibrated": found.calibrated,
    }
    columns: dict[str, Any] = {
        column.format(kind): one[name]
        for kind, one in kinds.items()
        if one is not None
        for column, name in _ON_RECORD.items()
    }
    first = next((one for one in kinds.values() if one is not None), None)
    return {
        **columns,
        "predicted_utc": first.created_utc if first else "",
        "prediction_version": first.package_version if first else "",
        "prediction_refused": found.refused or "",
    }


def _errors(columns: Mapping[str, Any]) -> dict[str, float | None]:
    """Signed errors of everything that was both predicted and observed."""
    errors: dict[str, float | None] = {}
    for kind in ("predicted", "calibrated"):
        for name, (predicted, observed) in _ERRORS.items():
            errors[name.format(kind)] = signed_error(
                columns.get(predicted.format(kind)), columns.get(observed)
            )
    errors["memory_error_predicted"] = signed_error(
        columns.get("peak_memory_predicted_bytes"), columns.get("peak_memory_bytes")
    )
    if columns["method"] != "full":
        for kind in ("eq9", "exact", "torch", "predicted", "calibrated"):
            errors[f"error_{kind}"] = signed_error(
                columns.get(f"speedup_{kind}"), columns.get("speedup_observed")
            )
    return errors


def signed_error(predicted: float | None, observed: float | None) -> float | None:
    """Predicted / observed - 1; None where either is not known, or nothing was observed.

    >>> signed_error(3.0, 2.0), signed_error(None, 2.0), signed_error(3.0, 0.0)
    (0.5, None, None)
    """
    return predicted / observed - 1 if predicted is not None and observed else None
