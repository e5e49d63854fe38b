"""How far borrowed kernel times are off: each measured device timed by another's efficiency.

    python analysis/kernel_lending.py SILICON

Writes its lines of ``accuracy.csv`` beside the tables of the package: for each kinship of lender
and borrower the errors of lending, pooled over the pairs below, and those of the plain roofline.
``kernel_crossval.py --store`` writes the other lines, errors on left-out records.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from attention_store import other_device, other_head_dim
from chips import CHIPS
from fit_attention import LENDER, OPS
from kernel_crossval_attention import ACCURACY, LEAST_SEQ

from omnizip_cost.hardware.load import load_device
from omnizip_cost.latency.kernels.attention import panel_ms, panels
from omnizip_cost.latency.kernels.borrowed import borrowed_s
from omnizip_cost.latency.kernels.roofline import roofline_s
from omnizip_cost.latency.kernels.shapes import DIMENSIONS, checked_shape
from omnizip_cost.latency.kernels.times import launch_s, measured_s
from omnizip_cost.units import MILLI

PAIRS = {
    "neighbour": (
        ("h100-sxm", "h200-sxm"),
        ("h200-sxm", "h100-sxm"),
        ("l40s", "rtx-pro-6000"),
        ("rtx-pro-6000", "l40s"),
    ),
    "generation": (
        ("a100-sxm", "h100-sxm"),
        ("h100-sxm", "a100-sxm"),
        ("l40s", "a100-sxm"),
        ("h200-sxm", "rtx-pro-6000"),
    ),
}
"""Lender, borrower."""


def summary(off: np.ndarray) -> dict[str, float]:
    """Median and ninth decile of absolute errors."""
    size = np.abs(off)
    tenths = np.quantile(size, [0.5, 0.9])
    return {"median": round(float(tenths[0]), 4), "p90": round(float(tenths[1]), 4)}


def records(silicon: Path, device: str, op: str) -> pd.DataFrame:
    """Measured shapes of one operator, those that the targets are about."""
    found = pd.read_parquet(silicon / f"{device}.parquet")
    found = found[found["op"] == op]
    if op == "gemm":
        return found[(found["m"] >= 64) & (found["n"] >= 512) & (found["k"] >= 512)]
    return found[found["seq"] >= LEAST_SEQ]


def lending(silicon: Path, lender: str, borrower: str, op: str) -> np.ndarray:
    """Relative errors of one pair."""
    found = records(silicon, borrower, op)
    names = [name for name in DIMENSIONS[op] if name in found]
    shape = checked_shape(op, {name: found[name].to_numpy() for name in names})
    lends, borrows = load_device(lender), load_device(borrower)
    lent = measured_s(lends, op, shape)
    seconds = borrowed_s(borrows, lends, op, shape, lent, launch_s(lender, op))
    return np.asarray(seconds / (found["latency_ms"].to_numpy(float) * MILLI) - 1)


def bare(silicon: Path, op: str) -> np.ndarray:
    """Relative errors of the plain roofline, all measured devices."""
    off = []
    for device in CHIPS:
        found = records(silicon, device, op)
        names = [name for name in DIMENSIONS[op] if name in found]
        shape = checked_shape(op, {name: found[name].to_numpy() for name in names})
        seconds = roofline_s(load_device(device), op, shape)
        off.append(np.asarray(seconds / (found["latency_ms"].to_numpy(float) * MILLI) - 1))
    return np.concatenate(off)


def carried(silicon: Path, op: str) -> np.ndarray:
    """Errors of what the A100's tables do, on a device that can tell: RTX PRO 6000 from L40S."""
    own, lent = (panels(device, "prefill_attention") for device in ("rtx-pro-6000", LENDER))
    found = records(silicon, "rtx-pro-6000", op)
    off = []
    for head_dim, some in found[found["head_dim"] != 128].groupby("head_dim"):
        theirs = panels(LENDER, op)
        if op == "encoder_attention":
            panel = other_device(theirs[int(head_dim)], own[128], lent[128])
        else:
            mine = panels("rtx-pro-6000", op)
            panel = other_head_dim(mine[128], theirs[int(head_dim)], theirs[128])
        names = [name for name in DIMENSIONS[op] if name in some]
        shape = checked_shape(op, {name: some[name].to_numpy() for name in names})
        off.append(panel_ms(panel, op, shape) / some["latency_ms"].to_numpy(float) - 1)
    return np.concatenate(off)


def main() -> None:
    """Print every pair and write the pooled table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("silicon", type=Path)
    silicon = parser.parse_args().silicon
    rows = []
    for op in OPS:
        rows.append(
            {"kind": "carried", "of": "a100-sxm", "op": op, **summary(carried(silicon, op))}
        )
    for op in ("gemm", *OPS):
        rows.append({"kind": "roofline", "of": "all", "op": op, **summary(bare(silicon, op))})
    for kin, pairs in PAIRS.items():
        for op in ("gemm", *OPS):
            off = []
            for lender, borrower in pairs:
                if not len(records(silicon, borrower, op)) or not len(records(silicon, lender, op)):
                    continue
                off.append(lending(silicon, lender, borrower, op))
                bias = float(np.median(off[-1]))
                print(f"{op:18} {lender:>13} -> {borrower:13} bias {bias:+.1%}", summary(off[-1]))
            rows.append({"kind": "lent", "of": kin, "op": op, **summary(np.concatenate(off))})
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))
    old = pd.read_csv(ACCURACY)
    kept = old[~old["kind"].isin(table["kind"].unique())]
    pd.concat([kept, table]).sort_values(["kind", "of", "op"]).to_csv(ACCURACY, index=False)


if __name__ == "__main__":
    main()
