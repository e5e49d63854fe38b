"""Seconds that ``compare`` computes for rows that are measured already: its options, its cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeVar

import typer

from omnizip_cost.cli.inputs import parse_names
from omnizip_cost.errors import InvalidValueError, OptionsError, UnknownNameError

if TYPE_CHECKING:
    from omnizip_cost.compare import CompareRow, PredictedCell, WaterfallRow
    from omnizip_cost.compare.result_row import ResultRow
    from omnizip_cost.results import MeasurementRow
    from omnizip_cost.specs import ModelSpec

ExplainOption = Annotated[
    bool,
    typer.Option("--explain", help="Where the gap goes: Eq. 9 to observed, an effect at a time."),
]
DeviceOption = Annotated[
    str | None,
    typer.Option(
        "--device",
        help="Device that the rows were measured on, a name of `devices` or a TOML file, where "
        "their own name for it is not known; adds seconds computed now, or with --predictions "
        "names the device they were written for.",
    ),
]
CalibrationOption = Annotated[
    Path | None,
    typer.Option("--calibration", help="What `calibrate` found there; adds seconds computed now."),
]
MethodOption = Annotated[
    str | None, typer.Option("--method", help="Methods to show, separated by commas.")
]
TimerOption = Annotated[
    str,
    typer.Option(
        "--timer",
        help="With --explain, what the seconds hold: `prefill` (and selection), `ttft` (encoders "
        "and assembly too) or `end-to-end` (decode too).",
    ),
]

Row = TypeVar("Row", "CompareRow", "ResultRow")


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeOptions:
    """What the user said about computed seconds, not yet checked."""

    explain: ExplainOption = False
    device: DeviceOption = None
    calibration: CalibrationOption = None
    method: MethodOption = None
    timer: TimerOption = "prefill"

    def check(self) -> None:
        """Refuse a timer that there is not, or one that nothing uses, before rows are read."""
        from omnizip_cost.compare import TIMERS

        if self.timer not in TIMERS:
            raise UnknownNameError("timer", self.timer, TIMERS)
        if self.timer != "prefill" and not self.explain:
            raise OptionsError("compare", "--timer says what --explain explains: give both")

    def chosen(self, rows: Sequence[Row]) -> list[Row]:
        """Rows of the methods asked for, in their order, full tokens always among them."""
        names = self._methods({row.method for row in rows})
        return [row for row in rows if row.method in names]

    def predicted(
        self, measured: Sequence[MeasurementRow], specs: Mapping[str, ModelSpec]
    ) -> PredictedRows | None:
        """Predict every measured cell of the methods asked for; None where nobody asks."""
        if not self.explain and self.device is None and self.calibration is None:
            return None
        from omnizip_cost.compare import measured_cells, predicted_cell, reported_device
        from omnizip_cost.results import STATUS_WORDS

        device = reported_device(measured, self.device)
        calibration = None
        if self.calibration is not None:
            from omnizip_cost.cli.predict import read_calibration

            calibration = read_calibration(self.calibration, [device])
        names = self._methods({row.method for row in measured})
        cells = [cell for cell in measured_cells(measured) if cell.row.method in names]
        return PredictedRows(
            [
                predicted_cell(cell, specs[cell.row.model], device, calibration)
                for cell in cells
                if cell.broken is None
            ],
            tuple(
                f"{cell.row.label}: {STATUS_WORDS[cell.broken.status]}"
                for cell in cells
                if cell.broken
            ),
        )

    def _methods(self, known: set[str]) -> set[str]:
        if self.method is None:
            return known
        names = parse_names("--method", self.method)
        for name in names:
            if name not in known:
                raise UnknownNameError("measured method", name, sorted(known))
        return {*names, "full"}


class Waterfalls(NamedTuple):
    """Steps of all configurations, and what has none."""

    rows: list[WaterfallRow]
    left_out: tuple[str, ...]
    """A sentence for each configuration without steps."""
    unlisted: tuple[str, ...]
    """What runs, or may run, and is in no prediction."""


class PredictedRows(NamedTuple):
    """Predictions of measured cells, in their order."""

    cells: list[PredictedCell]
    broken: tuple[str, ...]

    def beside(self, compared: Sequence[CompareRow]) -> list[CompareRow]:
        """Put each prediction beside its compared row; a broken cell has none."""
        from omnizip_cost.compare import timed

        found = {_key(one.cell.row): one for one in self.cells}
        return [timed(row, found.get(_key(row))) for row in compared]

    def waterfalls(self, timer: str) -> Waterfalls:
        """Steps of every compressed configuration that has tokens left."""
        from omnizip_cost.compare import waterfall

        rows: list[WaterfallRow] = []
        left_out = list(self.broken)
        for one in self.cells:
            if one.cell.row.method == "full":
                continue
            try:
                rows += waterfall(one, timer)
            except InvalidValueError as error:
                left_out.append(f"{one.cell.row.label}: {error}")
        if not rows:
            raise OptionsError(
                "compare --explain", "; ".join(left_out) or "no configuration is compressed"
            )
        unlisted = dict.fromkeys(text for one in self.cells for text in one.mine.unlisted)
        return Waterfalls(rows, tuple(left_out), tuple(unlisted))


def _key(row: MeasurementRow | CompareRow) -> tuple[object, ...]:
    """What tells two configurations of one store apart, in measured and compared rows alike."""
    names = ("model", "weights", "device", "dtype", "attention", "clip", "full_tokens", "label")
    return tuple(row[name] for name in (*names, "mode", "rho_a", "rho_v", "retained"))
