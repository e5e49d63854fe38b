"""How far predictions miss, over all configurations of a comparison."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from omnizip_cost.compare.join import CompareRow
from omnizip_cost.results import FlatRow


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorSummary(FlatRow):
    """Mean and worst absolute error of predicted prefill speed-ups."""

    prediction: str
    configurations: int
    mean_error: float
    worst_error: float
    """Signed, of the configuration with the largest absolute error."""
    worst_label: str


def noise_floor(rows: Iterable[CompareRow]) -> float | None:
    """Largest change, in size, of the stages that do the same work in every configuration.

    Nothing but the machine moves them, so gaps below this say nothing about a method.
    """
    seen = [abs(row.noise) for row in rows if row.noise is not None and row.method != "full"]
    return max(seen, default=None)


def summarise(rows: Iterable[CompareRow]) -> list[ErrorSummary]:
    """Errors of Eq. 9, the exact count and torch's counter over all compressed configurations.

    Rows that carry a prediction in seconds have its errors last.
    """
    compressed = [row for row in rows if row.status == "ok" and row.method != "full"]
    summaries = []
    for prediction in ("eq9", "exact", "torch", "predicted"):
        column = f"error_{prediction}"
        errors = [
            (row[column], row.label)
            for row in compressed
            if column in row.keys() and row[column] is not None  # noqa: SIM118
        ]
        if errors:
            worst, label = max(errors, key=lambda pair: abs(pair[0]))
            summaries.append(
                ErrorSummary(
                    prediction=prediction,
                    configurations=len(errors),
                    mean_error=sum(abs(error) for error, _ in errors) / len(errors),
                    worst_error=worst,
                    worst_label=label,
                )
            )
    return summaries
