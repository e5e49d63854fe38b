"""Predictions of a campaign's cells, written before anything is measured.

The cells are those of :mod:`campaign_grid`, the very objects that the campaign runs. Once rows of
the device are measured, what was predicted stays as it is: `--again` adds cells that are new.

    python analysis/campaign_predictions.py --grid cuda,cuda-more --device h100-sxm
    python analysis/campaign_predictions.py --grid cpu --device cpu \
        --device-file analysis/measurements/cpu-calibration/cpu.toml \
        --calibration analysis/measurements/cpu-calibration/calibration.toml
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from campaign_grid import Block, Case, cases, grid_named

from omnizip_cost import __version__
from omnizip_cost.compare.predicted import backend_of
from omnizip_cost.compare.recorded import RecordedPrediction, UsedCalibration, Writer
from omnizip_cost.compare.recorded_file import add_recorded, read_recorded
from omnizip_cost.errors import InvalidValueError, OmnizipCostError
from omnizip_cost.hardware import Device, load_device, plain_dtype
from omnizip_cost.latency import Calibration, Prediction, predict
from omnizip_cost.latency.calibration_file import read_calibration
from omnizip_cost.results import MeasurementStore
from omnizip_cost.results.commit import git_commit, now_utc

HERE = Path(__file__).parent
MEASURED = HERE / "measurements"
PREDICTED = HERE / "predictions"


def main(arguments: Sequence[str] | None = None) -> int:
    """Predict, write, say what was written; 2 with a sentence where that must not be."""
    options = _options(arguments)
    out: Path = options.out or PREDICTED / f"{options.device}.parquet"
    try:
        if not options.again:
            _require_unmeasured(options.measured or MEASURED / options.device)
        rows = _predictions(options)
        added = write(
            rows, out, measured=options.measured or MEASURED / options.device, again=options.again
        )
    except OmnizipCostError as error:
        print(f"campaign_predictions: {error}", file=sys.stderr)
        return 2
    for row in rows[:1]:
        if row.git_commit.endswith("+"):
            print(
                "files differ from the commit that the rows name: commit first, then predict",
                file=sys.stderr,
            )
    print(f"{added} predictions written to {out}")
    return 0


def write(
    rows: Sequence[RecordedPrediction], out: Path, *, measured: Path, again: bool = False
) -> int:
    """Write predictions; return how many.

    Parameters
    ----------
    rows : sequence of RecordedPrediction
    out : Path
    measured : Path
        Where the campaign's rows are, or will be.
    again : bool
        Add the cells that ``out`` does not hold; else the file is made anew.

    Raises
    ------
    InvalidValueError
        Rows are measured already, and ``again`` is not asked for.
    """
    if again:
        kept = read_recorded(out) if out.is_file() else ()
        known = {(row.kind, row.settings) for row in kept}
        rows = [row for row in rows if (row.kind, row.settings) not in known]
    else:
        _require_unmeasured(measured)
        out.unlink(missing_ok=True)
    if rows:
        add_recorded(rows, out)
    return len(rows)


def _require_unmeasured(measured: Path) -> None:
    if MeasurementStore(measured).rows_path.is_file():
        raise InvalidValueError(
            "predictions",
            "measured rows",
            "none yet, since what was predicted of them must stay",
            str(measured),
            "--again adds the cells that were not predicted",
        )


def grid_predictions(
    grids: Sequence[str], device: Device, calibration: Calibration | None = None
) -> Iterator[tuple[Case, Prediction, Prediction]]:
    """Every cell of some grids with its prediction and that of its full tokens."""
    full: dict[Block, Prediction] = {}
    for name in grids:
        for case in cases(grid_named(name)):
            mine = _predicted(case, device, calibration)
            if case.cell.method == "full":
                full[case.block] = mine
            yield case, mine, full[case.block]


def _predicted(case: Case, device: Device, calibration: Calibration | None) -> Prediction:
    block = case.block
    return predict(
        case.spec,
        case.plan,
        device,
        workload=case.workload,
        backend=backend_of(block.attention, block.execution),
        dtype=plain_dtype(case.dtype),
        decode=block.decode_steps,
        calibration=calibration,
    )


def _predictions(options: argparse.Namespace) -> list[RecordedPrediction]:
    """Rows of every kind asked for: the time they name is that of the last one."""
    device = load_device(str(options.device_file or options.device))
    if device.name != options.device:
        raise InvalidValueError("predictions", "--device-file", options.device, device.name)
    kinds: list[UsedCalibration | None] = [None]
    if options.calibration is not None:
        path: Path = options.calibration
        found = read_calibration(path)
        kinds.append(UsedCalibration.of(path.name, path.read_bytes(), found))
    grids = options.grid.split(",")
    predicted = [
        (used, one)
        for used in kinds
        for one in grid_predictions(grids, device, used and used.calibration)
    ]
    writers = {
        used and used.sha256: Writer(
            package_version=__version__,
            git_commit=git_commit() or "",
            created_utc=now_utc(),
            calibration=used,
        )
        for used in kinds
    }
    return [
        writers[used and used.sha256].record(
            mine,
            full,
            clip=case.clip,
            label=case.cell.label,
            attention=case.block.attention,
            execution=case.block.execution,
        )
        for used, (case, mine, full) in predicted
    ]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--grid", required=True, help="names of grids, separated by commas")
    parser.add_argument("--device", required=True, help="as `omnizip-cost devices` names it")
    parser.add_argument("--device-file", type=Path, help="its TOML file, where it is not listed")
    parser.add_argument("--calibration", type=Path, help="adds predictions that use it")
    parser.add_argument("--out", type=Path, help="by default analysis/predictions/DEVICE.parquet")
    parser.add_argument("--measured", type=Path, help="by default analysis/measurements/DEVICE")
    parser.add_argument("--again", action="store_true", help="add cells that are new")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
