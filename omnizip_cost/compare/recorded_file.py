"""Predictions on disk: a table that only grows, each row sealed when it is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import MISSING, fields, replace
from pathlib import Path

from omnizip_cost.compare.recorded import RecordedPrediction
from omnizip_cost.compare.recorded_check import require_one_each
from omnizip_cost.errors import InputFileError, OmnizipCostError
from omnizip_cost.results import read_table, write_table
from omnizip_cost.results.lock import WriterLock
from omnizip_cost.results.schema import record_of


def read_recorded(path: str | Path) -> tuple[RecordedPrediction, ...]:
    """Read predictions that :func:`add_recorded` wrote.

    Raises
    ------
    InputFileError
        A file that cannot be read, holds something else, was edited, or says two things of one
        cell.
    InvalidValueError
        A name that ends neither in ``.parquet`` nor in ``.csv``.
    """
    path = Path(path)
    table = read_table(path)
    own = {item.name: item.default for item in fields(RecordedPrediction)}
    missing = [name for name in own if name not in table and own[name] is MISSING]
    if missing or not set(table) <= set(own):
        raise InputFileError(
            path,
            "does not hold predictions on record: its columns are others",
            "`predict --record FILE` writes them",
        )
    try:
        rows = tuple(
            RecordedPrediction(
                **record_of(RecordedPrediction, {str(name): one[name] for name in one})
            )
            for one in table.to_dict("records")
        )
        require_one_each(rows)
    except OmnizipCostError as error:
        raise InputFileError(path, f"does not hold predictions on record: {error}") from None
    for row in rows:
        if row.fingerprint != row.digest():
            raise InputFileError(
                path,
                f"the {row.kind} prediction of {row.label} on {row.clip!r} was changed after it "
                "was written",
                "take the file as it was written",
            )
    return rows


def add_recorded(
    new: Iterable[RecordedPrediction], path: str | Path
) -> tuple[RecordedPrediction, ...]:
    """Add predictions to a file, which is made where there is none; what is in it stays as it is.

    Returns
    -------
    tuple of RecordedPrediction
        Everything that the file holds now.

    Raises
    ------
    InputFileError
        Another process is writing there, or the file is damaged.
    InvalidValueError
        A cell of which it already holds a prediction of that kind, or another ending.
    """
    path = Path(path)
    lock = WriterLock(path.with_name(f".{path.name}.lock"))
    lock.acquire()
    try:
        kept: Sequence[RecordedPrediction] = read_recorded(path) if path.is_file() else ()
        rows = (*kept, *(replace(row, fingerprint=row.digest()) for row in new))
        require_one_each(rows)
        write_table(rows, path)
    finally:
        lock.release()
    return rows
