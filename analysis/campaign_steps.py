"""What a campaign keeps besides rows: what became of each step, and which cells are measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from campaign_grid import Block, Case, cases_of

from omnizip_cost.errors import InputFileError
from omnizip_cost.results import MeasurementRow, write_table
from omnizip_cost.results.row import FlatRow
from omnizip_cost.results.tables import read_table

STEPS_FILE = "steps.csv"

STATUSES = ("done", "held", "part", "skipped", "failed")
"""``held``: all of it was measured before. ``part``: stopped by the budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow(FlatRow):
    """What became of one step in one run of the campaign."""

    grid: str
    step: str
    status: str
    cells: int = 0
    ok: int = 0
    """Cells with all their rounds."""
    oom: int = 0
    failed: int = 0
    left: int = 0
    """Cells with fewer rounds than asked for, or none."""
    foretold_s: float = 0.0
    """Of what was left to do, by the model of time."""
    took_s: float = 0.0
    note: str = ""
    """Why it was skipped or failed."""
    created_utc: str = ""


def note_step(folder: Path, row: StepRow) -> None:
    """Add a step to those that earlier runs noted."""
    add_rows(folder / STEPS_FILE, (row,))


def add_rows(path: Path, rows: Iterable[FlatRow], *, instead_of: Sequence[str] = ()) -> None:
    """Add rows to a table, in place of those that agree in some columns.

    The file is replaced whole. A run killed between two tables leaves rows in one of them; the
    next run writes both again.
    """
    new = pd.DataFrame([dict(row) for row in rows], dtype=object)
    if new.empty:
        return
    frames = [new]
    if path.is_file():
        old = read_table(path).astype(object)
        if instead_of:
            replaced = {tuple(one) for one in new[list(instead_of)].to_numpy().tolist()}
            keys = old[list(instead_of)].to_numpy().tolist()
            old = old[[tuple(one) not in replaced for one in keys]]
        frames = [old, new]
    write_table(pd.concat(frames, ignore_index=True), path)


def known_rows(path: Path, *columns: str) -> pd.DataFrame:
    """Read a table that an earlier run wrote.

    Raises
    ------
    InputFileError
        It is none, or lacks a column.
    """
    table = read_table(path)
    if missing := [name for name in columns if name not in table]:
        raise InputFileError(
            path, f"lacks the column {missing[0]!r}", "remove it, and it is measured again"
        )
    return table


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What rows of this run carry beside the cell: rows of others count as not measured."""

    environment_id: str
    device: str
    """As rows name it."""
    dtype: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the store holds of one block."""

    rows: Mapping[str, tuple[MeasurementRow, ...]]
    """By the cell's label."""
    missing: Mapping[str, int]
    """Rounds still to be taken, by label; cells that are done are left out."""
    cells: int

    def count(self, status: str) -> int:
        """Cells of which a row has this status."""
        return sum(any(row.status == status for row in rows) for rows in self.rows.values())

    @property
    def counts(self) -> dict[str, int]:
        """Columns of a :class:`StepRow`."""
        failed = self.count("failed")
        return {
            "cells": self.cells,
            "ok": self.cells - len(self.missing) - self.count("oom"),
            "oom": self.count("oom"),
            "failed": failed,
            "left": len(self.missing) - failed,
        }


def held(
    measured: Iterable[MeasurementRow],
    block: Block,
    here: Circumstances,
    *,
    weights: str = "random",
) -> Held:
    """Return what is measured of a block under these circumstances, and what is missing."""
    stored: dict[tuple[Any, ...], list[MeasurementRow]] = {}
    for row in measured:
        stored.setdefault(_of_row(row), []).append(row)
    rows, missing = {}, {}
    for case in cases_of(block, here.dtype):
        found = tuple(stored.get(_of_case(case, here, weights), ()))
        rows[case.cell.label] = found
        if need := _rounds_missing(found, block.rounds):
            missing[case.cell.label] = need
    return Held(rows=rows, missing=missing, cells=len(block.cells))


def _rounds_missing(rows: tuple[MeasurementRow, ...], rounds: int) -> int:
    if any(row.status == "oom" for row in rows):
        return 0
    if not rows or any(row.status != "ok" for row in rows):
        return rounds
    return max(rounds - min(len(row.samples_s) for row in rows), 0)


def _of_row(row: MeasurementRow) -> tuple[Any, ...]:
    return (
        row.environment_id,
        row.device,
        row.dtype,
        row.weights,
        row.model,
        row.attention,
        row.execution,
        row.clip,
        row.full_tokens,
        row.decode_steps,
        row.method,
        row.mode,
        row.label,
        row.retained,
        row.rho_a,
        row.rho_v,
        row.fastv_layer,
        row.fastv_form,
        row.seed,
    )


def _of_case(case: Case, here: Circumstances, weights: str) -> tuple[Any, ...]:
    block, plan = case.block, case.plan
    return (
        here.environment_id,
        here.device,
        here.dtype,
        weights,
        case.spec.name,
        block.attention,
        block.execution,
        case.clip,
        case.workload.tokens,
        block.decode_steps,
        case.cell.method,
        case.cell.mode,
        case.cell.label,
        plan.retained,
        plan.rho_a,
        plan.rho_v,
        plan.fastv_layer,
        plan.fastv_form,
        case.cell.seed,
    )
