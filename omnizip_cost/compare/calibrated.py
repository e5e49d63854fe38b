"""From measured rows to a calibration: what was fitted, what was held out, and how far it is off.

The one way back from measurements to predictions. Rows that the fit saw and rows that it did not
are told apart throughout.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median, quantiles

from omnizip_cost.compare.predicted import predicted_row
from omnizip_cost.compare.reported_devices import require_measured_on
from omnizip_cost.errors import InvalidValueError
from omnizip_cost.hardware import Device
from omnizip_cost.latency import Calibration, Prediction
from omnizip_cost.latency.assumptions import host_seconds, launch_floor
from omnizip_cost.latency.calibration import PARAMETERS, Fit
from omnizip_cost.latency.calibration_fit import FitResult, fit
from omnizip_cost.latency.calibration_micro import micro_terms, preprocessing
from omnizip_cost.latency.calibration_split import RULE, held_out
from omnizip_cost.latency.calibration_terms import StageTerms, TermTable, terms_of
from omnizip_cost.results import FlatRow, MeasurementRow
from omnizip_cost.results.micro import MicroRow
from omnizip_cost.specs.spec import ModelSpec

FITTED_STAGES = ("prefill", "decode")
"""Of a whole pass. Encoders run once whatever is compressed, at other shapes; selection is many
small operators: both are predicted with what these two tell, and their errors shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibratedRow(FlatRow):
    """One measured stage beside what the calibrated model says of it."""

    part: str
    """"fitted", "held out", or "not fitted": a stage that no fit looks at."""
    model: str
    label: str
    full_tokens: int
    retained: float | None
    stage: str
    observed_s: float
    low_s: float | None
    """First quartile of the samples."""
    high_s: float | None
    predicted_s: float
    error: float
    """Signed: predicted / observed - 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """A calibration and the rows behind it."""

    calibration: Calibration
    rows: tuple[CalibratedRow, ...]
    measured: tuple[MeasurementRow, ...]
    """The measured row behind each of ``rows``."""

    def median_error(self, part: str, stage: str | None = None) -> float | None:
        """Median size of the error of one part, of one stage or all; None where there is none."""
        sizes = [
            abs(row.error) for row in self.rows if row.part == part and stage in (None, row.stage)
        ]
        return median(sizes) if sizes else None


def calibrate(
    measured: Sequence[MeasurementRow],
    specs: Mapping[str, ModelSpec],
    device: Device,
    *,
    micro: Sequence[MicroRow] = (),
    hold_out: bool = True,
    versions: Mapping[str, str] | None = None,
    created_utc: str = "",
) -> Calibrated:
    """Fit efficiencies and costs to measured rows.

    Parameters
    ----------
    measured : sequence of MeasurementRow
        Stages of whole passes; those that failed are passed over. Empty: the micro-benchmark's
        operators are fitted in their place, and nothing is held out.
    specs : mapping of str to ModelSpec
        By the model names of the rows.
    device : Device
        Whose peaks, bandwidth and kernels the efficiencies refer to.
    micro : sequence of MicroRow
        Preprocessing is taken from them.
    hold_out : bool
        Keep whole lengths and ratios away from the fit, to say how well it predicts them.
    versions : mapping of str to str, optional
        Software, for the record.
    created_utc : str

    Raises
    ------
    InvalidValueError
        Nothing that can be fitted, a row without a spec, or too few rows.
    """
    names = [row.device for row in measured] + [row.device for row in micro]
    require_measured_on("calibrate", device, names)
    stages = list(_stages(measured, specs, device))
    fitted = [one for one in stages if one.row.stage in FITTED_STAGES]
    terms = [one.terms for one in fitted]
    away = [False] * len(fitted)
    if hold_out:
        away = held_out([one.length for one in terms], [one.retained for one in terms])
    if not terms:
        terms = [found for row in micro if (found := micro_terms(row, device)) is not None]
        away = [False] * len(terms)
    start = dict.fromkeys(PARAMETERS, 1.0)
    start |= {"launch_s": launch_floor(device).value, "host_s": host_seconds(device).value}
    result = fit(terms, away, start)
    record = _record(
        result,
        device,
        names=[one.name for one in terms],
        away=away,
        environments=[
            *(row.environment_id for row in measured),
            *(row.environment_id for row in micro),
        ],
        models=[row.model for row in measured],
        rule=RULE if any(away) else "nothing was held out",
        versions=versions or {},
        created_utc=created_utc,
    )
    parts = {
        id(one): "held out" if out else "fitted" for one, out in zip(fitted, away, strict=False)
    }
    seconds = _seconds([one.terms for one in stages], result)
    rows = tuple(
        _row(one, parts.get(id(one), "not fitted"), predicted_s)
        for one, predicted_s in zip(stages, seconds, strict=True)
    )
    told = {one.name: None if one.held else one.value for one in result.estimates}
    calibration = Calibration(
        **{
            name: 1.0 if told[name] is None else told[name]
            for name in ("gemm", "attention", "memory")
        },  # type: ignore[arg-type]
        launch_s=told["launch_s"],
        host_s=told["host_s"],
        **preprocessing(micro),
        fit=replace(record, errors_not_fitted=_not_fitted(rows)),
    )
    return Calibrated(calibration=calibration, rows=rows, measured=tuple(one.row for one in stages))


def _not_fitted(rows: Sequence[CalibratedRow]) -> dict[str, float]:
    """Error that nine in ten rows of each stage without a fit stay within."""
    sizes: dict[str, list[float]] = {}
    for row in rows:
        if row.part == "not fitted":
            sizes.setdefault(row.stage, []).append(abs(row.error))
    return {
        stage: quantiles(found, n=10, method="inclusive")[-1] if len(found) > 1 else found[0]
        for stage, found in sizes.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Stage:
    row: MeasurementRow
    terms: StageTerms


def _stages(
    measured: Sequence[MeasurementRow], specs: Mapping[str, ModelSpec], device: Device
) -> Iterable[_Stage]:
    """Every measured stage that the model of time lists, each cell predicted once."""
    predictions: dict[tuple[object, ...], Prediction] = {}
    for row in measured:
        if row.status != "ok" or row.median_s is None or row.av_kept is None:
            continue
        if row.model not in specs:
            raise InvalidValueError("calibrate", "model", "one with a known config", row.model)
        if row.cell_key not in predictions:
            predictions[row.cell_key] = predicted_row(row, specs[row.model], device)
        terms = terms_of(
            predictions[row.cell_key],
            row.stage,
            row.median_s,
            length=row.full_tokens,
            retained=1.0 if row.retained is None else row.retained,
            name=f"{row.model}, {row.full_tokens:,} tokens, {row.label}, {row.stage}",
        )
        if terms is not None:
            yield _Stage(row=row, terms=terms)


def _seconds(terms: Sequence[StageTerms], result: FitResult) -> list[float]:
    return [float(s) for s in TermTable(terms).seconds(result.values())] if terms else []


def _row(stage: _Stage, part: str, predicted_s: float) -> CalibratedRow:
    row = stage.row
    observed_s = stage.terms.observed_s
    return CalibratedRow(
        part=part,
        model=row.model,
        label=row.label,
        full_tokens=row.full_tokens,
        retained=row.retained,
        stage=row.stage,
        observed_s=observed_s,
        low_s=row.low_s,
        high_s=row.high_s,
        predicted_s=predicted_s,
        error=predicted_s / observed_s - 1,
    )


def _record(
    result: FitResult,
    device: Device,
    *,
    names: Sequence[str],
    away: Sequence[bool],
    environments: Iterable[str],
    models: Iterable[str],
    rule: str,
    versions: Mapping[str, str],
    created_utc: str,
) -> Fit:
    used, unseen = (
        [abs(error) for error in errors] for errors in (result.errors_used, result.errors_held_out)
    )
    return Fit(
        device=device.name,
        models=tuple(dict.fromkeys(models)),
        created_utc=created_utc,
        versions=dict(versions),
        environments=tuple(dict.fromkeys(environments)),
        rows_used=len(used),
        rows_held_out=len(unseen),
        held_out_rule=rule,
        cells_used=tuple(name for name, out in zip(names, away, strict=True) if not out),
        cells_held_out=tuple(name for name, out in zip(names, away, strict=True) if out),
        median_error_used=median(used),
        worst_error_used=max(used),
        median_error_held_out=median(unseen) if unseen else None,
        worst_error_held_out=max(unseen) if unseen else None,
        estimates=result.estimates,
        correlations=dict(result.correlations),
    )
