"""The least time a kernel can take: its FLOPs at the peak, its bytes at the bandwidth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from omnizip_cost.hardware.device import Device
from omnizip_cost.latency.kernels.shapes import Floats
from omnizip_cost.units import BYTES_PER_ELEMENT

WIDTH = BYTES_PER_ELEMENT["bfloat16"]


TABLED = ("bf16", "fp16", "fp32")
"""Kernels were timed in bf16, which every measured device multiplies as fast as fp16. A card that
states no bf16 peak, as those before Ampere, is held to the next of these that it states."""


def tabled_peak(device: Device) -> int:
    """Dense peak, in FLOP/s, that stands for the kernels' own dtype.

    Raises
    ------
    UnknownNameError
        The device states none of :data:`TABLED`.
    """
    stated = (name for name in TABLED if name in device.peak_flop_per_s)
    return device.peak(next(stated, TABLED[0]))


def kernel_flops(op: str, shape: Mapping[str, Floats]) -> Floats:
    """FLOPs of one kernel, 2 per multiply-add; of causal attention, the pairs that count.

    Query ``i`` of the last ``queries`` of ``seq`` tokens sees ``seq - queries + i`` keys.
    """
    if op == "gemm":
        return 2 * shape["m"] * shape["n"] * shape["k"]
    per_pair = 4 * shape["batch"] * shape["heads"] * shape["head_dim"]
    if op == "decode_attention":
        return per_pair * shape["seq"]
    if op == "encoder_attention":
        return per_pair * shape["seq"] ** 2
    queries = shape["queries"]
    return per_pair * queries * (shape["seq"] - (queries - 1) / 2)


def kernel_bytes(op: str, shape: Mapping[str, Floats]) -> Floats:
    """Bytes that must move, each operand once, in bf16."""
    if op == "gemm":
        m, n, k = shape["m"], shape["n"], shape["k"]
        return WIDTH * (m * k + n * k + m * n)
    queries = {
        "prefill_attention": shape.get("queries", shape["seq"]),
        "decode_attention": np.ones_like(shape["seq"]),
        "encoder_attention": shape["seq"],
    }[op]
    rows = 2 * queries * shape["heads"] + 2 * shape["seq"] * shape["kv_heads"]
    return WIDTH * shape["batch"] * shape["head_dim"] * rows


def compute_s(device: Device, op: str, shape: Mapping[str, Floats]) -> Floats:
    """Seconds at the dense peak of :func:`tabled_peak`."""
    return kernel_flops(op, shape) / tabled_peak(device)


def transfer_s(device: Device, op: str, shape: Mapping[str, Floats]) -> Floats:
    """Seconds at the full bandwidth of device memory."""
    return kernel_bytes(op, shape) / device.bandwidth_bytes_per_s


def roofline_s(device: Device, op: str, shape: Mapping[str, Floats]) -> Floats:
    """Seconds of the roofline at 100% of both rates: the larger of the two."""
    return np.maximum(compute_s(device, op, shape), transfer_s(device, op, shape))
