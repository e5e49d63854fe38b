"""Grids of cells on the real tiny thinker: order, resumption, failures, rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from profiling_fixtures import FASTV, FULL, OMNIZIP, RANDOM, SPEC, inputs, thinker

from omnizip_cost.errors import InputFileError, InvalidValueError, UnknownNameError
from omnizip_cost.profiling import Cell, Repeats, paper_cells, profile_cell, profile_grid, session
from omnizip_cost.profiling import bench as bench_module
from omnizip_cost.results import MeasurementRow, MeasurementStore
from omnizip_cost.results.schema import STAGES
from omnizip_cost.runtime.compressed import compressed

QUICK = Repeats(warmup=1, min_repeats=1, max_repeats=1)
CELLS = (OMNIZIP, FULL, RANDOM)


@pytest.fixture(scope="module")
def model() -> Any:
    return thinker()


@pytest.fixture
def store(tmp_path: Path) -> MeasurementStore:
    return MeasurementStore(tmp_path / "run")


class Passes:
    """Stands between the session and ``run_pass``: notes each cell, fails where a test says."""

    def __init__(self) -> None:
        self.labels: list[str] = []
        self.fail: Callable[[str, int], BaseException | None] = lambda label, number: None
        self._real = bench_module.run_pass

    def __call__(self, thinker: Any, call: Any, cell: Cell, **rest: Any) -> Any:
        self.labels.append(cell.label)
        error = self.fail(cell.label, len(self.labels))
        if error is not None:
            rest["ledger"].start("prefill")
            raise error
        return self._real(thinker, call, cell, **rest)


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Passes:
    passes = Passes()
    monkeypatch.setattr(bench_module, "run_pass", passes)
    return passes


def grid(
    model: Any, store: MeasurementStore, cells: Any = CELLS, **settings: Any
) -> tuple[MeasurementRow, ...]:
    common: dict[str, Any] = {"decode_steps": 1, "repeats": QUICK, "memory": False, **settings}
    return profile_grid(model, SPEC, inputs(), cells, store=store, **common)


def test_a_grid_measures_every_stage_of_every_cell(model: Any, store: MeasurementStore) -> None:
    rows = grid(model, store, (OMNIZIP, FASTV), memory=True)
    assert rows == store.rows()
    labels = list(dict.fromkeys(row.label for row in rows))
    assert labels == ["Full tokens", "OmniZip", "FastV"], "the reference comes first, unasked"
    for label in labels:
        stages = {row.stage for row in rows if row.label == label}
        assert stages == set(STAGES) - ({"selection"} if label == "Full tokens" else set())
    for row in rows:
        assert row.status == "ok"
        assert len(row.samples_s) == len(row.warmup_s) == 1
        assert row.median_s == row.samples_s[0] > 0
        assert row.resident_bytes is not None
        assert row.resident_base_bytes is not None
        assert row.peak_allocated_bytes is None
        assert row.scores == "random-weights encoder"
        assert "only 1 sample" in row.doubts
    assert store.thinkers()["test-thinker"]["audio_token_index"] == SPEC.tokens.audio


def test_counts_are_those_of_the_real_compression(model: Any, store: MeasurementStore) -> None:
    rows = {row.label: row for row in grid(model, store, (OMNIZIP, FASTV))}
    for cell in (FULL, OMNIZIP, FASTV):
        row = rows[cell.label]
        with torch.inference_mode(), compressed(model, **cell.settings()) as handle:
            model(**inputs().kwargs())
        kept = handle.last
        assert kept is not None
        assert (row.full_tokens, row.kept_tokens) == (kept.full_tokens, kept.kept_tokens)
        assert (row.audio_tokens, row.audio_kept) == (kept.audio_tokens, kept.audio_kept)
        assert (row.video_tokens, row.video_kept) == (kept.video_tokens, kept.video_kept)
        assert row.realised == kept.realised
        assert row.av_tokens + row.text_tokens == row.full_tokens
        assert row.av_kept + row.text_tokens == row.kept_tokens  # type: ignore[operator]
    omnizip, fastv = rows["OmniZip"], rows["FastV"]
    assert (omnizip.rho_a, omnizip.rho_v, omnizip.fastv_layer) == (0.3, 0.6, None)
    assert (fastv.retained, fastv.fastv_layer, fastv.fastv_form) == (0.5, 2, "materialised")


def test_a_finished_grid_is_not_run_again(
    model: Any, store: MeasurementStore, passes: Passes
) -> None:
    first = grid(model, store)
    assert passes.labels == [label for label in ("Full tokens", "OmniZip", "Random") for _ in "12"]
    passes.labels.clear()
    assert grid(model, store) == first
    assert passes.labels == []
    grid(model, store, (*CELLS, FASTV))
    assert set(passes.labels) == {"FastV"}


def test_what_changes_the_measurement_is_measured_anew(
    model: Any, store: MeasurementStore, passes: Passes
) -> None:
    grid(model, store, (FULL,))
    grid(model, store, (FULL,), decode_steps=2)
    grid(model, store, (FULL,), weights="checkpoint")
    grid(model, store, (FULL,), clip="another")
    assert len(passes.labels) == 2 * 4
    assert len(store.cells()) == 4


def test_cells_are_stored_as_they_finish(
    model: Any, store: MeasurementStore, passes: Passes
) -> None:
    def stop(label: str, number: int) -> BaseException | None:
        return KeyboardInterrupt() if label == "Random" else None

    passes.fail = stop
    with pytest.raises(KeyboardInterrupt):
        grid(model, store)
    assert [row.label for row in store.rows() if row.stage == "decode"] == [
        "Full tokens",
        "OmniZip",
    ]
    passes.labels.clear()
    passes.fail = lambda label, number: None
    assert len({row.label for row in grid(model, store)}) == 3
    assert set(passes.labels) == {"Random"}


def test_out_of_memory_is_a_result_and_the_grid_goes_on(
    model: Any, store: MeasurementStore, passes: Passes
) -> None:
    def oom(label: str, number: int) -> BaseException | None:
        words = "CUDA out of memory. Tried to allocate 20.00 GiB"
        return torch.cuda.OutOfMemoryError(words) if label == "OmniZip" else None

    passes.fail = oom
    rows = {row.label: row for row in grid(model, store)}
    failed = rows["OmniZip"]
    assert (failed.status, failed.stage, failed.median_s) == ("oom", "prefill", None)
    assert "CUDA out of memory" in failed.reason
    assert rows["Random"].status == "ok"
    passes.labels.clear()
    grid(model, store)
    assert passes.labels == [], "out of memory is not tried again"


def test_a_failure_says_why_and_is_tried_again(
    model: Any, store: MeasurementStore, passes: Passes
) -> None:
    passes.fail = lambda label, number: (
        RuntimeError("the cable fell out") if label == "OmniZip" else None
    )
    failed = [row for row in grid(model, store) if row.status != "ok"]
    assert [(row.label, row.status, row.reason) for row in failed] == [
        ("OmniZip", "failed", "RuntimeError: the cable fell out")
    ]
    passes.labels.clear()
    passes.fail = lambda label, number: None
    rows = grid(model, store)
    assert {row.status for row in rows} == {"ok"}
    assert set(passes.labels) == {"OmniZip"}
    assert store.rows() == rows


def test_a_real_error_of_the_model_names_its_stage(model: Any) -> None:
    def fail(*args: object) -> None:
        raise MemoryError("no room")

    handle = model.lm_head.register_forward_hook(fail)
    try:
        (row,) = profile_cell(model, SPEC, inputs(), OMNIZIP, decode_steps=1, repeats=QUICK)
    finally:
        handle.remove()
    assert (row.status, row.stage, row.reason) == ("oom", "prefill", "MemoryError: no room")


def test_rounds_take_the_cells_in_turn(model: Any, store: MeasurementStore, passes: Passes) -> None:
    steps: list[tuple[str, int, int]] = []
    rows = grid(model, store, rounds=3, progress=lambda *step: steps.append(step))
    warm_up, *rounds = (passes.labels[start : start + 3] for start in range(0, 12, 3))
    assert warm_up == ["Full tokens", "OmniZip", "Random"]
    assert rounds == [
        ["Full tokens", "OmniZip", "Random"],
        ["OmniZip", "Random", "Full tokens"],
        ["Random", "Full tokens", "OmniZip"],
    ]
    assert {len(row.samples_s) for row in rows} == {3}
    assert {len(row.warmup_s) for row in rows} == {1}
    assert steps[0] == ("warm up Full tokens", 0, 12)
    assert steps[4] == ("round 1: OmniZip", 4, 12)
    assert steps[-1] == ("done", 12, 12)
    assert [done for _, done, _ in steps] == list(range(13))


def test_of_a_stopped_round_only_the_running_cell_is_lost(
    model: Any, store: MeasurementStore, passes: Passes
) -> None:
    # Three warm-ups, then rounds of three: the eighth pass is in the middle of the second round.
    passes.fail = lambda label, number: KeyboardInterrupt() if number == 8 else None
    with pytest.raises(KeyboardInterrupt):
        grid(model, store, rounds=3)
    before = {row.key: row for row in store.rows()}
    taken = {row.label: len(row.samples_s) for row in before.values()}
    assert taken == {"Full tokens": 1, "OmniZip": 2, "Random": 1}
    passes.fail = lambda label, number: None
    passes.labels.clear()
    rows = grid(model, store, rounds=3)
    assert passes.labels == [
        *("Full tokens", "OmniZip", "Random"),  # warm-up
        *("Random", "Full tokens"),  # the rest of the second round
        *("Random", "Full tokens", "OmniZip"),
    ]
    for row in rows:
        assert len(row.samples_s) == 3
        assert row.samples_s[0] == before[row.key].samples_s[0]
        assert len(row.warmup_s) == 2
        assert "samples come from more than one run" in row.doubts
    passes.labels.clear()
    assert grid(model, store, rounds=3) == rows
    assert passes.labels == []


def test_a_long_round_is_stored_now_and_then(
    model: Any, store: MeasurementStore, passes: Passes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a killed process cannot do any more is not needed."""
    monkeypatch.setattr(session, "STORE_EVERY_S", 0.0)
    kept: list[dict[str, int]] = []

    def look(label: str, number: int) -> None:
        rows = store.rows() if store.rows_path.is_file() else ()
        kept.append({row.label: len(row.samples_s) for row in rows})

    passes.fail = look
    grid(model, store, rounds=1)
    assert kept == [{}, {}, {}, {}, {"Full tokens": 1}, {"Full tokens": 1, "OmniZip": 1}]


def test_a_cell_that_runs_out_of_memory_leaves_the_rounds(
    model: Any, store: MeasurementStore, passes: Passes
) -> None:
    passes.fail = lambda label, number: MemoryError() if label == "OmniZip" else None
    rows = grid(model, store, rounds=2)
    assert passes.labels == [
        *("Full tokens", "OmniZip", "Random"),
        *("Full tokens", "Random", "Random", "Full tokens"),
    ]
    assert {row.status for row in rows if row.label == "OmniZip"} == {"oom"}


def test_a_cell_added_later_says_that_it_ran_apart(
    model: Any, store: MeasurementStore, passes: Passes
) -> None:
    grid(model, store, (FULL,), rounds=1)
    rows = grid(model, store, (FULL, RANDOM), rounds=1)
    for row in rows:
        apart = "measured apart from the full-token reference" in row.doubts
        assert apart == (row.label == "Random")


def test_the_budget_ends_the_rounds(model: Any, store: MeasurementStore, passes: Passes) -> None:
    rows = grid(model, store, rounds=50, repeats=replace(QUICK, budget_s=1e-6))
    assert {len(row.samples_s) for row in rows} == {1}


def test_memory_is_taken_in_a_pass_of_its_own(
    model: Any, store: MeasurementStore, passes: Passes
) -> None:
    rows = grid(model, store, (FULL,), rounds=1, memory=True)
    assert len(passes.labels) == 4, "what loads once, memory, warm-up, one round"
    passes.labels.clear()
    again = grid(model, store, (FULL,), rounds=2, memory=True)
    assert len(passes.labels) == 2, "memory is known already"
    assert [row.resident_bytes for row in again] == [row.resident_bytes for row in rows]


def test_a_store_in_use_is_refused_before_anything_runs(
    model: Any, store: MeasurementStore, passes: Passes
) -> None:
    with MeasurementStore(store.folder), pytest.raises(InputFileError, match="another run"):
        grid(model, store)
    assert passes.labels == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"decode_steps": -1}, "decode_steps must be a whole number"),
        ({"weights": "real"}, "weights must be 'random' or 'checkpoint'"),
        ({"rounds": 0}, "rounds must be 1 or more"),
        ({"cells": (FULL, RANDOM, RANDOM)}, "cells must be all different, got 'Random'"),
        ({"cells": (replace(FASTV, fastv_layer=4),)}, "fastv_layer must be between 1 and 3"),
    ],
)
def test_wrong_settings_are_refused_before_anything_runs(
    model: Any, store: MeasurementStore, passes: Passes, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidValueError, match=words):
        grid(model, store, **settings)
    assert passes.labels == []
    assert store.rows() == ()


def test_cells_are_checked_when_made() -> None:
    with pytest.raises(UnknownNameError, match="omnizip"):
        Cell(method="omnizp", label="?", retained=0.5)
    with pytest.raises(InvalidValueError, match="audio_pruning"):
        Cell(method="omnizip", label="?", audio_pruning=1.5, video_pruning=0.5)


def test_paper_cells_are_the_papers_rows() -> None:
    cells = paper_cells(fastv_form="last-query")
    assert [cell.method for cell in cells].count("omnizip") == 4
    assert (cells[0].method, cells[-1].audio_pruning, cells[-1].video_pruning) == ("full", 0.4, 0.7)
    assert {cell.fastv_form for cell in cells} == {"last-query"}
    assert len({cell.label for cell in cells}) == len(cells)
