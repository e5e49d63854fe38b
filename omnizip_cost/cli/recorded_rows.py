"""``compare --predictions``: what was on record before the rows were measured, beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from omnizip_cost.cli.output import show
from omnizip_cost.errors import InputFileError, OptionsError

if TYPE_CHECKING:
    from omnizip_cost.compare.recorded_check import Recorded
    from omnizip_cost.compare.result_row import ResultRow
    from omnizip_cost.results import MeasurementRow, MeasurementStore
    from omnizip_cost.results.schema import CellKey
    from omnizip_cost.specs import ModelSpec

PredictionsOption = Annotated[
    Path | None,
    typer.Option(
        "--predictions",
        help="Predictions on record (`predict --record`): what was written before the rows were "
        "measured stands beside them, anything else is refused.",
    ),
]

KINDS = {"predicted": "pred.", "calibrated": "calib."}
"""Kinds of prediction as columns of a result name them, and their headings."""


class RecordedRows(NamedTuple):
    """Measured configurations beside what was on record of them."""

    rows: list[ResultRow]
    refused: list[str]
    """A sentence for each reason, with the configurations that it holds for."""
    device: str
    """As the predictions call it."""


def recorded_rows(
    store: MeasurementStore,
    measured: Sequence[MeasurementRow],
    specs: Mapping[str, ModelSpec],
    path: Path,
    device: str | None,
) -> RecordedRows:
    """Join measured rows with a file of predictions.

    Raises
    ------
    InputFileError
        Not one of the predictions is one of these rows.
    """
    from omnizip_cost.compare.recorded_check import first_sessions, recorded_for
    from omnizip_cost.compare.recorded_file import read_recorded
    from omnizip_cost.compare.result import result_rows

    name = None if device is None else _device_name(measured, device)
    recorded = read_recorded(path)
    sessions = first_sessions(store.environments())
    found = recorded_for(measured, recorded, sessions=sessions, device=name)
    if not any(one.any for one in found.values()):
        first = next(one.refused for one in found.values())
        raise InputFileError(
            path,
            f"holds no prediction of these rows, of {len(found)} measured configurations: {first}",
        )
    rows = result_rows(measured, specs, found)
    used = [one.uncalibrated or one.calibrated for one in found.values()]
    return RecordedRows(
        rows, _refusals(measured, found), next(one.device for one in used if one is not None)
    )


def print_recorded(found: RecordedRows, shown: Sequence[ResultRow]) -> None:
    """Print a table for each model, clip and way of running; below it what was refused."""
    settings = [
        (row.model, row.weights, row.device, row.attention, row.execution, row.clip)
        for row in shown
    ]
    for setting in dict.fromkeys(settings):
        own = [row for row, of in zip(shown, settings, strict=True) if of == setting]
        _print_table(own)
    written = sorted({row.predicted_utc for row in shown if row.predicted_utc})
    span = written[0] if len(written) == 1 else f"{written[0]} to {written[-1]}"
    versions = ", ".join(
        sorted({row.prediction_version for row in shown if row.prediction_version})
    )
    print(
        f"Predicted for {found.device}, written {span} by version {versions}: before the first "
        "sample of each configuration. Pred.: from the device alone; calib.: also from what other "
        "configurations had shown on it."
    )
    for sentence in found.refused:
        print(sentence)


def write_recorded(folder: Path, rows: Sequence[ResultRow]) -> None:
    """Write the result, its errors and their summary to ``folder/tables``."""
    from omnizip_cost.compare.errors import error_rows, summarise_errors
    from omnizip_cost.report.result import write_result

    errors = error_rows(rows)
    write_result(folder / "tables", rows, errors, summarise_errors(errors))


def _device_name(measured: Sequence[MeasurementRow], device: str) -> str:
    from omnizip_cost.compare import reported_device

    return reported_device(measured, device).name


def _refusals(measured: Sequence[MeasurementRow], found: Mapping[CellKey, Recorded]) -> list[str]:
    """Each reason once, with the configurations that it holds for."""
    from omnizip_cost.compare.recorded_check import NOT_ON_RECORD

    labels = {row.cell_key: f"{row.label} ({row.model}, {row.clip})" for row in measured}
    by_reason: dict[str, list[str]] = {}
    for key, one in found.items():
        if one.refused:
            by_reason.setdefault(one.refused, []).append(labels[key])
    return [
        f"{'Not predicted' if reason == NOT_ON_RECORD else 'Refused'}: {'; '.join(names)}. {reason}"
        for reason, names in by_reason.items()
    ]


def _print_table(rows: Sequence[ResultRow]) -> None:
    first = rows[0]
    there = {
        kind: title
        for kind, title in KINDS.items()
        if any(row[f"prefill_{kind}_s"] is not None for row in rows)
    }
    graph = ", decode by CUDA graphs" if first.execution == "graph" else ""
    show(
        f"Prefill speed-up over full tokens, selection inside: {first.model}, {first.weights} "
        f"weights, {first.device}, {first.attention}{graph}, {first.clip}",
        (
            "configuration",
            "kept",
            "Eq. 9",
            "exact",
            *there.values(),
            "observed",
            "spread",
            "Eq. 9 err",
            "exact err",
            *(f"{title} err" for title in there.values()),
            *(f"{title} ms" for title in there.values()),
            "prefill ms",
        ),
        [_line(row, there) for row in rows],
    )


def _line(row: ResultRow, kinds: Mapping[str, str]) -> list[str]:
    from omnizip_cost.units import MILLI

    def cell(name: str, form: str, over: float = 1.0) -> str:
        value: Any = row[name]
        return "-" if value is None else format(value / over, form)

    full = row.method == "full"
    spread = (
        "-"
        if row.speedup_observed_low is None or full
        else f"{row.speedup_observed_low:.2f}-{row.speedup_observed_high:.2f}"
    )
    return [
        row.label,
        cell("realised", ".1%"),
        cell("speedup_eq9", ".2f"),
        cell("speedup_exact", ".2f"),
        *(cell(f"speedup_{kind}", ".2f") for kind in kinds),
        cell("speedup_observed", ".2f") if row.status == "ok" else row.status.upper(),
        spread,
        *("-" if full else cell(f"error_{kind}", "+.1%") for kind in ("eq9", "exact", *kinds)),
        *(cell(f"prefill_{kind}_s", ",.1f", MILLI) for kind in kinds),
        cell("prefill_s", ",.1f", MILLI),
    ]


def check_alone(*, explain: bool, calibration: Path | None) -> None:
    """Refuse options that ask for what is computed now, beside what was on record.

    Raises
    ------
    OptionsError
    """
    if explain or calibration is not None:
        other = "--explain" if explain else "--calibration"
        raise OptionsError(
            "compare",
            f"{other} asks for what is computed now, --predictions for what was on "
            "record: give one of them",
        )
