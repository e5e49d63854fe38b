"""What an attention kernel's time is made of, with a meaning for each number.

A fused kernel walks one tile of query rows at a time, of one head of one sequence: it loads the
keys and values block by block. So many tiles as there are multiprocessors (or a whole multiple)
run side by side: a *wave*. Decode has one query, so the cached keys and values are read once and
the time is theirs to move, from the L2 cache where they fit in it. On top comes what the record
was measured with: prefill writes new keys and values into a paged cache, token by token.

FlashAttention-2 (arXiv 2307.08691, section 3.2: a thread block per tile of rows) and
FlashAttention-3 (arXiv 2407.08608, section 3.1) describe the kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from chips import Chip
from numpy.typing import NDArray
from scipy.optimize import least_squares

from omnizip_cost.units import KILO

Floats = NDArray[np.float64]
Records = Mapping[str, Floats]
"""Columns ``batch, seq, heads, kv_heads, latency_ms`` of one device, operator and head size."""

WIDTH = 2
"""Bytes of a bf16 number."""

KV_HEADS = np.array([1, 2, 4, 8, 16, 24, 32, 48, 64], float)
"""Counts of key heads that were measured; the cost of writing the cache is told for each."""


FEW = 1500
"""Records that a form is fitted to, evenly taken; a dozen numbers need no more."""

TILES = ((64, 2), (128, 1), (192, 1))
"""Query rows of a tile, and tiles that a multiprocessor works on at once."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """A fitted form: milliseconds of the core and of what comes on top."""

    core: Callable[[Records], Floats]
    extra: Callable[[Records], Floats]
    error: float
    """Median absolute relative error of the form alone."""


def encoder_form(chip: Chip, head_dim: int, records: Records) -> Form:
    """Every tile sees every key: all tiles alike, so the last wave runs whole or not at all."""
    found = (_tiled(chip, head_dim, _few(records), rows, beside, False) for rows, beside in TILES)
    return min(found, key=lambda form: form.error)


def prefill_form(chip: Chip, head_dim: int, records: Records) -> Form:
    """Causal: a tile sees the keys before it, half of them on average; unlike tiles fill waves."""
    found = (_tiled(chip, head_dim, _few(records), rows, beside, True) for rows, beside in TILES)
    return min(found, key=lambda form: form.error)


def _tiled(
    chip: Chip, head_dim: int, records: Records, rows: int, beside: int, causal: bool
) -> Form:
    """Launch + waves x (start of a tile + its keys), or the bytes, or the longest tile."""
    flop_per_ms = 0.6 * chip.peak_flop_per_s / KILO / chip.sms
    starts = {
        "launch_ms": 0.008,
        "tile_start_ms": 0.001,
        "key_ms": 4 * rows * beside * head_dim / flop_per_ms,
        "bytes_per_ms": 0.7e-3 * chip.bandwidth_bytes_per_s,
        "longest_share": 0.7,
    }
    write = KV_HEADS * head_dim * 4 * WIDTH / (0.8e-3 * chip.bandwidth_bytes_per_s) + 5e-7
    first = np.log([*starts.values(), *(write if causal else ())])

    def core(records: Records, numbers: Floats, rounding: float) -> Floats:
        launch, start, key, bytes_per_ms, longest = np.exp(numbers[:5])
        seq, lanes = records["seq"], records["batch"] * records["heads"]
        tiles = np.ceil(seq / rows)
        waves = lanes * tiles / (chip.sms * beside)
        waves = waves + rounding * (np.ceil(waves) - waves)
        keys = seq / 2 + rows / 2 if causal else np.ceil(seq / 128) * 128
        busy = waves * (start + keys * key)
        if causal:
            busy = _either(busy, start + longest * seq * key, 3.0)
        return launch + _either(busy, lanes * seq * head_dim * 4 * WIDTH / bytes_per_ms, 2.0)

    def extra(records: Records, numbers: Floats) -> Floats:
        if not causal:
            return np.zeros_like(records["seq"])
        each = np.exp(np.interp(np.log(records["kv_heads"]), np.log(KV_HEADS), numbers[5:-1]))
        return records["batch"] * records["seq"] * each

    def off(numbers: Floats) -> Floats:
        time = core(records, numbers, float(numbers[-1])) + extra(records, numbers)
        return np.log(time / records["latency_ms"])

    start = np.append(first, 0.5)
    reach = np.append(np.full(len(first), 3.5), 0.5)
    found = least_squares(
        off,
        start,
        loss="soft_l1",
        f_scale=0.03,
        bounds=(start - reach, start + reach),
        max_nfev=200,
    )
    return Form(
        core=lambda asked: core(asked, found.x, float(found.x[-1])),
        extra=lambda asked: extra(asked, found.x),
        error=float(np.median(np.abs(off(found.x)))),
    )


def decode_form(chip: Chip, head_dim: int, records: Records) -> Form:
    """Launch + cached bytes, from L2 where they fit, + a cost per query row and per key head."""
    records = _few(records)
    start = np.log(
        [
            0.01,
            0.85e-3 * chip.bandwidth_bytes_per_s,
            2.5e-3 * chip.bandwidth_bytes_per_s,
            1.0,
            1e-7,
            2e-6 * 3.35e12 / chip.bandwidth_bytes_per_s,
            2e-6,
        ]
    )

    def core(records: Records, numbers: Floats) -> Floats:
        launch, memory, cache, holds, step = np.exp(numbers[:5])
        cached = records["batch"] * records["kv_heads"] * records["seq"] * head_dim * 2 * WIDTH
        missed = 1 / (1 + (holds * chip.cache_bytes / cached) ** 6)
        moved = cached * (missed / memory + (1 - missed) / cache)
        return launch + _either(moved, records["seq"] * step, 1.5)

    def extra(records: Records, numbers: Floats) -> Floats:
        row, lane = np.exp(numbers[5:])
        return records["batch"] * (records["heads"] * row + records["kv_heads"] * lane)

    def off(numbers: Floats) -> Floats:
        time = core(records, numbers) + extra(records, numbers)
        return np.log(time / records["latency_ms"])

    found = least_squares(
        off, start, loss="soft_l1", f_scale=0.03, bounds=(start - 3.5, start + 3.5), max_nfev=200
    )
    return Form(
        core=lambda asked: core(asked, found.x),
        extra=lambda asked: extra(asked, found.x),
        error=float(np.median(np.abs(off(found.x)))),
    )


def _few(records: Records) -> Records:
    step = -(-len(records["seq"]) // FEW)
    return {name: values[::step] for name, values in records.items()}


def _either(a: Floats, b: Floats, sharpness: float) -> Floats:
    """Near the larger of two, a little more where they are alike."""
    larger = np.maximum(a, b)
    return larger * ((a / larger) ** sharpness + (b / larger) ** sharpness) ** (1 / sharpness)
