"""Which full run a compressed row is divided by."""

from __future__ import annotations

from collections.abc import Sequence

from omnizip_cost.audit.work import Case


def full_run(case: Case, cases: Sequence[Case], *columns: str) -> Case | None:
    """Find the full run of the same setting that has all of these columns, if there is just one."""
    found = [
        other
        for other in cases
        if other.claim.full
        and other.claim.setting == case.claim.setting
        and all(getattr(other.claim, column) is not None for column in columns)
    ]
    return found[0] if len(found) == 1 else None
