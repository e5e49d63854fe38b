"""How far attention times are off on records that the fit did not see.

    python analysis/attention_crossval.py SILICON [--device NAME] [--out FILE]

Left out in turn: rows at random; whole counts of heads; whole pairs of heads and key heads; whole
lengths. Errors are of records of at least 256 tokens (decode records hold one fewer).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from attention_blocks import Floats
from attention_forms import CHIPS
from fit_attention import OPS, columns, fit_panel, read
from numpy.typing import NDArray

from omnizip_cost.latency.kernels.attention import panel_ms

LEAST_SEQ = 255
FOLDS = 4
TARGETS = {"prefill_attention": 0.025, "decode_attention": 0.025, "encoder_attention": 0.03}
"""Median errors to reach on rows and lengths."""
TARGET_HEADS = 0.03
"""On counts of heads that appear nowhere."""
OUT = Path(__file__).resolve().parent / "measurements" / "kernel-crossval" / "attention.csv"

Mask = NDArray[np.bool_]


def splits(records: pd.DataFrame) -> Iterator[tuple[str, Mask]]:
    """Kinds of records left out, and which; deterministic, ends of each axis are kept."""
    draw = np.random.default_rng(0).integers(0, FOLDS, len(records))
    for fold in range(FOLDS):
        yield "rows", draw == fold
    for kind, key in (
        ("heads", records["heads"]),
        ("pairs", records["heads"] * 1000 + records["kv_heads"]),
        ("seq", records["seq"]),
    ):
        values = np.unique(key)[1:-1]
        for fold in range(FOLDS):
            yield kind, key.isin(values[fold::FOLDS]).to_numpy()


def errors(device: str, op: str, records: pd.DataFrame) -> pd.DataFrame:
    """Signed relative errors of every left-out record, by kind of split."""
    parts = []
    for head_dim, some in records.groupby("head_dim"):
        for kind, held in splits(some):
            shape = columns(some[held])
            if not held.any():
                continue
            panel = fit_panel(device, op, int(head_dim), columns(some[~held]))
            off = panel_ms(panel, op, shape) / shape["latency_ms"] - 1
            parts.append(pd.DataFrame({"split": kind, "seq": shape["seq"], "error": off}))
    return pd.concat(parts)


def summary(off: Floats) -> dict[str, float]:
    """Median, ninth decile and shares of absolute errors."""
    size = np.abs(off)
    return {
        "records": len(size),
        "median": round(float(np.median(size)), 5),
        "p90": round(float(np.quantile(size, 0.9)), 5),
        "within_5pct": round(float(np.mean(size <= 0.05)), 4),
        "within_10pct": round(float(np.mean(size <= 0.10)), 4),
    }


def table(silicon: Path, device: str) -> list[dict[str, object]]:
    """One row per operator and kind of split; ``all`` pools all but the lengths."""
    rows: list[dict[str, object]] = []
    for op in OPS:
        records = read(silicon, device, op)
        if records.empty:
            continue
        off = errors(device, op, records)
        off = off[off["seq"] >= LEAST_SEQ]
        kinds = {kind: part["error"] for kind, part in off.groupby("split", sort=False)}
        kinds["all"] = off.loc[off["split"] != "seq", "error"]
        for kind, error in kinds.items():
            target = TARGET_HEADS if kind in ("heads", "pairs") else TARGETS[op]
            rows.append(
                {"device": device, "op": op, "split": kind}
                | summary(error.to_numpy())
                | {"target": target if kind != "all" else None}
            )
    return rows


def main() -> None:
    """Print and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("silicon", type=Path)
    parser.add_argument("--device", action="append", choices=tuple(CHIPS))
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    rows: list[dict[str, object]] = []
    for device in asked.device or CHIPS:
        rows += table(asked.silicon, device)
        print(pd.DataFrame(rows[-15:]).to_string(index=False), flush=True)
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(rows).to_csv(asked.out, index=False)


if __name__ == "__main__":
    main()
