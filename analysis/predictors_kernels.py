"""Errors of predictors on single kernels that were measured and that they had not seen.

The records are NVIDIA's, as given to this project (columns ``op``, ``m``, ``n``, ``k``, ``batch``,
``seq``, ``heads``, ``kv_heads``, ``head_dim``, ``latency_ms``). Judged are those of the lengths
that a prefill has: products of 64 rows at least, 512 on either side of the weights, attention over
256 tokens and more.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from predictors_interpolation import interpolated_ms
from predictors_tables import KernelError

import omnizip_cost as oz
from omnizip_cost.hardware import load_device
from omnizip_cost.latency.kernels.roofline import roofline_s
from omnizip_cost.latency.kernels.shapes import DIMENSIONS, checked_shape
from omnizip_cost.results.store import read_table
from omnizip_cost.specs import require_thinker
from omnizip_cost.units import MILLI

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

LEAST_ROWS, LEAST_SIDE, LEAST_TOKENS = 64, 512, 256
STATED = {"gemm": 0.0487, "prefill_attention": 0.020, "decode_attention": 0.011}
"""Leave-one-out medians of AIConfigurator on its own records, all devices together, as stated
with the records given to this project."""
FOLDS = 5
GROUPS = {"rows": (), "(n, k) pairs": ("n", "k"), "values of n": ("n",), "values of k": ("k",),
          "values of m": ("m",)}  # fmt: skip
"""How records are left out: one in five of the rows, or of the values of these columns."""


def records_of(folder: Path, device: str) -> pd.DataFrame:
    """Read the records of one device."""
    return read_table(folder / f"{device}.parquet")


def judged(records: pd.DataFrame, op: str) -> pd.DataFrame:
    """Give the records of one operator that errors are computed on."""
    own = records[records["op"] == op]
    if op == "gemm":
        large = (own["n"] >= LEAST_SIDE) & (own["k"] >= LEAST_SIDE)
        return own[(own["m"] >= LEAST_ROWS) & large]
    return own[own["seq"] >= LEAST_TOKENS]


def roofline_errors(records: pd.DataFrame, device: str) -> Iterator[KernelError]:
    """Errors of the plain roofline: dense peak and bandwidth of the datasheet, no efficiency."""
    known = load_device(device)
    for op in dict.fromkeys(records["op"]):
        own = judged(records, op)
        dims = {name: own[name].to_numpy() for name in DIMENSIONS[op] if name in own.columns}
        predicted_ms = roofline_s(known, op, checked_shape(op, dims)) / MILLI
        yield _errors("roofline", device, op, "nothing fitted", predicted_ms, own,
                      "dense bf16 peak and bandwidth of the datasheet")  # fmt: skip


def interpolation_errors(records: pd.DataFrame, device: str) -> Iterator[KernelError]:
    """Errors of AIConfigurator's interpolation, given the rows of each fold alone."""
    text = require_thinker(oz.load_spec("qwen2.5-omni-7b")).text
    products = records[records["op"] == "gemm"].reset_index(drop=True)
    wanted = judged(products, "gemm").index
    for name, columns in GROUPS.items():
        fold = folds(products, columns)
        predicted_ms = np.full(len(products), np.nan)
        for number in range(FOLDS):
            asked = products.index[(fold == number) & products.index.isin(wanted)]
            known = products[fold != number]
            predicted_ms[asked] = interpolated_ms(text, device, known, products.loc[asked])
        yield _errors("AIConfigurator's interpolation", device, "gemm", name,
                      predicted_ms[wanted], products.loc[wanted],
                      "aiconfigurator-core on these records alone")  # fmt: skip


def folds(records: pd.DataFrame, columns: tuple[str, ...]) -> NDArray[np.int64]:
    """Number of the fold of each record: whole groups of equal values, or single rows."""
    groups = records.groupby(list(columns)).ngroup() if columns else np.arange(len(records))
    order = np.random.default_rng(0).permutation(int(np.max(groups)) + 1)
    return np.asarray(order[np.asarray(groups)] % FOLDS)


def stated_errors() -> Iterator[KernelError]:
    """What is stated of AIConfigurator on its own records, left out one by one."""
    for op, median in STATED.items():
        yield KernelError(
            predictor="AIConfigurator",
            device="",
            op=op,
            left_out="one by one",
            records=None,
            median=median,
            p90=None,
            bias=None,
            source="stated with the records; its answers on the records themselves are look-ups",
        )


def _errors(
    predictor: str,
    device: str,
    op: str,
    left_out: str,
    predicted_ms: NDArray[np.float64],
    records: pd.DataFrame,
    source: str,
) -> KernelError:
    ratio = predicted_ms / records["latency_ms"].to_numpy(float)
    error = np.abs(ratio - 1)
    return KernelError(
        predictor=predictor,
        device=device,
        op=op,
        left_out=left_out,
        records=len(records),
        median=float(np.median(error)),
        p90=float(np.quantile(error, 0.9)),
        bias=float(np.median(ratio) - 1),
        source=source,
    )
