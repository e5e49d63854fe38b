"""The short table at a campaign's end: what is measured of each block, and what it says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from campaign_grid import Block, Grid
from campaign_steps import Circumstances, Held, held
from campaign_thinkers import Thinkers

from omnizip_cost.compare import CompareRow, compare
from omnizip_cost.errors import OmnizipCostError
from omnizip_cost.profiling.cell import FULL
from omnizip_cost.results import MeasurementRow
from omnizip_cost.results.row import FlatRow
from omnizip_cost.units import MILLI

SHOWN = "OmniZip 35%"
"""The cell that every block has beside full tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryRow(FlatRow):
    """One block: cells by what became of them, and its strongest common ratio."""

    block: str
    tokens: int
    cells: int
    ok: int
    oom: int
    failed: int
    left: int
    full_ms: float | None = None
    """Prefill of full tokens."""
    kept_ms: float | None = None
    """Prefill of :data:`SHOWN`."""
    speedup: float | None = None
    """Full prefill / (prefill + selection), observed."""
    speedup_count: float | None = None
    """The same in FLOPs that are executed."""


def summary_rows(
    grids: Iterable[Grid],
    measured: Sequence[MeasurementRow],
    here: Circumstances,
    thinkers: Thinkers,
) -> list[SummaryRow]:
    """Summarise every block of the grids from what is measured."""
    found = []
    for block in (block for grid in grids for block in grid.blocks):
        known = held(measured, block, here, weights=thinkers.weights(block))
        full, shown = (_compared(known, block, label) for label in (FULL.label, SHOWN))
        found.append(
            SummaryRow(
                block=block.name,
                tokens=block.workload.tokens,
                **known.counts,
                full_ms=full.prefill_s / MILLI if full and full.prefill_s else None,
                kept_ms=shown.prefill_s / MILLI if shown and shown.prefill_s else None,
                speedup=shown.speedup_observed if shown else None,
                speedup_count=shown.speedup_exact if shown else None,
            )
        )
    return found


def _compared(known: Held, block: Block, label: str) -> CompareRow | None:
    """Compare one cell of a block with its full tokens; None where either is not measured."""
    rows = (*known.rows[FULL.label], *(known.rows.get(label, ()) if label != FULL.label else ()))
    try:
        compared = compare(rows, {block.spec.name: block.spec})
    except OmnizipCostError:
        return None
    return next((row for row in compared if row.label == label and row.status == "ok"), None)


def summary_text(rows: Iterable[SummaryRow]) -> str:
    """Write the summary as a table in plain text."""
    rows = list(rows)
    wide = max((len(row.block) for row in rows), default=0)
    lines = [
        f"{'block':<{wide}}  {'tokens':>7}  cells   ok  oom  failed  left  "
        f"full ms   35% ms  speed-up  by count"
    ]
    for row in rows:
        lines.append(
            f"{row.block:<{wide}}  {row.tokens:>7,}  {row.cells:>5}  {row.ok:>3}  {row.oom:>3}  "
            f"{row.failed:>6}  {row.left:>4}  {_number(row.full_ms, '.1f'):>7}  "
            f"{_number(row.kept_ms, '.1f'):>7}  {_number(row.speedup, '.2f'):>8}  "
            f"{_number(row.speedup_count, '.2f'):>8}"
        )
    return "\n".join(lines)


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
