"""Fit attention times to measured records and write the tables that the package reads.

    python analysis/fit_attention.py SILICON [--out FOLDER] [--device NAME]

SILICON is the folder of Parquet files, one per device. A form with a meaning is fitted first
(``attention_forms``), then smooth tables of what it misses (``attention_blocks``); their sum is
read off on the corners of small grids, made to rise along both axes, and stored. Two runs write
the same bytes.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from attention_blocks import Block, Floats, corner_weights, falling_no_faster, rising, solve
from attention_forms import KV_HEADS, Records, decode_form, encoder_form, prefill_form
from attention_store import Panels, complete, stored
from chips import CHIPS, chip_of

from omnizip_cost.latency.kernels.attention import DECODE_KV_HEADS
from omnizip_cost.latency.kernels.panel import Grid, Panel

OPS = ("prefill_attention", "decode_attention", "encoder_attention")
COLUMNS = ("batch", "seq", "heads", "kv_heads", "head_dim", "latency_ms")
DATA = Path(__file__).resolve().parent.parent / "omnizip_cost" / "latency" / "kernels" / "data"

SHARES = np.array([1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64], float)
"""Heads that share a key head."""
HEADS = np.array([1, 2, 4, 5, 8, 10, 12, 14, 16, 20, 24, 32], float)
TOKENS = 2.0 ** np.arange(4, 19)
ROWS = 2.0 ** np.arange(0, 18)
STEPS = 2.0 ** np.arange(0, 18)
"""Lanes of decode: sequences times key heads."""
WIDEST = 1.42
"""Longest step between two lengths of a table."""
LENDER = "l40s"
"""Lends to a device without records of an operator or head size."""


def lanes_up_to(top: float) -> Floats:
    """1, 2, 3, then quarters of each power of two: batches times head counts fall on these."""
    powers = 2.0 ** np.arange(2, np.ceil(np.log2(top)) + 1)
    quarters = (powers[:, None] * np.array([1, 1.25, 1.5, 1.75])).ravel()
    return np.concatenate([[1.0, 2.0, 3.0], quarters[quarters <= powers[-1]]])


def lengths(seq: Floats) -> Floats:
    """Measured lengths, and more between those far apart, where the form tells waves of tiles."""
    measured = np.unique(seq)
    axis = [measured[:1]]
    for low, high in pairwise(measured):
        parts = int(np.ceil(np.log(high / low) / np.log(WIDEST))) if low >= 16 else 1
        axis.append(low * (high / low) ** (np.arange(1, parts + 1) / parts))
    return np.concatenate(axis)


def read(silicon: Path, device: str, op: str) -> pd.DataFrame:
    """Records of one operator of one device, as float64."""
    table = pd.read_parquet(silicon / f"{device}.parquet")
    return table.loc[table["op"] == op, list(COLUMNS)].astype(float).reset_index(drop=True)


def columns(records: pd.DataFrame) -> dict[str, Floats]:
    """Arrays by name."""
    return {name: records[name].to_numpy() for name in records.columns}


def fit_panel(device: str, op: str, head_dim: int, records: Records) -> Panel:
    """Fit one device, operator and head size."""
    fitter = {
        "prefill_attention": _prefill,
        "decode_attention": _decode,
        "encoder_attention": _encoder,
    }[op]
    return fitter(device, head_dim, records)


def _encoder(device: str, head_dim: int, records: Records) -> Panel:
    form = encoder_form(chip_of(device), head_dim, records)
    seq, lanes = lengths(records["seq"]), records["batch"] * records["heads"]
    axis = lanes_up_to(lanes.max())
    blocks = [
        Block(first=seq, second=axis, at_first=records["seq"], at_second=lanes, stiff=(0.001, 0.1)),
        Block(first=HEADS, second=seq, at_first=records["heads"], at_second=records["seq"],
              stiff=(0.1, 0.1), pull=0.1),
    ]  # fmt: skip
    core, factor = solve(form.core(records), form.extra(records), records["latency_ms"], blocks)
    corners = _corners(seq, axis)
    logs = np.log(form.core(corners)).reshape(core.shape) + core
    return Panel(
        core=(Grid(first=seq, second=axis, logs=rising(logs, factor)),),
        factor=Grid(first=HEADS, second=seq, logs=factor),
        extra=None,
        growth=2.0,
    )


def _prefill(device: str, head_dim: int, records: Records) -> Panel:
    form = prefill_form(chip_of(device), head_dim, records)
    seq, lanes = lengths(records["seq"]), records["batch"] * records["heads"]
    axis, tokens = lanes_up_to(lanes.max()), records["batch"] * records["seq"]
    share = records["heads"] / records["kv_heads"]
    blocks = [
        Block(first=seq, second=axis, at_first=records["seq"], at_second=lanes,
              stiff=(0.003, 0.003)),
        Block(first=SHARES, second=seq, at_first=share, at_second=records["seq"],
              stiff=(0.01, 0.01), pull=0.01),
        Block(first=KV_HEADS, second=TOKENS, at_first=records["kv_heads"], at_second=tokens,
              stiff=(0.05, 0.02), pull=0.01, extra=True),
    ]  # fmt: skip
    core, factor, extra = solve(
        form.core(records), form.extra(records), records["latency_ms"], blocks
    )
    logs = np.log(form.core(_corners(seq, axis))).reshape(core.shape) + core
    kv_heads, count = (a.ravel() for a in np.meshgrid(KV_HEADS, TOKENS, indexing="ij"))
    one = form.extra({"batch": np.ones_like(count), "seq": count, "kv_heads": kv_heads}) / count
    return Panel(
        core=(Grid(first=seq, second=axis, logs=rising(logs, factor)),),
        factor=Grid(first=SHARES, second=seq, logs=factor),
        extra=Grid(
            first=KV_HEADS,
            second=TOKENS,
            logs=falling_no_faster(np.log(one).reshape(extra.shape) + extra, TOKENS, 1),
        ),
        growth=2.0,
    )


def _decode(device: str, head_dim: int, records: Records) -> Panel:
    form = decode_form(chip_of(device), head_dim, records)
    seq, heads, kv_heads = (records[name] for name in ("seq", "heads", "kv_heads"))
    lanes, share, rows = records["batch"] * kv_heads, heads / kv_heads, records["batch"] * heads
    axis, moved = np.unique(seq), 2.0 ** np.arange(0, 26, 0.25)
    kinds = np.array(DECODE_KV_HEADS, float)
    at_moved = lanes * (seq + 1)
    blocks = [
        Block(first=axis, second=moved, at_first=seq, at_second=at_moved, stiff=(0.03, 0.03),
              where=share > 1),
        Block(first=axis, second=moved, at_first=seq, at_second=at_moved, stiff=(0.03, 0.03),
              where=share == 1),
        Block(first=kinds, second=moved, at_first=kv_heads, at_second=at_moved,
              stiff=(0.1, 0.1), pull=0.1, where=share > 1),
        Block(first=kinds, second=moved, at_first=kv_heads, at_second=at_moved,
              stiff=(0.1, 0.1), pull=0.1, where=share == 1),
        Block(first=SHARES, second=axis, at_first=share, at_second=seq, stiff=(0.3, 0.3),
              pull=0.1),
        Block(first=ROWS, second=SHARES, at_first=rows, at_second=share, stiff=(0.1, 0.1),
              pull=0.01, extra=True),
    ]  # fmt: skip
    tables = solve(form.core(records), form.extra(records), records["latency_ms"], blocks)
    extra, fine = tables[5], lengths(seq)
    at_share, at_seq = (a.ravel() for a in np.meshgrid(SHARES, fine, indexing="ij"))
    factor = corner_weights(SHARES, axis, at_share, at_seq) @ tables[4].ravel()
    factor = factor.reshape(len(SHARES), len(fine))
    steps = STEPS[: int(np.ceil(np.log2(lanes.max()))) + 1]
    cores = []
    for grouped in (True, False):
        common, by_kind = (tables[0], tables[2]) if grouped else (tables[1], tables[3])
        for count in kinds:
            corners = _corners(fine, steps)
            corners |= {
                "batch": corners["heads"] / count,
                "kv_heads": np.full(corners["seq"].shape, count),
            }
            bytes_at = corners["heads"] * (corners["seq"] + 1)
            logs = (
                np.log(form.core(corners))
                + corner_weights(axis, moved, corners["seq"], bytes_at) @ common.ravel()
                + corner_weights(kinds, moved, corners["kv_heads"], bytes_at) @ by_kind.ravel()
            ).reshape(len(fine), len(steps))
            cores.append(Grid(first=fine, second=steps, logs=rising(logs, factor)))
    at_rows, at_share = (a.ravel() for a in np.meshgrid(ROWS, SHARES, indexing="ij"))
    one = (
        form.extra(
            {"batch": at_rows / at_share, "heads": at_share, "kv_heads": np.ones_like(at_rows)}
        )
        / at_rows
    )
    return Panel(
        core=tuple(cores),
        factor=Grid(first=SHARES, second=fine, logs=factor),
        extra=Grid(
            first=ROWS,
            second=SHARES,
            logs=falling_no_faster(np.log(one).reshape(extra.shape) + extra, ROWS, 0),
        ),
        growth=1.0,
    )


def _corners(seq: Floats, lanes: Floats) -> dict[str, Floats]:
    """Shapes at the corners of a grid: one sequence with as many heads as there are lanes."""
    first, second = (a.ravel() for a in np.meshgrid(seq, lanes, indexing="ij"))
    return {"seq": first, "batch": np.ones_like(first), "heads": second, "kv_heads": second}


def fit_device(silicon: Path, device: str) -> Panels:
    """Every operator and head size that was measured on one device."""
    panels: Panels = {}
    for op in OPS:
        records = read(silicon, device, op)
        for head_dim, some in records.groupby("head_dim"):
            panels[op, int(head_dim)] = fit_panel(device, op, int(head_dim), columns(some))
    return panels


def main() -> None:
    """Fit the devices asked for and write one file each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("silicon", type=Path)
    parser.add_argument("--out", type=Path, default=DATA)
    parser.add_argument("--device", action="append", choices=tuple(CHIPS))
    asked = parser.parse_args()
    lender = fit_device(asked.silicon, LENDER)
    for device in asked.device or CHIPS:
        panels = lender if device == LENDER else fit_device(asked.silicon, device)
        complete(panels, lender)
        path = asked.out / f"attention-{device}.npz"
        np.savez_compressed(path, allow_pickle=False, **stored(panels))
        print(f"{path}: {len(panels)} panels, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
