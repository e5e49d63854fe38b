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
    cells: dict[tuple[object, ...], Stages] = {}
    for row in rows:
        cells.setdefault(row.cell_key, {})[row.stage] = row
    if not cells:
        raise InvalidValueError("compare", "rows", "at least one measured cell", 0)
    references = {
        _setting(any_row(stages)): stages
        for stages in cells.values()
        if any_row(stages).method == "full" and "prefill" in stages
    }
    found = []
    for stages in cells.values():
        sample = any_row(stages)
        full = references.get(_setting(sample))
        if full is None or full["prefill"].status != "ok":
            raise InvalidValueError(
                "compare",
                "full tokens",
                f"measured for {sample.model} on {sample.clip!r} ({sample.device})",
                "no such row" if full is None else full["prefill"].status,
                "profile with `--method full` into the same folder",
            )
        found.append(MeasuredCell(stages, full))
    return found


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
        row.clip,
        row.full_tokens,
        row.decode_steps,
    )
