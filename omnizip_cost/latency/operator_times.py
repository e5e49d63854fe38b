"""Seconds of each executed operator on one device: kernel, bytes, or the launch floor.

Products and fused attention take the times of their kernels, which were measured in bf16. In
another format the least time of the same shape changes, by the peak or by the bytes; the kernel is
taken to stay as far above its least time as it is in bf16. (torch multiplies float32 at the float32
peak: it leaves TF32 off by default.) Everything else takes its bytes at the
share of the bandwidth that streaming reaches. Nothing runs shorter than the launch floor.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from omnizip_cost.cost.executed import Attention, ExecutedOp, Gemm, Shape
from omnizip_cost.hardware.device import Device
from omnizip_cost.latency.assumptions import launch_floor, stream_share
from omnizip_cost.latency.calibration import Calibration
from omnizip_cost.latency.kernels import kernel_latency_s
from omnizip_cost.latency.schemes import ROWS_UNPACKED_INSIDE, UNPACKING_SHARE, Scheme
from omnizip_cost.latency.timed_op import TimedOp, Work, sides
from omnizip_cost.units import BYTES_PER_ELEMENT

_HALF = BYTES_PER_ELEMENT["bfloat16"]
"""Bytes of a number in the kernels' tables."""

_STORED = ("projection", "ffn")
"""Products of the decoder's layers whose weights a scheme stores."""

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


class _Least(NamedTuple):
    """Least seconds of one kernel: its arithmetic at the peak, its operands at the bandwidth."""

    compute_s: float
    memory_s: float

    @property
    def seconds(self) -> float:
        """The larger of the two: the roofline."""
        return max(self)


def timed_ops(machine: Machine, ops: Iterable[ExecutedOp], stage: str) -> Iterator[TimedOp]:
    """Time operators of one stage, in their order.

    Raises
    ------
    UnknownNameError
        The device states no peak for a format that is multiplied.
    """
    listed = tuple(ops)
    measured = _kernel_seconds(machine.device, listed)
    for op, kernel_s in zip(listed, measured, strict=True):
        if op.shape is None:
            yield _moved(machine, op, stage)
        else:
            yield _multiplied(machine, op, op.shape, stage, float(kernel_s))


def kernel_of(op: ExecutedOp) -> str | None:
    """Name of the kernel whose times an operator goes by."""
    if op.shape is None:
        return None
    return "gemm" if isinstance(op.shape, Gemm) else _KERNELS[op.shape.kind]


def _kernel_seconds(device: Device, ops: Sequence[ExecutedOp]) -> NDArray[np.float64]:
    """Seconds of one kernel of each operator in bf16, all of a kind at once; 0 without one."""
    seconds = np.zeros(len(ops))
    of_kind: dict[str, dict[int, Shape]] = {}
    for place, op in enumerate(ops):
        kind = kernel_of(op)
        if kind is not None and op.shape is not None:
            of_kind.setdefault(kind, {})[place] = op.shape
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
    machine: Machine, op: ExecutedOp, shape: Shape, stage: str, kernel_s: float
) -> TimedOp:
    """A product or fused attention, by its kernel."""
    tabled, asked = _least_in_bf16(machine.device, shape), _least(machine, op, shape)
    above = kernel_s / tabled.seconds
    seconds = max(above * asked.seconds, min(kernel_s, machine.launch_s))
    if isinstance(shape, Gemm) and shape.batch > 1:
        # One wide product reads its rows once; several read each their own.
        seconds = max(seconds, _bytes(machine, op) / op.kernels / machine.stream_bytes_per_s)
    unpacked = machine.scheme.unpacked and _is_stored(op)
    if unpacked:
        seconds = _unpacked_s(machine, op, shape, seconds, kernel_s)
    work: Work = "gemm" if isinstance(shape, Gemm) else "attention"
    least = (asked.compute_s, asked.memory_s)
    return _row(machine, op, stage, work, *least, seconds, unpacked=unpacked)


def _moved(machine: Machine, op: ExecutedOp, stage: str) -> TimedOp:
    """An elementwise operator or a copy, by its bytes."""
    moved = _bytes(machine, op) / op.kernels
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
        kernel=kernel_of(op),
        unpacked=unpacked,
        sides=sides(op.shape),
        flops=2 * op.multiply_adds + (op.unseen_flops or 0),
        bytes_moved=round(_bytes(machine, op)),
        compute_s=op.kernels * compute_s,
        memory_s=op.kernels * memory_s,
        launch_s=floor_s,
        base_s=op.kernels * base_s,
        seconds=machine.calibrated(work, op.kernels * base_s, floor_s),
    )


def _least_in_bf16(device: Device, shape: Shape) -> _Least:
    """Least seconds of the kernel as it was measured."""
    flops = 2 * shape.multiply_adds
    moved = _HALF * sum(_operands(shape))
    return _Least(flops / device.peak("bf16"), moved / device.bandwidth_bytes_per_s)


def _least(machine: Machine, op: ExecutedOp, shape: Shape) -> _Least:
    """Least seconds of the same kernel in the formats that are asked for."""
    scheme, device = machine.scheme, machine.device
    formats = scheme.formats
    inputs, stored, outputs = _operands(shape)
    width, kept, multiplies = float(formats.width), float(formats.width), formats.dtype
    if _is_stored(op):
        multiplies = scheme.multiplies
        if not _unpacks(scheme, shape):
            kept = formats.weight_bytes
        if scheme.narrow_inputs:
            width = formats.weight_bytes
    elif isinstance(shape, Attention) and shape.kind == "decode":
        kept = formats.cache_bytes
    moved = inputs * width + stored * kept + outputs * formats.width
    flops = 2 * shape.multiply_adds
    return _Least(flops / device.peak(multiplies), moved / device.bandwidth_bytes_per_s)


def _operands(shape: Shape) -> tuple[float, float, float]:
    """Numbers of a kernel's inputs, of its weights or cached keys and values, and of its output."""
    if isinstance(shape, Gemm):
        n = shape.n * shape.batch
        return shape.m * shape.k, n * shape.k, shape.m * n
    rows = shape.batch * shape.head_dim
    queries = rows * shape.queries * shape.heads
    return queries, 2 * rows * shape.keys * shape.kv_heads, queries


def _is_stored(op: ExecutedOp) -> bool:
    """Whether it multiplies a matrix of the decoder's layers, which a scheme stores its way."""
    return (
        op.component == "llm"
        and op.operator in _STORED
        and isinstance(op.shape, Gemm)
        and op.shape.weights
    )


def _unpacks(scheme: Scheme, shape: Shape) -> bool:
    """Whether a product's weights are unpacked into memory before it."""
    return scheme.unpacked and isinstance(shape, Gemm) and shape.m > ROWS_UNPACKED_INSIDE


def _unpacked_s(
    machine: Machine, op: ExecutedOp, shape: Shape, seconds: float, kernel_s: float
) -> float:
    """Seconds of a product with the unpacking of its weights.

    Inside it, it reads at a share of the rate; still no slower than with weights of 16 bits, which
    are more to read. Before it, weights are read and written once more.
    """
    formats = machine.scheme.formats
    if not _unpacks(machine.scheme, shape):
        whole = formats.width / BYTES_PER_ELEMENT["bfloat16"] * kernel_s
        return max(seconds, min(seconds / UNPACKING_SHARE, whole))
    _, stored, _ = _operands(shape)
    moved = stored * (formats.weight_bytes + formats.width)
    return seconds + moved / machine.stream_bytes_per_s


def _bytes(machine: Machine, op: ExecutedOp) -> float:
    """Bytes that all kernels of an operator move, its weights or cache as they are stored."""
    formats, shape = machine.scheme.formats, op.shape
    moved = float(op.bytes_read + op.bytes_written)
    if shape is not None and _is_stored(op):
        _, stored, _ = _operands(shape)
        numbers = op.kernels * stored
        moved += numbers * (formats.weight_bytes - formats.width)
        if _unpacks(machine.scheme, shape):
            moved += 2 * numbers * formats.width
    elif op.component == "llm" and op.operator == "cache":
        moved *= formats.cache_bytes / formats.width
    elif isinstance(shape, Attention) and shape.kind == "decode":
        _, cached, _ = _operands(shape)
        moved += op.kernels * cached * (formats.cache_bytes - formats.width)
    return moved
