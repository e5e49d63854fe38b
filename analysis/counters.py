"""Other tools' FLOP counters beside the exact count, on the real transformers modules.

    python analysis/counters.py --out DIR [--quick]

Writes, without any timing:

    readings.csv          every reading: tool x forward pass, with what the exact count says
    counters.csv          tool x (prefill, decode, encoders): ratio to exact, for the figure
    counters_speedup.csv  the speed-up each tool predicts from its own counts, beside the exact one
    environment.json      versions and machine

A fused attention kernel is one operator that takes queries, keys and values. Counters that hook
modules, patch functions or have no formula for that operator give it nothing, so that their counts
grow linearly with the tokens, and so does the saving they predict. Written out as matrix products
(``eager``), attention is seen by all but those that look at modules alone. A mixture of experts in
one grouped kernel, transformers' default, is missed by all but the profiler, which records the
products that a CPU's kernel calls inside. Exact means
``omnizip_cost.count`` under ``torch``, all n^2 pairs, as these kernels' formulas have it; under
``sdpa`` and ``hardware``, where a causal kernel skips the masked half, it stands beside: what is
missed is then smaller, and grows with the square just the same. Torch has formulas for the fused
kernels of a GPU, not for that of a CPU: FlopCounterMode misses attention there without a word.

`pip install -c constraints.txt -e ".[counters]"` brings the tools (thop also needs setuptools from
Python 3.12 on); what is not installed is named and left out.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from counters_cases import (
    AUDIO,
    CPU,
    DECODE,
    EXPERTS,
    FULL_SIZE,
    PREFILL,
    TINY,
    VISION,
    Case,
    few_experts,
    few_layers,
)
from counters_tables import (
    COMPRESSED,
    LENGTHS,
    RETAINED,
    Reading,
    kept,
    predictions,
    ratio_table,
    shown,
    speedup_table,
)
from counters_tools import FLOPS_EACH, TOOLS, Tool

import omnizip_cost as oz
from omnizip_cost.errors import OmnizipCostError
from omnizip_cost.profiling.environment import environment_record
from omnizip_cost.results.tables import atomic_write_bytes, write_table
from omnizip_cost.specs import require_thinker

CHECKED = 1_000
"""Length at which tensors with data are held against tensors without, on small models."""
LONGEST_ERROR = 160
NEEDS_DATA = "not asked: with data, a CPU's grouped kernel calls products that the profiler records"


def read(tool: Tool, case: Case) -> Reading:
    """Ask one tool about one case; whatever goes wrong in it is a line in the row."""
    reported, error = None, ""
    try:
        if tool.sees_inside and case.tensors != CPU and case.spec.text.experts and not case.experts:
            raise RuntimeError(NEEDS_DATA)
        with case.built() as (module, inputs):
            reported = round(tool.ask(module, inputs))
    except Exception as failure:  # each tool raises its own
        error = one_line(failure)
    exact = case.exact("torch")
    flops = None if reported is None else reported * FLOPS_EACH[tool.reports]
    return Reading(
        tool=tool.name,
        version=tool.version() or "",
        case=case.name,
        attention=case.attention,
        experts=case.experts,
        model=case.spec.name,
        layers=case.layers,
        tokens=case.tokens or case.positions(),
        tensors=case.tensors,
        reports=tool.reports,
        reported=reported,
        flops=flops,
        exact_torch=exact,
        exact_sdpa=case.exact("sdpa"),
        exact_hardware=case.exact("hardware"),
        ratio=None if flops is None else flops / exact,
        error=error,
    )


def one_line(failure: Exception) -> str:
    """Return the last line that a failure says, cut short."""
    lines = [line.strip() for line in str(failure).splitlines() if line.strip()]
    return f"{type(failure).__name__}: {lines[-1] if lines else ''}"[:LONGEST_ERROR]


def cases(quick: bool) -> Iterator[Case]:
    """Forward passes to show; tensors ``""`` are replaced by those that suit the tool."""
    full, tiny = (require_thinker(oz.load_spec(name)) for name in (FULL_SIZE, TINY))
    whole = COMPRESSED[:1] if quick else COMPRESSED
    lengths = {*(() if quick else LENGTHS), *whole}
    lengths |= {kept(n, r) for n in whole for r in RETAINED}
    yield from (Case(name=PREFILL, spec=full, tokens=n, tensors="") for n in sorted(lengths))
    yield Case(name=DECODE, spec=full, tokens=whole[0], tensors="")
    encoders = tiny if quick else few_layers(FULL_SIZE)
    yield from (Case(name=name, spec=encoders, tokens=0, tensors=CPU) for name in (AUDIO, VISION))
    eager = "eager"
    yield Case(name=PREFILL, spec=full, tokens=whole[0], tensors="", attention=eager)
    if quick:
        return
    mixture = require_thinker(oz.load_spec(EXPERTS))
    for experts in ("", "batched_mm"):
        yield Case(name=PREFILL, spec=mixture, tokens=whole[0], tensors="", experts=experts)
    yield Case(name=DECODE, spec=full, tokens=whole[0], tensors="", attention=eager)
    for name in (AUDIO, VISION):
        yield Case(name=name, spec=encoders, tokens=0, tensors=CPU, attention=eager)
    for name, spec in ((PREFILL, tiny), (DECODE, tiny), (PREFILL, few_experts())):
        for tensors in ("", CPU):
            yield Case(name=name, spec=spec, tokens=CHECKED, tensors=tensors)


def readings(tools: Sequence[Tool], asked: Iterable[Case]) -> Iterator[Reading]:
    """Ask every tool about every case."""
    for case in asked:
        if sys.stderr.isatty():
            print(f"{case.name}, {case.attention}, {case.tokens or 'a clip'}", file=sys.stderr)
        for tool in tools:
            if tool.fixed and case.tensors == CPU and case.tokens:
                continue  # already read on its own tensors
            own = tool.fixed or not case.tensors
            yield read(tool, replace(case, tensors=tool.shapes) if own else case)


def save(out: Path, rows: Sequence[Reading], tools: Sequence[Tool]) -> None:
    """Write the three tables and the environment."""
    write_table(rows, out / "readings.csv")
    write_table(shown(rows), out / "counters.csv")
    write_table(predictions(rows), out / "counters_speedup.csv")
    record = environment_record("cpu", dtype="float32", attention="sdpa")
    for name in ("dtype", "attention"):  # each row has its own
        del record[name]
    record["counters"] = {tool.package: tool.version() for tool in tools}
    record["sources"] = {tool.name: tool.source for tool in tools}
    atomic_write_bytes(out / "environment.json", json.dumps(record, indent=1).encode() + b"\n")


def installed() -> list[Tool]:
    """Return the tools that can be asked here; the others are named on stderr."""
    missing = sorted({tool.package for tool in TOOLS if tool.version() is None})
    if missing:
        print(f"not installed and left out: {', '.join(missing)}", file=sys.stderr)
    return [tool for tool in TOOLS if tool.version() is not None]


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--quick", action="store_true", help="fewer lengths, tiny encoders")
    return parser.parse_args(words)


def main(options: argparse.Namespace) -> int:
    """Read every tool, save, print the two small tables."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    warnings.simplefilter("ignore")
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"{options.out}: cannot be made: {error.strerror}", file=sys.stderr)
        return 2
    tools = installed()
    rows = list(readings(tools, cases(options.quick)))
    try:
        save(options.out, rows, tools)
    except OmnizipCostError as error:
        print(error, file=sys.stderr)
        return 2
    print("FLOPs reported / exact (convention torch); 1: equal as integers\n")
    print(ratio_table(shown(rows)), end="\n\n")
    print(speedup_table(predictions(rows)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(arguments()))
