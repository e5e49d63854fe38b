"""Invented tables of clip lengths and of peak memory, for tests only: never a result."""

from __future__ import annotations

from typing import Any

import pandas as pd
from invented_result import result_table

from omnizip_cost.units import GIBI

LINES = {"Full tokens": ("full", 1.0), "OmniZip 35%": ("omnizip", 0.3), "FastV 35%": ("fastv", 0.4),
         "FastV 35% last query": ("fastv", 0.4)}  # fmt: skip
LENGTHS = (5, 20, 60, 300, 600)


def lengths_table(
    *, seen: tuple[int, ...] = (20,), usable_gib: float = 40.0, **same: Any
) -> pd.DataFrame:
    """Four lines over five lengths, of which one stops fitting after a minute."""
    rows = []
    for label, (method, share) in LINES.items():
        wall = label == "FastV 35%"
        for timed, lengths in (("predicted", LENGTHS), ("observed", seen)):
            for seconds in lengths:
                grown = min(seconds, 384)
                broken = wall and seconds > 60
                rows.append({
                    "model": "omni-tiny", "device": "cpu", "dtype": "fp32", "attention": "sdpa",
                    "timed": timed, "kind": "calibrated" if timed == "predicted" else "",
                    "method": method, "label": label, "seconds": seconds, "decode_steps": 16,
                    "weights": "random" if timed == "observed" else "",
                    "status": "oom" if broken else "ok",
                    "prefill_s": 0.01 * share * grown**1.2, "ttft_s": 0.012 * share * grown**1.2,
                    "end_to_end_s": 0.4 + 0.012 * share * grown**1.2,
                    "peak_memory_bytes": int((16 + 0.05 * share * grown
                                              + (grown**2 / 160 if wall else 0)) * GIBI),
                    "usable_bytes": int(usable_gib * GIBI), "fits_up_to_s": 60 if wall else None,
                    "sound_ends_s": 300, "frames_end_s": 384,
                })  # fmt: skip
    return pd.DataFrame(rows).assign(**same)


CELLS = (("full", 1.0, None), ("omnizip", 0.7, None), ("random", 0.55, None),
         ("fastv", 0.5, "materialised"), ("fastv", 0.5, "last-query"))  # fmt: skip


def memory_result(scale: float = 1.0, **how: Any) -> pd.DataFrame:
    """The invented result with peak memory: FastV's materialised scores grow with the square."""
    table = result_table(cells=CELLS, **how)
    wall = (table["fastv_form"] == "materialised") * table["full_tokens"] ** 2 / 4e6
    peak = scale * GIBI * (17 + table["full_tokens"] * table["retained"] / 5_000 + wall)
    gone = table["status"] != "ok"
    return table.assign(
        peak_memory_bytes=(0.98 * peak).where(~gone),
        peak_memory_predicted_bytes=peak,
        peak_memory_calibrated_bytes=None,
        memory_basis=["" if out else "allocated by tensors" for out in gone],
        decode_steps=16,
    )


def limits_table() -> pd.DataFrame:
    """Three cards, as bytes that are sold and bytes that one process can use."""
    sizes = {"rtx-4090": (24, 23.1), "rtx-a6000": (48, 47.0), "h100-sxm": (80, 78.6)}
    return pd.DataFrame([
        {"device": name, "title": name, "memory_bytes": sold * GIBI,
         "usable_bytes": int(usable * GIBI)}
        for name, (sold, usable) in sizes.items()
    ])  # fmt: skip
