"""Invented tables of peak memory, for tests only: never shipped as a result."""

from __future__ import annotations

from typing import Any

import pandas as pd

from omnizip_cost.units import GIBI

CONFIGURATIONS = {
    "Full tokens": ("full", {"weights": 16.6, "cache": 0.7, "activations": 0.5, "logits": 3.5}),
    "OmniZip 35% (0.4, 0.7)": (
        "omnizip", {"weights": 16.6, "cache": 0.2, "activations": 1.9, "selection": 0.001},
    ),
    "FastV 50%": (
        "fastv", {"weights": 16.6, "cache": 0.7, "activations": 0.5, "attention_weights": 39.2},
    ),
}  # fmt: skip
CARDS = {"rtx-4090": (24, 23.1), "l40s": (48, 43.9), "rtx-a6000": (48, 47.0),
         "h100-sxm": (80, 78.6), "h200-sxm": (141, 139.3)}  # fmt: skip


def memory_tables(
    *, backend: str = "hf-sdpa", scale: float = 1.0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Parts of three configurations, in GiB times ``scale``, and five cards that may hold them."""
    parts: list[dict[str, Any]] = []
    held: list[dict[str, Any]] = []
    for label, (method, sizes) in CONFIGURATIONS.items():
        which = {"model": "qwen2.5-omni-7b", "backend": backend, "scheme": "W16A16 KV16",
                 "input": "72 s", "method": method, "label": label}  # fmt: skip
        bytes_of = {part: int(scale * size * GIBI) for part, size in sizes.items()}
        for stage, share in (("vision_encoder", 2), ("prefill", 1)):
            for part, size in bytes_of.items():
                at_peak = stage == "prefill"
                row = {"stage": stage, "part": part, "bytes": size // share, "at_peak": at_peak}
                parts.append(which | row)
        for device, (sold, usable) in CARDS.items():
            room, peak = int(usable * GIBI), sum(bytes_of.values())
            held.append(which | {"device": device, "memory_bytes": sold * GIBI,
                                 "usable_bytes": room, "peak_memory_bytes": peak,
                                 "fits": peak <= room})  # fmt: skip
    return pd.DataFrame(parts), pd.DataFrame(held)
