"""One pass under torch.profiler, as tidy rows: part of the model x class of operator x phase.

The profiler slows the host down by several microseconds per operator: these rows say where time
goes, the stages of ``profile_grid`` say how much there is.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.autograd import DeviceType  # type: ignore[attr-defined]
from torch.profiler import ProfilerActivity, profile, record_function

from omnizip_cost.profiling.cell import Cell
from omnizip_cost.profiling.environment import device_name
from omnizip_cost.profiling.opclasses import operator_class
from omnizip_cost.profiling.stages import Part, run_pass
from omnizip_cost.results.schema import OperatorRow
from omnizip_cost.results.tables import atomic_write_bytes
from omnizip_cost.runtime.inputs import ModelInputs
from omnizip_cost.runtime.modules import (
    find_audio_encoder,
    find_decoder_layers,
    find_lm_head,
    find_text_model,
    find_vision_encoder,
)
from omnizip_cost.specs.spec import ThinkerSpec
from omnizip_cost.units import MICRO

PHASE, GROUP, CLASS = "phase ", "group ", "class "
"""Beginnings of the names of our scopes, as a trace shows them."""

_SCOPES = {"assembly": (PHASE + "prefill", GROUP + "assembly")}
_SCOPES["decode"] = (PHASE + "decode", GROUP + "assembly")

_QUIET = "99"
"""Above every level of Kineto's log, which else writes two lines to stderr per profile."""

Key = tuple[str, str, str]
"""Phase, group, class."""


@dataclass(slots=True)
class Total:
    """Sums over the operators of one key."""

    calls: int = 0
    self_cpu_us: float = 0.0
    self_device_us: float = 0.0
    flops: int = 0


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
    """Profile one pass of one cell, operator by operator.

    Parameters
    ----------
    thinker, spec, inputs, cell, decode_steps, clip
        As in :func:`omnizip_cost.profiling.session.profile_grid`.
    trace : path, optional
        Where to write a Chrome trace (``.json`` or ``.json.gz``), which Perfetto opens.
    warmup : bool
        Whether to run one pass before the profiled one.

    Returns
    -------
    tuple of OperatorRow
        Self times add up to the time of the pass, the profiler's overhead included.
    """
    call = inputs.kwargs()
    device = next(thinker.parameters()).device
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

        if warmup:
            once()
        stack.enter_context(rotary_scopes(rotary))
        with profile(activities=_activities(device), with_flops=True) as profiled:
            once()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
    if trace is not None:
        write_trace(profiled, trace)
    common: dict[str, Any] = {
        "model": spec.name,
        "method": cell.method,
        "label": cell.label,
        "retained": cell.retained,
        "device": device_name(device),
        "clip": clip or inputs.workload.name,
        "decode_steps": decode_steps,
    }
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
        for (phase, group, kind), total in tabulate(profiled.events() or ()).items()
    )


def operator_parts(thinker: nn.Module) -> tuple[Part, ...]:
    """Return the modules that get a scope, found by class; inner scopes win over outer ones."""
    text, audio, vision = (
        find(thinker) for find in (find_text_model, find_audio_encoder, find_vision_encoder)
    )
    parts = [
        (audio, GROUP + "audio_encoder"),
        (vision, GROUP + "vision_encoder"),
        (text, GROUP + "decoder"),
        (find_lm_head(thinker), GROUP + "lm_head"),
    ]
    for layer in (*find_decoder_layers(thinker), text):
        for child in layer.children():
            if (group := _group_of(child)) is not None:
                parts.append((child, GROUP + group))
    for module in (inner for part in (text, audio, vision) for inner in part.modules()):
        for word in ("norm", "rotary"):
            if word in type(module).__name__.lower():
                parts.append((module, CLASS + word))
    return tuple(parts)


class ScopeLedger:
    """Opens a torch.profiler scope for every stage that starts."""

    def __init__(self) -> None:
        self._open: list[ExitStack] = []

    def start(self, stage: str) -> None:
        """Open the stage's scopes: phase and group, or the one it is named after."""
        scopes = ExitStack()
        for name in _SCOPES.get(stage, (stage if " " in stage else GROUP + stage,)):
            scopes.enter_context(record_function(name))
        self._open.append(scopes)

    def stop(self, stage: str) -> None:
        """Close the innermost scopes."""
        self._open.pop().close()

    def close(self) -> None:
        """Close what an error left open."""
        while self._open:
            self._open.pop().close()


@contextmanager
def rotary_scopes(module: Any) -> Iterator[None]:
    """Give the modelling file's rotary functions a scope; leaving the block puts them back."""
    found = {
        name: function
        for name, function in vars(module).items()
        if "rotary_pos_emb" in name and callable(function) and not isinstance(function, type)
    }
    for name, function in found.items():
        setattr(module, name, _scoped(function))
    try:
        yield
    finally:
        for name, function in found.items():
            setattr(module, name, function)


def tabulate(events: Iterable[Any]) -> dict[Key, Total]:
    """Sum profiler events by phase, group and class; those outside our scopes are left out.

    Device time is read off the host operator that launched the kernels, so the kernels' own
    events are not counted again.
    """
    placed: dict[int, Key] = {}
    totals: dict[Key, Total] = {}
    for event in events:
        if event.device_type != DeviceType.CPU:
            continue
        key = _place(event, placed)
        if not key[0]:
            continue
        total = totals.setdefault(key, Total())
        total.self_cpu_us += float(event.self_cpu_time_total)
        if not _is_scope(event):
            total.calls += _is_entry(event, key, placed)
            total.self_device_us += float(event.self_device_time_total)
            total.flops += int(event.flops or 0)
    return totals


def write_trace(profiled: profile, path: str | Path) -> None:
    """Write a Chrome trace without the host's name and the path it was written to."""
    path = Path(path)
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "trace.json"
        profiled.export_chrome_trace(str(raw))
        content = json.loads(raw.read_text(encoding="utf-8"))
    content.pop("host_name", None)
    content["traceName"] = path.name
    data = json.dumps(content, separators=(",", ":")).encode()
    atomic_write_bytes(path, gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def _place(event: Any, placed: dict[int, Key]) -> Key:
    """Return phase, group and class of an event, from its own name and its callers' places."""
    chain = []
    while event is not None and id(event) not in placed:
        chain.append(event)
        event = event.cpu_parent
    phase, group, kind = placed[id(event)] if event is not None else ("", "assembly", "other")
    for step in reversed(chain):
        name = step.name
        if name.startswith(PHASE):
            phase = name.removeprefix(PHASE)
        elif name.startswith(GROUP):
            group, kind = name.removeprefix(GROUP), "other"
        elif name.startswith(CLASS):
            kind = name.removeprefix(CLASS)
        else:
            kind = operator_class(name, kind)
        placed[id(step)] = (phase, group, kind)
    return placed[id(chain[0])] if chain else (phase, group, kind)


def _is_scope(event: Any) -> bool:
    return str(event.name).startswith((PHASE, GROUP, CLASS))


def _is_entry(event: Any, key: Key, placed: dict[int, Key]) -> bool:
    """Whether an operator was not called by another of its kind (addmm inside linear is one)."""
    caller = event.cpu_parent
    return caller is None or _is_scope(caller) or placed.get(id(caller)) != key


def _group_of(module: nn.Module) -> str | None:
    name = type(module).__name__
    for words, group in (("Attention", "attention"), ("Norm", "norm")):
        if words in name:
            return group
    return "mlp" if name.endswith(("MLP", "MoeBlock")) else None


def _scoped(function: Any) -> Any:
    @wraps(function)
    def inside(*args: Any, **kwargs: Any) -> Any:
        with record_function(CLASS + "rotary"):
            return function(*args, **kwargs)

    return inside


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
