"""Findings on printed FLOPs: the convention that gives them, or what comes nearest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from omnizip_cost.audit.finding import FOUND, PLAUSIBLE, UNSTATED, Finding, Verdict
from omnizip_cost.audit.fixed_part import sentences
from omnizip_cost.audit.identity import claim_columns
from omnizip_cost.audit.search import Fit, fit, readings, worst_error
from omnizip_cost.audit.work import Case
from omnizip_cost.cost import Convention


def flops_findings(
    cases: Sequence[Case], conventions: Sequence[Convention]
) -> Mapping[int, list[Finding]]:
    """Findings on printed FLOPs, by place in ``cases``; rows of one source are searched together.

    Tokens are those that a row states; rows that state none share one n, which is searched for.
    """
    printed = {
        index: case
        for index, case in enumerate(cases)
        if case.claim.flops_t is not None or case.claim.flops_ratio_pct is not None
    }
    groups: dict[str, list[int]] = {}
    for index, case in printed.items():
        groups.setdefault(case.claim.source, []).append(index)
    findings: dict[int, list[Finding]] = {}
    for members in groups.values():
        known = [cases[index] for index in members if cases[index].computable]
        verdict, reason, columns = _searched(known, conventions)
        for index in members:
            case = cases[index]
            if not case.computable:
                findings[index] = [_uncounted(case)]
                continue
            said = _said(case)
            if case.length is None and "tokens" in columns:
                said |= {"tokens": columns["tokens"], "tokens_from": FOUND}
            findings[index] = [
                Finding(**said, convention=columns["convention"], verdict=verdict, reason=reason)
            ]
    return findings


def _said(case: Case) -> dict[str, Any]:
    claim = case.claim
    if claim.flops_t is not None:
        return claim_columns(case, "FLOPs", float(claim.flops_t), "10^12")
    assert claim.flops_ratio_pct is not None
    return claim_columns(case, "FLOPs", float(claim.flops_ratio_pct), "% of full")


def _uncounted(case: Case) -> Finding:
    missing = "model" if case.spec is None else "retained ratio"
    reason = f"The {missing} is not stated, so nothing can be counted."
    return Finding(**_said(case), verdict=UNSTATED, reason=reason)


def _searched(
    cases: Sequence[Case], conventions: Sequence[Convention]
) -> tuple[Verdict, str, dict[str, Any]]:
    """Search one group; return verdict, reason, and the columns it settles."""
    nothing: dict[str, Any] = {"convention": None}
    values = [case for case in cases if case.claim.flops_t is not None]
    if not values:
        return UNSTATED, "Ratios alone, without one printed value, settle no convention.", nothing
    candidates = list(readings(cases, conventions))
    fits = [found for reading in candidates if (found := fit(cases, reading)) is not None]
    if not fits:
        return UNSTATED, _nearest(values, conventions) + sentences(cases), nothing
    names = ", ".join(found.reading.name for found in fits)
    free = sum(case.length is None for case in values)
    if free == len(values) == 1 and len(fits) > 1:
        at = "; ".join(f"{found.reading.name} at {_lengths(found)}" for found in fits)
        return UNSTATED, f"One value without its length fits many conventions: {at}.", nothing
    columns: dict[str, Any] = {"convention": names}
    if fits[0].first is not None and len({(f.first, f.last) for f in fits}) == 1:
        columns |= {"tokens": fits[0].first} if fits[0].first == fits[0].last else {}
    return PLAUSIBLE, _found(cases, fits, len(conventions)), columns


def _found(cases: Sequence[Case], fits: Sequence[Fit], tried: int) -> str:
    values = sum(case.claim.flops_t is not None for case in cases)
    ratios = sum(case.claim.flops_ratio_pct is not None for case in cases)
    what = "printed value" if values == 1 else f"{values} printed values"
    what += f" and {ratios} ratios" if ratios else ""
    others = tried - len({found.reading.convention.name for found in fits})
    alone = f"none of the other {others} conventions does"
    if fits[0].first is None:
        ways = " and ".join(found.reading.name for found in fits)
        said = f"Every digit of the {what} follows from {ways}; {alone}"
    else:
        ways = " and ".join(f"{found.reading.name} at {_lengths(found)}" for found in fits)
        said = f"Every digit of the {what} follows from {ways} alone; {alone}, at any length"
    kind = {found.ratios_of for found in fits}
    return f"{said}. The ratios are of the {kind.pop()}." if len(kind) == 1 and all(kind) else (
        f"{said}.")  # fmt: skip


def _lengths(found: Fit) -> str:
    if found.first == found.last:
        return f"n = {found.first:,}"
    return f"n = {found.first:,} to {found.last:,}"


def _nearest(values: Sequence[Case], conventions: Sequence[Convention]) -> str:
    """Name the reading whose worst row is least off, each at its own best length."""
    errors = [(reading, *worst_error(values, reading)) for reading in readings(values, conventions)]
    reading, error, length = min(errors, key=lambda item: abs(item[1]))
    at = "" if length is None else f" at n = {length:,}"
    return (
        f"No convention known here gives these values. Nearest comes {reading.name}{at}, whose "
        f"worst row is {error:+.1%} off."
    )
