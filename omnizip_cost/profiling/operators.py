"""Scopes that a profiled pass opens, and where each of its operators belongs by them.

Part of the model x class of operator x phase; :mod:`omnizip_cost.profiling.profiled_pass` runs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any

from torch import nn
from torch.autograd import DeviceType  # type: ignore[attr-defined]
from torch.profiler import record_function

from omnizip_cost.profiling.opclasses import operator_class
from omnizip_cost.profiling.stages import Part
from omnizip_cost.runtime.modules import (
    find_audio_encoder,
    find_decoder_layers,
    find_lm_head,
    find_text_model,
    find_vision_encoder,
)

PHASE, GROUP, CLASS = "phase ", "group ", "class "
"""Beginnings of the names of our scopes, as a trace shows them."""

_SCOPES = {"assembly": (PHASE + "prefill", GROUP + "assembly")}
_SCOPES["decode"] = (PHASE + "decode", GROUP + "assembly")

Key = tuple[str, str, str]
"""Phase, group, class."""


@dataclass(slots=True)
class Total:
    """Sums over the operators of one key."""

    calls: int = 0
    self_cpu_us: float = 0.0
    self_device_us: float = 0.0
    flops: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Placed:
    """A host event of the profiler, and where it belongs."""

    event: Any
    key: Key
    is_entry: bool
    """Whether it was not called by another of its key: addmm inside linear is no entry."""


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


def place(events: Iterable[Any]) -> list[Placed]:
    """Find phase, group and class of every operator; what lies outside our scopes is left out.

    Scopes themselves are left in, since part of the host's time is theirs, with no entry.
    """
    placed: dict[int, Key] = {}
    found = []
    for event in events:
        if event.device_type != DeviceType.CPU:
            continue
        key = _key(event, placed)
        if key[0]:
            entry = not is_scope(event) and _is_entry(event, key, placed)
            found.append(Placed(event=event, key=key, is_entry=entry))
    return found


def tabulate(placed: Iterable[Placed]) -> dict[Key, Total]:
    """Sum profiler events by phase, group and class.

    Device time is read off the host operator that launched the kernels, so the kernels' own
    events are not counted again.
    """
    totals: dict[Key, Total] = {}
    for item in placed:
        event = item.event
        total = totals.setdefault(item.key, Total())
        total.self_cpu_us += float(event.self_cpu_time_total)
        if not is_scope(event):
            total.calls += item.is_entry
            total.self_device_us += float(event.self_device_time_total)
            total.flops += int(event.flops or 0)
    return totals


def _key(event: Any, placed: dict[int, Key]) -> Key:
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


def is_scope(event: Any) -> bool:
    """Whether an event is one of our scopes, and no operator."""
    return str(event.name).startswith((PHASE, GROUP, CLASS))


def _is_entry(event: Any, key: Key, placed: dict[int, Key]) -> bool:
    """Whether an operator was not called by another of its kind (addmm inside linear is one)."""
    caller = event.cpu_parent
    return caller is None or is_scope(caller) or placed.get(id(caller)) != key


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
