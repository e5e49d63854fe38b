"""All tables of a campaign, from its committed rows and the predictions that were committed before.

    python analysis/result_tables.py
    python analysis/result_tables.py --device cpu --check

For each device that has both, `analysis/measurements/<device>/` and
`analysis/predictions/<device>.parquet` give `analysis/tables/<device>/`: the result, its errors,
time per stage and the profiler's tables. Nothing is measured, and the same files give the same
bytes. `--check` writes nothing and names each table that differs from what would be written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from omnizip_cost.compare import (
    WaterfallRow,
    predicted_cell,
    recorded_stage_rows,
    stage_rows,
    waterfall,
)
from omnizip_cost.compare.cells import gathered_cells
from omnizip_cost.compare.errors import error_rows, summarise_errors
from omnizip_cost.compare.errors_held_out import held_out_errors
from omnizip_cost.compare.recorded_check import Recorded, first_sessions, recorded_for
from omnizip_cost.compare.recorded_file import read_recorded
from omnizip_cost.compare.result import result_rows
from omnizip_cost.compare.tables import StageRow
from omnizip_cost.errors import InputFileError, OmnizipCostError, UnknownNameError
from omnizip_cost.hardware import Device, load_device
from omnizip_cost.latency.calibration_file import read_calibration
from omnizip_cost.report.result import result_files, rows_csv
from omnizip_cost.results import MeasurementRow, MeasurementStore
from omnizip_cost.results.schema import CellKey
from omnizip_cost.results.tables import atomic_write_bytes
from omnizip_cost.specs import ModelSpec, spec_from_config

HOME = Path(__file__).parent
MEASURED = "measurements"
PREDICTED = "predictions"
TABLES = "tables"

DEVICE_FILES = {"cpu": Path(MEASURED) / "cpu-calibration" / "cpu.toml"}
"""Devices that are no card of a list: the file that was measured on them."""

CALIBRATIONS = {"cpu": Path(MEASURED) / "cpu-calibration" / "calibration.toml"}
"""What predictions of these devices are scaled by, where the gap is explained."""

EXPLAINED = ("omnizip", 0.35)
"""Method and ratio whose gap is explained, on every prompt: the paper's strongest setting."""

COPIED = ("operators.csv", "kernels.csv")
"""Tables of the profiler, which stand as they were written."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check; 1 where a table differs, 2 with a sentence where rows cannot be read."""
    options = _options(arguments)
    home: Path = options.home
    try:
        names = [options.device] if options.device else devices(home)
        differing = [
            path
            for name in names
            for path in _settle(home / TABLES / name, tables(home, name), check=options.check)
        ]
    except OmnizipCostError as error:
        print(f"result_tables: {error}", file=sys.stderr)
        return 2
    if not names:
        print("no device has both rows and predictions", file=sys.stderr)
    for path in differing:
        print(f"{path.relative_to(home)}: {'differs' if options.check else 'written'}")
    return 1 if options.check and differing else 0


def devices(home: Path = HOME) -> list[str]:
    """Names of the devices that have measured rows and predictions, in their order."""
    return sorted(
        path.stem
        for path in (home / PREDICTED).glob("*.parquet")
        if MeasurementStore(home / MEASURED / path.stem).rows_path.is_file()
    )


def tables(home: Path, name: str) -> dict[str, bytes]:
    """Make all tables of one device.

    Returns
    -------
    dict of file name to bytes

    Raises
    ------
    UnknownNameError
        A device without rows or predictions.
    InputFileError
        Rows or predictions that cannot be read.
    """
    if name not in devices(home):
        raise UnknownNameError("device with rows and predictions", name, devices(home))
    store = MeasurementStore(home / MEASURED / name)
    measured = store.rows()
    specs = {model: spec_from_config(config, model) for model, config in store.thinkers().items()}
    found = recorded_for(
        measured,
        read_recorded(home / PREDICTED / f"{name}.parquet"),
        sessions=first_sessions(store.environments()),
        device=name,
    )
    results = result_rows(measured, specs, found)
    held_out = held_out_errors(measured, specs, _device(home, name))
    for sentence in held_out.unfitted:
        print(f"{name}: no fit afterwards of {sentence}", file=sys.stderr)
    errors = [*error_rows(results), *held_out.errors]
    steps = _waterfall(home, name, measured, specs)
    return {
        **result_files(results, errors, summarise_errors(errors)),
        "stages.csv": rows_csv(StageRow, _stages(measured, found)),
        **({"waterfall.csv": rows_csv(WaterfallRow, steps)} if steps else {}),
        **{name: _bytes(store.folder / name) for name in COPIED if (store.folder / name).is_file()},
    }


def _stages(measured: Sequence[MeasurementRow], found: dict[CellKey, Recorded]) -> list[StageRow]:
    """Time per stage as measured, then as predicted."""
    cells = {row.cell_key: row for row in measured}
    on_record = {key: one.calibrated or one.uncalibrated for key, one in found.items()}
    return [
        *stage_rows(measured),
        *(
            stage
            for key, row in cells.items()
            if (one := on_record.get(key)) is not None
            for stage in recorded_stage_rows(row, one)
        ),
    ]


def _waterfall(
    home: Path, name: str, measured: Sequence[MeasurementRow], specs: Mapping[str, ModelSpec]
) -> list[WaterfallRow]:
    """Where the gap between Eq. 9 and the clock goes, an effect at a time."""
    device = _device(home, name)
    path = CALIBRATIONS.get(name)
    calibration = read_calibration(home / path) if path and (home / path).is_file() else None
    return [
        step
        for cell in gathered_cells(measured)
        if cell.full
        and (cell.row.method, cell.row.retained) == EXPLAINED
        and cell.row.execution == "stock"
        and cell.broken is None
        for step in waterfall(predicted_cell(cell, specs[cell.row.model], device, calibration))
    ]


def _device(home: Path, name: str) -> Device:
    return load_device(str(home / DEVICE_FILES[name]) if name in DEVICE_FILES else name)


def _settle(folder: Path, made: dict[str, bytes], *, check: bool) -> list[Path]:
    """Write what differs from what is there, or only say so; return its paths."""
    differing = [
        folder / name
        for name, data in made.items()
        if not (folder / name).is_file() or _bytes(folder / name) != data
    ]
    if not check:
        for path in differing:
            atomic_write_bytes(path, made[path.name])
    return differing


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputFileError(path, f"cannot be read: {error.strerror}") from None


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--device", help="as its folder is named; by default all")
    parser.add_argument("--check", action="store_true", help="write nothing, say what differs")
    parser.add_argument("--home", type=Path, default=HOME, help="holds the three folders")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
