"""A campaign on a thinker that is never run: passes are invented, all that stores them is real."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from profiling_fixtures import WorkClock

from omnizip_cost.profiling import bench
from omnizip_cost.results import MeasurementStore
from omnizip_cost.runtime.build import build_thinker

ANALYSIS = Path(__file__).resolve().parents[1] / "analysis"
STAGES = ("assembly", "prefill", "decode")


class Killed(BaseException):
    """What ends a process from outside, as far as its own code can tell."""


class Stage:
    """Where a campaign is played: its modules, passes that take invented times, and a clock."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        patch.syspath_prepend(ANALYSIS)
        names = ("grid", "models", "plan", "run", "budget", "steps", "thinkers", "pack", "repeat")
        for name in (*names, "summary"):
            setattr(self, name, importlib.import_module(f"campaign_{name}"))
        self.program = importlib.import_module("campaign")
        self.folder, self.clock = folder, WorkClock()
        self.passes: list[tuple[str, str]] = []
        """Label and ledger of each pass so far."""
        self.kill_after: int | None = None
        self.breaks: dict[str, Exception] = {}
        """Labels whose passes break off, and how."""
        self.pass_s = 1.0
        self._thinker: Any = None
        patch.setattr(bench, "run_pass", self._pass)
        patch.setattr(self.thinkers, "build_thinker", self._built)
        for module in (bench, self.thinkers, self.run):  # a collection takes 0.2 s, nothing is held
            patch.setattr(module, "release_memory", lambda _device: None)

    def _built(self, spec: Any, **_: Any) -> Any:
        if self._thinker is None:
            self._thinker = build_thinker(spec)
        return self._thinker

    def _pass(self, thinker: Any, call: Any, cell: Any, *, ledger: Any, **_: Any) -> Any:
        if self.kill_after is not None and len(self.passes) >= self.kill_after:
            raise Killed
        self.passes.append((cell.label, type(ledger).__name__))
        for number, stage in enumerate(STAGES):
            ledger.start(stage)
            if cell.label in self.breaks:
                raise self.breaks[cell.label]
            self.clock.work(self.pass_s + number + len(self.passes) / 1000)
            ledger.stop(stage)
        return SimpleNamespace(kept_tokens=100, audio_kept=10, video_kept=20, realised=0.5)

    def block(self, name: str, seconds: float, **more: Any) -> Any:
        """Return a block of full tokens, OmniZip and Random on the small model."""
        given = {"cells": self.grid.cells({"omnizip": (0.35,), "random": (0.4,)}), "rounds": 3}
        settings = {"decode_steps": 2, "layers": 1, **given, **more}
        return self.grid.Block(
            name=name, model="omni-tiny", seconds=seconds, pixels=(112, 112), **settings
        )

    def campaign(self, *steps: Any, minutes: float = 60.0, **more: Any) -> Any:
        """Return a campaign of these steps, whose budget runs on the invented clock."""
        grid = self.grid.Grid(
            name="played", device="cpu", dtype="float32", steps=steps, budget_minutes=minutes
        )
        return self.run.Campaign(
            grids=(grid,),
            out=self.folder / "out",
            name="cpu",
            budget=self.budget.Budget(
                minutes=minutes, started_s=self.clock.now_s, now=lambda: self.clock.now_s
            ),
            thinkers=more.pop("thinkers", self.thinkers.Thinkers(device="cpu", dtype="float32")),
            machine=self.plan.Machine.of("cpu"),
            clock=self.clock,
            **more,
        )

    def samples(self) -> dict[tuple[str, str, str], tuple[float, ...]]:
        """Return the raw samples that are stored, by clip, label and stage."""
        rows = MeasurementStore(self.folder / "out").rows()
        return {(row.clip, row.label, row.stage): row.samples_s for row in rows}


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """Return a stage in a folder of its own."""
    yield Stage(tmp_path, monkeypatch)
