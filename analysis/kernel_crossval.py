"""How far kernel times are off on records that a fit has not seen, as a table.

    python analysis/kernel_crossval.py SILICON [--device NAME ...] [--op NAME ...]
                                       [--out FILE.csv] [--store]

SILICON is the folder of measured kernel times, one ``DEVICE.parquet`` each. For every device,
operator and way of leaving out, the records are cut in five parts and each part is predicted by a
fit to the other four: single records (``rows``), whole matrices (``pairs``: all records of an n
and k), or all records of a value (of n, of k, of m; of heads, of sequence length). Errors are
absolute, relative to the measured time. ``--store`` writes median and 90th percentile into the
data files of the package, from which predictions take their intervals. Devices that are not asked
for keep their lines in the CSV.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from kernel_crossval_attention import ATTENTION
from kernel_crossval_folds import FOLDS, folds
from kernel_crossval_gemm import GEMM
from kernel_crossval_kinds import Columns, Floats, Kernel, Split

from omnizip_cost.results.tables import read_table, write_table

OUT = Path(__file__).parent / "measurements" / "kernel-crossval" / "kernel_crossval.csv"
KERNELS: dict[str, Kernel] = {"gemm": GEMM, **ATTENTION}
"""What is cross-validated: operator -> how to read, split and fit it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRow:
    """Errors of one device, operator and way of leaving out, over some sizes."""

    device: str
    op: str
    split: str
    sizes: str
    """Which left-out records are counted."""
    records: int
    median: float
    p90: float
    within_5pct: float
    within_10pct: float
    target: float | None
    """Most that the median should be; None where none was set."""


def left_out_errors(
    kernel: Kernel, device: str, columns: Columns, seconds: Floats, split: Split
) -> Floats:
    """Relative error of each record, predicted by a fit to the parts that it is not in."""
    part = folds(columns, split.together)
    errors = np.empty(len(seconds))
    for number in range(FOLDS):
        seen, unseen = part != number, part == number
        predict = kernel.fit(device, _only(columns, seen), seconds[seen])
        errors[unseen] = np.abs(predict(_only(columns, unseen)) / seconds[unseen] - 1)
    return errors


def rows_of(silicon: Path, device: str, op: str) -> Iterator[ErrorRow]:
    """Cross-validate one operator of one device, in every way of leaving out."""
    kernel = KERNELS[op]
    columns, seconds = kernel.read(silicon, device)
    if not len(seconds):
        return
    for split in kernel.splits:
        errors = left_out_errors(kernel, device, columns, seconds, split)
        for sizes, counted in kernel.sizes.items():
            some = errors[counted(columns)]
            yield ErrorRow(
                device=device,
                op=op,
                split=split.name,
                sizes=sizes,
                records=len(some),
                median=float(np.median(some)),
                p90=float(np.quantile(some, 0.9)),
                within_5pct=float(np.mean(some <= 0.05)),
                within_10pct=float(np.mean(some <= 0.10)),
                target=kernel.target(device, split.name, sizes),
            )


def _only(columns: Columns, chosen: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Columns:
    return {name: values[chosen] for name, values in columns.items()}


def main() -> None:
    """Cross-validate what is asked for, print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("silicon", type=Path)
    parser.add_argument("--device", action="append")
    parser.add_argument("--op", action="append", choices=tuple(KERNELS))
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--store", action="store_true")
    options = parser.parse_args()
    devices = options.device or sorted(path.stem for path in options.silicon.glob("*.parquet"))
    for device in devices:
        for op in options.op or KERNELS:
            rows = list(rows_of(options.silicon, device, op))
            for row in rows:
                print(_line(row), flush=True)
            if rows:
                write_table(_merged(options.out, rows), options.out)
            if rows and options.store:
                KERNELS[op].store(device, _by_name(KERNELS[op], rows))


def _by_name(kernel: Kernel, rows: list[ErrorRow]) -> dict[str, dict[str, float]]:
    """Errors by split; of sizes that are not the first kind, by split and sizes."""
    first = next(iter(kernel.sizes))
    return {
        row.split if row.sizes == first else f"{row.split}, {row.sizes}": {
            "median": row.median,
            "p90": row.p90,
        }
        for row in rows
    }


def _merged(path: Path, rows: list[ErrorRow]) -> pd.DataFrame:
    """The lines that stand there, less those measured again, and the new ones, in order."""
    new = pd.DataFrame([asdict(row) for row in rows])
    if path.exists():
        old = read_table(path)
        kept = old[(old["device"] != rows[0].device) | (old["op"] != rows[0].op)]
        new = pd.concat([kept, new]) if len(kept) else new
    order = new["op"].map({op: number for number, op in enumerate(KERNELS)})
    return new.assign(_op=order).sort_values(["_op", "device"], kind="stable").drop(columns="_op")


def _line(row: ErrorRow) -> str:
    goal = "" if row.target is None else f"  target {row.target:.1%}"
    return (
        f"{row.device:13} {row.op:18} {row.split:6} {row.sizes:28} {row.records:6} records  "
        f"median {row.median:5.2%}  p90 {row.p90:6.2%}  within 5% {row.within_5pct:4.0%}  "
        f"within 10% {row.within_10pct:4.0%}{goal}"
    )


if __name__ == "__main__":
    sys.exit(main())
