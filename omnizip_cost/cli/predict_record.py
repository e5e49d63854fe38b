"""``predict --record``: predictions written down before anybody measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from omnizip_cost.errors import InputFileError, OptionsError

if TYPE_CHECKING:
    from omnizip_cost.cli.methods import MethodOptions
    from omnizip_cost.cli.predict import Case
    from omnizip_cost.compare.recorded import RecordedPrediction, UsedCalibration, Writer
    from omnizip_cost.compression import Plan
    from omnizip_cost.specs import ModelSpec
    from omnizip_cost.workload import Workload

RecordOption = Annotated[
    Path | None,
    typer.Option(
        "--record",
        help="Write them down, with date and commit, in this .parquet or .csv file, which is added "
        "to and never changed: `compare --predictions` holds rows measured later against it. Give "
        "the input, --decode and --dtype that `profile` will have.",
    ),
]


def check_record(path: Path, *, layers_given: bool) -> None:
    """Refuse what no measured row can be held against, before anything is computed.

    Raises
    ------
    InputFileError, OptionsError
    """
    from omnizip_cost.results.tables import SUFFIXES

    if path.suffix.lower() not in SUFFIXES:
        endings = " or ".join(SUFFIXES)
        raise InputFileError(path, f"predictions are a table: a name ending in {endings}")
    if layers_given:
        raise OptionsError("predict", "--record and --layer-tokens exclude each other")


def labels(methods: MethodOptions, work: Workload, spec: ModelSpec) -> dict[Plan, str]:
    """What `profile` calls each configuration."""
    found: dict[Plan, str] = {}
    for setting in methods.settings():
        found.setdefault(methods.plan(setting, work, spec), setting.label)
    return found


def write_record(
    cases: Sequence[Case], titles: Mapping[Plan, str], calibration: Path | None, path: Path
) -> int:
    """Add every case to the file; return how many.

    Raises
    ------
    OptionsError
        A bare count of tokens, or an engine that nothing here measures.
    InvalidValueError
        A cell that the file holds already.
    """
    from omnizip_cost import __version__
    from omnizip_cost.compare.recorded import Writer
    from omnizip_cost.compare.recorded_file import add_recorded
    from omnizip_cost.results.commit import git_commit, now_utc

    writer = Writer(
        package_version=__version__,
        git_commit=git_commit() or "",
        created_utc=now_utc(),
        calibration=_used(calibration, cases),
    )
    rows = [_recorded(writer, case, titles[case.prediction.plan]) for case in cases]
    add_recorded(rows, path)
    return len(rows)


def _used(path: Path | None, cases: Sequence[Case]) -> UsedCalibration | None:
    """The calibration that the cases were made with, and the file behind it."""
    from omnizip_cost.compare.recorded import UsedCalibration

    if path is None:
        return None
    return UsedCalibration.of(path.name, path.read_bytes(), cases[0].prediction.calibration)


def _recorded(writer: Writer, case: Case, label: str) -> RecordedPrediction:
    from omnizip_cost.compare.predicted import run_as

    if case.work.bare_tokens is not None:
        raise OptionsError(
            "predict",
            "--record needs a clip (CLIP, or --seconds and --pixels): nothing measures "
            "a bare count of tokens",
        )
    execution, attention = run_as(case.prediction.backend.name)
    return writer.record(
        case.prediction,
        case.full,
        clip=case.work.name,
        label=label,
        attention=attention,
        execution=execution,
    )
