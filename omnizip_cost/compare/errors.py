"""How far predictions miss: one row per configuration, quantity and predictor, and a summary.

Eq. 9 and the counts predict ratios only; seconds and bytes are predicted by what was on record
before the measurement. Full tokens are among the seconds and not among the speed-ups, of which
theirs is 1 by definition. What a calibration says that was fitted to some of these rows afterwards
is kept apart as "held out": only of lengths and ratios that its fit did not see.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

from omnizip_cost.compare.error_targets import target_of
from omnizip_cost.compare.result import signed_error
from omnizip_cost.compare.result_row import ResultRow
from omnizip_cost.results import FlatRow

PREDICTORS = ("eq9", "exact", "torch", "predicted", "calibrated", "held out")
"""Eq. 9; FLOPs as executed; FLOPs as torch's counter sees them; on record before the measurement,
fitted to no pass, and fitted to other passes; fitted to these passes afterwards, of those that the
fit did not see."""

UNDER_GRAPHS = "decode under graphs"
"""Decode whose steps are replayed: another quantity than decode that Python dispatches."""


class _Quantity(NamedTuple):
    """Something that is both predicted and observed, and the columns of a result that hold it."""

    name: str
    unit: str
    observed: str
    predicted: Mapping[str, str]
    """By predictor."""


def _on_record(column: str) -> dict[str, str]:
    return {kind: column.format(kind) for kind in ("predicted", "calibrated")}


_QUANTITIES = (
    _Quantity(
        "prefill speed-up",
        "x",
        "speedup_observed",
        {name: f"speedup_{name}" for name in PREDICTORS if name != "held out"},
    ),
    _Quantity(
        "first-token speed-up", "x", "ttft_speedup_observed", _on_record("ttft_speedup_{}")
    ),
    _Quantity(
        "end-to-end speed-up",
        "x",
        "end_to_end_speedup_observed",
        _on_record("end_to_end_speedup_{}"),
    ),
    _Quantity("prefill", "s", "prefill_s", _on_record("prefill_{}_s")),
    _Quantity("selection", "s", "selection_s", _on_record("selection_{}_s")),
    _Quantity(
        "decode", "s/token", "decode_s_per_token", _on_record("decode_{}_s_per_token")
    ),
    _Quantity("first token", "s", "ttft_s", _on_record("ttft_{}_s")),
    _Quantity("end to end", "s", "end_to_end_s", _on_record("end_to_end_{}_s")),
    _Quantity(
        "peak memory",
        "B",
        "peak_memory_bytes",
        {"predicted": "peak_memory_predicted_bytes"},
    ),
)  # fmt: skip

QUANTITIES = (
    *(one.name for one in _QUANTITIES[:6]),
    UNDER_GRAPHS,
    *(one.name for one in _QUANTITIES[6:]),
)
"""In the order of tables: speed-ups, seconds, bytes."""

IDENTITY = (
    "model", "weights", "device", "dtype", "attention", "execution", "clip", "full_tokens",
    "method", "label", "mode", "fastv_form", "retained", "realised", "decode_steps",
)  # fmt: skip
"""Columns that say which configuration a row is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRow(FlatRow):
    """One quantity of one configuration, as one predictor has it and as it was observed."""

    model: str
    weights: str
    device: str
    dtype: str
    attention: str
    execution: str
    clip: str
    full_tokens: int
    method: str
    label: str
    mode: str
    fastv_form: str | None
    retained: float | None
    realised: float | None
    decode_steps: int
    quantity: str
    """One of :data:`QUANTITIES`."""
    unit: str
    predictor: str
    """One of :data:`PREDICTORS`."""
    observed: float
    predicted: float
    error: float
    """Signed: predicted / observed - 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorSummaryRow(FlatRow):
    """How far one predictor misses one quantity on one device, over all configurations."""

    device: str
    quantity: str
    predictor: str
    configurations: int
    mean_error: float
    """Mean of the sizes."""
    median_error: float
    """Signed."""
    worst_error: float
    """Signed, of the configuration with the largest size."""
    worst_label: str
    worst_model: str
    worst_clip: str
    target: float | None
    """Mean error that we ask for; None where we ask for nothing."""
    verdict: str
    """"met" or "missed"; empty without a target."""


def error_rows(results: Iterable[ResultRow]) -> list[ErrorRow]:
    """List every quantity that was both predicted and observed.

    Returns
    -------
    list of ErrorRow
        Configuration by configuration, quantities and predictors in their order.
    """
    return [row for result in results for row in _errors_of(result)]


def _errors_of(result: ResultRow) -> Iterable[ErrorRow]:
    for one in _QUANTITIES:
        if one.unit == "x" and result.method == "full":
            continue
        for predictor, column in one.predicted.items():
            row = error_row(
                {name: result[name] for name in IDENTITY},
                quantity=one.name,
                unit=one.unit,
                predictor=predictor,
                observed=result[one.observed],
                predicted=result[column],
            )
            if row is not None:
                yield row


def error_row(
    identity: Mapping[str, Any],
    *,
    quantity: str,
    unit: str,
    predictor: str,
    observed: float | None,
    predicted: float | None,
) -> ErrorRow | None:
    """Hold a prediction against an observation; None where either is missing."""
    error = signed_error(predicted, observed)
    if error is None or observed is None or predicted is None:
        return None
    if quantity == "decode" and identity["execution"] == "graph":
        quantity = UNDER_GRAPHS
    return ErrorRow(
        **{name: identity[name] for name in IDENTITY},
        quantity=quantity,
        unit=unit,
        predictor=predictor,
        observed=observed,
        predicted=predicted,
        error=error,
    )


def summarise_errors(errors: Iterable[ErrorRow]) -> list[ErrorSummaryRow]:
    """Mean and worst error of each quantity and predictor, device by device.

    Our targets stand beside them where there is one (:mod:`omnizip_cost.compare.error_targets`).
    """
    groups: dict[tuple[str, str, str], list[ErrorRow]] = {}
    for row in errors:
        groups.setdefault((row.device, row.quantity, row.predictor), []).append(row)
    devices = list(dict.fromkeys(device for device, _, _ in groups))
    return [
        _summary(groups[device, quantity, predictor])
        for device in devices
        for quantity in QUANTITIES
        for predictor in PREDICTORS
        if (device, quantity, predictor) in groups
    ]


def _summary(rows: Sequence[ErrorRow]) -> ErrorSummaryRow:
    worst = max(rows, key=lambda row: abs(row.error))
    mean = sum(abs(row.error) for row in rows) / len(rows)
    target = target_of(worst.device, worst.quantity, worst.predictor)
    return ErrorSummaryRow(
        device=worst.device,
        quantity=worst.quantity,
        predictor=worst.predictor,
        configurations=len(rows),
        mean_error=mean,
        median_error=median(row.error for row in rows),
        worst_error=worst.error,
        worst_label=worst.label,
        worst_model=worst.model,
        worst_clip=worst.clip,
        target=target.mean_error if target else None,
        verdict="" if target is None else "met" if mean <= target.mean_error else "missed",
    )
