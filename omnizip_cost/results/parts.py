"""A table too large for memory: a folder of Parquet files, each there whole or not at all.

Files lie in ``name=value`` folders and hold every column themselves, so that one file, one folder
or the whole reads alike (``pandas.read_parquet``). What begins with ``_`` is not part of the table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.results.tables import atomic_file, remove_leftovers

Column = NDArray[np.generic] | str
"""Values of a column, or the one text that all rows of the block share."""

Block = Mapping[str, Column]
"""Some rows of a table, column by column, in the table's order."""


def part_path(folder: Path, keys: Mapping[str, str], number: int) -> Path:
    """Where part ``number`` of the rows with these values lies.

    Raises
    ------
    InvalidValueError
        A value that readers take for a number, as they do with all digits in a folder's name.

    Examples
    --------
    >>> part_path(Path("out"), {"model": "org/7b", "convention": "eq9"}, 3).as_posix()
    'out/model=org%2F7b/convention=eq9/part-00003.parquet'
    """
    for name, value in keys.items():
        if re.fullmatch(r"[+-]?\d+", value):
            expected = "a name that readers of Parquet folders do not take for a number"
            raise InvalidValueError("table", name, expected, value, "rename it")
    names = [f"{name}={quote(value, safe='')}" for name, value in keys.items()]
    return folder.joinpath(*names, f"part-{number:05d}.parquet")


def part_rows(path: Path) -> int | None:
    """Rows of a finished part; None where there is no such file or not a whole one."""
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowException):
        return None


def write_part(path: Path, blocks: Iterable[Block], *, repeated: Sequence[str]) -> int:
    """Write one part, a block in memory at a time; return its bytes.

    Unfinished copies that a killed writer left are removed.

    Parameters
    ----------
    path : Path
    blocks : iterable of mapping
        At least one; each becomes a row group.
    repeated : sequence of str
        Columns of numbers with few different values, stored as a dictionary; texts always are.

    Raises
    ------
    InputFileError
        The place cannot be written to, or the disk is full; nothing of the part is left then.
    """
    remove_leftovers(path)
    with atomic_file(path) as file:
        write_blocks(file, blocks, repeated=repeated)
        return file.tell()


def write_blocks(file: BinaryIO, blocks: Iterable[Block], *, repeated: Sequence[str]) -> None:
    """Write a Parquet file to an open binary file; see :func:`write_part`."""
    writer: pq.ParquetWriter | None = None
    try:
        for block in blocks:
            table = pa.table({name: _arrow(block, name) for name in block})
            if writer is None:
                writer = _writer(file, table.schema, block, repeated)
            writer.write_table(table, row_group_size=max(table.num_rows, 1))
    finally:
        if writer is not None:
            writer.close()


def _writer(
    file: BinaryIO, schema: pa.Schema, block: Block, repeated: Sequence[str]
) -> pq.ParquetWriter:
    """Open a writer: columns of real numbers go byte by byte, which compresses them better."""
    texts = [name for name, values in block.items() if isinstance(values, str)]
    real = [
        name
        for name, values in block.items()
        if not isinstance(values, str) and values.dtype.kind == "f" and name not in repeated
    ]
    return pq.ParquetWriter(
        file,
        schema,
        compression="snappy",
        use_dictionary=[*texts, *repeated],
        use_byte_stream_split=real,
    )


def _arrow(block: Block, name: str) -> pa.Array:
    values = block[name]
    if not isinstance(values, str):
        return pa.array(values)
    rows = next(len(other) for other in block.values() if not isinstance(other, str))
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([values]))
