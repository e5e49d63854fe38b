"""Bytes and kernels of an account, written into the rows of a count."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from omnizip_cost.cost.account.row import AccountRow, added
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
        moved = added(one.bytes_moved for one in part)
        kernels = added(one.kernels for one in part)
        fits = bool(part) and moved is not None and kernels is not None
        filled.append(replace(row, bytes_moved=moved, kernels=kernels) if fits else row)
    return filled
