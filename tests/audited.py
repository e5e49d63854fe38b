"""The bundled claims, audited once for all tests that look at them."""

from __future__ import annotations

from functools import cache

from omnizip_cost.audit import Finding, audit, bundled_claims


@cache
def bundled_findings() -> tuple[Finding, ...]:
    """All findings on the bundled claims."""
    return tuple(audit(bundled_claims()))


def find(source: str, quantity: str, **facts: object) -> list[Finding]:
    """Findings of one source on one quantity whose columns are these."""
    return [
        row
        for row in bundled_findings()
        if (row.source, row.quantity) == (source, quantity)
        and all(row[name] == value for name, value in facts.items())
    ]
