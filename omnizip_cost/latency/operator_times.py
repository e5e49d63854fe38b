"""Seconds of each executed operator on one device: kernel, bytes, or the launch floor.

Products and fused attention take the times of their kernels, which were measured in bf16, or of
those that stand in for them (:mod:`~omnizip_cost.latency.stored_operands`). Where the least time
of a kernel is another than its stand-in's, by the peak or by the bytes, it is taken to stay as far
above it. (torch multiplies float32 at the float32 peak: it leaves TF32 off by default.) Everything
else takes its bytes at the share of the bandwidth that streaming reaches. Nothing runs shorter than
the launch floor.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from omnizip_cost.cost.executed import Attention, ExecutedOp, Gemm, Shape
from omnizip_cost.hardware.device import Device
from omnizip_cost.latency.assumptions import launch_floor, stream_share
from omnizip_cost.latency.calibration import Calibration
from omnizip_cost.latency.kernels import kernel_latency_s
from omnizip_cost.latency.schemes import UNPACKING_SHARE, Scheme
from omnizip_cost.latency.stored_operands import (
    is_stored,
    least,
    least_in_bf16,
    moved_bytes,
    operands,
    stand_in,
    unpacks,
    weight_bytes,
)
from omnizip_cost.latency.timed_op import TimedOp, Work, sides

_KERNELS = {
    "prefill": "prefill_attention",
    "decode": "decode_attention",
    "encoder": "encoder_attention",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One device as operators meet it: rates, floors and efficiencies."""

    device: Device
    scheme: Scheme
    calibration: Calibration
    launch_s: float
    """Least time of one kernel."""
    stream_bytes_per_s: float
    """Bandwidth that elementwise operators reach before calibration."""

    @classmethod
    def of(cls, device: Device, scheme: Scheme, calibration: Calibration) -> Machine:
        """Fill in what the calibration leaves open."""
        floor = calibration.launch_s
        return cls(
            device=device,
            scheme=scheme,
            calibration=calibration,
            launch_s=launch_floor(device).value if floor is None else floor,
            stream_bytes_per_s=stream_share(device).value * device.bandwidth_bytes_per_s,
        )

    def calibrated(self, work: Work, base_s: float, floor_s: float) -> float:
        """Seconds of an operator of this kind that takes ``base_s`` before calibration."""
        return max(base_s / float(getattr(self.calibration, work)), floor_s)


def timed_ops(machine: Machine, ops: Iterable[ExecutedOp], stage: str) -> Iterator[TimedOp]:
    """Time operators of one stage, in their order.

    Raises
    ------
    UnknownNameError
        The device states no peak for a format that is multiplied.
    """
    listed = tuple(ops)
    shapes = [op.shape and stand_in(machine.scheme, op, op.shape) for op in listed]
    stood_in = _kernel_seconds(machine.device, shapes)
    whole = _kernel_seconds(machine.device, [op.shape for op in listed])
    for op, near_s, whole_s in zip(listed, stood_in, whole, strict=True):
        if op.shape is None:
            yield _moved(machine, op, stage)
        else:
            yield _multiplied(machine, op, op.shape, stage, float(near_s), float(whole_s))


def kernel_of(shape: Shape | None) -> str | None:
    """Name of the kernel whose times a shape goes by; None where there is no shape."""
    if shape is None:
        return None
    return "gemm" if isinstance(shape, Gemm) else _KERNELS[shape.kind]


def _kernel_seconds(device: Device, listed: Sequence[Shape | None]) -> NDArray[np.float64]:
    """Seconds of one kernel of each shape in bf16, all of a kind at once; 0 without a shape."""
    seconds = np.zeros(len(listed))
    of_kind: dict[str, dict[int, Shape]] = {}
    for place, shape in enumerate(listed):
        kind = kernel_of(shape)
        if kind is not None and shape is not None:
            of_kind.setdefault(kind, {})[place] = shape
    for kind, shapes in of_kind.items():
        asked = [_asked(shape) for shape in shapes.values()]
        dims = {name: np.array([one[name] for one in asked]) for name in asked[0]}
        found = kernel_latency_s(device, kind, **dims)
        windows = np.array([_window(shape) for shape in shapes.values()])
        if np.isfinite(windows).any():
            inside = {**dims, "seq": np.minimum(dims["seq"], windows)}
            shares = np.array([_seen_share(shape) for shape in shapes.values()])
            found = np.maximum(shares * found, kernel_latency_s(device, kind, **inside))
        seconds[list(shapes)] = found
    return seconds


def _window(shape: Shape) -> float:
    """Keys that a query sees at most; without end where nothing slides."""
    if isinstance(shape, Attention) and shape.window is not None:
        return float(shape.window)
    return np.inf


def _asked(shape: Shape) -> dict[str, float]:
    """Dimensions of the kernel that stands for a shape.

    Several products in one call are as many columns of one, which has their work, their weights
    and their tiles. Attention in blocks of unlike sizes is as many blocks of one size, with the
    same queries and pairs.
    """
    if isinstance(shape, Gemm):
        return {"m": shape.m, "n": shape.n * shape.batch, "k": shape.k}
    whole = shape.queries if shape.kind == "prefill" else shape.keys
    blocks = shape.batch * shape.queries / shape.keys if shape.kind == "encoder" else shape.batch
    return {
        "batch": max(blocks, 1.0),
        "seq": whole,
        "heads": shape.heads,
        "kv_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
    }


def _seen_share(shape: Shape) -> float:
    """Share of the causal pairs that a sliding window leaves; 1 without one.

    The kernel takes that share of its time over all pairs, and its time inside one window at least.
    """
    if not isinstance(shape, Attention) or shape.window is None:
        return 1.0
    return shape.pairs / replace(shape, window=None).pairs


def _multiplied(
    machine: Machine, op: ExecutedOp, shape: Shape, stage: str, near_s: float, whole_s: float
) -> TimedOp:
    """A product or fused attention, in the formats that are asked for.

    Reading fewer bytes is never taken to be slower than reading all of them.
    """
    scheme = machine.scheme
    asked = least(machine.device, scheme, op, shape)
    seconds = _by_kernel(machine, scheme, op, shape, near_s)
    unpacked = scheme.unpacked and is_stored(op)
    if unpacked and unpacks(scheme, shape):
        seconds += _unpacking_s(machine, shape)
    else:
        plain_s = _by_kernel(machine, scheme.plain, op, shape, whole_s)
        seconds = min(seconds / (UNPACKING_SHARE if unpacked else 1.0), plain_s)
    work: Work = "gemm" if isinstance(shape, Gemm) else "attention"
    return _row(machine, op, stage, work, *asked, seconds, unpacked=unpacked)


def _moved(machine: Machine, op: ExecutedOp, stage: str) -> TimedOp:
    """An elementwise operator or a copy, by its bytes."""
    moved = moved_bytes(machine.scheme, op) / op.kernels
    arithmetic = (op.unseen_flops or 0) / op.kernels
    peak = machine.device.peak_flop_per_s.get("fp32")
    compute_s = arithmetic / peak if peak else 0.0
    base_s = max(moved / machine.stream_bytes_per_s, compute_s)
    least_s = moved / machine.device.bandwidth_bytes_per_s
    return _row(machine, op, stage, "memory", compute_s, least_s, base_s)


def _row(
    machine: Machine,
    op: ExecutedOp,
    stage: str,
    work: Work,
    compute_s: float,
    memory_s: float,
    base_s: float,
    *,
    unpacked: bool = False,
) -> TimedOp:
    """All kernels of an operator, from the seconds of one."""
    floor_s = op.kernels * machine.launch_s
    return TimedOp(
        stage=stage,
        component=op.component,
        module=op.module,
        operator=op.operator,
        aten=op.aten,
        first_layer=op.first_layer,
        layers=op.layers,
        kernels=op.kernels,
        work=work,
        kernel=kernel_of(op.shape),
        unpacked=unpacked,
        sides=sides(op.shape),
        flops=2 * op.multiply_adds + (op.unseen_flops or 0),
        bytes_moved=round(moved_bytes(machine.scheme, op)),
        compute_s=op.kernels * compute_s,
        memory_s=op.kernels * memory_s,
        launch_s=floor_s,
        base_s=op.kernels * base_s,
        seconds=machine.calibrated(work, op.kernels * base_s, floor_s),
    )


def _by_kernel(
    machine: Machine, scheme: Scheme, op: ExecutedOp, shape: Shape, tabled_s: float
) -> float:
    """Seconds of one kernel whose stand-in takes ``tabled_s`` in bf16."""
    tabled = least_in_bf16(machine.device, stand_in(scheme, op, shape))
    seconds = tabled_s * least(machine.device, scheme, op, shape).seconds / tabled.seconds
    # One wide product reads its rows once, several read each their own. Small weights and caches
    # were measured warm; in a model other layers leave nothing of them in the L2 cache.
    several = isinstance(shape, Gemm) and shape.batch > 1
    if several or (isinstance(shape, Attention) and shape.kind == "decode"):
        moved = moved_bytes(scheme, op) / op.kernels
        seconds = max(seconds, moved / machine.stream_bytes_per_s)
    if isinstance(shape, Gemm) and shape.weights:
        weights_s = weight_bytes(scheme, op, shape) / machine.device.bandwidth_bytes_per_s
        seconds = max(seconds, weights_s)
    return seconds


def _unpacking_s(machine: Machine, shape: Shape) -> float:
    """Seconds to unpack the weights of one product into memory."""
    formats = machine.scheme.formats
    _, stored, _ = operands(shape)
    return stored * (formats.weight_bytes + formats.width) / machine.stream_bytes_per_s
