"""What readings of counters come to: ratios to exact, and the speed-ups that tools predict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from counters_cases import AUDIO, DECODE, EXPERTS, FULL_SIZE, PREFILL, VISION
from printed_tables import aligned

from omnizip_cost.cost.conventions import PAPER_TOKENS
from omnizip_cost.results.row import FlatRow

WHOLE = (FULL_SIZE, EXPERTS)
"""Models at full size."""
LENGTHS = (1_000, PAPER_TOKENS, 16_000)
"""Tokens shown: a short prompt, the paper's n, a long one."""
COMPRESSED = LENGTHS[1:]
RETAINED = (0.45, 0.35)


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
    """What ran: phase, tokens, and attention or model where they are not the 7B's by default."""
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


def kept(tokens: int, retained: float) -> int:
    """Tokens left of a bare prompt, rounded as ``flops --tokens`` rounds them."""
    return round(retained * tokens)


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
    """Name a case: what ran, at which length and, after a comma, what is not the 7B's default."""
    length = "" if row.case in (AUDIO, VISION) else f" {row.tokens:,}"
    attention = "" if row.attention == "sdpa" else f"{row.attention} attention"
    own = "Qwen3 mixture" if row.model == EXPERTS else attention
    return f"{row.case}{length}{f', {own}' if own else ''}"


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
    named = [head.partition(", ") for head in heads]
    lines = [["", "", "tool"], *([own, *ran.split()] for ran, _, own in named)]
    body = []
    for tool in dict.fromkeys(cell.tool for cell in cells):
        own = {cell.case: cell for cell in cells if cell.tool == tool}
        body.append([tool, *(_ratio(own.get(head)) for head in heads)])
    return aligned([list(line) for line in zip(*lines, strict=True)] + body)


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
    return aligned([list(line) for line in zip(*lines, strict=True)] + body)
