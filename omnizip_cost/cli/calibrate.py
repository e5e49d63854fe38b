"""``calibrate``: efficiencies and costs of one machine, fitted to measured rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from omnizip_cost.cli.compare import read_measurements
from omnizip_cost.cli.output import CsvOption, JsonOption, emit, require_one_format, show
from omnizip_cost.errors import InputFileError, OptionsError
from omnizip_cost.units import MICRO

if TYPE_CHECKING:
    from omnizip_cost.compare.calibrated import Calibrated
    from omnizip_cost.latency.calibration import Calibration, Estimate, Fit
    from omnizip_cost.results import MeasurementRow
    from omnizip_cost.results.micro import MicroRow
    from omnizip_cost.specs import ModelSpec

WIDE_ERROR = 0.25
"""Relative standard error from which a parameter is called badly told (our choice)."""

CLOSELY = 0.9
"""Size of a correlation from which two parameters are called hard to tell apart (our choice)."""


def calibrate_command(
    rows: Annotated[
        list[Path],
        typer.Argument(
            metavar="ROWS",
            help="Folders that `profile --out` filled, or tables of such rows; and the .micro.csv "
            "that `devices cpu --measure` writes: it adds preprocessing, and is fitted where it "
            "stands alone.",
        ),
    ],
    device: Annotated[
        str, typer.Option("--device", help="Where they were measured: a name, or a TOML file.")
    ],
    out: Annotated[Path, typer.Option("--out", help="The TOML file to write.")],
    hold_out: Annotated[
        bool,
        typer.Option(
            "--hold-out/--no-hold-out",
            help="Keep every second length and ratio away from the fit, and predict them.",
        ),
    ] = True,
    estimates: Annotated[
        bool,
        typer.Option(
            "--estimates",
            help="With --json or --csv: the parameters and their errors, in place of the stages.",
        ),
    ] = False,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Efficiencies and costs of one machine, fitted to measured rows, with their errors.

    Five numbers: what matrix products, attention and copies reach of the device's kernels and
    bandwidth, the least time of a kernel, and the host's time for each operator. What the rows
    cannot tell is held and named. `predict --calibration FILE` uses the file.

    Example: `omnizip-cost calibrate out/tiny --device cpu.toml --out cpu-calibration.toml`
    (after the examples of `devices` and `profile`)
    """
    from omnizip_cost.compare.calibrated import calibrate
    from omnizip_cost.hardware import load_device
    from omnizip_cost.latency.calibration_file import write_calibration
    from omnizip_cost.results.commit import now_utc

    require_one_format(as_json=as_json, as_csv=as_csv)
    if estimates and not (as_json or as_csv):
        raise OptionsError("calibrate", "--estimates goes with --json or --csv; the table has both")
    if out.suffix.lower() != ".toml":
        raise InputFileError(out, "a calibration is a TOML file", "give a name ending in .toml")
    card = load_device(device)
    measured, specs, micro, versions = read_rows(rows)
    found = calibrate(
        measured,
        specs,
        card,
        micro=micro,
        hold_out=hold_out,
        versions=versions,
        created_utc=now_utc(),
    )
    write_calibration(found.calibration, out)
    rows_out = estimate_rows(found.calibration) if estimates else found.rows
    if not emit(rows_out, as_json=as_json, as_csv=as_csv):
        print_calibrated(found, out)


def estimate_rows(calibration: Calibration) -> list[dict[str, object]]:
    """Each parameter with its value, its error or why it was held, and what it means."""
    from omnizip_cost.latency.calibration import PARAMETERS

    fit = calibration.fit
    assert fit is not None
    return [
        {
            "device": fit.device,
            "parameter": one.name,
            "value": None if one.held else one.value,
            "unit": PARAMETERS[one.name].unit,
            "standard_error": one.standard_error,
            "on_bound": one.on_bound,
            "held": one.held,
            "means": PARAMETERS[one.name].says,
        }
        for one in fit.estimates
    ]


def read_rows(
    paths: Sequence[Path],
) -> tuple[list[MeasurementRow], dict[str, ModelSpec], list[MicroRow], dict[str, str]]:
    """Read stores of passes and tables of the micro-benchmark, all of one device."""
    measured: list[MeasurementRow] = []
    specs: dict[str, ModelSpec] = {}
    micro: list[MicroRow] = []
    for path in paths:
        if path.suffix in (".csv", ".parquet") and path.name != "rows.parquet":
            found, tiny = _table_rows(path)
            measured += found
            micro += tiny
        else:
            stored, known = read_measurements(path)
            measured += stored
            specs |= known
    specs = _bundled(measured, specs) | specs
    devices = list(dict.fromkeys([row.device for row in measured] + [row.device for row in micro]))
    if len(devices) > 1:
        raise OptionsError("calibrate", f"rows of one device, these are of {', '.join(devices)}")
    return measured, specs, micro, _versions(paths)


def _table_rows(path: Path) -> tuple[list[MeasurementRow], list[MicroRow]]:
    """Rows of one table, told by its columns: stages of passes, or single operators."""
    from omnizip_cost.results import MeasurementRow, read_table
    from omnizip_cost.results.micro import MicroRow

    table = read_table(path)
    records = [{str(name): cell for name, cell in one.items()} for one in table.to_dict("records")]
    if {"op", "calls"} <= set(table.columns):
        return [], [MicroRow.from_mapping(one) for one in records]
    if {"stage", "median_s"} <= set(table.columns):
        return [MeasurementRow.from_mapping(one) for one in records], []
    raise InputFileError(
        path,
        "holds neither measured stages nor a micro-benchmark",
        "give a folder of `profile --out`, or the .micro.csv of `devices cpu --measure`",
    )


def _bundled(
    rows: Sequence[MeasurementRow], known: Mapping[str, ModelSpec]
) -> dict[str, ModelSpec]:
    """Specs of the models that no store described: a bare table names bundled ones."""
    from omnizip_cost.specs import load_spec

    names = dict.fromkeys(row.model for row in rows if row.model not in known)
    return {name: load_spec(name) for name in names}


def _versions(paths: Sequence[Path]) -> dict[str, str]:
    """Software behind the rows, as their stores tell, and behind the fit."""
    from importlib.metadata import version

    from omnizip_cost import __version__
    from omnizip_cost.cli.publish import measurements_of
    from omnizip_cost.results import MeasurementStore

    found: dict[str, str] = {}
    for path in (one for one in paths if one.is_dir()):
        for record in MeasurementStore(measurements_of(path)).environments():
            identity: Mapping[str, object] = record["identity"]
            for name in ("torch", "transformers", "cuda", "driver", "cpu"):
                if identity.get(name):
                    found[name] = str(identity[name])
    return {**found, "scipy": version("scipy"), "omnizip_cost": __version__}


def print_calibrated(found: Calibrated, out: Path) -> None:
    """Print the estimates, then how far predicted and observed stages lie apart."""
    fit = found.calibration.fit
    assert fit is not None
    show(
        f"Calibration of {fit.device}",
        ("parameter", "value", "error", "", "means"),
        [_estimate(one) for one in fit.estimates],
        notes=_doubts(fit),
        left=5,
    )
    parts = [
        part
        for part in ("fitted", "held out", "not fitted")
        if found.median_error(part) is not None
    ]
    if parts:
        show(
            "Predicted against observed seconds, by stage",
            ("stage", *(f"{part}, median (worst) of" for part in parts)),
            [
                (stage, *(_errors(found, part, stage) for part in parts))
                for stage in dict.fromkeys(row.stage for row in found.rows)
            ],
        )
    print(f"Held out: {fit.held_out_rule}.")
    print(f"Written: {out}")


def _estimate(one: Estimate) -> tuple[str, str, str, str, str]:
    from omnizip_cost.latency.calibration import PARAMETERS

    bounds = PARAMETERS[one.name]
    value = f"{one.value / MICRO:.3g} us" if bounds.unit == "s" else f"{one.value:.3g}"
    error = "-" if one.standard_error is None else f"{one.standard_error:.1%}"
    note = "held" if one.held else "on a bound" if one.on_bound else ""
    return one.name, "-" if one.held else value, error, note, bounds.says


def _errors(found: Calibrated, part: str, stage: str) -> str:
    sizes = [abs(row.error) for row in found.rows if (row.part, row.stage) == (part, stage)]
    if not sizes:
        return "-"
    middle = found.median_error(part, stage)
    assert middle is not None
    return f"{middle:.1%} ({max(sizes):.1%}) of {len(sizes)}"


def _doubts(fit: Fit) -> list[str]:
    """What a reader must know before using the numbers."""
    notes = [f"{one.name} is held: {one.held}." for one in fit.estimates if one.held]
    notes += [
        f"{one.name} ended on a bound: the model misses something there."
        for one in fit.estimates
        if one.on_bound
    ]
    notes += [
        f"{one.name} is badly told by these rows (standard error {one.standard_error:.0%})."
        for one in fit.estimates
        if one.standard_error is not None and one.standard_error > WIDE_ERROR
    ]
    notes += [
        f"{' and '.join(pair.split())} are hard to tell apart (correlation {value:+.2f})."
        for pair, value in fit.correlations.items()
        if abs(value) > CLOSELY
    ]
    used = f"{fit.rows_used} rows fitted, median error {fit.median_error_used:.1%}"
    if fit.median_error_held_out is None:
        return [*notes, f"{used}; none held out."]
    return [
        *notes,
        f"{used}; {fit.rows_held_out} rows held out, median error "
        f"{fit.median_error_held_out:.1%}, worst {fit.worst_error_held_out:.1%}.",
    ]
