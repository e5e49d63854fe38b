"""Errors of predictors on single kernels that were measured and that they had not seen.

The records are NVIDIA's (columns ``op``, ``m``, ``n``, ``k``, ``batch``, ``seq``, ``heads``,
``kv_heads``, ``head_dim``, ``latency_ms``). Judged are those of the lengths that a prefill has:
products of 64 rows at least, 512 on either side of the weights, attention over 256 tokens and more.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from kernel_crossval_folds import FOLDS, folds
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

LEAST_ROWS, LEAST_SIDE = 64, 512
LEAST_TOKENS = 255
"""In decode a record's cache holds a token fewer than a round number."""
STATED = {"gemm": 0.0487, "prefill_attention": 0.020, "decode_attention": 0.011}
"""Leave-one-out medians of AIConfigurator on its own records, all devices together, as
stated beside the records."""
SPLITS = {"rows": "rows", "pairs": "(n, k) pairs", "n": "values of n", "k": "values of k",
          "m": "values of m", "heads": "head counts", "seq": "lengths"}  # fmt: skip
"""What ways of leaving records out are called here, by the cross-validation's names."""
JUDGED = ("m >= 64, n and k >= 512", "seq >= 256")
"""Sizes that :func:`judged` keeps, as the cross-validation names them."""
TOGETHER = {"rows": (), "pairs": ("n", "k"), "n": ("n",), "k": ("k",), "m": ("m",)}
"""How records are left out: in five parts of the rows, or of the values of these columns."""


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
    sides = {name: products[name].to_numpy(np.float64) for name in DIMENSIONS["gemm"]}
    for split, together in TOGETHER.items():
        fold = folds(sides, together)
        predicted_ms = np.full(len(products), np.nan)
        for number in range(FOLDS):
            asked = products.index[(fold == number) & products.index.isin(wanted)]
            known = products[fold != number]
            predicted_ms[asked] = interpolated_ms(text, device, known, products.loc[asked])
        yield _errors("AIConfigurator's interpolation", device, "gemm", SPLITS[split],
                      predicted_ms[wanted], products.loc[wanted],
                      "aiconfigurator-core on these records alone")  # fmt: skip


def our_errors(crossval: Path) -> Iterator[KernelError]:
    """Errors of our own kernel times, as analysis/kernel_crossval.py wrote them."""
    for row in read_table(crossval).to_dict("records"):
        if row["sizes"] not in JUDGED:
            continue
        yield KernelError(
            predictor="ours",
            device=row["device"],
            op=row["op"],
            left_out=SPLITS[row["split"]],
            records=int(row["records"]),
            median=row["median"],
            p90=row["p90"],
            bias=None,
            target=None if np.isnan(row["target"]) else row["target"],
            source=f"{crossval.parent.name}/{crossval.name}",
        )


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
            target=None,
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
        target=None,
        source=source,
    )
