"""Tables on disk, Parquet or CSV: written whole or not at all, read back as they were."""

from __future__ import annotations

import io
import json
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from omnizip_cost.errors import InputFileError, InvalidValueError
from omnizip_cost.results.row import FlatRow

SUFFIXES = (".parquet", ".csv")
TEMPORARY = ".tmp"
"""Ending of a file that is not finished; readers never look at one."""

Rows = Iterable[FlatRow | Mapping[str, Any]]


def write_table(table: pd.DataFrame | Rows, path: str | Path) -> Path:
    """Write a table so that a reader sees the old file or the new one, never a part.

    Parameters
    ----------
    table
        A data frame, or rows that all have the same columns. Lists are kept: as lists in
        Parquet, as JSON in CSV.
    path
        Ends in ``.parquet`` or ``.csv``; missing folders are made.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InvalidValueError
        Another ending, no row and no column, or a value the format cannot hold.
    """
    path = Path(path)
    kind = _kind(path)
    frame = table if isinstance(table, pd.DataFrame) else _frame(table)
    data = _csv_bytes(frame) if kind == ".csv" else _parquet_bytes(frame)
    atomic_write_bytes(path, data)
    return path


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a table that :func:`write_table` or another program wrote.

    Raises
    ------
    InvalidValueError
        The name ends neither in ``.parquet`` nor in ``.csv``.
    InputFileError
        The file is missing, empty, cut short or not a table.
    """
    path = Path(path)
    kind = _kind(path)
    data = _bytes_of(path)
    return _read_csv(path, data) if kind == ".csv" else _read_parquet(path, data)


def atomic_write_bytes(path: str | Path, data: bytes) -> None:
    """Write a file beside its place, flush it to the disk, then rename it into place.

    Raises
    ------
    InputFileError
        A folder that cannot be made or written to, a full disk.
    """
    with atomic_file(path) as file:
        file.write(data)


@contextmanager
def atomic_file(path: str | Path) -> Iterator[BinaryIO]:
    """Open a file beside its place; flushed and renamed into place when the block ends well.

    Raises
    ------
    InputFileError
        A folder that cannot be made or written to, a full disk.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}{TEMPORARY}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)  # noqa: PTH105 - the one call the crash tests interrupt
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise InputFileError(path, f"cannot be written: {error.strerror}") from error
        raise
    _flush_folder(path.parent)


def remove_leftovers(path: str | Path) -> int:
    """Delete unfinished copies of ``path`` that killed writers left; return how many."""
    path = Path(path)
    found = list(path.parent.glob(f".{path.name}.*{TEMPORARY}"))
    for leftover in found:
        leftover.unlink(missing_ok=True)
    return len(found)


def parquet_bytes(table: pa.Table) -> bytes:
    """Return the bytes of a Parquet file that holds this Arrow table."""
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def read_arrow(path: str | Path) -> pa.Table:
    """Read a Parquet file as an Arrow table; a damaged one is an :class:`InputFileError`."""
    return _arrow(Path(path), _bytes_of(Path(path)))


def _kind(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InvalidValueError("table", "path", "a name ending in .parquet or .csv", path.name)
    return suffix


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise InputFileError(path, "there is no such file") from None
    except OSError as error:
        raise InputFileError(path, f"cannot be read: {error.strerror}") from None


def _flush_folder(folder: Path) -> None:
    """Make the rename itself durable; file systems that cannot are left alone."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    with suppress(OSError):
        os.fsync(handle)
    os.close(handle)


def _frame(rows: Rows) -> pd.DataFrame:
    records = [dict(row) for row in rows]
    if not records:
        raise InvalidValueError(
            "table", "rows", "at least one row, or a data frame with columns", records
        )
    columns = list(records[0])
    for record in records:
        if list(record) != columns:
            raise InvalidValueError(
                "table", "rows", f"records with the columns {', '.join(columns)}", list(record)
            )
    return pd.DataFrame({name: _series([record[name] for record in records]) for name in columns})


def _series(values: list[Any]) -> pd.Series[Any]:
    """Whole numbers with gaps stay whole (pandas alone would turn them into floats)."""
    present = [value for value in values if value is not None]
    if present and all(type(value) is int for value in present):
        if max(map(abs, present)) < 2**63:
            return pd.Series(values, dtype="Int64" if len(present) < len(values) else "int64")
        return pd.Series(values, dtype="object")
    return pd.Series(values)


def _parquet_bytes(frame: pd.DataFrame) -> bytes:
    try:
        table = pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, OverflowError) as error:
        raise InvalidValueError(
            "table", "rows", "values of one kind per column that Parquet can hold", str(error)
        ) from None
    return parquet_bytes(table)


def _csv_bytes(frame: pd.DataFrame) -> bytes:
    ready = frame.map(lambda value: json.dumps(list(value)) if _is_list(value) else value)
    return str(ready.to_csv(index=False)).encode()


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple | np.ndarray)


def _arrow(path: Path, data: bytes) -> pa.Table:
    """Read without Arrow's threads: a short command that ends beside one of them aborts."""
    try:
        return pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise InputFileError(path, f"is not a whole Parquet file ({_first_line(error)})") from None


def _read_parquet(path: Path, data: bytes) -> pd.DataFrame:
    frame: pd.DataFrame = _arrow(path, data).to_pandas(use_threads=False)
    for name in frame.columns:
        if any(isinstance(value, np.ndarray) for value in frame[name]):
            frame[name] = [
                value.tolist() if isinstance(value, np.ndarray) else value for value in frame[name]
            ]
    return frame


def _read_csv(path: Path, data: bytes) -> pd.DataFrame:
    """Read every cell as text, then give each column the narrowest kind all its cells fit."""
    try:
        texts = pd.read_csv(io.BytesIO(data), dtype=str, keep_default_na=False)
    except (ValueError, pd.errors.ParserError) as error:
        raise InputFileError(path, f"is not a CSV table ({_first_line(error)})") from None
    return pd.DataFrame({name: _typed(list(texts[name])) for name in texts.columns})


def _typed(texts: list[str]) -> pd.Series[Any]:
    """Give a column its kind: an empty cell is absent, "007" text, "[1, 2]" a list."""
    filled = [text for text in texts if text]
    for kind in (_whole, _boolean, _real, _list):
        try:
            values = [kind(text) if text else None for text in texts]
        except ValueError:
            continue
        if filled:
            return _series(values)
    return pd.Series([text or None for text in texts], dtype="object" if not filled else None)


def _whole(text: str) -> int:
    value = int(text)
    if str(value) != text:
        raise ValueError(text)
    return value


def _boolean(text: str) -> bool:
    return {"True": True, "False": False}[text] if text in {"True", "False"} else _refuse(text)


def _real(text: str) -> float:
    digits = text.lstrip("+-")
    coded = digits[:1] == "0" and digits[1:2].isdigit()
    return _refuse(text) if coded or "_" in text or text != text.strip() else float(text)


def _list(text: str) -> list[Any]:
    return list(json.loads(text)) if text[0] == "[" else _refuse(text)


def _refuse(text: str) -> Any:
    raise ValueError(text)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:120] if lines else type(error).__name__
