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
from dataclasses import dataclass, replace
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
from counters_tools import FLOPS_EACH, TOOLS, Tool

import omnizip_cost as oz
from omnizip_cost.errors import OmnizipCostError
from omnizip_cost.profiling.environment import environment_record
from omnizip_cost.results.row import FlatRow
from omnizip_cost.results.tables import atomic_write_bytes, write_table
from omnizip_cost.specs import require_thinker

WHOLE = (FULL_SIZE, EXPERTS)
"""Models at full size."""
LENGTHS = (1_000, 10_004, 16_000)
"""Tokens shown: a short prompt, the paper's n (METHOD: Eq. 9 is printed at 10,004), a long one."""
COMPRESSED = (10_004, 16_000)
RETAINED = (0.45, 0.35)
CHECKED = 1_000
"""Length at which tensors with data are held against tensors without, on small models."""
LONGEST_ERROR = 160
NEEDS_DATA = "not asked: with data, a CPU's grouped kernel calls products that the profiler records"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(FlatRow):
    """What one tool reports for one forward pass; ratios are to the exact count."""

    tool: str
    version: str
    case: str
    attention: str
    experts: str
    """Implementation of a mixture of experts; empty: transformers' default."""
    model: str
    layers: int
    tokens: int
    tensors: str
    reports: str
    """The tool's own unit."""
    reported: int | None
    flops: int | None
    """The same in FLOPs: two for a multiply-add."""
    exact_torch: int
    exact_sdpa: int
    exact_hardware: int
    ratio: float | None
    """To ``exact_torch``."""
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell(FlatRow):
    """One place of the table tool x case."""

    tool: str
    case: str
    """What ran: attention or experts where they are not the 7B's by default, phase, tokens."""
    part: str
    model: str
    layers: int
    tokens: int
    tensors: str
    ratio: float | None
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction(FlatRow):
    """The speed-up of a prefill that a tool's own two counts predict."""

    tool: str
    model: str
    tokens: int
    retained: float
    kept_tokens: int
    speedup: float
    linear: float
    """tokens / kept_tokens: a cost exactly linear in tokens."""
    exact_torch: float
    exact_sdpa: float
    exact_hardware: float


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


def kept(tokens: int, retained: float) -> int:
    """Tokens left of a bare prompt, rounded as ``flops --tokens`` rounds them."""
    return round(retained * tokens)


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


def shown(rows: Iterable[Reading]) -> list[Cell]:
    """Return the table tool x case: decoders at full size, the 7B's encoders at full width."""
    return [
        Cell(
            tool=row.tool,
            case=title(row),
            part=row.case,
            model=row.model,
            layers=row.layers,
            tokens=row.tokens,
            tensors=row.tensors,
            ratio=row.ratio,
            error=row.error,
        )
        for row in rows
        if (row.case in (AUDIO, VISION) and row.attention == "sdpa")
        or (
            row.model in WHOLE and row.case == PREFILL and row.tokens in LENGTHS and not row.experts
        )
        or (row.model == FULL_SIZE and row.case == DECODE and row.attention == "sdpa")
    ]


def title(row: Reading) -> str:
    """Name a case in a word or three."""
    kind = "experts" if row.model == EXPERTS else "" if row.attention == "sdpa" else row.attention
    length = "" if row.case in (AUDIO, VISION) else f"{row.tokens:,}"
    return " ".join(word for word in (kind, row.case, length) if word)


def predictions(rows: Iterable[Reading]) -> list[Prediction]:
    """Divide each tool's count of all tokens by its count of those kept."""
    prefills = {
        (row.tool, row.tokens): row
        for row in rows
        if (row.case, row.attention, row.model) == (PREFILL, "sdpa", FULL_SIZE) and row.flops
    }
    found = []
    for (tool, tokens), row in prefills.items():
        for retained in RETAINED:
            less = prefills.get((tool, kept(tokens, retained)))
            if tokens not in COMPRESSED or less is None or not row.flops or not less.flops:
                continue
            found.append(
                Prediction(
                    tool=tool,
                    model=row.model,
                    tokens=tokens,
                    retained=retained,
                    kept_tokens=less.tokens,
                    speedup=row.flops / less.flops,
                    linear=tokens / less.tokens,
                    exact_torch=row.exact_torch / less.exact_torch,
                    exact_sdpa=row.exact_sdpa / less.exact_sdpa,
                    exact_hardware=row.exact_hardware / less.exact_hardware,
                )
            )
    return found


def ratio_table(cells: Sequence[Cell]) -> str:
    """Lay out ratios to exact, a line per tool and a column per case."""
    heads = list(dict.fromkeys(cell.case for cell in cells))
    lines = [["", "", "tool"], *(["", "", *head.split()][-3:] for head in heads)]
    body = []
    for tool in dict.fromkeys(cell.tool for cell in cells):
        own = {cell.case: cell for cell in cells if cell.tool == tool}
        body.append([tool, *(_ratio(own.get(head)) for head in heads)])
    return _aligned([list(line) for line in zip(*lines, strict=True)] + body)


def _ratio(cell: Cell | None) -> str:
    if cell is None or cell.ratio is None:
        return "-"
    return "1" if cell.ratio == 1 else f"{cell.ratio:.4f}"


def speedup_table(found: Sequence[Prediction]) -> str:
    """Lay out predicted speed-ups, a line per tool and a column per prompt and retained ratio."""
    heads = list(dict.fromkeys((p.tokens, p.retained) for p in found))
    lines = [["prefill speed-up"], *([f"{n:,} at {r:.0%}"] for n, r in heads)]
    body = [
        [tool, *(f"{p.speedup:.4f}" for p in found if p.tool == tool)]
        for tool in dict.fromkeys(p.tool for p in found)
    ]
    first = [p for p in found if p.tool == found[0].tool]
    for name in ("linear", "exact_torch", "exact_sdpa", "exact_hardware"):
        body.append([name.replace("_", ", "), *(f"{getattr(p, name):.4f}" for p in first)])
    return _aligned([list(line) for line in zip(*lines, strict=True)] + body)


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if at else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


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
