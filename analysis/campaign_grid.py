"""What a campaign measures, declared: blocks of cells, the most valuable first.

Predictions are written for the very objects that are measured: :func:`cases` yields them, to the
program that predicts and to the one that runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from math import log2
from typing import Any, Literal, NamedTuple

from campaign_models import FEW_EXPERTS, SLICE, model_spec

from omnizip_cost.compression import Plan, make_plan
from omnizip_cost.compression.methods import Setting
from omnizip_cost.errors import InvalidValueError, UnknownNameError
from omnizip_cost.profiling.cell import FULL, Cell
from omnizip_cost.specs import ThinkerSpec
from omnizip_cost.workload import Workload, workload

PIXELS = (252, 448)
"""The paper's frame: 144 tokens a grid, 288 video tokens a window (OmniZip, Sec. 4.1)."""

DECODE_STEPS = 16
LONG_DECODE_STEPS = 100
"""R of Eq. 9 (OmniZip supplement, C)."""

PROFILED_STEPS = 2
"""Decode steps under torch.profiler: one step is like another, and each costs a second of work."""

Execution = Literal["stock", "graph"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Cells that share one thinker and one prompt, measured in interleaved rounds."""

    name: str
    model: str
    """A bundled name, or one of :mod:`campaign_models`."""
    layers: int | None = None
    """Decoder layers that stay, the first ones; None: all."""
    seconds: float
    """Of the clip, sound and picture alike."""
    pixels: tuple[int, int] = PIXELS
    """(height, width) of the source."""
    attention: str = "sdpa"
    execution: Execution = "stock"
    cells: tuple[Cell, ...]
    decode_steps: int = DECODE_STEPS
    rounds: int = 3

    def __post_init__(self) -> None:
        if self.cells[0] != FULL:
            raise InvalidValueError(self.name, "cells", "full tokens first", self.cells[0].label)
        if len(set(self.cells)) < len(self.cells):
            raise InvalidValueError(self.name, "cells", "all different", len(self.cells))
        if self.rounds < 1:
            raise InvalidValueError(self.name, "rounds", "1 or more", self.rounds)

    @property
    def clip(self) -> str:
        """The prompt's name in the rows."""
        return f"{self.seconds:g} s at {self.pixels[0]}x{self.pixels[1]}"

    @property
    def thinker(self) -> tuple[str, int | None, str]:
        """What must be built for it: blocks that agree share one."""
        return self.model, self.layers, self.attention

    @property
    def spec(self) -> ThinkerSpec:
        """The model."""
        return _spec(self.model, self.layers)

    @property
    def workload(self) -> Workload:
        """What enters the model."""
        return _workload(self.model, self.layers, self.seconds, self.pixels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Micro:
    """The micro-benchmark of single operators, which ``calibrate`` needs."""

    seconds: float
    name: str = "micro-benchmark"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """torch.profiler's tables and one trace per cell, of passes that are not timed."""

    name: str
    of: Block
    cells: tuple[Cell, ...]
    """One per method, or some of them."""
    table_s: float
    """What gathering a cell's events into tables and a trace is taken to last: 10 to 20 s for the
    250,000 events of a 7B at 30 s."""
    decode_steps: int = PROFILED_STEPS


Step = Block | Micro | Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A campaign: its steps in order of value."""

    name: str
    device: Literal["cpu", "cuda"]
    dtype: str
    steps: tuple[Step, ...]
    budget_minutes: float
    """What it is meant to fit, loading included."""
    threads: int | None = None
    """Threads of torch; None: as many as it takes by itself."""

    def __post_init__(self) -> None:
        names = [step.name for step in self.steps]
        if len(set(names)) < len(names):
            raise InvalidValueError(f"grid {self.name}", "steps", "of different names", names)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The steps that give measured rows."""
        return tuple(step for step in self.steps if isinstance(step, Block))


class Case(NamedTuple):
    """One cell of one block, with all that a prediction or a measurement of it needs."""

    block: Block
    spec: ThinkerSpec
    workload: Workload
    cell: Cell
    dtype: str
    clip: str

    @property
    def plan_settings(self) -> dict[str, Any]:
        """What ``make_plan`` takes beside method, workload and spec: as the profiler gives it."""
        cell = self.cell
        return {
            "retained": cell.retained,
            "audio_pruning": cell.audio_pruning,
            "video_pruning": cell.video_pruning,
            "mode": cell.mode,
            "fastv_layer": cell.fastv_layer,
            "fastv_form": cell.fastv_form,
        }

    @property
    def plan(self) -> Plan:
        """What the method is expected to keep."""
        return make_plan(self.cell.method, self.workload, self.spec, **self.plan_settings)


def cases(grid: Grid) -> Iterator[Case]:
    """Every cell of every block, in the order in which they are measured."""
    for block in grid.blocks:
        yield from cases_of(block, grid.dtype)


def cases_of(block: Block, dtype: str) -> Iterator[Case]:
    """Every cell of one block."""
    for cell in block.cells:
        yield Case(block, block.spec, block.workload, cell, dtype, block.clip)


def grid_named(name: str) -> Grid:
    """Return a declared grid.

    Raises
    ------
    UnknownNameError
    """
    if name not in GRIDS:
        raise UnknownNameError("grid", name, GRIDS)
    return GRIDS[name]


def cells(methods: dict[str, tuple[float, ...]]) -> tuple[Cell, ...]:
    """Full tokens, then each method at its retained shares; a method's own pair for each share."""
    found = [FULL]
    for method, shares in methods.items():
        found += [Cell.of_setting(Setting(method=method, retained=share)) for share in shares]
    return tuple(found)


def last_query(retained: float) -> Cell:
    """FastV that computes the one row of attention it ranks by, not the whole matrix."""
    cell = Cell.of_setting(Setting(method="fastv", retained=retained), fastv_form="last-query")
    return replace(cell, label=f"{cell.label} last query")


@cache
def _spec(model: str, layers: int | None) -> ThinkerSpec:
    return model_spec(model, layers)


@cache
def _workload(model: str, layers: int | None, seconds: float, pixels: tuple[int, int]) -> Workload:
    return workload(_spec(model, layers), seconds=seconds, pixels=pixels)


SHARES = (0.85, 0.70, 0.55, 0.45, 0.35, 0.25)

MAIN = (
    *cells({"omnizip": SHARES, "random": (0.55, 0.40), "dycoke": (0.50, 0.35)}),
    *cells({"fastv": (0.50, 0.35)})[1:],
    last_query(0.35),
)
"""OmniZip from light to heavy pruning; the others at the paper's ratios (OmniZip, Tabs. 1-2)."""

SHORT = (
    *cells({"omnizip": (0.70, 0.55, 0.35), "random": (0.40,), "dycoke": (0.35,), "fastv": (0.35,)}),
    last_query(0.35),
)
"""One or more of each method, where time is short."""

ENDS = cells({"omnizip": (0.35,)})
"""Full tokens and the strongest published ratio."""

LENGTHS = cells({"omnizip": (0.70, 0.35)})
"""Two ratios, to follow them over length or model."""

ENTERING = cells({"omnizip": (0.55, 0.35), "random": (0.40,), "dycoke": (0.35,)})
"""What prunes before the first layer: the cache is then as long in each layer, as a static one
is. FastV's is not, nor can a model of K layers or fewer run it."""

TRACED = (
    *cells({"omnizip": (0.35,), "random": (0.40,), "dycoke": (0.35,), "fastv": (0.35,)}),
    last_query(0.35),
)
"""One cell per method."""

SLICED = cells({"omnizip": (0.70, 0.55, 0.35), "random": (0.40,), "dycoke": (0.35,)})
"""A slice of one layer cannot run FastV: it ranks after layer K >= 1 and needs one more."""


def _gpu(name: str, model: str, seconds: float, chosen: tuple[Cell, ...], **more: Any) -> Block:
    return Block(name=name, model=model, seconds=seconds, cells=chosen, **more)


_7B, _3B, _30B = "qwen2.5-omni-7b", "qwen2.5-omni-3b", "qwen3-omni-30b-a3b"

_OTHERS = tuple(cell for cell in TRACED if cell not in ENDS)
_FIRST = _gpu("7B, 60 s", _7B, 60, MAIN, rounds=5)
_HALF = _gpu("7B, 30 s", _7B, 30, MAIN)

CUDA = Grid(
    name="cuda",
    device="cuda",
    dtype="bfloat16",
    budget_minutes=8,
    steps=(
        _FIRST,
        Micro(seconds=40),
        _HALF,
        _gpu("7B, 120 s", _7B, 120, SHORT),
        _gpu("7B, 60 s, 100 steps", _7B, 60, ENDS, decode_steps=LONG_DECODE_STEPS),
        Profile(name="7B, 30 s, profiler", of=_HALF, cells=ENDS, table_s=20),
        _gpu("3B, 60 s", _3B, 60, MAIN),
        _gpu("3B, 30 s", _3B, 30, SHORT),
        _gpu("3B, 120 s", _3B, 120, SHORT),
        _gpu("7B, 60 s, flash", _7B, 60, LENGTHS, attention="flash_attention_2"),
    ),
)

CUDA_MORE = Grid(
    name="cuda-more",
    device="cuda",
    dtype="bfloat16",
    budget_minutes=8,
    steps=(
        _gpu("7B, 60 s, graph", _7B, 60, ENTERING, execution="graph"),
        _gpu("7B, 30 s, graph", _7B, 30, ENDS, execution="graph"),
        _gpu("7B, 240 s", _7B, 240, ENTERING),
        Profile(name="7B, 30 s, profiler, others", of=_HALF, cells=_OTHERS, table_s=20),
        _gpu("7B, 90 s", _7B, 90, SHORT),
        _gpu("7B, 15 s", _7B, 15, SHORT),
        _gpu("3B, 60 s, graph", _3B, 60, ENTERING, execution="graph"),
        _gpu("3B, 240 s", _3B, 240, ENTERING),
        _gpu("3B, 90 s", _3B, 90, SHORT),
        _gpu("30B-A3B, 24 layers, 60 s", _30B, 60, (FULL,), layers=24),
        _gpu("30B-A3B, 24 layers, 30 s", _30B, 30, (FULL,), layers=24),
        _gpu("30B-A3B, 24 layers, 15 s", _30B, 15, (FULL,), layers=24),
    ),
)
"""Clips of 240 s are worth 40,000 tokens; 15 and 90 s are lengths that a calibration on the first
grid has not seen. Of Qwen3-Omni full tokens alone: what runs the compressed model refuses its
DeepStack features, which enter the first layers and would have to be pruned along. Half of its
layers leave room for a prompt on any card of 80 GB."""


_TINY_FIRST = Block(name="tiny, 11 s", model="omni-tiny", seconds=11, cells=MAIN, rounds=5)
_TINY_LAST = Block(name="tiny, 3 s", model="omni-tiny", seconds=3, cells=SHORT, rounds=5)

CPU = Grid(
    name="cpu",
    device="cpu",
    dtype="float32",
    budget_minutes=15,
    threads=1,
    steps=(
        _TINY_FIRST,
        Block(name="slice, 6 s", model=SLICE, seconds=6, cells=SLICED),
        Block(name="slice, 11 s", model=SLICE, seconds=11, cells=ENDS, rounds=2),
        Block(name="slice, 3 s", model=SLICE, seconds=3, cells=ENDS),
        Block(name="tiny, 23 s", model="omni-tiny", seconds=23, cells=SHORT, rounds=2),
        Block(name="tiny, 6 s", model="omni-tiny", seconds=6, cells=MAIN),
        _TINY_LAST,
        Micro(seconds=25),
        Profile(name="tiny, 3 s, profiler", of=_TINY_LAST, cells=TRACED, table_s=2),
        Block(name="slice, 23 s", model=SLICE, seconds=23, cells=ENDS, rounds=1),
    ),
)
"""Lengths of about 500, 1,000, 2,000 and 4,000 tokens, none of which the committed calibration of
this machine was fitted on (4, 12 and 20 s)."""

GRIDS: dict[str, Grid] = {grid.name: grid for grid in (CPU, CUDA, CUDA_MORE)}

FOLLOWED_BY = {"cuda": "cuda-more"}
"""What a campaign goes on with when its budget is not spent."""

_SHRUNK = {
    _7B: ("omni-tiny", 7),
    _3B: ("omni-tiny", 6),
    SLICE: ("omni-tiny", 6),
    _30B: (FEW_EXPERTS, 7),
}
"""Stand-ins differ in layers, so that no two blocks measure the same cell."""


def rehearsed(grid: Grid) -> Grid:
    """Return the same steps, a cell per method, on models and clips of a CPU's size: a minute."""
    blocks = {block: _shrunk(block, grid) for block in grid.blocks}
    steps: list[Step] = []
    for step in grid.steps:
        if isinstance(step, Block):
            steps.append(blocks[step])
        elif isinstance(step, Micro):
            steps.append(replace(step, seconds=3))
        else:
            steps.append(replace(step, of=_shrunk(step.of, grid), table_s=2))
    return replace(
        grid, device="cpu", dtype="float32", steps=tuple(steps), budget_minutes=2, threads=1
    )


def _shrunk(block: Block, grid: Grid) -> Block:
    shortest = 3 if grid.device == "cpu" else 15
    seconds = 2 + log2(block.seconds / shortest) / 2
    model, layers = _SHRUNK.get(block.model, (block.model, block.layers))
    return replace(
        block,
        model=model,
        layers=layers,
        seconds=round(seconds, 1),
        pixels=(112, 112),
        cells=tuple(cell for cell in block.cells if cell in TRACED),
        decode_steps=2 if block.decode_steps <= DECODE_STEPS else 3,
        rounds=2 if block.rounds > 3 else 1,
    )
