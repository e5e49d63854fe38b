"""Accounts for other readers: rows of a count filled in, and a table short enough to read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from omnizip_cost.cost.account_entries import plus
from omnizip_cost.cost.account_row import AccountRow
from omnizip_cost.cost.rows import CostRow


def with_execution(rows: Iterable[CostRow], known: Iterable[AccountRow]) -> list[CostRow]:
    """Fill in the bytes and kernels of a count's rows from the account of the same plan.

    Parameters
    ----------
    rows : iterable of CostRow
        Of one plan under one convention.
    known : iterable of AccountRow
        Its account; where any work of a component is not known, its rows stay as they are.
    """
    parts: dict[tuple[str, str], list[AccountRow]] = {}
    for one in known:
        parts.setdefault((one.component, one.phase), []).append(one)
    filled = []
    for row in rows:
        part = parts.get((row.component, row.phase), [])
        moved = _whole(one.bytes_moved for one in part)
        kernels = _whole(one.kernels for one in part)
        fits = bool(part) and moved is not None and kernels is not None
        filled.append(replace(row, bytes_moved=moved, kernels=kernels) if fits else row)
    return filled


def folded(rows: list[AccountRow]) -> list[AccountRow]:
    """Put what is listed beside the products of a component together, whatever its layers.

    Parameters
    ----------
    rows : list of AccountRow
        Of one account; rows that hold products stay as they are.
    """
    whole: dict[object, AccountRow] = {}
    for row in rows:
        key: object = (row.phase, row.component, row.operator) if not row.counted else id(row)
        whole[key] = _together(whole[key], row) if key in whole else row
    return list(whole.values())


def _together(one: AccountRow, other: AccountRow) -> AccountRow:
    unseen = plus(one.unseen_flops, other.unseen_flops)
    moved = plus(one.bytes_moved, other.bytes_moved)
    names = ", ".join(name for name in (one.aten, other.aten) if name)
    return replace(
        one,
        layers=None,
        layer_count=None,
        aten=", ".join(dict.fromkeys(names.split(", "))) or None,
        unseen_flops=unseen,
        bytes_read=plus(one.bytes_read, other.bytes_read),
        bytes_written=plus(one.bytes_written, other.bytes_written),
        bytes_moved=moved,
        bytes_share=None
        if one.bytes_share is None or other.bytes_share is None
        else one.bytes_share + other.bytes_share,
        intensity=(unseen or 0) / moved if moved else None,
        kernels=plus(one.kernels, other.kernels),
    )


def _whole(values: Iterable[int | None]) -> int | None:
    total: int | None = 0
    for value in values:
        total = plus(total, value)
    return total
