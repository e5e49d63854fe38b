"""Attention in the cross-validation: forms and tables, fitted to part of the records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from fit_attention import DATA, columns, fit_panel
from fit_attention import read as read_records
from kernel_crossval_kinds import Columns, Floats, Kernel, Split

from omnizip_cost.latency.kernels.attention import panel_ms
from omnizip_cost.units import MILLI

LONG = "seq >= 256"
SHORT = "seq < 256"
LEAST_SEQ = 255
"""Decode records hold one token fewer than a power of two."""

ACCURACY = DATA / "accuracy.csv"
TOLD = "heads"
"""The way of leaving out whose errors the package tells: whole counts of heads."""


def attention(op: str, most: float, most_heads: float) -> Kernel:
    """One operator, with the most that medians should be: of records, of unseen counts of heads."""

    def read(silicon: Path, device: str) -> tuple[Columns, Floats]:
        records = columns(read_records(silicon, device, op))
        return records, records.pop("latency_ms") * MILLI

    def fit(device: str, seen: Columns, seconds: Floats) -> Callable[[Columns], Floats]:
        panels = {}
        for head_dim in np.unique(seen["head_dim"]):
            own = seen["head_dim"] == head_dim
            records = {name: values[own] for name, values in seen.items()}
            records["latency_ms"] = seconds[own] / MILLI
            panels[head_dim] = fit_panel(device, op, int(head_dim), records)

        def predict(unseen: Columns) -> Floats:
            times = np.empty(len(unseen["seq"]))
            for head_dim, panel in panels.items():
                own = unseen["head_dim"] == head_dim
                some = {name: values[own] for name, values in unseen.items()}
                times[own] = panel_ms(panel, op, some) * MILLI
            return times

        return predict

    def target(device: str, split: str, sizes: str) -> float | None:
        if sizes != LONG or split == "seq":
            return None
        return most_heads if split == "heads" else most

    def store(device: str, errors: Mapping[str, Mapping[str, float]]) -> None:
        new = {"kind": "left out", "of": device, "op": op}
        new |= {key: round(value, 4) for key, value in errors[TOLD].items()}
        table = pd.read_csv(ACCURACY)
        same = (table["kind"] == new["kind"]) & (table["of"] == device) & (table["op"] == op)
        table = pd.concat([table[~same], pd.DataFrame([new])])
        table.sort_values(["kind", "of", "op"]).to_csv(ACCURACY, index=False)

    return Kernel(
        read=read,
        fit=fit,
        splits=(
            Split(name="rows"),
            Split(name="heads", together=("heads",)),
            Split(name="seq", together=("seq",)),
        ),
        sizes={
            LONG: lambda asked: asked["seq"] >= LEAST_SEQ,
            SHORT: lambda asked: asked["seq"] < LEAST_SEQ,
        },
        target=target,
        store=store,
    )


ATTENTION = {
    "prefill_attention": attention("prefill_attention", 0.025, 0.03),
    "decode_attention": attention("decode_attention", 0.025, 0.03),
    "encoder_attention": attention("encoder_attention", 0.03, 0.03),
}
