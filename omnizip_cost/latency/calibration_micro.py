"""Rows of the micro-benchmark as terms of a fit: one operator each, timed as the model times it."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

import numpy as np

from omnizip_cost.cost.executed import Attention, ExecutedOp, Gemm, Shape
from omnizip_cost.cost.formats import Formats
from omnizip_cost.hardware.device import Device, plain_dtype
from omnizip_cost.latency.assumptions import host_seconds
from omnizip_cost.latency.calibration import Calibration
from omnizip_cost.latency.calibration_terms import WORKS, StageTerms
from omnizip_cost.latency.operator_times import Machine, timed_ops
from omnizip_cost.latency.schemes import Scheme
from omnizip_cost.results.micro import MicroRow

_KINDS = {
    "prefill_attention": "prefill",
    "decode_attention": "decode",
    "encoder_attention": "encoder",
}

_MOVED = ("copy", "add", "silu")


def micro_terms(row: MicroRow, device: Device) -> StageTerms | None:
    """Take one row as a stage of a single operator; None where it tells nothing of the device.

    What the host spends on a call is inside the row's time, but a bare call costs far less than a
    module's: it is left to rows of whole passes.
    """
    if row.status != "ok" or row.median_s is None or row.op not in (*_KINDS, *_MOVED, "gemm"):
        return None
    scheme = Scheme.of(Formats.of(plain_dtype(row.dtype), None, None), device)
    machine = Machine.of(device, scheme, Calibration.none())
    (op,) = timed_ops(machine, [_executed(row)], "prefill")
    if op.base_s < host_seconds(device).value:
        return None
    return StageTerms(
        base_s=np.array([op.base_s]),
        work=np.array([WORKS.index(op.work)]),
        kernels=np.ones(1),
        dispatched=0.0,
        asynchronous=device.asynchronous,
        observed_s=row.median_s,
        length=0,
        retained=1.0,
        name=f"{row.op} {op.sides or f'of {row.bytes_moved:,} bytes'}",
    )


def preprocessing(rows: Iterable[MicroRow]) -> dict[str, float]:
    """Return seconds per second of sound and per pixel, those that were measured."""
    names = {"log_mel": "mel_s_per_s", "patches": "patch_s_per_pixel"}
    found: dict[str, list[float]] = {}
    for row in rows:
        if row.op in names and row.status == "ok" and row.median_s is not None and row.amount:
            found.setdefault(names[row.op], []).append(row.median_s / row.amount)
    return {name: median(values) for name, values in found.items()}


def _executed(row: MicroRow) -> ExecutedOp:
    shape = _shape(row)
    return ExecutedOp(
        component="llm",
        phase="decode" if row.op == "decode_attention" else "prefill",
        module="micro-benchmark",
        operator="attention" if isinstance(shape, Attention) else "projection" if shape else row.op,
        aten="",
        first_layer=None,
        layers=1,
        kernels=1,
        multiply_adds=row.flops // 2,
        unseen_flops=0,
        bytes_read=row.bytes_moved,
        bytes_written=0,
        shape=shape,
    )


def _shape(row: MicroRow) -> Shape | None:
    if row.op == "gemm":
        return Gemm(m=row.m or 0, n=row.n or 0, k=row.k or 0)
    if row.op not in _KINDS:
        return None
    return Attention(
        kind=_KINDS[row.op],  # type: ignore[arg-type]
        batch=1,
        queries=row.query_tokens or 0,
        keys=row.key_tokens or 0,
        heads=row.heads or 0,
        kv_heads=row.kv_heads or 0,
        head_dim=row.head_dim or 0,
    )
