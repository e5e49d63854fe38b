"""How each FLOP counter is asked, as its own documentation says, and what its number means.

A reading is the number a tool gives for one forward pass of one module. Nothing is corrected: only
multiply-adds are doubled where the tool says that it counts those. Tools that are not installed
are left out; what a tool leaves patched after a failure is put back.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

Reader = Callable[[nn.Module, dict[str, Tensor]], float]
"""Module and its named inputs -> what the tool reports."""

FLOPS, MACS = "FLOPs", "MACs"
FLOPS_EACH = {FLOPS: 1, MACS: 2}
"""FLOPs of one unit that a tool reports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One way of asking one counter."""

    name: str
    package: str
    """What pip calls the distribution."""
    reports: str
    """The tool's own stated unit."""
    source: str
    """Where it says so, and how it is meant to be called."""
    shapes: str
    """Tensors without data on which it gives what it gives on a CPU: ``cpu shapes`` or ``meta``.

    Counters of dispatched operators need tensors that dispatch as a CPU's do; those that patch
    functions or hook modules see none of that, and some refuse tensors that only claim a device.
    """
    read: Reader
    fixed: bool = False
    """The name states these tensors: never asked on others."""
    sees_inside: bool = False
    """Whether it records what a kernel calls inside, which only tensors with data make it call."""

    def version(self) -> str | None:
        """Version installed; None where it is not."""
        try:
            return version(self.package)
        except PackageNotFoundError:
            return None

    def ask(self, module: nn.Module, inputs: dict[str, Tensor]) -> float:
        """Return what the tool reports, its own printing held back.

        Raises
        ------
        Exception
            Whatever the tool or the module under it raises.
        """
        with redirect_stdout(io.StringIO()), torch.no_grad(), _functions_put_back():
            return self.read(module, inputs)


@contextmanager
def _functions_put_back() -> Iterator[None]:
    """Undo what a tool patched into torch, which some leave there when they fail."""
    places = (torch, Tensor, functional)
    before = [dict(vars(place)) for place in places]
    try:
        yield
    finally:
        for place, names in zip(places, before, strict=True):
            for name, value in dict(vars(place)).items():
                if name not in names:
                    delattr(place, name)
                elif value is not names[name]:
                    setattr(place, name, names[name])


def flop_counter_mode(module: nn.Module, inputs: dict[str, Tensor]) -> float:
    """Ask torch's own counter of dispatched operators."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        module(**inputs)
    return counter.get_total_flops()


def flop_counter_mode_math(module: nn.Module, inputs: dict[str, Tensor]) -> float:
    """The same with attention written out as matrix products."""
    with sdpa_kernel(SDPBackend.MATH):
        return flop_counter_mode(module, inputs)


def torch_profiler(module: nn.Module, inputs: dict[str, Tensor]) -> float:
    """Ask the profiler, ``with_flops=True``: the sum over its table of operators."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], with_flops=True) as seen:
        module(**inputs)
    return sum(event.flops for event in seen.key_averages())


def calflops(module: nn.Module, inputs: dict[str, Tensor]) -> float:
    """Ask ``calculate_flops`` with the inputs as positional arguments."""
    from calflops import calculate_flops

    flops, _, _ = calculate_flops(
        model=module, args=list(inputs.values()), print_results=False, output_as_string=False
    )
    return float(flops)


def fvcore(module: nn.Module, inputs: dict[str, Tensor]) -> float:
    """Ask ``FlopCountAnalysis``, its warnings off."""
    from fvcore.nn import FlopCountAnalysis

    analysis = FlopCountAnalysis(module, tuple(inputs.values()))
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    return analysis.total()


def thop(module: nn.Module, inputs: dict[str, Tensor]) -> float:
    """Ask ``profile``."""
    from thop import profile

    macs, _ = profile(module, inputs=tuple(inputs.values()), verbose=False)
    return float(macs)


def _ptflops(backend: str) -> Reader:
    def ptflops(module: nn.Module, inputs: dict[str, Tensor]) -> float:
        """Ask ``get_model_complexity_info``; it prints its failures and returns None."""
        from ptflops import get_model_complexity_info

        said = io.StringIO()
        with redirect_stdout(said):
            macs, _ = get_model_complexity_info(
                module,
                (1,),
                input_constructor=lambda _: inputs,
                as_strings=False,
                print_per_layer_stat=False,
                backend=backend,
            )
        if macs is None:
            raise RuntimeError(said.getvalue())
        return float(macs)

    return ptflops


_TORCH = "docs.pytorch.org, torch.utils.flop_counter; 2 per multiply-add"
_PTFLOPS = "github.com/sovrasov/flops-counter.pytorch, README: multiply-add operations; "

TOOLS: tuple[Tool, ...] = (
    Tool(
        name="FlopCounterMode, meta",
        package="torch",
        reports=FLOPS,
        source=_TORCH,
        shapes="meta",
        read=flop_counter_mode,
        fixed=True,
    ),
    Tool(
        name="FlopCounterMode, math",
        package="torch",
        reports=FLOPS,
        source=f"{_TORCH}; torch.nn.attention.sdpa_kernel(SDPBackend.MATH)",
        shapes="cpu shapes",
        read=flop_counter_mode_math,
    ),
    Tool(
        name="FlopCounterMode, CPU",
        package="torch",
        reports=FLOPS,
        source=_TORCH,
        shapes="cpu shapes",
        read=flop_counter_mode,
    ),
    Tool(
        name="torch.profiler",
        package="torch",
        reports=FLOPS,
        source="docs.pytorch.org, torch.profiler: with_flops (matrix products, 2-D convolution, "
        "elementwise products and sums)",
        shapes="cpu shapes",
        read=torch_profiler,
        sees_inside=True,
    ),
    Tool(
        name="calflops",
        package="calflops",
        reports=FLOPS,
        source="github.com/MrYxJ/calculate-flops.pytorch, README: FLOPs, MACs and parameters; the "
        "first of the three",
        shapes="meta",
        read=calflops,
    ),
    Tool(
        name="fvcore",
        package="fvcore",
        reports=MACS,
        source="github.com/facebookresearch/fvcore, docs/flop_count.md: one fused multiply-add is "
        "one flop",
        shapes="meta",
        read=fvcore,
    ),
    Tool(
        name="thop",
        package="thop",
        reports=MACS,
        source="github.com/Lyken17/pytorch-OpCounter, README: macs, params = profile(...)",
        shapes="meta",
        read=thop,
    ),
    Tool(
        name="ptflops, aten",
        package="ptflops",
        reports=MACS,
        source=f"{_PTFLOPS}the backend it recommends for transformers",
        shapes="cpu shapes",
        read=_ptflops("aten"),
    ),
    Tool(
        name="ptflops, pytorch",
        package="ptflops",
        reports=MACS,
        source=f"{_PTFLOPS}its README advises against this backend for transformers, the "
        "function takes it by default",
        shapes="cpu shapes",
        read=_ptflops("pytorch"),
    ),
)
