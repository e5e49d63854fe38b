"""What token compression saves in omnimodal LLMs: on paper, counted exactly, and measured.

The names below are loaded when first used; importing the package loads no library beyond
the standard one, reads no file and probes no device.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omnizip_cost.compression import allocate
    from omnizip_cost.compression import make_plan as plan
    from omnizip_cost.cost import count, total_flops
    from omnizip_cost.cost.account import account
    from omnizip_cost.cost.memory import memory_peak
    from omnizip_cost.latency import predict
    from omnizip_cost.latency.kernels import kernel_latency_ms
    from omnizip_cost.runtime.build import build_thinker, load_checkpoint
    from omnizip_cost.runtime.compressed import compressed
    from omnizip_cost.runtime.conformance import check_method
    from omnizip_cost.runtime.selection import select
    from omnizip_cost.specs import load_spec, pruned
    from omnizip_cost.workload import bare_workload, clip_workload, workload

__version__ = "0.1.0"

_PUBLIC = {
    "account": ("cost.account", "account"),
    "allocate": ("compression", "allocate"),
    "bare_workload": ("workload", "bare_workload"),
    "build_thinker": ("runtime.build", "build_thinker"),
    "check_method": ("runtime.conformance", "check_method"),
    "clip_workload": ("workload", "clip_workload"),
    "compressed": ("runtime.compressed", "compressed"),
    "count": ("cost", "count"),
    "kernel_latency_ms": ("latency.kernels", "kernel_latency_ms"),
    "load_checkpoint": ("runtime.build", "load_checkpoint"),
    "load_spec": ("specs", "load_spec"),
    "memory_peak": ("cost.memory", "memory_peak"),
    "plan": ("compression", "make_plan"),
    "predict": ("latency", "predict"),
    "pruned": ("specs", "pruned"),
    "select": ("runtime.selection", "select"),
    "total_flops": ("cost", "total_flops"),
    "workload": ("workload", "workload"),
}

__all__ = [
    "__version__",
    "account",
    "allocate",
    "bare_workload",
    "build_thinker",
    "check_method",
    "clip_workload",
    "compressed",
    "count",
    "kernel_latency_ms",
    "load_checkpoint",
    "load_spec",
    "memory_peak",
    "plan",
    "predict",
    "pruned",
    "select",
    "total_flops",
    "workload",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    room, attribute = _PUBLIC[name]
    return getattr(import_module(f"{__name__}.{room}"), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
