"""What a kernel reads and writes in the formats that are asked for, and its least time by that.

The tables hold kernels in bf16. A product whose operands are stored in fewer bytes moves what one
of a smaller k moves in bf16, and fused attention on a narrower cache what a shorter cache moves:
those are the kernels that stand in for them, so that fixed costs stay what they are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from omnizip_cost.cost.executed import Attention, ExecutedOp, Gemm, Shape
from omnizip_cost.hardware.device import Device
from omnizip_cost.latency.kernels.roofline import tabled_peak
from omnizip_cost.latency.schemes import ROWS_UNPACKED_INSIDE, Scheme
from omnizip_cost.units import BYTES_PER_ELEMENT

_HALF = BYTES_PER_ELEMENT["bfloat16"]
"""Bytes of a number in the kernels' tables."""

_STORED = ("projection", "ffn")
"""Products of the decoder's layers whose weights a scheme stores."""


class Least(NamedTuple):
    """Least seconds of one kernel: its arithmetic at the peak, its operands at the bandwidth."""

    compute_s: float
    memory_s: float

    @property
    def seconds(self) -> float:
        """The larger of the two: the roofline."""
        return max(self)


def stand_in(scheme: Scheme, op: ExecutedOp, shape: Shape) -> Shape:
    """Return the shape whose kernel in bf16 has the fixed costs and the bytes of this one.

    The shape itself where nothing is stored in fewer bytes than are computed with.
    """
    formats = scheme.formats
    if isinstance(shape, Gemm):
        if not is_stored(op) or unpacks(scheme, shape):
            return shape
        return replace(shape, k=max(shape.k * formats.weight_bytes / formats.width, 1))
    if shape.kind != "decode":
        return shape
    return replace(shape, keys=max(shape.keys * formats.cache_bytes / formats.width, 1))


def least_in_bf16(device: Device, shape: Shape) -> Least:
    """Least seconds of the kernel as it was measured."""
    flops = 2 * shape.multiply_adds
    moved = _HALF * sum(operands(shape))
    return Least(flops / tabled_peak(device), moved / device.bandwidth_bytes_per_s)


def least(device: Device, scheme: Scheme, op: ExecutedOp, shape: Shape) -> Least:
    """Least seconds of the same kernel in the formats that are asked for."""
    formats = scheme.formats
    inputs, stored, outputs = operands(shape)
    width, kept, multiplies = float(formats.width), float(formats.width), formats.dtype
    if is_stored(op):
        multiplies = scheme.multiplies
        if not unpacks(scheme, shape):
            kept = formats.weight_bytes
        if scheme.narrow_inputs:
            width = formats.weight_bytes
    elif isinstance(shape, Attention) and shape.kind == "decode":
        kept = formats.cache_bytes
    moved = inputs * width + stored * kept + outputs * formats.width
    flops = 2 * shape.multiply_adds
    return Least(flops / device.peak(multiplies), moved / device.bandwidth_bytes_per_s)


def operands(shape: Shape) -> tuple[float, float, float]:
    """Numbers of a kernel's inputs, of its weights or cached keys and values, and of its output."""
    if isinstance(shape, Gemm):
        n = shape.n * shape.batch
        return shape.m * shape.k, n * shape.k, shape.m * n
    rows = shape.batch * shape.head_dim
    queries = rows * shape.queries * shape.heads
    return queries, 2 * rows * shape.keys * shape.kv_heads, queries


def is_stored(op: ExecutedOp) -> bool:
    """Whether it multiplies a matrix of the decoder's layers, which a scheme stores its way."""
    return (
        op.component == "llm"
        and op.operator in _STORED
        and isinstance(op.shape, Gemm)
        and op.shape.weights
    )


def unpacks(scheme: Scheme, shape: Shape) -> bool:
    """Whether a product's weights are unpacked into memory before it."""
    return scheme.unpacked and isinstance(shape, Gemm) and shape.m > ROWS_UNPACKED_INSIDE


def weight_bytes(scheme: Scheme, op: ExecutedOp, shape: Gemm) -> float:
    """Bytes of the weights of one product, as it reads them."""
    formats = scheme.formats
    narrow = is_stored(op) and not unpacks(scheme, shape)
    return shape.n * shape.batch * shape.k * (formats.weight_bytes if narrow else formats.width)


def moved_bytes(scheme: Scheme, op: ExecutedOp) -> float:
    """Bytes that all kernels of an operator move, its weights or cache as they are stored."""
    formats, shape = scheme.formats, op.shape
    moved = float(op.bytes_read + op.bytes_written)
    if shape is not None and is_stored(op):
        _, stored, _ = operands(shape)
        numbers = op.kernels * stored
        moved += numbers * (formats.weight_bytes - formats.width)
        if unpacks(scheme, shape):
            moved += 2 * numbers * formats.width
    elif op.component == "llm" and op.operator == "cache":
        moved *= formats.cache_bytes / formats.width
    elif isinstance(shape, Attention) and shape.kind == "decode":
        _, cached, _ = operands(shape)
        moved += op.kernels * cached * (formats.cache_bytes - formats.width)
    return moved
