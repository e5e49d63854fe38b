"""One pass under torch.profiler, as tidy rows: where its time goes.

The profiler slows the host down by several microseconds per operator: these rows say where time
goes, the stages of ``profile_grid`` say how much there is.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from omnizip_cost.profiling.cell import Cell
from omnizip_cost.profiling.environment import device_name
from omnizip_cost.profiling.operators import (
    Placed,
    ScopeLedger,
    operator_parts,
    place,
    rotary_scopes,
    tabulate,
)
from omnizip_cost.profiling.stages import run_pass
from omnizip_cost.profiling.top_kernels import TOP, top_kernels
from omnizip_cost.profiling.trace import write_trace
from omnizip_cost.results.kernel_row import KernelRow
from omnizip_cost.results.schema import OperatorRow
from omnizip_cost.runtime.inputs import ModelInputs
from omnizip_cost.runtime.modules import find_text_model
from omnizip_cost.specs.spec import ThinkerSpec
from omnizip_cost.units import MICRO

DECODE_STEPS = 2
"""Decode steps of a profiled pass unless said otherwise: one is like another."""

_QUIET = "99"
"""Above every level of Kineto's log, which else writes two lines to stderr per profile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassProfile:
    """What one profiled pass shows, summed in two ways."""

    operators: tuple[OperatorRow, ...]
    """By part of the model and class of operator."""
    kernels: tuple[KernelRow, ...]
    """By kernel, the longest of each phase."""


def profile_pass(
    thinker: nn.Module,
    spec: ThinkerSpec,
    inputs: ModelInputs,
    cell: Cell,
    *,
    decode_steps: int = DECODE_STEPS,
    clip: str | None = None,
    trace: str | Path | None = None,
    warmup: bool = True,
    top: int = TOP,
) -> PassProfile:
    """Profile one pass of one cell, run as the stock loop.

    Decoding is not replayed from a graph here: a replay names neither modules nor operators.

    Parameters
    ----------
    thinker, spec, inputs, cell, decode_steps, clip
        As in :func:`omnizip_cost.profiling.session.profile_grid`.
    trace : path, optional
        Where to write a Chrome trace (``.json`` or ``.json.gz``), which Perfetto opens.
    warmup : bool
        Whether to run one pass before the profiled one.
    top : int
        Kernels of each phase that get a row.

    Returns
    -------
    PassProfile
        Self times of its operators add up to the time of the pass, the profiler's overhead
        included.
    """
    device = next(thinker.parameters()).device
    profiled = _profiled(thinker, inputs, cell, decode_steps, device, warmup)
    if trace is not None:
        write_trace(profiled, trace)
    placed = place(profiled.events() or ())
    common: dict[str, Any] = {
        "model": spec.name,
        "method": cell.method,
        "label": cell.label,
        "retained": cell.retained,
        "device": device_name(device),
        "clip": clip or inputs.workload.name,
        "decode_steps": decode_steps,
    }
    return PassProfile(
        operators=_operator_rows(placed, common), kernels=top_kernels(placed, common, top=top)
    )


def profile_operators(
    thinker: nn.Module,
    spec: ThinkerSpec,
    inputs: ModelInputs,
    cell: Cell,
    *,
    decode_steps: int,
    clip: str | None = None,
    trace: str | Path | None = None,
    warmup: bool = True,
) -> tuple[OperatorRow, ...]:
    """Profile one pass of one cell, operator by operator: see :func:`profile_pass`."""
    return profile_pass(
        thinker,
        spec,
        inputs,
        cell,
        decode_steps=decode_steps,
        clip=clip,
        trace=trace,
        warmup=warmup,
    ).operators


def _profiled(
    thinker: nn.Module,
    inputs: ModelInputs,
    cell: Cell,
    decode_steps: int,
    device: torch.device,
    warmup: bool,
) -> Any:
    """Run the pass inside our scopes and return torch's profile of it."""
    call = inputs.kwargs()
    parts, rotary = operator_parts(thinker), sys.modules[type(find_text_model(thinker)).__module__]
    with ExitStack() as stack:
        stack.enter_context(_quiet_kineto())
        ledger = ScopeLedger()
        stack.callback(ledger.close)

        def once() -> None:
            run_pass(
                thinker,
                call,
                cell,
                decode_steps=decode_steps,
                ledger=ledger,
                prefill_parts=parts,
                decode_parts=parts,
            )
            if device.type == "cuda":
                torch.cuda.synchronize(device)

        if warmup:
            once()
        stack.enter_context(rotary_scopes(rotary))
        with profile(activities=_activities(device), with_flops=True) as profiled:
            once()
    return profiled


def _operator_rows(placed: Sequence[Placed], common: dict[str, Any]) -> tuple[OperatorRow, ...]:
    return tuple(
        OperatorRow(
            **common,
            phase=phase,
            group=group,
            operator_class=kind,
            calls=total.calls,
            self_cpu_s=total.self_cpu_us * MICRO,
            self_device_s=total.self_device_us * MICRO,
            flops_reported=total.flops,
        )
        for (phase, group, kind), total in tabulate(placed).items()
    )


def _activities(device: torch.device) -> Sequence[ProfilerActivity]:
    host = [ProfilerActivity.CPU]
    return [*host, ProfilerActivity.CUDA] if device.type == "cuda" else host


@contextmanager
def _quiet_kineto() -> Iterator[None]:
    name = "KINETO_LOG_LEVEL"
    before = os.environ.get(name)
    os.environ.setdefault(name, _QUIET)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
