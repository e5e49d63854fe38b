"""One operator with its time: what it does, what binds it, and how long it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from omnizip_cost.cost.executed import Gemm, Shape
from omnizip_cost.results.row import FlatRow

Work = Literal["gemm", "attention", "memory"]
"""Which efficiency an operator's time goes by: of products, of fused attention, of bandwidth."""

Bound = Literal["compute", "memory", "launch"]
"""What an operator's time goes by: arithmetic, bytes, or the fixed cost of a kernel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedOp(FlatRow):
    """One operator over a group of equal layers, all calls of its stage together, in seconds."""

    stage: str
    component: str
    module: str
    """Kind of module that dispatches it; of selection, the step."""
    operator: str
    aten: str
    first_layer: int | None
    layers: int
    kernels: int
    """How often it runs."""
    work: Work
    kernel: str | None
    """Name of the kernel whose times it goes by; None where it goes by bytes."""
    unpacked: bool = False
    """Whether it unpacks stored weights, inside it or before it."""
    sides: str
    """Shape of one kernel; empty where it goes by bytes."""
    flops: int
    """Two for each multiply-add of products, and other arithmetic where it is counted."""
    bytes_moved: int
    compute_s: float
    """At the device's peak."""
    memory_s: float
    """At the device's whole bandwidth."""
    launch_s: float
    """Least time of so many kernels."""
    base_s: float
    """On the device before calibration."""
    seconds: float
    """On the device: ``base_s`` over the calibrated efficiency, ``launch_s`` at least."""

    @property
    def bound(self) -> Bound:
        """Which of the three least times is the largest.

        ``launch`` is fixed cost: of a kernel too small for arithmetic or bytes to matter, which may
        still take several times the floor, as attention on a short block does to start and to end.
        """
        if self.launch_s >= max(self.compute_s, self.memory_s):
            return "launch"
        return "compute" if self.compute_s >= self.memory_s else "memory"


def sides(shape: Shape | None) -> str:
    """Write the shape of one kernel.

    >>> sides(Gemm(m=10, n=64, k=32)), sides(Gemm(m=1, n=64, k=32, batch=8)), sides(None)
    ('10 x 64 x 32', '8 of 1 x 64 x 32', '')
    """
    if shape is None:
        return ""
    if isinstance(shape, Gemm):
        text = f"{shape.m:g} x {shape.n:g} x {shape.k:g}"
        return text if shape.batch == 1 else f"{shape.batch:g} of {text}"
    text = f"{shape.queries:g} on {shape.keys:g}, {shape.heads}/{shape.kv_heads} x {shape.head_dim}"
    return text if shape.batch == 1 else f"{shape.batch:g} of {text}"
