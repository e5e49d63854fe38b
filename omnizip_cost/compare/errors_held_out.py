"""What a calibration fitted to a campaign afterwards says of the rows that its fit did not see.

No prediction: the other rows of the same campaign went into it. It says how far the model of time
reaches from some lengths and ratios to others once its few parameters are known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from omnizip_cost.compare.calibrated import Calibrated, calibrate
from omnizip_cost.compare.errors import ErrorRow, error_row
from omnizip_cost.errors import InvalidValueError
from omnizip_cost.hardware import Device
from omnizip_cost.results import MeasurementRow
from omnizip_cost.specs.spec import ModelSpec

_UNITS = {"prefill": "s", "decode": "s/token"}
"""Stages that a calibration is fitted to, and what their errors are given in."""


class HeldOut(NamedTuple):
    """Errors of held-out rows, and what could not be fitted."""

    errors: list[ErrorRow]
    unfitted: tuple[str, ...]
    """A sentence for each setting without a fit."""


def held_out_errors(
    measured: Sequence[MeasurementRow], specs: Mapping[str, ModelSpec], device: Device
) -> HeldOut:
    """Fit each setting's rows but some whole lengths and ratios, and predict those.

    A setting is one environment, dtype, attention and execution, all models and clips together:
    what a calibration holds for. One with too few rows is left out, and said.

    Parameters
    ----------
    measured : sequence of MeasurementRow
    specs : mapping of str to ModelSpec
        By the model names of the rows.
    device : Device
        Whose peaks, bandwidth and kernels the fit scales.
    """
    settings: dict[tuple[str, str, str, str], list[MeasurementRow]] = {}
    for row in measured:
        key = (row.environment_id, row.dtype, row.attention, row.execution)
        settings.setdefault(key, []).append(row)
    errors: list[ErrorRow] = []
    unfitted = []
    for key, rows in settings.items():
        try:
            errors += _held_out(calibrate(rows, specs, device))
        except InvalidValueError as error:
            unfitted.append(f"{', '.join(key[1:])}: {error}")
    return HeldOut(errors, tuple(unfitted))


def _held_out(found: Calibrated) -> list[ErrorRow]:
    rows = []
    for calibrated, row in zip(found.rows, found.measured, strict=True):
        if calibrated.part != "held out":
            continue
        steps = row.decode_steps if calibrated.stage == "decode" else 1
        one = error_row(
            dict(row),
            quantity=calibrated.stage,
            unit=_UNITS[calibrated.stage],
            predictor="held out",
            observed=calibrated.observed_s / steps,
            predicted=_rounded(calibrated.predicted_s / steps),
        )
        if one is not None:
            rows.append(one)
    return rows


def _rounded(predicted: float) -> float:
    """Keep five digits: where a fit ends differs beyond them from one machine to another."""
    return float(f"{predicted:.5g}")
