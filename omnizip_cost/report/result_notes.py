"""What a reader of the result must know: what was divided, when predicted, what is left out."""

from __future__ import annotations

from collections.abc import Sequence

from omnizip_cost.compare.result_row import ResultRow
from omnizip_cost.results import STATUS_WORDS


def result_notes(rows: Sequence[ResultRow]) -> list[str]:
    """Collect the notes of a result, each a line of its own."""
    return [
        "Speed-ups are full prefill / (prefill + selection); spread: quartiles, round by round "
        "where rounds were interleaved. Errors are predicted / observed - 1. Bold: best of the "
        "compressed configurations of a table; underlined: second.",
        *_recorded(rows),
        *_measured(rows),
        *_without(rows),
    ]


def _recorded(rows: Sequence[ResultRow]) -> list[str]:
    """When predictions were written down, and why some are none."""
    known = [row for row in rows if row.predicted_utc]
    notes = []
    if known:
        dates = sorted({row.predicted_utc for row in known})
        began = sorted({row.measured_from_utc for row in known if row.measured_from_utc})
        before = f", before the first sample ({began[0]})" if began else ""
        notes.append(
            f"Predictions of {len(known)} of {len(rows)} configurations were on record at "
            f"{' to '.join(dict.fromkeys((dates[0], dates[-1])))}{before}; omnizip-cost "
            f"{', '.join(sorted({row.prediction_version for row in known}))}."
        )
    refused = [row.prediction_refused for row in rows if row.prediction_refused]
    if refused:
        others = len(set(refused)) - 1
        also = f" Other reasons: {others}, in `prediction_refused`." if others else ""
        notes.append(f"Refused for {len(refused)} of {len(rows)}: {refused[0]}{also}")
    return notes


def _measured(rows: Sequence[ResultRow]) -> list[str]:
    notes = []
    if any(row.weights == "random" for row in rows):
        notes.append("Weights are random where a heading says so: timing only, no accuracy.")
    basis = dict.fromkeys(row.memory_basis for row in rows if row.memory_basis)
    return [*notes, *(f"Observed peak memory: {said}." for said in basis)]


def _without(rows: Sequence[ResultRow]) -> list[str]:
    """Configurations without a measurement, with their reasons."""
    return [
        f"{STATUS_WORDS[row.status].capitalize()}: {row.label}, {row.model}, {row.clip}"
        + (f" ({row.reason})" if row.reason else "")
        for row in rows
        if row.status in STATUS_WORDS
    ]
