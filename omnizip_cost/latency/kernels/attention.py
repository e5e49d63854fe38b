"""Seconds of attention in bf16 on the measured devices, from the tables beside this module."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

import numpy as np

from omnizip_cost.latency.kernels.panel import Grid, Panel
from omnizip_cost.latency.kernels.shapes import Floats
from omnizip_cost.units import MILLI

_DATA = Path(__file__).with_name("data")

STEP = 5e-4
"""Logarithms are stored as whole multiples of this: 0.05% of a time."""

PADDED = (64, 96, 128, 192, 256)
"""Head sizes FlashAttention is built for; another takes the next larger one's tiles."""

DECODE_KV_HEADS = (1, 2, 4, 8)
"""Counts of key heads with decode tables of their own; another takes the nearest."""

_MIDWAY = np.sqrt(np.multiply(DECODE_KV_HEADS[:-1], DECODE_KV_HEADS[1:]))
"""From each count of key heads on, the next one is the nearer, in logarithms."""

_AT_ONCE = 1 << 14
"""Shapes worked on together, so that the arrays between stay in the processor's cache."""


def attention_latency_s(device: str, op: str, shape: Mapping[str, Floats]) -> Floats:
    """Return the seconds of one attention kernel.

    Between two measured head sizes the time goes from one to the other with the size the kernel
    pads to; beyond them it grows with that size. A chunk (``queries`` below ``seq``) takes the
    time of that many rows of the causal square in which a row sees as many keys on average:
    derived, not measured.

    Parameters
    ----------
    device : str
        A measured device.
    op : str
        ``prefill_attention``, ``decode_attention`` or ``encoder_attention``.
    shape : mapping of str to float64 array
        As :func:`~omnizip_cost.latency.kernels.shapes.checked_shape` returns them.
    """
    flat = {name: np.ravel(values) for name, values in shape.items()}
    seconds = np.empty(flat["seq"].size)
    for start in range(0, seconds.size, _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        some = {name: values[part] for name, values in flat.items()}
        seconds[part] = _by_head_dim(panels(device, op), op, some) * MILLI
    return seconds.reshape(np.shape(shape["seq"]))


def panel_ms(panel: Panel, op: str, shape: Mapping[str, Floats]) -> Floats:
    """Milliseconds at the head size of one panel."""
    batch, seq, heads, kv_heads = (shape[name] for name in ("batch", "seq", "heads", "kv_heads"))
    share = heads / kv_heads
    only = np.zeros(seq.shape, np.int64)
    if op == "encoder_attention":
        return panel.core_ms(only, seq, batch * heads, heads)
    if op == "decode_attention":
        nearest = np.digitize(kv_heads, _MIDWAY)
        kind = nearest + len(DECODE_KV_HEADS) * (share == 1)
        rows = batch * heads
        return panel.core_ms(kind, seq, batch * kv_heads, share) + panel.extra_ms(rows, share, rows)
    queries = shape.get("queries", seq)
    square = 2 * seq - queries  # a row of its lower half sees as many keys as one of the chunk
    lanes = batch * heads * queries / square
    core = panel.core_ms(only, square, lanes, share)
    launch = panel.launch_ms()
    core = launch + (core - launch) * np.minimum(lanes, 1)
    tokens = batch * queries
    return core + panel.extra_ms(kv_heads, tokens, tokens)


@cache
def panels(device: str, op: str) -> Mapping[int, Panel]:
    """Panels of one measured device by head size (``analysis/fit_attention.py`` wrote them)."""
    with np.load(_DATA / f"attention-{device}.npz") as stored:
        wanted = {key: stored[key] for key in stored.files if key.startswith(f"{op}/")}
    sizes = sorted({int(key.split("/")[1]) for key in wanted})
    return MappingProxyType({size: _panel(wanted, f"{op}/{size}") for size in sizes})


def _by_head_dim(known: Mapping[int, Panel], op: str, shape: Mapping[str, Floats]) -> Floats:
    """Read each head size from its own panel, or from its two neighbours."""
    head_dim = shape["head_dim"]
    ms = np.empty_like(head_dim)
    for size in np.unique(head_dim):
        own = head_dim == size
        some = {name: values[own] for name, values in shape.items()}
        ms[own] = sum(
            weight * np.log(panel_ms(known[near], op, some)) for near, weight in _near(known, size)
        )
        ms[own] = np.exp(ms[own])
        widest = max(known)
        if size > widest:
            launch = known[widest].launch_ms()
            ms[own] = launch + (ms[own] - launch) * _padded(size) / _padded(widest)
    return ms


def _near(known: Mapping[int, Panel], size: float) -> Iterator[tuple[int, float]]:
    """Panels of the nearest head sizes with their weights, which sum to 1."""
    below = [each for each in known if each <= size] or [min(known)]
    above = [each for each in known if each >= size] or [max(known)]
    low, high = max(below), min(above)
    if low >= high:
        yield low, 1.0
        return
    span = np.log(_padded(high) / _padded(low))
    weight = float(np.log(_padded(size) / _padded(low)) / span) if span else 1.0
    yield from ((low, 1 - weight), (high, weight))


def _padded(size: float) -> float:
    """Head size the kernel computes with."""
    return next((float(width) for width in PADDED if width >= size), float(size))


def _panel(stored: Mapping[str, object], key: str) -> Panel:
    def array(name: str) -> Floats:
        return np.asarray(stored[f"{key}/{name}"], np.float64)

    cores = array("core") * STEP
    return Panel(
        core=tuple(Grid(first=array("seq"), second=array("lanes"), logs=logs) for logs in cores),
        factor=Grid(first=array("share"), second=array("seq"), logs=array("factor") * STEP),
        extra=Grid(
            first=array("extra_first"),
            second=array("extra_second"),
            logs=array("extra") * STEP,
        )
        if f"{key}/extra" in stored
        else None,
        growth=float(array("growth")),
    )
