"""Runs the steps of a campaign one by one: what fits, what is missing, and on after a failure."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from campaign_budget import Budget, BudgetSpentError
from campaign_grid import Block, Grid, Micro, Profile, Step
from campaign_micro import micro_done, micro_step
from campaign_models import is_bundled, write_config
from campaign_operators import profile_step, unprofiled
from campaign_plan import Machine, block_of, build_seconds, passes_of, step_seconds
from campaign_steps import Circumstances, Held, StepRow, held, note_step
from campaign_thinkers import NotBuiltError, Thinkers

from omnizip_cost.profiling import Repeats, environment_record, profile_grid
from omnizip_cost.profiling.clock import Clock
from omnizip_cost.profiling.environment import device_name
from omnizip_cost.profiling.failures import failure_of
from omnizip_cost.profiling.memory import release_memory
from omnizip_cost.results import MeasurementStore, environment_id
from omnizip_cost.results.commit import now_utc
from omnizip_cost.runtime.inputs import random_inputs

SAY_EVERY_S = 10.0
"""Between two lines of progress within a step."""


@dataclass(slots=True, eq=False)
class Campaign:
    """Grids measured into one folder, within a budget."""

    grids: tuple[Grid, ...]
    out: Path
    name: str
    """Of the device, as files are called."""
    budget: Budget
    thinkers: Thinkers
    machine: Machine
    clock: Clock | None = None
    after_step: Callable[[], object] = lambda: None
    """Called when a step has ended, as for a packed copy."""
    _here: Circumstances | None = field(default=None, init=False)
    _said_s: float = field(default=float("-inf"), init=False)

    @property
    def store(self) -> MeasurementStore:
        """Where rows are kept."""
        return MeasurementStore(self.out)

    @property
    def here(self) -> Circumstances:
        """What rows of this run carry beside their cell."""
        if self._here is None:
            record = environment_record(self.device, dtype=self.dtype, attention="sdpa")
            self._here = Circumstances(
                environment_id=environment_id(record),
                device=device_name(self.device),
                dtype=self.dtype,
            )
        return self._here

    @property
    def device(self) -> str:
        """Of torch."""
        return self.thinkers.device

    @property
    def dtype(self) -> str:
        """Of weights and activations."""
        return self.thinkers.dtype

    def run(self) -> list[StepRow]:
        """Take every step that is not done and fits; return what became of each.

        Raises
        ------
        InputFileError
            Another campaign, or another program, writes to the folder.
        """
        found = []
        with self.store as store:
            for grid in self.grids:
                for step in grid.steps:
                    row = self._step(store, grid, step)
                    found.append(row)
                    if row.status != "held":
                        note_step(self.out, row)
                        self.after_step()
        return found

    def _step(self, store: MeasurementStore, grid: Grid, step: Step) -> StepRow:
        """Do one step, or say why not."""
        known = self._known(store, step)
        if not self._todo(step, known):
            return self._row(grid, step, "held", known)
        foretold_s = self._foretold(grid, step, known)
        if reason := self._obstacle(step, foretold_s):
            self._say(f"{step.name}: skipped, {reason}")
            return self._row(grid, step, "skipped", known, foretold_s=foretold_s, note=reason)
        self._say(f"{step.name}: begun, about {self._expected(step, foretold_s):.0f} s")
        start_s, status, note = self.budget.elapsed_s, "done", ""
        try:
            self._do(store, step)
        except BudgetSpentError:
            status, note = "part", "stopped: the budget is spent"
        except NotBuiltError as error:
            status, note = "failed", str(error)
        except Exception as error:
            status, note = "failed", failure_of(error, "assembly").reason
        if status != "done":
            release_memory(self.device)
        took_s = self.budget.elapsed_s - start_s
        if status == "done" and not isinstance(step, Micro):  # whose time is given, not foretold
            self.budget.learn(foretold_s=foretold_s, took_s=took_s)
        known = self._known(store, step)
        row = self._row(grid, step, status, known, foretold_s=foretold_s, took_s=took_s, note=note)
        self._say(f"{step.name}: {told(row)}")
        return row

    def _known(self, store: MeasurementStore, step: Step) -> Held | None:
        if not isinstance(step, Block):
            return None
        return held(store.rows(), step, self.here, weights=self.thinkers.weights(step))

    def _todo(self, step: Step, known: Held | None) -> bool:
        if isinstance(step, Micro):
            return not micro_done(self.out, self.name, self.here.environment_id)
        if isinstance(step, Profile):
            return bool(unprofiled(self.out, step))
        assert known is not None
        return bool(known.missing)

    def _foretold(self, grid: Grid, step: Step, known: Held | None) -> float:
        missing = known.missing if known else None
        seconds = step_seconds(step, passes_of(grid, step, self.machine), missing)
        block = block_of(step)
        if block is None:
            return seconds
        return seconds + build_seconds(grid, block, anew=block.thinker != self.thinkers.key)

    def _expected(self, step: Step, foretold_s: float) -> float:
        """What a step will take at the pace so far; a micro-benchmark takes what it is given."""
        return foretold_s * (1.0 if isinstance(step, Micro) else self.budget.pace)

    def _obstacle(self, step: Step, foretold_s: float) -> str:
        """Why a step cannot be taken now; empty where it can."""
        block = block_of(step)
        if block and block.attention == "flash_attention_2" and not flash_installed():
            return "flash-attn is not installed"
        need_s, left_s = self._expected(step, foretold_s), max(self.budget.left_s, 0.0)
        if need_s > left_s:
            return f"it would take about {need_s:.0f} s of the {left_s:.0f} s left"
        return ""

    def _do(self, store: MeasurementStore, step: Step) -> None:
        if isinstance(step, Micro):
            micro_step(self.out, self.name, step.seconds, device=self.device, dtype=self.dtype)
            return
        block = block_of(step)
        assert block is not None
        thinker = self.thinkers.get(block)
        inputs = random_inputs(block.spec, block.workload, dtype=self.dtype, device=self.device)
        if isinstance(step, Profile):
            profile_step(
                self.out, step, thinker, inputs, before=lambda what: self._report(step, what)
            )
            return
        if not is_bundled(block.spec.name):
            write_config(block.spec, self.out / "models")
        profile_grid(
            thinker,
            block.spec,
            inputs,
            block.cells,
            decode_steps=block.decode_steps,
            store=store,
            weights=self.thinkers.weights(block),
            clip=block.clip,
            repeats=Repeats(warmup=1),
            rounds=block.rounds,
            execution=block.execution,
            progress=lambda what, _done, _total: self._report(step, what),
            clock=self.clock,
        )

    def _report(self, step: Step, what: str) -> None:
        """Between two passes: stop when time is up, say now and then where we are."""
        if what == "done":
            return
        self.budget.require_time()
        if self.budget.elapsed_s - self._said_s >= SAY_EVERY_S:
            self._say(f"{step.name}: {what}")

    def _say(self, words: str) -> None:
        self._said_s = self.budget.elapsed_s
        print(f"[{self._said_s:5.0f} s] {words}", file=sys.stderr, flush=True)

    def _row(self, grid: Grid, step: Step, status: str, known: Held | None, **more: Any) -> StepRow:
        if status == "done" and known and known.missing:
            status = "failed" if known.count("failed") else "part"
        return StepRow(
            grid=grid.name,
            step=step.name,
            status=status,
            **(known.counts if known else {}),
            **more,
            created_utc=now_utc(),
        )


def flash_installed() -> bool:
    """Whether transformers can use flash-attn here, as the package and the device allow."""
    from transformers.utils import is_flash_attn_2_available

    return bool(is_flash_attn_2_available())


def told(row: StepRow) -> str:
    """Say in words what became of a step."""
    parts = [f"{row.status} in {row.took_s:.0f} s"]
    for number, word in ((row.oom, "out of memory"), (row.failed, "failed"), (row.left, "left")):
        if number:
            parts.append(f"{number} of {row.cells} cells {word}")
    return ", ".join(parts) + (f": {row.note}" if row.note else "")
