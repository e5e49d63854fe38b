"""The paper's FLOPs column counted again: its WorldSense table and its Table 6.

    python analysis/paper_tables.py [--out DIR] [--check]

Writes paper_tables.csv, .md and .tex: every row of both tables with the FLOPs that are printed,
the same under Eq. 9 and under other conventions at the paper's n = 10,004 (a bare count of audio
and video tokens, R = 100 decode steps where a convention counts decoding), and the accuracy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paper_program import Table, run
from paper_settings import (
    WORLDSENSE,
    PrintedFlops,
    Published,
    plan,
    printed_flops,
    worldsense,
)

import omnizip_cost as oz
from omnizip_cost.compression import METHODS
from omnizip_cost.cost.conventions import EQ9_DECODE_STEPS, PAPER_TOKENS
from omnizip_cost.cost.rows import share_left
from omnizip_cost.report.tables import Column, latex_table, markdown_table
from omnizip_cost.results import FlatRow
from omnizip_cost.units import TERA

CONVENTIONS = ("eq9", "sdpa", "torch", "hardware")
_TITLES = {"eq9": "Eq. 9"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperRow(FlatRow):
    """One row of a published table."""

    table: str
    model: str
    method: str
    title: str
    label: str
    retained: float
    rho_a: float | None
    rho_v: float | None
    tokens: int
    decode_steps: int
    printed_t: str
    """FLOPs in 10^12 as printed; empty in Table 6, which prints none."""
    printed_pct: str
    """Their share of those of all tokens, in percent as printed."""
    equal: bool | None
    """Whether Eq. 9, rounded alike, gives what is printed; None where nothing is."""
    flops_eq9: int
    flops_sdpa: int
    flops_torch: int
    flops_hardware: int
    share_eq9: float
    """Of the same convention's FLOPs of all tokens."""
    share_sdpa: float
    share_torch: float
    share_hardware: float
    accuracy: float
    """Average in percent, as printed."""
    best: bool
    """The most accurate of the compressed rows of its table and model."""


def paper_rows(published: Sequence[Published] | None = None) -> Iterator[PaperRow]:
    """Count every row of both tables under each convention."""
    published = worldsense() if published is None else published
    for one in published:
        flops, whole = _counted(one), _counted(one, full=True)
        printed = _printed(one)
        yield PaperRow(
            table=one.table,
            model=one.model,
            method=one.setting.method,
            title=METHODS[one.setting.method].title,
            label=one.setting.label,
            retained=one.setting.retained or 1.0,
            rho_a=one.setting.rho_a,
            rho_v=one.setting.rho_v,
            tokens=PAPER_TOKENS,
            decode_steps=EQ9_DECODE_STEPS,
            printed_t=printed.flops_t if printed else "",
            printed_pct=printed.ratio_pct if printed else "",
            equal=None if printed is None else _equal(printed, flops["eq9"], whole["eq9"]),
            **{f"flops_{name}": flops[name] for name in CONVENTIONS},  # type: ignore[arg-type]
            **{f"share_{name}": share_left(flops[name], whole[name]) for name in CONVENTIONS},  # type: ignore[arg-type]
            accuracy=one.accuracy,
            best=one.accuracy == max(other.accuracy for other in _rivals(one, published)),
        )


def _printed(one: Published) -> PrintedFlops | None:
    """What the FLOPs column of the WorldSense table says; Table 6 has no such column."""
    if one.table != WORLDSENSE:
        return None
    return printed_flops()[one.model, one.setting.method, one.setting.retained or 1.0]


def _rivals(one: Published, published: Sequence[Published]) -> list[Published]:
    """Compressed rows of the same table and model."""
    place = one.table, one.model
    return [row for row in published if (row.table, row.model) == place and not row.full]


def _counted(one: Published, *, full: bool = False) -> dict[str, int]:
    """FLOPs of a row, or of all tokens, under each convention."""
    spec, work = oz.load_spec(one.model), oz.bare_workload(PAPER_TOKENS)
    kept = oz.plan("full", work, spec) if full else plan(one.setting, work, spec)
    return {
        name: oz.total_flops(oz.count(spec, kept, name, EQ9_DECODE_STEPS)) for name in CONVENTIONS
    }


def _equal(printed: PrintedFlops, flops: int, whole: int) -> bool:
    """Compare as the paper rounds: one decimal, and the ratio of what was rounded."""
    ours, all_tokens = (f"{value / TERA:.1f}" for value in (flops, whole))
    ratio = f"{100 * float(ours) / float(all_tokens):.0f}"
    return (ours, ratio) == (printed.flops_t, printed.ratio_pct)


def written_columns() -> list[Column]:
    """Columns of the written tables: what is printed, each convention, the accuracy."""
    counted = [
        Column(key=f"flops_{name}", title=_TITLES.get(name, name), over="TFLOP", write=_tera)
        for name in CONVENTIONS
    ]
    return [
        Column(key="table", title="table", align="left"),
        Column(key="model", title="model", align="left"),
        Column(key="label", title="setting", align="left"),
        Column(key="same", title="Eq. 9 agrees", align="left"),
        Column(key="printed", title="printed", over="TFLOP"),
        *counted,
        Column(key="accuracy", title="accuracy (%)", write=_one_decimal),
    ]


def _written(row: PaperRow) -> dict[str, Any]:
    printed = f"{row.printed_t} ({row.printed_pct}%)" if row.printed_t else None
    same = None if row.equal is None else ("yes" if row.equal else "no")
    shares = {f"flops_{n}": (row[f"flops_{n}"], row[f"share_{n}"]) for n in CONVENTIONS}
    return {**dict(row), "printed": printed, "same": same, **shares}


def _tera(value: Any) -> str:
    flops, share = value
    return f"{flops / TERA:.1f} ({share:.0%})"


def _latex(columns: Sequence[Column], cells: Sequence[Mapping[str, Any]]) -> str:
    """Write the table as wide as the page."""
    parts = (
        r"% Needs \usepackage{booktabs,graphicx}.",
        r"\resizebox{\textwidth}{!}{%",
        latex_table(columns, cells) + "}",
    )
    return "\n".join(parts) + "\n"


def _one_decimal(value: Any) -> str:
    return f"{value:.1f}"


def tables() -> dict[str, Table]:
    """The table in three notations."""
    rows = list(paper_rows())
    columns, cells = written_columns(), [_written(row) for row in rows]
    return {
        "paper_tables.csv": rows,
        "paper_tables.md": markdown_table(columns, cells) + "\n",
        "paper_tables.tex": _latex(columns, cells),
    }


if __name__ == "__main__":
    raise SystemExit(run(tables, __doc__))
