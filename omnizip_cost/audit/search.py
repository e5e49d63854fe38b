"""Which convention, at which length, gives every printed digit of a group of rows.

FLOPs grow with n, so that each printed value leaves an interval of n, found by halving on exact
counts. A convention fits where the intervals of all rows meet, and the printed ratios hold there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

from omnizip_cost.audit.printed import Printed
from omnizip_cost.audit.work import MOST_TOKENS, Case
from omnizip_cost.cost import EQ9_DECODE_STEPS, Convention
from omnizip_cost.units import TERA

MOST_LENGTHS = 2_000
"""Lengths at which ratios are checked one by one; a wider interval is sampled no further."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One way to count: a convention, with R where the rows leave it open."""

    convention: Convention
    steps: int

    @property
    def name(self) -> str:
        """Name of the convention, with R where it counts decode steps."""
        decode = f" (R = {self.steps})" if self.convention.decode else ""
        return f"{self.convention.name}{decode}"

    def flops(self, case: Case, tokens: int | None) -> int:
        """FLOPs of a row at n, decoder and head."""
        steps = self.steps if case.claim.decode_steps is None else case.claim.decode_steps
        return case.flops(tokens, self.convention, steps if self.convention.decode else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A reading under which every printed digit comes out."""

    reading: Reading
    first: int | None
    """Least n that fits; None where every row states its own lengths."""
    last: int | None
    ratios_of: str = ""
    """``rounded FLOPs`` or ``exact FLOPs``; empty without a ratio to tell."""


def readings(cases: Sequence[Case], conventions: Sequence[Convention]) -> Iterator[Reading]:
    """All ways to count a group: with no decode steps and with R = 100 where it does not say."""
    stated = all(case.claim.decode_steps is not None for case in cases)
    for convention in conventions:
        for steps in (EQ9_DECODE_STEPS,) if stated or not convention.decode else (
            0, EQ9_DECODE_STEPS):  # fmt: skip
            yield Reading(convention=convention, steps=steps)


def fit(cases: Sequence[Case], reading: Reading) -> Fit | None:
    """Every length at which a reading gives all that a group prints; None where there is none."""
    ends = interval(cases, reading)
    if ends is None:
        return None
    first, last = ends
    ratios = [case for case in cases if case.claim.flops_ratio_pct is not None]
    moving = any(case.length is None for case in cases)
    if not ratios or last - first > MOST_LENGTHS:
        return Fit(reading=reading, first=first if moving else None, last=last if moving else None)
    for kind in ("rounded FLOPs", "exact FLOPs"):
        good = [
            n
            for n in range(first, last + 1)
            if all(_ratio_holds(case, cases, reading, n, kind) for case in ratios)
        ]
        if good:
            return Fit(
                reading=reading,
                first=good[0] if moving else None,
                last=good[-1] if moving else None,
                ratios_of=kind,
            )
    return None


def interval(cases: Sequence[Case], reading: Reading) -> tuple[int, int] | None:
    """Lengths at which all printed values come out; (1, 1) where no length is open."""
    valued = [case for case in cases if case.claim.flops_t is not None]
    for case in valued:
        assert case.claim.flops_t is not None
        if case.length is not None and not _holds(case.claim.flops_t, reading.flops(case, None)):
            return None
    moving = sorted(
        (case for case in valued if case.length is None), key=lambda case: -_printed(case).value
    )
    if not moving:
        return 1, 1
    first, last = 1, MOST_TOKENS
    for case in moving:
        low, high = (end * TERA for end in (_printed(case).low, _printed(case).high))
        first = _first(reading, case, first, last, at_least=ceil(low))
        last = min(last, _first(reading, case, first, last, at_least=floor(high) + 1) - 1)
        if first > last:
            return None
    return first, last


def _first(reading: Reading, case: Case, low: int, high: int, *, at_least: int) -> int:
    """First length from ``low`` to ``high`` whose FLOPs are at least this; ``high`` + 1: none."""
    if low > high or reading.flops(case, high) < at_least:
        return high + 1
    while low < high:
        middle = (low + high) // 2
        if reading.flops(case, middle) >= at_least:
            high = middle
        else:
            low = middle + 1
    return low


def _printed(case: Case) -> Printed:
    assert case.claim.flops_t is not None
    return case.claim.flops_t


def _holds(printed: Printed, flops: int) -> bool:
    return printed.holds(Fraction(flops, TERA))


def _ratio_holds(
    case: Case, cases: Sequence[Case], reading: Reading, tokens: int, kind: str
) -> bool:
    """Whether a printed percentage is that of a row over its full run, rounded before or not."""
    printed = case.claim.flops_ratio_pct
    assert printed is not None
    full = next((other for other in cases if _is_full_of(other, case)), None)
    if full is None:
        return True
    part, whole = (
        Fraction(reading.flops(c, tokens if c.length is None else None), TERA) for c in (case, full)
    )
    if kind == "rounded FLOPs":
        unit = 2 * (full.claim.flops_t or case.claim.flops_t or printed).half
        part, whole = round(part / unit) * unit, round(whole / unit) * unit
    return bool(whole) and printed.holds(100 * part / whole)


def _is_full_of(other: Case, case: Case) -> bool:
    return other.claim.full and other.claim.setting == case.claim.setting


def worst_error(cases: Sequence[Case], reading: Reading) -> tuple[float, int | None]:
    """Largest signed relative error of a reading, at the length that meets the largest value."""
    valued = [case for case in cases if case.claim.flops_t is not None]
    moving = [case for case in valued if case.length is None]
    length = None
    if moving:
        anchor = max(moving, key=lambda case: _printed(case).value)
        target = ceil(_printed(anchor).value * TERA)
        length = min(_first(reading, anchor, 1, MOST_TOKENS, at_least=target), MOST_TOKENS)
    errors = [
        float(reading.flops(case, length if case.length is None else None) / TERA
              / _printed(case).value) - 1
        for case in valued
    ]  # fmt: skip
    return max(errors, key=abs), length
