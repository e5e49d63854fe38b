"""The measurement store: one Parquet file of rows, one JSON file of environments.

A killed run loses at most the cell it was measuring: both files are replaced whole. What is
written first never refers to what is written later: environments go before the rows that name
them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from types import NoneType, TracebackType
from typing import Any, Self, get_args, get_type_hints

import pandas as pd
import pyarrow as pa

from omnizip_cost.errors import InputFileError, InvalidValueError, OmnizipCostError
from omnizip_cost.results.lock import WriterLock
from omnizip_cost.results.schema import IDENTITY_FIELDS, CellKey, MeasurementRow, environment_id
from omnizip_cost.results.tables import (
    atomic_write_bytes,
    parquet_bytes,
    read_arrow,
    read_table,
    remove_leftovers,
    write_table,
)

__all__ = ["MeasurementStore", "read_table", "write_table"]

ROWS_FILE = "rows.parquet"
ENVIRONMENT_FILE = "environment.json"
LOCK_FILE = "writer.lock"
FORMAT = 1
"""Version of the JSON file's layout."""

_ARROW = {str: pa.string(), int: pa.int64(), float: pa.float64()}


class MeasurementStore:
    """Measured rows in a folder, one set of rows per cell.

    Reading needs nothing; writing takes the folder's lock, for one :meth:`append` or for a whole
    ``with store:`` block. A cell's rows replace all earlier rows of that cell.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.rows_path = self.folder / ROWS_FILE
        self.environment_path = self.folder / ENVIRONMENT_FILE
        self._lock = WriterLock(self.folder / LOCK_FILE)
        self._depth = 0

    def __enter__(self) -> Self:
        if self._depth == 0:
            self._lock.acquire()
            remove_leftovers(self.rows_path)
            remove_leftovers(self.environment_path)
        self._depth += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._lock.release()

    def rows(self) -> tuple[MeasurementRow, ...]:
        """Return every stored row, in the order in which its cell was first written."""
        if not self.rows_path.exists():
            return ()
        records = read_arrow(self.rows_path).to_pylist()
        try:
            return tuple(MeasurementRow.from_mapping(record) for record in records)
        except OmnizipCostError as error:
            raise InputFileError(self.rows_path, f"does not hold measurements: {error}") from None

    def frame(self) -> pd.DataFrame:
        """Return the rows as a data frame, one column per field (empty when nothing is stored)."""
        whole = {pa.int64(): pd.Int64Dtype()}
        frame: pd.DataFrame = _table(self.rows()).to_pandas(
            types_mapper=whole.get, use_threads=False
        )
        return frame

    def done_keys(self, *, samples: int = 1) -> frozenset[CellKey]:
        """Return the cells that need no further run.

        A cell is done when its rows say out of memory, or when all of them are ok with at least
        ``samples`` samples each. Failed cells are tried again.
        """
        return frozenset(
            key
            for key, rows in self.cells().items()
            if any(row.status == "oom" for row in rows)
            or all(row.status == "ok" and len(row.samples_s) >= samples for row in rows)
        )

    def cells(self) -> dict[CellKey, tuple[MeasurementRow, ...]]:
        """Return the stored rows by cell, cells in the order of their first row."""
        found: dict[CellKey, list[MeasurementRow]] = {}
        for row in self.rows():
            found.setdefault(row.cell_key, []).append(row)
        return {key: tuple(rows) for key, rows in found.items()}

    def append(self, rows: Iterable[MeasurementRow]) -> None:
        """Store the rows of one or more whole cells, at once and durably.

        Raises
        ------
        InvalidValueError
            Two rows with the same key, or an environment that was never registered.
        InputFileError
            Another process is writing here, or the stored file is damaged.
        """
        new: dict[CellKey, list[MeasurementRow]] = {}
        keys: set[CellKey] = set()
        for row in rows:
            if row.key in keys:
                raise InvalidValueError("store", "rows", "one row per cell and stage", row.key)
            keys.add(row.key)
            new.setdefault(row.cell_key, []).append(row)
        if not new:
            return
        with self:
            self._check_environments(row for group in new.values() for row in group)
            merged = {**self.cells(), **{key: tuple(group) for key, group in new.items()}}
            table = _table(row for group in merged.values() for row in group)
            atomic_write_bytes(self.rows_path, parquet_bytes(table))

    def environments(self) -> list[dict[str, Any]]:
        """Return what is known of each environment: id, identity, and its sessions."""
        return list(self._sidecar()["environments"])

    def thinkers(self) -> dict[str, Any]:
        """Return the thinker config behind each model name."""
        return dict(self._sidecar()["thinkers"])

    def register(
        self,
        record: Mapping[str, Any],
        *,
        model: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> str:
        """Note an environment, and a thinker's config, before rows refer to them.

        Facts that must agree (:data:`IDENTITY_FIELDS`) are kept once; the rest (date, commit,
        clocks, load) is added as one more session.

        Returns
        -------
        str
            The environment's id, for the rows.

        Raises
        ------
        InvalidValueError
            The model name is already in this store with another config.
        """
        identity = {name: record.get(name) for name in IDENTITY_FIELDS}
        session = {name: value for name, value in record.items() if name not in identity}
        key = environment_id(record)
        with self:
            sidecar = self._sidecar()
            entry = next((item for item in sidecar["environments"] if item["id"] == key), None)
            if entry is None:
                entry = {"id": key, "identity": identity, "sessions": []}
                sidecar["environments"].append(entry)
            if session not in entry["sessions"]:
                entry["sessions"].append(session)
            if model is not None:
                self._note_thinker(sidecar["thinkers"], model, dict(config or {}))
            text = json.dumps(sidecar, indent=1, allow_nan=False) + "\n"
            atomic_write_bytes(self.environment_path, text.encode())
        return key

    @staticmethod
    def _note_thinker(thinkers: dict[str, Any], model: str, config: dict[str, Any]) -> None:
        plain = json.loads(json.dumps(config, default=str))
        if thinkers.setdefault(model, plain) != plain:
            raise InvalidValueError(
                "store",
                "model",
                "a name with one config only",
                model,
                "measure the other config into another folder",
            )

    def _check_environments(self, rows: Iterable[MeasurementRow]) -> None:
        known = {item["id"] for item in self.environments()}
        for row in rows:
            if row.environment_id not in known:
                raise InvalidValueError(
                    "store",
                    "environment_id",
                    "registered before its rows are stored",
                    row.environment_id,
                )

    def _sidecar(self) -> dict[str, Any]:
        if not self.environment_path.exists():
            return {"format": FORMAT, "environments": [], "thinkers": {}}
        try:
            found = json.loads(self.environment_path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputFileError(self.environment_path, f"is not readable JSON: {error}") from None
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise InputFileError(self.environment_path, f"does not say that its format is {FORMAT}")
        lists = isinstance(found.get("environments"), list)
        if not lists or not isinstance(found.get("thinkers"), dict):
            raise InputFileError(
                self.environment_path, "lacks the list `environments` or the table `thinkers`"
            )
        return found


def _table(rows: Iterable[MeasurementRow]) -> pa.Table:
    """Return an Arrow table whose column types follow the row class, filled or not."""
    hints = get_type_hints(MeasurementRow)
    columns = [
        pa.field(item.name, _arrow_type(hints[item.name])) for item in fields(MeasurementRow)
    ]
    return pa.Table.from_pylist([dict(row) for row in rows], schema=pa.schema(columns))


def _arrow_type(hint: Any) -> pa.DataType:
    kinds = [kind for kind in get_args(hint) if kind is not NoneType]
    if Ellipsis in kinds:
        return pa.list_(_ARROW[kinds[0]])
    return _ARROW[kinds[0] if kinds else hint]
