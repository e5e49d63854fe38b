"""``flops --components`` in a table: where FLOPs, bytes and kernels go, short enough to read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from omnizip_cost.cli.account_notes import WORDS, standouts
from omnizip_cost.cli.output import show
from omnizip_cost.cost.account import AccountRow, added
from omnizip_cost.units import GIGA, TERA, fixed

if TYPE_CHECKING:
    from omnizip_cost.specs import ModelSpec
    from omnizip_cost.workload import Workload

LITTLE = 0.001
"""Share of a phase's FLOPs, and of its bytes, below which operations of a component share a row."""
FEW = 0.01
"""Share of a phase's kernels that such an operation may have: in decode, launches take the time."""


def print_account(spec: ModelSpec, work: Workload, rows: list[AccountRow]) -> None:
    """One table of one plan under one convention: a line per operation, counted ones first."""
    first = rows[0]
    pair = "" if first.rho_a is None else f" ({first.rho_a:.3g}, {first.rho_v:.3g})"
    attention = f"attention {first.attention}" if first.attention else None
    how = ", ".join(
        part for part in (f"convention `{first.convention}`", attention, first.dtype) if part
    )
    lines, before = [], ""
    for row in without_small(folded(rows)):
        part = f"{row.phase} {row.component}"
        lines.append([part if part != before else "", *_cells(row)])
        before = part
    show(
        f"{spec.name}, {work.name}, {first.method} {first.retained:.1%}{pair}: breakdown by "
        f"component ({how})",
        (
            "phase, component", "operation", "layers", "TFLOP", "of FLOPs", "uncounted GFLOP",
            "GB moved", "of bytes", "FLOP/B", "kernels",
        ),
        lines,
        left=3,
        notes=standouts(spec, rows),
    )  # fmt: skip


def folded(rows: list[AccountRow]) -> list[AccountRow]:
    """Put what runs beside the products of a component together, operation by operation.

    Parameters
    ----------
    rows : list of AccountRow
        Of one account; rows that hold products stay as they are, group of layers by group.

    Returns
    -------
    list of AccountRow
        A row made of several says "all" where it covers every layer of its component.
    """

    def which(row: AccountRow) -> object:
        return id(row) if row.counted else (row.phase, row.component, row.operator)

    return [
        _together(group, group[0].operator, _layers_in_words(group, rows))
        for group in _groups(rows, which)
    ]


def without_small(rows: list[AccountRow]) -> list[AccountRow]:
    """Put a component's operations of next to no FLOPs, bytes and kernels into one last row.

    Parameters
    ----------
    rows : list of AccountRow
        Of one account; where bytes are not known they stay as they are.
    """
    kernels: dict[str, int] = {}
    for row in rows:
        kernels[row.phase] = kernels.get(row.phase, 0) + (row.kernels or 0)

    def small(row: AccountRow) -> bool:
        known = row.bytes_share is not None and row.kernels is not None
        return (
            known
            and row.flops_share < LITTLE
            and (row.bytes_share or 0) < LITTLE
            and (row.kernels or 0) < FEW * kernels[row.phase]
        )

    kept: list[AccountRow] = []
    for part in _groups(rows, lambda row: (row.phase, row.component)):
        tiny = [row for row in part if small(row)]
        if len(tiny) > 1:
            kept += [row for row in part if not small(row)]
            kept.append(_together(tiny, f"{len(tiny)} other operations", None))
        else:
            kept += part
    return kept


def _groups(
    rows: Iterable[AccountRow], key: Callable[[AccountRow], object]
) -> list[list[AccountRow]]:
    """Rows of equal key, in the order in which each key first comes."""
    groups: dict[object, list[AccountRow]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return list(groups.values())


def _together(group: list[AccountRow], operator: str, layers: str | None) -> AccountRow:
    """One row for several of one phase and component: every sum is kept."""
    if len(group) == 1:
        return group[0]
    flops = sum(row.flops for row in group)
    unseen = added(row.unseen_flops for row in group)
    moved = added(row.bytes_moved for row in group)
    shares = [row.bytes_share for row in group if row.bytes_share is not None]
    names = chain.from_iterable((row.aten or "").split(", ") for row in group)
    return replace(
        group[0],
        operator=operator,
        layers=layers,
        layer_count=None,
        counted=any(row.counted for row in group),
        aten=", ".join(dict.fromkeys(name for name in names if name)) or None,
        flops=flops,
        flops_share=sum(row.flops_share for row in group),
        unseen_flops=unseen,
        bytes_read=added(row.bytes_read for row in group),
        bytes_written=added(row.bytes_written for row in group),
        bytes_moved=moved,
        bytes_share=sum(shares) if len(shares) == len(group) else None,
        intensity=(flops + (unseen or 0)) / moved if moved else None,
        kernels=added(row.kernels for row in group),
    )


def _layers_in_words(group: list[AccountRow], rows: list[AccountRow]) -> str | None:
    """Layers that a group covers: "all", or their numbers group by group."""
    first = group[0]
    of_component = [
        row for row in rows if (row.phase, row.component) == (first.phase, first.component)
    ]
    if _numbers(group) == _numbers(of_component):
        return "all" if _numbers(group) else None
    return ", ".join(row.layers for row in group if row.layers) or None


def _numbers(rows: Iterable[AccountRow]) -> set[int]:
    """Every layer that rows cover; "0-6, 8" are eight of them."""
    found: set[int] = set()
    for row in rows:
        for run in (row.layers or "").split(", "):
            if run:
                first, _, last = run.partition("-")
                found.update(range(int(first), int(last or first) + 1))
    return found


def _cells(row: AccountRow) -> list[str]:
    return [
        WORDS.get(row.operator, row.operator),
        row.layers or "",
        fixed(row.flops / TERA) if row.counted else "-",
        f"{row.flops_share:.1%}" if row.counted else "-",
        "-" if row.unseen_flops is None else fixed(row.unseen_flops / GIGA),
        "-" if row.bytes_moved is None else fixed(row.bytes_moved / GIGA),
        "-" if row.bytes_share is None else f"{row.bytes_share:.1%}",
        "-" if row.intensity is None else fixed(row.intensity),
        "-" if row.kernels is None else f"{row.kernels:,}",
    ]
