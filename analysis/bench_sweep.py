"""Configurations per second, in one run: whole grids, one at a time, and counters that run a model.

    python analysis/bench_sweep.py [--rows 2000000] [--rounds 5] [--threads 2] [--json]
                                   [--model qwen2.5-omni-7b] [--out FILE.json]

``broad`` is a grid as one would sweep it: three methods, three conventions, twenty ratios, three
decode lengths. ``bare`` shares nothing: FastV alone, one decode length, so that every
configuration has token counts of its own. For each, ``columns`` computes every column of the table
in memory and ``Parquet`` is what the command ``sweep`` writes, into a folder that is deleted.
``one at a time`` is ``plan`` + ``count`` + ``total_flops`` for configurations taken from the broad
grid, whose integers are compared with the grid's in the same run. The counters are shown the
model's decoder and head on tensors without data, built before the clock starts: one forward pass is
one configuration, its prefill alone. Cases take turns within a round. "cores" is processor time
over wall time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import numpy as np
from counters_cases import META, PREFILL, Case
from counters_tools import TOOLS

import omnizip_cost as oz
from omnizip_cost.cost.conventions import PAPER_TOKENS
from omnizip_cost.profiling.environment import cpu_model, load_average, usable_cores
from omnizip_cost.results.commit import git_commit, now_utc
from omnizip_cost.specs import ModelSpec, load_spec, require_thinker
from omnizip_cost.sweep import Block, Grid, blocks, make_grid
from omnizip_cost.sweep.folder import sweep
from omnizip_cost.sweep.table import box_blocks

CONVENTIONS = ("eq9", "torch", "hardware")
RETAINED = np.arange(1, 21) / 20
SAMPLE = 200
"""Configurations taken one at a time in each round."""
COUNTER_TOKENS = PAPER_TOKENS
"""Prefill that the counters are shown: that of the paper's FLOPs column."""
COUNTERS = ("FlopCounterMode, meta", "calflops")
PACKAGES = ("numpy", "pyarrow", "torch", "transformers", "calflops")
QUIET = 0.2
"""Spread of the quartiles, over the median, from which a run is called noisy."""

Run = Callable[[], int]
"""Does the work and returns how many configurations it was."""


def grids(spec: ModelSpec, rows: int) -> dict[str, Grid]:
    """Two grids of about ``rows`` configurations, tokens of 1,000 to 100,000."""

    def grid(methods: tuple[str, ...], decode: tuple[int, ...], per_token: int) -> Grid:
        tokens = np.linspace(1_000, 100_000, max(rows // per_token, 2)).astype(np.int64)
        return make_grid(
            models=[spec],
            conventions=CONVENTIONS,
            methods=methods,
            tokens=tokens,
            retained=RETAINED,
            decode=decode,
        )

    each = len(CONVENTIONS) * len(RETAINED)
    return {
        "broad": grid(("full", "omnizip", "fastv"), (0, 100, 1_000), each * 6),
        "bare": grid(("fastv",), (100,), each),
    }


# -- what is timed ----------------------------------------------------------------------------


def in_memory(grid: Grid, threads: int) -> Run:
    """Every column of a grid, box by box."""

    def run() -> int:
        if threads == 1:
            return sum(map(len, blocks(grid)))
        places = [
            (spec, convention, box)
            for spec in grid.models
            for convention in grid.conventions
            for box in grid.boxes()
        ]
        with ThreadPoolExecutor(threads) as pool:
            return sum(pool.map(lambda place: sum(map(len, box_blocks(grid, *place))), places))

    return run


def to_parquet(grid: Grid) -> Run:
    """A sweep into a folder that is deleted."""

    def run() -> int:
        with TemporaryDirectory() as folder:
            return sweep(grid, folder).written_rows

    return run


def one_at_a_time(spec: ModelSpec, sample: list[tuple[Block, int]]) -> Run:
    """Count each configuration on its own."""

    def run() -> int:
        for block, row in sample:
            scalar_flops(spec, block, row)
        return len(sample)

    return run


def scalar_flops(spec: ModelSpec, block: Block, row: int) -> int:
    """Total FLOPs of one row by the scalar path."""
    plan = oz.plan(
        block.method,
        oz.bare_workload(int(block.tokens[row])),
        spec,
        retained=float(block.retained[row]),
    )
    return oz.total_flops(oz.count(spec, plan, block.convention, int(block.decode[row])))


def counters(spec: ModelSpec, open_cases: ExitStack) -> Iterator[tuple[str, Run]]:
    """Installed counters on one prefill of the model."""
    thinker = require_thinker(spec)
    case = Case(name=PREFILL, spec=thinker, tokens=COUNTER_TOKENS, tensors=META)
    for tool in TOOLS:
        if tool.name in COUNTERS and tool.version() is not None:
            module, inputs = open_cases.enter_context(case.built())
            yield tool.name, lambda tool=tool, m=module, i=inputs: bool(tool.ask(m, i))


def samples_of(grid: Grid) -> list[tuple[Block, int]]:
    """Rows from all over a grid, the same in every run."""
    found = [
        (block, row)
        for block in blocks(grid)
        for row in range(0, len(block), max(len(block) // SAMPLE, 1))
    ]
    return [found[place] for place in np.linspace(0, len(found) - 1, SAMPLE).astype(int)]


# -- rows -------------------------------------------------------------------------------------


def measure(cases: dict[str, Run], rounds: int) -> list[dict[str, Any]]:
    """Warm every case, then time each once a round."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    counted = {name: run() for name, run in cases.items()}
    names = list(cases)
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            wall, cpu = perf_counter(), process_time()
            cases[name]()
            taken[name].append((perf_counter() - wall, process_time() - cpu))
        print(f"round {turn + 1} of {rounds}", file=sys.stderr)
    return [row_of(name, counted[name], taken[name]) for name in names]


def row_of(name: str, configurations: int, taken: list[tuple[float, float]]) -> dict[str, Any]:
    """One case: medians, the fastest sample, raw samples."""
    walls = [wall for wall, _ in taken]
    low, _, high = quantiles(walls, n=4) if len(walls) > 1 else walls * 3
    return {
        "case": name,
        "configurations": configurations,
        "median_s": median(walls),
        "low_s": low,
        "high_s": high,
        "least_s": min(walls),
        "configurations_per_s": configurations / median(walls),
        "most_per_s": configurations / min(walls),
        "cores": median(cpu / wall for wall, cpu in taken),
        "samples_s": walls,
    }


def with_ratios(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """How many times as many configurations per second as each case that takes them singly."""
    rates = {row["case"]: row["configurations_per_s"] for row in rows}
    singles = {
        "times_scalar": "one at a time",
        "times_flop_counter": COUNTERS[0],
        "times_calflops": COUNTERS[1],
    }
    return [
        row
        | {
            name: row["configurations_per_s"] / rates[single] if single in rates else None
            for name, single in singles.items()
        }
        for row in rows
    ]


def agreement(spec: ModelSpec, sample: list[tuple[Block, int]]) -> dict[str, int]:
    """Compare integers of both paths; where the grid says it is exact they must be equal."""
    exact = [(block, row) for block, row in sample if block.exact[row]]
    equal = sum(int(block.flops[row]) == scalar_flops(spec, block, row) for block, row in exact)
    return {"sampled": len(sample), "exact": len(exact), "equal": equal}


# -- output -----------------------------------------------------------------------------------


def environment() -> dict[str, Any]:
    """Machine, versions and load."""
    found: dict[str, str | None] = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return {
        "created_utc": now_utc(),
        "commit": git_commit(),
        "cpu": cpu_model(),
        "usable_cores": usable_cores(),
        "load": load_average(),
        "python": platform.python_version(),
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
        **found,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Rows as aligned columns."""
    heads = (
        "case",
        "configurations",
        "s",
        "per second",
        "cores",
        "x scalar",
        "x FlopCounterMode",
        "x calflops",
    )
    body = [
        (
            row["case"],
            f"{row['configurations']:,}",
            f"{row['median_s']:.4g}",
            f"{row['configurations_per_s']:,.4g}"
            if row["configurations_per_s"] < 100
            else f"{row['configurations_per_s']:,.0f}",
            f"{row['cores']:.2f}",
            *(
                "-"
                if row[name] is None
                else f"{row[name]:,.3g}"
                if row[name] < 100
                else f"{row[name]:,.0f}"
                for name in ("times_scalar", "times_flop_counter", "times_calflops")
            ),
        )
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(heads, *body, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in (heads, *body)
    )


def doubts(rows: list[dict[str, Any]]) -> str:
    """Say when the machine was too busy for medians to mean much."""
    worst = max(rows, key=lambda row: (row["high_s"] - row["low_s"]) / row["median_s"])
    spread = (worst["high_s"] - worst["low_s"]) / worst["median_s"]
    if spread <= QUIET:
        return ""
    return f"noisy: the quartiles of {worst['case']!r} lie {spread:.0%} of its median apart"


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2_000_000, help="of each grid, about")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2, help="of the threaded case")
    parser.add_argument("--model", default="qwen2.5-omni-7b", help="a bundled name")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path, default=None)
    return parser.parse_args()


def main(options: argparse.Namespace) -> None:
    """Measure, compare, then print one table or one record."""
    before, spec = environment(), load_spec(options.model)
    wanted = grids(spec, options.rows)
    cases: dict[str, Run] = {}
    for name, grid in wanted.items():
        for threads in dict.fromkeys((1, options.threads)):
            cases[f"{name}: columns, {threads} thread{'s' * (threads > 1)}"] = in_memory(
                grid, threads
            )
        cases[f"{name}: Parquet"] = to_parquet(grid)
    sample = samples_of(wanted["broad"])
    cases["one at a time"] = one_at_a_time(spec, sample)
    with ExitStack() as open_cases:
        cases |= dict(counters(spec, open_cases))
        rows = with_ratios(measure(cases, options.rounds))
    record = {
        "environment": before | {"load_after": load_average()},
        "model": options.model,
        "counter_tokens": COUNTER_TOKENS,
        "agreement": agreement(spec, sample),
        "rows": rows,
    }
    text = json.dumps(record, indent=1)
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text + "\n")
    if options.json:
        print(text)
        return
    where = ", ".join(f"{name} {value}" for name, value in record["environment"].items())
    found = record["agreement"]
    print(
        f"{where}\n\n{table(rows)}\n\nof {found['sampled']} configurations taken one at a time "
        f"{found['exact']} are below 2^53, of which {found['equal']} are the grid's integers\n"
        f"{doubts(rows)}"
    )


if __name__ == "__main__":
    main(arguments())
