"""What all cells of one grid share, and the rows that one cell gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from omnizip_cost import __version__
from omnizip_cost.compression.build import make_plan
from omnizip_cost.errors import InvalidValueError, UnknownNameError
from omnizip_cost.profiling.cell import Cell
from omnizip_cost.profiling.clock import Clock, clock_for
from omnizip_cost.profiling.environment import device_name, environment_record
from omnizip_cost.profiling.failures import Failure, failure_of
from omnizip_cost.profiling.harness import judged, no_garbage_collection
from omnizip_cost.profiling.memory import (
    keep_freed_memory,
    peak_meter,
    release_memory,
    resident_bytes,
)
from omnizip_cost.profiling.stages import MemoryLedger, StageLedger, TimeLedger, run_pass
from omnizip_cost.results.commit import now_utc
from omnizip_cost.results.schema import (
    EXECUTIONS,
    WEIGHTS,
    CellKey,
    MeasurementRow,
    cell_key,
    environment_id,
)
from omnizip_cost.runtime.inputs import ModelInputs
from omnizip_cost.runtime.kept import Kept
from omnizip_cost.runtime.modules import find_text_model
from omnizip_cost.runtime.static_decode import StaticDecoder
from omnizip_cost.specs.spec import ThinkerSpec

SCORES = {"random": "random-weights encoder", "checkpoint": "encoder"}
"""Where audio scores come from, by the thinker's weights."""

_MEMORY_COLUMNS = (
    "memory_source",
    "peak_allocated_bytes",
    "peak_reserved_bytes",
    "resident_bytes",
    "resident_base_bytes",
)


class Bench:
    """One thinker with one prompt on one device: everything but the cell."""

    def __init__(
        self,
        thinker: nn.Module,
        spec: ThinkerSpec,
        inputs: ModelInputs,
        *,
        decode_steps: int,
        weights: str = "random",
        clip: str | None = None,
        execution: str = "stock",
        clock: Clock | None = None,
    ) -> None:
        if isinstance(decode_steps, bool) or not isinstance(decode_steps, int) or decode_steps < 0:
            raise InvalidValueError(
                "profile", "decode_steps", "a whole number, 0 or more", decode_steps
            )
        if weights not in WEIGHTS:
            raise InvalidValueError("profile", "weights", "'random' or 'checkpoint'", weights)
        if execution not in EXECUTIONS:
            raise UnknownNameError("execution", str(execution), EXECUTIONS)
        parameter = next(thinker.parameters())
        self.thinker, self.spec, self.workload = thinker, spec, inputs.workload
        self.call: Mapping[str, Any] = inputs.kwargs()
        self.decode_steps, self.weights = decode_steps, weights
        self.execution = execution
        self.decoder = StaticDecoder() if execution == "graph" else None
        self.clip = clip or inputs.workload.name
        self.device: torch.device = parameter.device
        self.clock = clock or clock_for(self.device)
        self.dtype = str(parameter.dtype).removeprefix("torch.")
        config: Any = find_text_model(thinker).config
        self.attention: str = config._attn_implementation
        self.record = environment_record(self.device, dtype=self.dtype, attention=self.attention)

    def identity(self, cell: Cell) -> dict[str, Any]:
        """Return the columns that are known before the cell runs.

        Raises
        ------
        InvalidValueError
            Settings that do not fit this model or prompt.
        """
        work = self.workload
        plan = make_plan(
            cell.method,
            work,
            self.spec,
            retained=cell.retained,
            audio_pruning=cell.audio_pruning,
            video_pruning=cell.video_pruning,
            mode=cell.mode,
            fastv_layer=cell.fastv_layer,
            fastv_form=cell.fastv_form,
        )
        return {
            "environment_id": environment_id(self.record),
            "model": self.spec.name,
            "weights": self.weights,
            "device": device_name(self.device),
            "dtype": self.dtype,
            "attention": self.attention,
            "execution": self.execution,
            "clip": self.clip,
            "method": cell.method,
            "mode": cell.mode,
            "label": cell.label,
            "retained": plan.retained,
            "rho_a": plan.rho_a,
            "rho_v": plan.rho_v,
            "fastv_layer": plan.fastv_layer,
            "fastv_form": plan.fastv_form,
            "seed": cell.seed,
            "full_tokens": work.tokens,
            "text_tokens": work.text_tokens,
            "av_tokens": work.av_tokens,
            "audio_tokens": work.audio_tokens,
            "video_tokens": work.video_tokens,
            "tokens_per_grid": plan.tokens_per_grid,
            "mel_frames": plan.mel_frames,
            "anchor_share": plan.anchor_share,
            "merge": plan.merge,
            "video_windows": tuple(window.video_tokens for window in plan.windows),
            "audio_windows": tuple(window.audio_tokens for window in plan.windows),
            "grid_thw": work.grid_thw or (),
            "decode_steps": self.decode_steps,
        }

    def key(self, cell: Cell) -> CellKey:
        """Return the key under which the cell's rows are stored."""
        return cell_key(self.identity(cell))


@dataclass(slots=True, eq=False)
class CellRun:
    """A cell being measured: passes one by one, and the rows so far."""

    bench: Bench
    cell: Cell
    samples: dict[str, list[float]] = field(default_factory=dict)
    warmups: dict[str, list[float]] = field(default_factory=dict)
    memory: dict[str, dict[str, Any]] = field(default_factory=dict)
    counts: dict[str, Any] = field(default_factory=dict)
    inherited: tuple[str, ...] = ()
    """Doubts of samples taken by an earlier run."""
    started_utc: str = ""
    """When the first sample was taken, in this run or an earlier one."""
    interleaved: bool = False
    """Whether sample i was taken in round i, next to those of the other cells."""
    failure: Failure | None = None
    _ledger: StageLedger | None = None

    @property
    def taken(self) -> int:
        """Samples so far."""
        return min((len(values) for values in self.samples.values()), default=0)

    def inherit(self, rows: Iterable[MeasurementRow]) -> None:
        """Go on from the stored rows of an unfinished cell; a failed one starts anew."""
        rows = tuple(rows)
        if not rows or any(row.status != "ok" for row in rows):
            return
        doubts: dict[str, None] = {}
        self.started_utc = min(row.started_utc or row.created_utc for row in rows)
        for row in rows:
            self.samples[row.stage] = list(row.samples_s)
            self.warmups[row.stage] = list(row.warmup_s)
            if row.memory_source is not None:
                self.memory[row.stage] = {name: row[name] for name in _MEMORY_COLUMNS}
            own = set(judged(row.samples_s).doubts)
            doubts.update(dict.fromkeys(doubt for doubt in row.doubts if doubt not in own))
        doubts["samples come from more than one run"] = None
        self.inherited = tuple(doubts)

    def timed_pass(self) -> dict[str, float]:
        """Run one pass and return seconds per stage; on a CPU, freed memory is kept for the next.

        Else a pass pays for pages that the kernel zeroes, by whatever the heap did before.
        """
        if self.bench.device.type == "cpu":
            keep_freed_memory()
        self._ledger = ledger = TimeLedger(self.bench.clock)
        self.bench.clock.synchronise()
        self._run(ledger)
        return ledger.seconds()

    def warm_up(self) -> None:
        """Run one pass whose times are kept apart."""
        for stage, seconds in self.timed_pass().items():
            self.warmups.setdefault(stage, []).append(seconds)

    def sample(self) -> None:
        """Run one pass and keep its times."""
        self.started_utc = self.started_utc or now_utc()
        with no_garbage_collection():
            found = self.timed_pass()
        for stage, seconds in found.items():
            self.samples.setdefault(stage, []).append(seconds)

    def measure_memory(self) -> None:
        """Run one untimed pass and keep each stage's peak, unless an earlier run did."""
        if self.memory:
            return
        device = self.bench.device
        if device.type == "cpu":
            keep_freed_memory(False)
        release_memory(device)
        meter = peak_meter(device)
        base = {} if device.type == "cuda" else {"resident_base_bytes": resident_bytes()}
        try:
            self._ledger = ledger = MemoryLedger(meter)
            self._run(ledger)
        finally:
            meter.close()
        for stage, peaks in ledger.peaks.items():
            self.memory[stage] = {"memory_source": meter.source, **base, **peaks}

    def attempt(self, work: Callable[[], object]) -> None:
        """Turn an error of a pass into this cell's failure; the grid goes on."""
        try:
            work()
        except Exception as error:
            stage = self._ledger.broke_off if self._ledger else "assembly"
            self.failure = failure_of(error, stage)
        if self.failure is not None:  # only now is the traceback gone, and what it held
            release_memory(self.bench.device)

    def rows(self, doubts: Iterable[str] = ()) -> tuple[MeasurementRow, ...]:
        """Return the cell's rows so far: one per stage, or one that says how it failed."""
        shared = self.bench.identity(self.cell) | self.counts
        shared |= {
            "scores": SCORES[self.bench.weights],
            "package_version": __version__,
            "started_utc": self.started_utc,
            "created_utc": now_utc(),
        }
        if self.failure is not None:
            return (
                MeasurementRow(
                    **shared,
                    stage=self.failure.stage,
                    status=self.failure.status,
                    reason=self.failure.reason,
                    samples_s=tuple(self.samples.get(self.failure.stage, ())),
                    warmup_s=tuple(self.warmups.get(self.failure.stage, ())),
                ),
            )
        outer = tuple(dict.fromkeys((*self.inherited, *doubts)))
        return tuple(self._row(stage, shared, outer) for stage in self.samples)

    def _row(self, stage: str, shared: dict[str, Any], doubts: tuple[str, ...]) -> MeasurementRow:
        known = judged(self.samples[stage], self.warmups.get(stage, ()))
        return MeasurementRow(
            **shared,
            **self.memory.get(stage, {}),
            stage=stage,
            median_s=known.median_s,
            low_s=known.low_s,
            high_s=known.high_s,
            samples_s=known.samples_s,
            warmup_s=known.warmup_s,
            order="interleaved" if self.interleaved else "alone",
            doubts=(*known.doubts, *doubts),
        )

    def _run(self, ledger: StageLedger) -> None:
        bench = self.bench
        kept = run_pass(
            bench.thinker,
            bench.call,
            self.cell,
            decode_steps=bench.decode_steps,
            ledger=ledger,
            decoder=bench.decoder,
        )
        self.counts = _counts(kept)


def _counts(kept: Kept) -> dict[str, Any]:
    audio, video = kept.audio_kept, kept.video_kept
    return {
        "kept_tokens": kept.kept_tokens,
        "audio_kept": audio,
        "video_kept": video,
        "av_kept": audio + video,
        "realised": kept.realised,
    }
