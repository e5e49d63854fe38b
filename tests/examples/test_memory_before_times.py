"""No timed pass follows the giving back of memory: it would pay for getting it again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from profiling_fixtures import FULL, OMNIZIP, RANDOM, SPEC, inputs

from omnizip_cost.profiling import Repeats, profile_grid
from omnizip_cost.profiling import bench as bench_module
from omnizip_cost.profiling.stages import MemoryLedger
from omnizip_cost.results import MeasurementRow, MeasurementStore
from omnizip_cost.runtime.build import build_thinker
from omnizip_cost.runtime.kept import Kept

CELLS = (FULL, OMNIZIP, RANDOM)
NAMES = [cell.label for cell in CELLS]


class Machine:
    """Stands for the model and the heap: a pass keeps what it frees until memory is released."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.log: list[str] = []
        self.warm: set[str] = set()
        patch.setattr(bench_module, "run_pass", self.run)
        patch.setattr(bench_module, "release_memory", lambda device: self.warm.clear())
        patch.setattr(bench_module, "_counts", lambda kept: {})

    def run(self, thinker: Any, call: Any, cell: Any, *, ledger: Any, **rest: Any) -> Kept | None:
        kind = "memory" if isinstance(ledger, MemoryLedger) else "time"
        self.log.append(f"{kind} {cell.label}{'' if cell.label in self.warm else ' cold'}")
        self.warm.add(cell.label)
        ledger.start("prefill")
        ledger.stop("prefill")
        return None


@pytest.fixture(scope="module")
def model() -> Any:
    return build_thinker(SPEC)


def grid(model: Any, store: MeasurementStore, **settings: Any) -> tuple[MeasurementRow, ...]:
    return profile_grid(model, SPEC, inputs(), CELLS, decode_steps=0, store=store, **settings)


def test_interleaved_samples_are_all_warm(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, store = Machine(monkeypatch), MeasurementStore(tmp_path)
    grid(model, store, rounds=2)
    assert machine.log[:6] == [
        "time Full tokens cold",
        *(f"memory {name} cold" for name in NAMES),
        *(f"time {name} cold" for name in ("Full tokens", "OmniZip")),
    ]
    assert machine.log[6] == "time Random", "its memory pass was the last"
    assert machine.log[7:] == [f"time {name}" for name in (*NAMES, *NAMES[1:], NAMES[0])]
    machine.log.clear()
    rows = grid(model, store, rounds=3)
    assert not [line for line in machine.log if line.startswith("memory")], "known already"
    assert {len(row.samples_s) for row in rows} == {3}


def test_cells_measured_alone_are_warm_when_timed(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(monkeypatch)
    repeats = Repeats(warmup=1, min_repeats=2, max_repeats=2)
    grid(model, MeasurementStore(tmp_path), repeats=repeats)
    assert machine.log == [
        f"{line} {name}{cold}"
        for name in NAMES
        for line, cold in (("time", " cold"), ("time", ""), ("time", ""), ("memory", " cold"))
    ]


def test_the_first_sample_keeps_its_moment_when_a_run_goes_on(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Machine(monkeypatch)
    moments = iter(f"2026-01-01T00:00:{second:02d}+00:00" for second in range(60))
    monkeypatch.setattr(bench_module, "now_utc", lambda: next(moments))
    store = MeasurementStore(tmp_path)
    first = {row.key: row for row in grid(model, store, rounds=1, memory=False)}
    again = grid(model, store, rounds=2, memory=False)
    for row in again:
        before = first[row.key]
        assert row.started_utc == before.started_utc < before.created_utc < row.created_utc
