"""A grid of cells, measured and stored one by one: stopped at any moment, it goes on from there."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Self

from torch import nn

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.profiling.bench import Bench, CellRun
from omnizip_cost.profiling.cell import FULL, Cell
from omnizip_cost.profiling.clock import Clock
from omnizip_cost.profiling.harness import Repeats, measure_parts
from omnizip_cost.profiling.watch import MachineWatch
from omnizip_cost.results.commit import now_utc
from omnizip_cost.results.schema import MeasurementRow
from omnizip_cost.results.store import MeasurementStore
from omnizip_cost.runtime.inputs import ModelInputs
from omnizip_cost.specs.spec import ThinkerSpec

Progress = Callable[[str, int, int], None]
"""``progress(what, done, total)``, called before each step and once when all are done."""

STORE_EVERY_S = 10.0
"""Between two stores within a round, each of which takes about a quarter of a second: so much of
the samples is lost at most when the process is killed (our choice)."""

APART = "measured apart from the full-token reference"


def profile_cell(
    thinker: nn.Module,
    spec: ThinkerSpec,
    inputs: ModelInputs,
    cell: Cell,
    *,
    decode_steps: int,
    weights: str = "random",
    clip: str | None = None,
    repeats: Repeats | None = None,
    memory: bool = True,
    execution: str = "stock",
    clock: Clock | None = None,
) -> tuple[MeasurementRow, ...]:
    """Measure one cell and return its rows, one per stage; nothing is stored.

    Out of memory gives one row with status ``oom``, any other error one with ``failed``.
    Parameters are those of :func:`profile_grid`.
    """
    bench = Bench(
        thinker,
        spec,
        inputs,
        decode_steps=decode_steps,
        weights=weights,
        clip=clip,
        execution=execution,
        clock=clock,
    )
    bench.identity(cell)
    return _measure_alone(CellRun(bench, cell), repeats or Repeats(), memory=memory)


def profile_grid(
    thinker: nn.Module,
    spec: ThinkerSpec,
    inputs: ModelInputs,
    cells: Sequence[Cell],
    *,
    decode_steps: int,
    store: MeasurementStore,
    weights: str = "random",
    clip: str | None = None,
    repeats: Repeats | None = None,
    rounds: int | None = None,
    memory: bool = True,
    execution: str = "stock",
    progress: Progress | None = None,
    clock: Clock | None = None,
) -> tuple[MeasurementRow, ...]:
    """Measure every cell that the store does not hold yet; return the rows of all of them.

    Full tokens come first, as the reference; they are added when missing. Two orders:

    - ``rounds=None``: cell by cell, each repeated as ``repeats`` says and stored when finished.
      Cells that are stored as ``ok`` or ``oom`` are not run again, ``failed`` ones are.
    - ``rounds=n``, interleaved: each round takes one sample of every cell (A B C, B C A, ...), so
      that a drift of the machine meets all methods alike and none always follows the pause in
      which cells are stored. A later run takes the samples that are missing. ``repeats`` gives
      warm-ups and budget only.

    Parameters
    ----------
    thinker : Module
        A stock thinker, with its spec and inputs on the same device.
    cells : sequence of Cell
    decode_steps : int
        R, forward calls after prefill.
    store : MeasurementStore
        Locked for writing throughout.
    weights : {"random", "checkpoint"}
    clip : str, optional
        Name of the prompt in the rows; the workload's name by default.
    memory : bool
        Whether to take each cell's memory peaks, in an untimed pass of its own.
    execution : {"stock", "graph"}
        ``graph`` decodes with a static cache and on CUDA replays one graph a token: the decode
        stage is the replays alone; copying the cache, warming up and capturing are in no stage.
        FastV and attention other than SDPA then give a ``failed`` row that says why.
    progress : callable, optional
    clock : Clock, optional
        The device's own by default.

    Raises
    ------
    InvalidValueError
        Settings that do not fit the model, or the same cell twice: before anything runs.
    UnknownNameError
        An unknown execution.
    InputFileError
        Another process writes to the store, or it is damaged.
    """
    repeats = repeats or Repeats()
    if rounds is not None and rounds < 1:
        raise InvalidValueError("profile", "rounds", "1 or more, or None", rounds)
    bench = Bench(
        thinker,
        spec,
        inputs,
        decode_steps=decode_steps,
        weights=weights,
        clip=clip,
        execution=execution,
        clock=clock,
    )
    ordered = with_reference(cells)
    keys = [bench.key(cell) for cell in ordered]
    for number, key in enumerate(keys):
        if key in keys[:number]:
            raise InvalidValueError("profile", "cells", "all different", ordered[number].label)
    with store:
        done = store.done_keys(samples=rounds or 1)
        todo = [cell for cell, key in zip(ordered, keys, strict=True) if key not in done]
        if todo:
            store.register(bench.record, model=spec.name, config=spec.config)
        report = progress or _silent
        if rounds is None:
            _one_by_one(bench, todo, store, repeats, memory, report)
        else:
            _interleaved(bench, todo, store, repeats, rounds, memory, report)
        stored = store.cells()
    return tuple(row for key in keys for row in stored.get(key, ()))


def with_reference(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """Return the cells with full tokens first, added when no cell asks for them."""
    full = [cell for cell in cells if cell.method == "full"] or [FULL]
    return (*full, *(cell for cell in cells if cell.method != "full"))


def _silent(what: str, done: int, total: int) -> None:
    """Report nothing."""


def _one_by_one(
    bench: Bench,
    cells: Sequence[Cell],
    store: MeasurementStore,
    repeats: Repeats,
    memory: bool,
    report: Progress,
) -> None:
    for number, cell in enumerate(cells):
        report(cell.label, number, len(cells))
        store.append(_measure_alone(CellRun(bench, cell), repeats, memory=memory))
    report("done", len(cells), len(cells))


def _measure_alone(run: CellRun, repeats: Repeats, *, memory: bool) -> tuple[MeasurementRow, ...]:
    """Time the cell until its medians are known, then take its memory peaks."""
    watch = MachineWatch(run.bench.device)

    def work() -> None:
        run.started_utc = now_utc()
        for stage, found in measure_parts(run.timed_pass, repeats).items():
            run.samples[stage] = list(found.samples_s)
            run.warmups[stage] = list(found.warmup_s)
        if memory:
            run.measure_memory()

    run.attempt(work)
    return run.rows(watch.doubts())


def _interleaved(
    bench: Bench,
    cells: Sequence[Cell],
    store: MeasurementStore,
    repeats: Repeats,
    rounds: int,
    memory: bool,
    report: Progress,
) -> None:
    """Take memory peaks, warm every cell up, then take rounds; cells that failed leave them."""
    runs = _begun(bench, cells, store)
    if memory:
        _measure_memory(runs, report)
    total, done = len(runs) * (1 + rounds), 0
    for run in runs:
        report(f"warm up {run.cell.label}", done, total)
        done += 1
        if run.failure is None:
            run.attempt(partial(_warm_up, run, repeats.warmup))
        if run.failure is not None:
            store.append(run.rows())
    watch = MachineWatch(bench.device)
    for number in range(rounds):
        left = [run for run in runs if run.failure is None]
        first = number % max(len(left), 1)
        due = [run for run in left[first:] + left[:first] if run.taken <= number]
        with _Keeper(store, watch) as keeper:
            for run in due:
                report(f"round {number + 1}: {run.cell.label}", done, total)
                done += 1
                run.attempt(run.sample)
                keeper.keep(run)
        if repeats.budget_s is not None and _spent_s(runs) >= repeats.budget_s:
            break
    report("done", total, total)


class _Keeper:
    """Stores the cells of a round: now and then, and when it ends, by an interrupt or by itself.

    What disturbed the round is asked at its end only: nvidia-smi may take a second to answer.
    """

    def __init__(self, store: MeasurementStore, watch: MachineWatch) -> None:
        self._store, self._watch = store, watch
        self._taken: list[CellRun] = []
        self._stored_s = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._taken:
            self._append(self._watch.doubts())

    def keep(self, run: CellRun) -> None:
        """Take over a cell with one more sample."""
        self._taken.append(run)
        if time.monotonic() - self._stored_s >= STORE_EVERY_S:
            self._append(())

    def _append(self, doubts: tuple[str, ...]) -> None:
        self._store.append(row for run in self._taken for row in run.rows(doubts))
        self._stored_s = time.monotonic()


def _measure_memory(runs: Sequence[CellRun], report: Progress) -> None:
    """Take the peaks of all cells before any is warmed up.

    Each begins by giving back what earlier passes freed, for which a timed pass after it would
    pay. One pass goes before the first: what a process loads once is no cell's own.
    """
    due = [run for run in runs if not run.memory]
    for number, run in enumerate(due):
        report(f"memory of {run.cell.label}", number, len(due))
        if number == 0:
            run.attempt(run.warm_up)
        if run.failure is None:
            run.attempt(run.measure_memory)


def _warm_up(run: CellRun, warmup: int) -> None:
    for _ in range(warmup):
        run.warm_up()


def _begun(bench: Bench, cells: Sequence[Cell], store: MeasurementStore) -> list[CellRun]:
    """Return a run per cell, with the samples an earlier run stored."""
    stored = store.cells()
    runs = [CellRun(bench, cell, interleaved=True) for cell in cells]
    for run in runs:
        run.inherit(stored.get(bench.key(run.cell), ()))
        if not run.taken and cells[0].method != "full":
            run.inherited = (*run.inherited, APART)
            run.interleaved = False
    return runs


def _spent_s(runs: Sequence[CellRun]) -> float:
    return sum(
        sum(values)
        for run in runs
        for part in (run.samples, run.warmups)
        for values in part.values()
    )
