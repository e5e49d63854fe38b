"""One real pass of a compressed thinker, cut into stages of which none is inside another.

A ledger hears when a stage starts and stops. Stages nest as the modules do (selection runs
inside the text model); what lies between two cuts counts for the innermost stage only, so that
the stages' times add up to the time of the pass.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Literal, Protocol

import torch
from torch import nn

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.profiling.cell import Cell
from omnizip_cost.profiling.clock import Clock
from omnizip_cost.profiling.memory import PeakMeter
from omnizip_cost.runtime.compressed import compressed
from omnizip_cost.runtime.decode import decode, prefill
from omnizip_cost.runtime.kept import Kept
from omnizip_cost.runtime.modules import (
    find_audio_encoder,
    find_lm_head,
    find_text_model,
    find_vision_encoder,
)
from omnizip_cost.runtime.static_decode import StaticDecoder

Part = tuple[nn.Module, str]
"""A module and the stage that its forward belongs to."""


class Ledger(Protocol):
    """Hears of stages as they start and stop, in nested order."""

    def start(self, stage: str) -> None:
        """Enter a stage."""

    def stop(self, stage: str) -> None:
        """Leave the innermost stage, which must be this one."""


class StageLedger:
    """Keeps the stack of open stages; subclasses say what a cut between two of them notes."""

    def __init__(self) -> None:
        self._open: list[str] = []
        self.seen: list[str] = []
        """Stages in the order of their first start."""

    @property
    def current(self) -> str | None:
        """The innermost open stage: where an error came from, when one came."""
        return self._open[-1] if self._open else None

    @property
    def broke_off(self) -> str:
        """The stage that an error belongs to: between prefill and decode, decode was prepared."""
        return self.current or ("decode" if "prefill" in self.seen else "assembly")

    def start(self, stage: str) -> None:
        """Enter a stage; the one around it pauses."""
        self._cut(self.current)
        self._open.append(stage)
        if stage not in self.seen:
            self.seen.append(stage)

    def stop(self, stage: str) -> None:
        """Leave a stage; the one around it goes on."""
        if self.current != stage:
            raise InvalidValueError("stages", "stop", f"the open stage {self.current!r}", stage)
        self._cut(stage)
        self._open.pop()

    def _cut(self, ending: str | None) -> None:
        raise NotImplementedError


class TimeLedger(StageLedger):
    """Seconds per stage; marks are compared once, after the device is done."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._mark: Any = None
        self._segments: list[tuple[str, Any, Any]] = []

    def _cut(self, ending: str | None) -> None:
        mark = self._clock.mark()
        if ending is not None:
            self._segments.append((ending, self._mark, mark))
        self._mark = mark

    def seconds(self) -> dict[str, float]:
        """Return seconds per stage, in the order in which the stages began."""
        self._clock.synchronise()
        found = dict.fromkeys(self.seen, 0.0)
        for stage, start, stop in self._segments:
            found[stage] += self._clock.elapsed_s(start, stop)
        return found


class MemoryLedger(StageLedger):
    """Peak bytes per stage: the highest of the segments in which it was the innermost."""

    def __init__(self, meter: PeakMeter) -> None:
        super().__init__()
        self._meter = meter
        self.peaks: dict[str, dict[str, int]] = {}

    def _cut(self, ending: str | None) -> None:
        if ending is not None:
            known = self.peaks.setdefault(ending, {})
            for name, value in self._meter.peaks().items():
                known[name] = max(known.get(name, 0), value)
        self._meter.reset()


@contextmanager
def stage_hooks(parts: Sequence[Part], ledger: Ledger) -> Iterator[None]:
    """Tell the ledger whenever one of these modules runs; leaving the block removes the hooks."""
    with ExitStack() as stack:
        for module, stage in parts:
            before, after = _edges(ledger, stage)
            stack.callback(module.register_forward_pre_hook(before).remove)
            stack.callback(module.register_forward_hook(after).remove)
        yield


def thinker_parts(thinker: nn.Module) -> tuple[Part, ...]:
    """Return the thinker's modules with their stages, found by class.

    Prefill is the decoder stack and the LM head, which the stock thinker runs at every position.
    """
    return (
        (find_audio_encoder(thinker), "audio_encoder"),
        (find_vision_encoder(thinker), "vision_encoder"),
        (find_text_model(thinker), "prefill"),
        (find_lm_head(thinker), "prefill"),
    )


def run_pass(
    thinker: nn.Module,
    call: Mapping[str, Any],
    cell: Cell,
    *,
    decode_steps: int,
    ledger: Ledger,
    prefill_parts: Sequence[Part] | None = None,
    decode_parts: Sequence[Part] = (),
    decoder: StaticDecoder | None = None,
) -> Kept:
    """Take one prompt in under the cell's method and decode, reporting stages to the ledger.

    Whatever the thinker does outside its encoders, selection, decoder and LM head before
    decoding is the stage ``assembly``.

    Parameters
    ----------
    thinker : Module
    call : mapping
        What the thinker's forward takes.
    cell : Cell
    decode_steps : int
        Forward calls after prefill; 0 leaves the stage out.
    ledger : Ledger
    prefill_parts, decode_parts : sequence of (Module, str), optional
        Modules whose runs the ledger hears of; by default the stages of :func:`thinker_parts`
        before decoding and none inside it.
    decoder : StaticDecoder, optional
        Decodes with a static cache, on CUDA by replaying a graph. Copying the cache, warming up
        and capturing lie between the stages: ``decode`` is the replays alone.

    Returns
    -------
    Kept
        What the method kept.
    """
    parts = thinker_parts(thinker) if prefill_parts is None else prefill_parts
    with torch.inference_mode():
        with compressed(thinker, **cell.settings(), observer=_observer(ledger)) as handle:
            with stage_hooks(parts, ledger):
                ledger.start("assembly")
                start = prefill(thinker, call)
                ledger.stop("assembly")
            if decode_steps and decoder is None:
                with stage_hooks(decode_parts, ledger):
                    ledger.start("decode")
                    decode(thinker, start, decode_steps)
                    ledger.stop("decode")
        if decode_steps and decoder is not None:
            ready = decoder.prepare(thinker, start, decode_steps)
            ledger.start("decode")
            ready.run()
            ledger.stop("decode")
    assert handle.last is not None
    return handle.last


def _edges(ledger: Ledger, stage: str) -> tuple[Any, Any]:
    """Forward hooks that change nothing: they return None."""

    def before(module: nn.Module, args: tuple[Any, ...]) -> None:
        ledger.start(stage)

    def after(module: nn.Module, args: tuple[Any, ...], output: object) -> None:
        ledger.stop(stage)

    return before, after


def _observer(ledger: Ledger) -> Any:
    """Pass selection on; an error on its way out leaves the stage open, to tell where it was."""
    outside = sys.exc_info()[1]

    def observe(stage: str, edge: Literal["start", "stop"]) -> None:
        if edge == "start":
            ledger.start(stage)
        elif sys.exc_info()[1] is outside:
            ledger.stop(stage)

    return observe
