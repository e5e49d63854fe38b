"""Seconds of a selection, step by step.

Each step is a handful of kernels that torch dispatches one after another, whatever executes the
model around it. Its products are computed in float32 (:mod:`~omnizip_cost.cost.selection`), which
no table holds, or, where FastV ranks, in the model's own dtype: they take the peak of either, other
arithmetic the float32 peak, and what a step moves comes on top, since other kernels of it move
that. At the end the host waits once for the number of survivors, so that nothing of the
next stage is queued before the device is done.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from omnizip_cost.cost import SelectionOp
from omnizip_cost.latency.operator_times import Machine
from omnizip_cost.latency.timed_op import TimedOp, Work


def timed_selection(machine: Machine, steps: Iterable[SelectionOp]) -> Iterator[TimedOp]:
    """Time the steps of one selection, in their order.

    Raises
    ------
    UnknownNameError
        The device states no peak for float32.
    """
    device, own_dtype = machine.device, machine.scheme.formats.dtype
    for step in steps:
        multiplying = 2 * step.multiply_adds
        peak = device.peak(own_dtype if step.in_rows_dtype else "fp32")
        compute_s = multiplying / peak + step.unseen_flops / device.peak("fp32")
        base_s = compute_s + step.bytes_moved / machine.stream_bytes_per_s
        memory_s = step.bytes_moved / device.bandwidth_bytes_per_s
        work: Work = "gemm" if compute_s > memory_s else "memory"
        floor_s = step.kernels * machine.launch_s
        yield TimedOp(
            stage="selection",
            component="selection",
            module=step.name,
            operator="selection",
            aten="",
            first_layer=None,
            layers=1,
            kernels=step.kernels,
            work=work,
            kernel=None,
            sides="",
            flops=multiplying + step.unseen_flops,
            bytes_moved=step.bytes_moved,
            compute_s=compute_s,
            memory_s=memory_s,
            launch_s=floor_s,
            base_s=base_s,
            seconds=machine.calibrated(work, base_s, floor_s),
        )
