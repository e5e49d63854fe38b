"""Measured rows as cells, each beside the full tokens that it may be divided by."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from omnizip_cost.compare.gap import Stages
from omnizip_cost.errors import InvalidValueError
from omnizip_cost.results import MeasurementRow


class MeasuredCell(NamedTuple):
    """One configuration: its stages, and those of full tokens under the same circumstances."""

    stages: Stages
    full: Stages
    """Empty where full tokens have no measurement; :func:`measured_cells` refuses that."""

    @property
    def row(self) -> MeasurementRow:
        """The row of its prefill, or of any stage where that is missing."""
        return any_row(self.stages)

    @property
    def broken(self) -> MeasurementRow | None:
        """The first stage without a measurement; None where all were measured."""
        return next((row for row in self.stages.values() if row.status != "ok"), None)


def measured_cells(rows: Iterable[MeasurementRow]) -> list[MeasuredCell]:
    """Gather rows by cell, in their order, and find each cell's full tokens.

    Raises
    ------
    InvalidValueError
        No rows, or a cell without a full-token measurement.
    """
    found = gathered_cells(rows)
    if not found:
        raise InvalidValueError("compare", "rows", "at least one measured cell", 0)
    for cell in found:
        if not cell.full:
            sample = cell.row
            raise InvalidValueError(
                "compare",
                "full tokens",
                f"measured for {sample.model} on {sample.clip!r} ({sample.device})",
                _full_status(sample, found),
                "profile with `--method full` into the same folder",
            )
    return found


def gathered_cells(rows: Iterable[MeasurementRow]) -> list[MeasuredCell]:
    """Gather rows by cell, in their order; ``full`` is empty where it was not measured."""
    cells: dict[tuple[object, ...], Stages] = {}
    for row in rows:
        cells.setdefault(row.cell_key, {})[row.stage] = row
    references = {
        _setting(any_row(stages)): stages
        for stages in cells.values()
        if any_row(stages).method == "full"
        and "prefill" in stages
        and stages["prefill"].status == "ok"
    }
    return [
        MeasuredCell(stages, references.get(_setting(any_row(stages)), {}))
        for stages in cells.values()
    ]


def _full_status(sample: MeasurementRow, cells: Iterable[MeasuredCell]) -> str:
    """How the full tokens of a cell ended, or that nobody ran them."""
    ended = (
        cell.row.status
        for cell in cells
        if cell.row.method == "full" and _setting(cell.row) == _setting(sample)
    )
    return next(ended, "no such row")


def any_row(stages: Stages) -> MeasurementRow:
    """Return the row of prefill, or of any stage where that is missing."""
    return stages.get("prefill") or next(iter(stages.values()))


def _setting(row: MeasurementRow) -> tuple[object, ...]:
    """Everything that must agree before two times may be divided."""
    return (
        row.environment_id,
        row.model,
        row.weights,
        row.device,
        row.dtype,
        row.attention,
        row.execution,
        row.clip,
        row.full_tokens,
        row.decode_steps,
    )
