"""Numbers as a reader sees them in a table; an absent one is an absent one."""

from __future__ import annotations

from math import isnan
from typing import Any

from omnizip_cost.units import MILLI, binary_bytes

ABSENT = "–"


def absent(value: Any) -> bool:
    """Whether a cell holds nothing: None, NaN, pandas' NA, or an empty text."""
    if value is None or str(value) in {"", "<NA>"}:
        return True
    return isinstance(value, float) and isnan(value)


def plain(value: Any) -> str:
    """Write a value as it is; whole numbers with thousands separators.

    >>> plain(10004), plain("OmniZip"), plain(None)
    ('10,004', 'OmniZip', '–')
    """
    if absent(value):
        return ABSENT
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def percent(value: Any) -> str:
    """Write a share.

    >>> percent(0.4521)
    '45.2%'
    """
    return ABSENT if absent(value) else f"{float(value):.1%}"


def signed_percent(value: Any) -> str:
    """Write a signed error, a real minus in front.

    >>> signed_percent(-0.0312), signed_percent(0.05)
    ('−3.1%', '+5.0%')
    """
    return ABSENT if absent(value) else f"{float(value):+.1%}".replace("-", "−")


def times(value: Any) -> str:
    """Write a speed-up.

    >>> times(2.514)
    '2.51×'
    """
    return ABSENT if absent(value) else f"{float(value):.2f}×"


def milliseconds(value: Any) -> str:
    """Write a time in seconds as milliseconds: three significant digits, at most two decimals.

    >>> milliseconds(0.0123), milliseconds(1.5), milliseconds(0.000004)
    ('12.3', '1,500', '0.00')
    """
    if absent(value):
        return ABSENT
    amount = float(value) / MILLI
    return (
        f"{amount:,.0f}" if amount >= 100 else f"{amount:.1f}" if amount >= 10 else f"{amount:.2f}"
    )


def memory(value: Any) -> str:
    """Write bytes with a binary prefix.

    >>> memory(3 * 2**30)
    '3 GiB'
    """
    return ABSENT if absent(value) else binary_bytes(float(value))
