"""What a campaign will take, foretold step by step before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from campaign_grid import Block, Case, Grid, Micro, Profile, Step, cases_of

import omnizip_cost as oz
from omnizip_cost.hardware import Device, load_device, plain_dtype
from omnizip_cost.latency import Calibration
from omnizip_cost.results.row import FlatRow
from omnizip_cost.specs import parameter_counts
from omnizip_cost.units import BYTES_PER_ELEMENT, GIGA

HERE = Path(__file__).resolve().parent
CPU_DEVICE = HERE / "measurements" / "cpu-calibration" / "cpu.toml"
CPU_CALIBRATION = HERE / "measurements" / "cpu-calibration" / "calibration.toml"
GPU_DEVICE = "h100-sxm"
"""What a GPU campaign is foretold on, whatever the card: the run corrects by its own pace."""

START_S = {"cpu": 5.0, "cuda": 30.0}
"""Until the first thinker is begun: torch, transformers and, on CUDA, its context (3 s here;
assumed on machines with cold disks)."""

FILL_S_PER_GB = {"cpu": 5.0, "cuda": 0.2}
"""Making modules and drawing random weights, per GB: one slow core; a GPU's own generator writes
some 100 GB/s, so that most of it is Python's time for the modules (assumed)."""

PROMPT_S = 0.7
"""Random patches and log-mel of one prompt, on one core, and the bench around it (assumed)."""

APART_PASSES = 2
"""Of each cell beside its rounds: one for memory, one to warm up. A block begins with one more."""

PROFILED_TIMES = 3.0
"""A pass under torch.profiler over one without (assumed)."""

GRAPH_S = 0.3
"""Capturing one decode step as a CUDA graph, per pass (assumed)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What predictions of duration are made with."""

    device: Device
    calibration: Calibration | None = None

    @classmethod
    def of(cls, kind: str) -> Machine:
        """Return the CPU as it was measured and calibrated, or an H100."""
        if kind != "cpu":
            return cls(device=load_device(GPU_DEVICE))
        from omnizip_cost.latency.calibration_file import read_calibration

        return cls(device=load_device(CPU_DEVICE), calibration=read_calibration(CPU_CALIBRATION))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRow(FlatRow):
    """One step of the plan."""

    step: str
    model: str = ""
    tokens: int | None = None
    """Of the full prompt."""
    cells: int = 0
    rounds: int = 0
    oom: int = 0
    """Cells that are expected to run out of memory."""
    build_s: float = 0.0
    """Of its thinker and prompt."""
    run_s: float = 0.0
    total_s: float = 0.0
    """Of the campaign, when the step ends."""


def plan_rows(grid: Grid, machine: Machine | None = None) -> list[PlanRow]:
    """Foretell each step of a grid of which nothing is measured yet, with a running total."""
    machine = machine or Machine.of(grid.device)
    rows = [PlanRow(step="loading", run_s=START_S[grid.device], total_s=START_S[grid.device])]
    built: object = None
    for step in grid.steps:
        block = block_of(step)
        build_s = 0.0 if block is None else build_seconds(grid, block, anew=block.thinker != built)
        built = built if block is None else block.thinker
        passes = passes_of(grid, step, machine)
        run_s = step_seconds(step, passes)
        rows.append(
            PlanRow(
                step=step.name,
                model=block.spec.name if block else "",
                tokens=block.workload.tokens if block else None,
                cells=len(step.cells) if not isinstance(step, Micro) else 0,
                rounds=step.rounds if isinstance(step, Block) else 0,
                oom=sum(not one.fits for one in passes.values()),
                build_s=build_s,
                run_s=run_s,
                total_s=rows[-1].total_s + build_s + run_s,
            )
        )
    return rows


def block_of(step: Step) -> Block | None:
    """Return the block whose thinker and prompt a step needs; None where it needs none."""
    if isinstance(step, Micro):
        return None
    return step.of if isinstance(step, Profile) else step


class Pass(NamedTuple):
    """What one pass of a cell is foretold to take, and whether the device holds it."""

    seconds: float
    fits: bool


def passes_of(grid: Grid, step: Step, machine: Machine) -> dict[str, Pass]:
    """Foretell one pass of each cell of a step, by label."""
    block = block_of(step)
    if block is None or isinstance(step, Micro):
        return {}
    chosen = [case for case in cases_of(block, grid.dtype) if case.cell in step.cells]
    return {case.cell.label: _pass(case, machine, step.decode_steps) for case in chosen}


def step_seconds(
    step: Step, passes: Mapping[str, Pass], missing: Mapping[str, int] | None = None
) -> float:
    """Foretell one step from its passes; ``missing`` rounds by label, all where left out."""
    if isinstance(step, Micro):
        return step.seconds
    if isinstance(step, Profile):
        return sum(step.table_s + (1 + PROFILED_TIMES) * one.seconds for one in passes.values())
    need = dict.fromkeys(passes, step.rounds) if missing is None else missing
    graph_s = GRAPH_S if step.execution == "graph" else 0.0
    due = [(passes[label], rounds) for label, rounds in need.items()]
    count = [(one, APART_PASSES + rounds if one.fits else 1) for one, rounds in due]
    cold_s = count[0][0].seconds if count else 0.0
    return cold_s + sum((one.seconds + graph_s) * times for one, times in count)


def build_seconds(grid: Grid, block: Block, *, anew: bool) -> float:
    """Foretell the making of a block's thinker, where there is none yet, and of its prompt."""
    if not anew:
        return PROMPT_S
    width = BYTES_PER_ELEMENT[grid.dtype]
    weights_gb = parameter_counts(block.spec)["total"] * width / GIGA
    return PROMPT_S + FILL_S_PER_GB[grid.device] * weights_gb


def _pass(case: Case, machine: Machine, decode_steps: int) -> Pass:
    """Predict one pass as the stock modules run it, operator by operator."""
    found = oz.predict(
        case.spec,
        case.plan,
        machine.device,
        workload=case.workload,
        backend="hf-eager" if case.block.attention == "eager" else "hf-sdpa",
        dtype=plain_dtype(case.dtype),
        decode=decode_steps,
        calibration=machine.calibration,
    )
    return Pass(found.end_to_end_s, found.fits)


def plan_text(grid: Grid, rows: Iterable[PlanRow]) -> str:
    """Write the plan as a table in plain text."""
    rows = list(rows)
    wide = max(len(row.step) for row in rows)
    lines = [f"{'step':<{wide}}  {'tokens':>7}  cells  rounds  oom  build s   run s  total s"]
    for row in rows:
        tokens = f"{row.tokens:,}" if row.tokens else ""
        lines.append(
            f"{row.step:<{wide}}  {tokens:>7}  {row.cells or '':>5}  {row.rounds or '':>6}  "
            f"{row.oom or '':>3}  {row.build_s:7.1f}  {row.run_s:6.1f}  {row.total_s:7.1f}"
        )
    lines.append(
        f"{grid.name}: {rows[-1].total_s / 60:.1f} minutes foretold, "
        f"meant to fit {grid.budget_minutes:g}"
    )
    return "\n".join(lines)
