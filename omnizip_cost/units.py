"""Prefixes and byte widths: the one place where SI and binary factors are written down.

Counts stay plain integers everywhere else; a value is divided by a factor from here only when
it is printed or drawn.
"""

from __future__ import annotations

KILO = 10**3
MEGA = 10**6
GIGA = 10**9
TERA = 10**12

KIBI = 2**10
MEBI = 2**20
GIBI = 2**30

MILLI = 1e-3
MICRO = 1e-6
NANO = 1e-9

BYTES_PER_ELEMENT: dict[str, int] = {"float32": 4, "bfloat16": 2, "float16": 2}
"""Storage width of each supported dtype, in bytes."""

_SI = ((10**15, "P"), (TERA, "T"), (GIGA, "G"), (MEGA, "M"), (KILO, "k"))
_BINARY = ((GIBI, "GiB"), (MEBI, "MiB"), (KIBI, "KiB"))


def si(value: float, unit: str = "", digits: int = 4) -> str:
    """Write a number with an SI prefix (10^3 steps).

    >>> si(73_204_000_000_000, "FLOP")
    '73.2 TFLOP'
    """
    for factor, prefix in _SI:
        if abs(value) >= factor:
            return f"{value / factor:.{digits}g} {prefix}{unit}".rstrip()
    return f"{value:.{digits}g} {unit}".rstrip()


def fixed(value: float) -> str:
    """Write a number of zero or more with three digits and never as a power of ten.

    >>> fixed(93560.4), fixed(8.7149), fixed(0.0284), fixed(2.84e-05), fixed(0)
    ('93,560', '8.71', '0.028', '<0.001', '0')
    """
    if 0 < value < 0.0005:
        return "<0.001"
    decimals = 0 if value >= 99.95 or value == 0 else 1 if value >= 9.995 else 2
    return f"{value:,.{decimals if value >= 0.9995 or not value else 3}f}"


def binary_bytes(value: float) -> str:
    """Write a number of bytes with a binary prefix (2^10 steps).

    >>> binary_bytes(3 * 2**30)
    '3 GiB'
    """
    for factor, prefix in _BINARY:
        if abs(value) >= factor:
            return f"{value / factor:.4g} {prefix}"
    return f"{value:.0f} B"
