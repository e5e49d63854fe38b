"""``compare``: predicted against observed, per method and ratio, with signed errors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from omnizip_cost.cli.options import with_options
from omnizip_cost.cli.output import CsvOption, JsonOption, emit, require_one_format, show
from omnizip_cost.cli.recorded_rows import PredictionsOption, check_alone
from omnizip_cost.cli.timed_rows import TimeOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from omnizip_cost.compare import CompareRow
    from omnizip_cost.results import MeasurementRow, MeasurementStore
    from omnizip_cost.specs import ModelSpec

RowsArgument = Annotated[
    Path,
    typer.Argument(metavar="ROWS", help="Folder of measured rows, as `profile --out` writes it."),
]
COMPUTED_NOW = "computed now"
"""Heading of what the model of time says of rows that are measured already: no prediction."""

_AFTERWARDS = (
    "Computed now: by the model of time, after these rows were measured, so no prediction. What "
    "`predict --record FILE` wrote before them is shown by --predictions FILE."
)

LARGE_ERROR = 0.15
"""Beyond this a prediction's error is explained in a sentence of its own."""

OutOption = Annotated[
    Path | None, typer.Option("--out", help="Write tables and figures to this folder as well.")
]


@with_options
def compare_command(
    rows: RowsArgument,
    times: TimeOptions,
    predictions: PredictionsOption = None,
    out: OutOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Predicted against observed speed-up, per method and ratio, with signed errors.

    Speed-ups are full prefill / (prefill + selection), by FLOPs and observed; Eq. 9 knows no
    selection. With --predictions, what was on record before the rows were measured stands beside
    them; with --device or --calibration, what the model of time computes now, which is no
    prediction. --explain shows for each configuration where the gap between Eq. 9 and the clock
    goes, an effect at a time.

    Example: `omnizip-cost compare out/tiny --out out/tiny` (after `profile`'s example)

    Example: `omnizip-cost compare out/tiny --explain --device cpu.toml` (after the examples of
    `devices` and `profile`)

    Example: `omnizip-cost compare analysis/measurements/cpu --predictions
    analysis/predictions/cpu.parquet` (in a checkout)
    """
    from omnizip_cost.compare import compare

    require_one_format(as_json=as_json, as_csv=as_csv)
    times.check()
    if predictions is not None:
        check_alone(explain=times.explain, calibration=times.calibration)
    measured, specs = read_measurements(rows)
    if predictions is not None:
        _compare_recorded(rows, measured, specs, predictions, times, out, as_json, as_csv)
        return
    compared = compare(measured, specs)
    chosen = times.chosen(compared)
    found = times.predicted(measured, specs)
    if found is not None:
        compared, chosen = found.beside(compared), found.beside(chosen)
    steps = found.waterfalls(times.timer) if found and times.explain else None
    if out is not None:
        from omnizip_cost.cli.publish import draw_figures, write_tables

        write_tables(out, measured, compared, steps.rows if steps else ())
        draw_figures(out)
    if steps is not None:
        if not emit(steps.rows, as_json=as_json, as_csv=as_csv):
            from omnizip_cost.cli.explain import print_waterfalls

            print_waterfalls(steps)
    elif not emit(chosen, as_json=as_json, as_csv=as_csv):
        print_compared(chosen)


def _compare_recorded(
    folder: Path,
    measured: Sequence[MeasurementRow],
    specs: dict[str, ModelSpec],
    predictions: Path,
    times: TimeOptions,
    out: Path | None,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Compare with what was on record."""
    from omnizip_cost.cli.recorded_rows import print_recorded, recorded_rows, write_recorded

    found = recorded_rows(store_of(folder), measured, specs, predictions, times.device)
    chosen = times.chosen(found.rows)
    if out is not None:
        write_recorded(out, found.rows)
    if not emit(chosen, as_json=as_json, as_csv=as_csv):
        print_recorded(found, chosen)


def measured_before(measured: Sequence[MeasurementRow], start_utc: str) -> list[str]:
    """Say how many configurations an earlier run left complete, since when, and how to redo it."""
    earlier = [row for row in measured if row.created_utc < start_utc]
    if not earlier:
        return []
    count = len({row.label for row in earlier})
    return [
        f"{count} of {len({row.label for row in measured})} configurations were measured before "
        f"this run, from {min(row.created_utc for row in earlier)} on, and not again: another "
        "--out measures afresh."
    ]


def read_measurements(folder: Path) -> tuple[list[MeasurementRow], dict[str, ModelSpec]]:
    """Read a store's rows and the specs of the models it names."""
    from omnizip_cost.errors import InputFileError
    from omnizip_cost.specs import spec_from_config

    store = store_of(folder)
    if not store.rows_path.is_file():
        raise InputFileError(
            store.rows_path,
            "there are no measured rows",
            "`omnizip-cost profile ... --out DIR` makes them",
        )
    specs = {name: spec_from_config(config, name) for name, config in store.thinkers().items()}
    return list(store.rows()), specs


def store_of(folder: Path) -> MeasurementStore:
    """Return the store that a folder is, or holds as ``measurements``."""
    from omnizip_cost.results import MeasurementStore

    folder = folder.parent if folder.suffix == ".parquet" else folder
    inner = folder / "measurements"
    return MeasurementStore(inner if inner.is_dir() else folder)


def print_compared(compared: Sequence[CompareRow]) -> None:
    """Print a table *paper formula / exact count / observed* per clip, and the errors of all."""
    from omnizip_cost.cli.publish import verdicts

    settings = [(row.model, row.weights, row.device, row.clip) for row in compared]
    for setting in dict.fromkeys(settings):
        _print_table([row for row, own in zip(compared, settings, strict=True) if own == setting])
    several = len(set(settings)) > 1
    notes = [
        *([_AFTERWARDS] if _timed(compared) else ()),
        *verdicts(compared),
        *(
            f"{row.label}{f' of {row.clip}' if several else ''}: {row.explanation}"
            for row in compared
            if row.error_exact is not None and abs(row.error_exact) > LARGE_ERROR
        ),
    ]
    print("\n".join(notes))


def _timed(compared: Sequence[CompareRow]) -> bool:
    """Whether the model of time was asked about rows that are measured already."""
    return any("speedup_predicted" in row.keys() for row in compared)  # noqa: SIM118


def _print_table(compared: Sequence[CompareRow]) -> None:
    """Print the configurations of one model on one clip and device."""

    def cell(value: float | None, form: str) -> str:
        return "-" if value is None else format(value, form)

    timed = _timed(compared)
    show(
        f"Prefill speed-up over full tokens, selection inside: {compared[0].model}, "
        f"{compared[0].weights} weights, {compared[0].device}, {compared[0].clip}",
        (
            "configuration",
            "kept",
            "Eq. 9",
            "exact",
            *((COMPUTED_NOW,) if timed else ()),
            "observed",
            "spread",
            "Eq. 9 err",
            "exact err",
            *(("now err", "now ms") if timed else ()),
            "prefill ms",
            "select ms",
            "end to end",
        ),
        [
            (
                row.label,
                cell(row.realised, ".1%"),
                cell(row.speedup_eq9, ".2f"),
                cell(row.speedup_exact, ".2f"),
                *((cell(row["speedup_predicted"], ".2f"),) if timed else ()),
                cell(row.speedup_observed, ".2f") if row.status == "ok" else row.status.upper(),
                "-"
                if row.speedup_observed_low is None
                else f"{row.speedup_observed_low:.2f}-{row.speedup_observed_high:.2f}",
                cell(row.error_eq9, "+.1%"),
                cell(row.error_exact, "+.1%"),
                *(
                    (
                        cell(row["error_predicted"], "+.1%"),
                        milliseconds(row["prefill_predicted_s"]),
                    )
                    if timed
                    else ()
                ),
                milliseconds(row.prefill_s),
                milliseconds(row.selection_s),
                cell(row.end_to_end_speedup, ".2f"),
            )
            for row in compared
        ],
    )


def milliseconds(seconds: float | None) -> str:
    """Write seconds as milliseconds, or a dash."""
    from omnizip_cost.units import MILLI

    return "-" if seconds is None else f"{seconds / MILLI:,.1f}"
