"""The account on the command line: where FLOPs, bytes and kernels go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omnizip_cost.cli.output import show

if TYPE_CHECKING:
    from omnizip_cost.cost.account_row import AccountRow
    from omnizip_cost.specs import ModelSpec
    from omnizip_cost.workload import Workload


def print_account(spec: ModelSpec, work: Workload, rows: list[AccountRow]) -> None:
    """One table of one plan under one convention: a line per class of work, counted ones first."""
    from omnizip_cost.cost.account_notes import standouts
    from omnizip_cost.cost.account_views import folded

    first = rows[0]
    pair = "" if first.rho_a is None else f" ({first.rho_a:.3g}, {first.rho_v:.3g})"
    how = ", ".join(
        part for part in (f"convention `{first.convention}`", first.attention, first.dtype) if part
    )
    lines, before = [], ""
    for row in folded(rows):
        part = f"{row.phase} {row.component}"
        lines.append([part if part != before else "", *_cells(row)])
        before = part
    show(
        f"{spec.name}, {work.name}, {first.method} {first.retained:.1%}{pair}: the account ({how})",
        (
            "part", "work", "layers", "TFLOP", "share", "unseen GFLOP", "GB", "share", "FLOP/B",
            "kernels",
        ),
        lines,
        left=3,
        notes=standouts(spec, rows),
    )  # fmt: skip


def _cells(row: AccountRow) -> list[str]:
    from omnizip_cost.cost.account_notes import WORDS
    from omnizip_cost.units import GIGA, TERA, fixed

    work = WORDS.get(row.operator, row.operator)
    return [
        work,
        row.layers or "",
        fixed(row.flops / TERA) if row.counted else "unseen",
        f"{row.flops_share:.1%}" if row.counted else "",
        "-" if row.unseen_flops is None else fixed(row.unseen_flops / GIGA),
        "-" if row.bytes_moved is None else fixed(row.bytes_moved / GIGA),
        "-" if row.bytes_share is None else f"{row.bytes_share:.1%}",
        "-" if row.intensity is None else fixed(row.intensity),
        "-" if row.kernels is None else f"{row.kernels:,}",
    ]
