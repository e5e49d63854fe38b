"""What stands out of each source: how many numbers hold, and its strongest findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from omnizip_cost.audit.finding import (
    IMPOSSIBLE,
    PLAUSIBLE,
    UNSTATED,
    VERDICTS,
    WHOLE_ITEM,
    Finding,
)

_SENTENCES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class StandOut:
    """One source in brief."""

    source: str
    counts: str
    """How many of its numbers have which verdict, in words."""
    sentences: tuple[str, ...]
    """Its strongest findings, strongest first; empty where there is nothing to say."""


def stand_outs(findings: Sequence[Finding]) -> list[StandOut]:
    """Return each source in brief, in the order of the findings."""
    return [
        StandOut(source=source, counts=verdict_counts(rows), sentences=_strongest(rows))
        for source in dict.fromkeys(row.source for row in findings)
        for rows in [[row for row in findings if row.source == source]]
    ]


def verdict_counts(rows: Sequence[Finding]) -> str:
    """Write how many rows have which verdict; says so where "impossible" hangs on an assumed n."""
    said = []
    for verdict in VERDICTS:
        members = [row for row in rows if row.verdict == verdict]
        if not members:
            continue
        words = verdict if len(members) == 1 else verdict.replace("needs", "need")
        assumed = sum(row.hangs_on_length for row in members)
        if verdict == IMPOSSIBLE and assumed:
            all_of_them = assumed == len(members)
            words += " at the n assumed" if all_of_them else f" ({assumed} at an assumed n)"
        said.append(f"{len(members)} {words}")
    return ", ".join(said)


def _strongest(rows: Sequence[Finding]) -> tuple[str, ...]:
    doubts = [text for finder in (_beyond_peak, _never, _readings, _light) for text in finder(rows)]
    rest = [text for finder in (_flops, _within_peak) for text in finder(rows)]
    found = list(dict.fromkeys([*doubts, *([] if doubts else _open(rows)), *rest]))
    return tuple(found[:_SENTENCES])


def _beyond_peak(rows: Sequence[Finding]) -> Iterator[str]:
    """Times whose rate is above the peak."""
    over = [row for row in rows if row.verdict == IMPOSSIBLE and row.tokens_at_peak]
    if not over:
        return
    shares = [row.share_of_peak for row in over if row.share_of_peak is not None]
    first = over[0]
    many = f"{len(over)} times" if len(over) > 1 else "One time"
    device = "their cards" if len({row.device for row in over}) > 1 else first.cards
    rates = _range([f"{share:.2f}" for share in shares])
    yield (
        f"{many} need{'s' * (len(over) == 1)} {rates} times the dense peak of {device}"
        f"{_lengths(over)}; "
        f"{first.claimed:,.5g} {first.unit} ({first.quantity}, {first.model}, {first.method}) "
        f"would hold up to n = {first.tokens_at_peak:,}."
    )


def _never(rows: Sequence[Finding]) -> Iterator[str]:
    """What is impossible at any length."""
    for row in rows:
        if row.verdict == IMPOSSIBLE and not row.tokens_at_peak:
            yield row.reason
            return


def _flops(rows: Sequence[Finding]) -> Iterator[str]:
    """What the search says of printed FLOPs."""
    for reason in dict.fromkeys(row.reason for row in rows if row.quantity == "FLOPs"):
        yield f"FLOPs: {_first_sentence(reason)}"


def _within_peak(rows: Sequence[Finding]) -> Iterator[str]:
    """Times that are within reach."""
    times = [row for row in rows if row.quantity == "prefill" and row.share_of_peak is not None]
    if not times or any(row.verdict != PLAUSIBLE for row in times):
        return
    shares = sorted(row.share_of_peak for row in times if row.share_of_peak is not None)
    ends = _range([f"{share:.0%}" for share in shares])
    many = f"{len(times)} prefill times are" if len(times) > 1 else "One prefill time is"
    first, alone = times[0], ""
    if first.gpus > 1:
        alone = _range([f"{share * first.gpus:.0%}" for share in shares])
        alone = f" ({alone} of one card's, if they work one after another)"
    yield f"{many} within reach, at {ends} of the peak of {first.cards}{alone}{_lengths(times)}."


def _readings(rows: Sequence[Finding]) -> Iterator[str]:
    """What end-to-end times and speed-ups say of the full prefill."""
    said = (row.remark for row in rows if row.quantity == "prefill" and row.method == "full")
    yield from [remark for remark in said if remark][:1]


def _light(rows: Sequence[Finding]) -> Iterator[str]:
    """Memory below the weights, and times of more than they are called."""
    light = [row for row in rows if row.quantity == "memory" and row.bound is not None]
    yield from [row.reason for row in light if row.verdict == UNSTATED][:1]
    yield from [_first_sentence(row.reason) for row in rows if row.reason.startswith(WHOLE_ITEM)][
        :1
    ]


def _open(rows: Sequence[Finding]) -> Iterator[str]:
    """What most rows leave out, where there is nothing else to say."""
    unstated = Counter(row.reason for row in rows if row.verdict == UNSTATED)
    yield from (reason for reason, _ in unstated.most_common(1))


def _lengths(rows: Sequence[Finding]) -> str:
    """Name the one length that all rows have, and whether it is assumed."""
    lengths = {row.tokens for row in rows}
    if len(lengths) != 1 or None in lengths:
        return ""
    assumed = " (assumed)" if any(row.assumes("n") for row in rows) else ""
    return f" at n = {rows[0].tokens:,}{assumed}"


def _range(ends: Sequence[str]) -> str:
    low, high = min(ends, key=_value), max(ends, key=_value)
    return low if low == high else f"{low} to {high}"


def _value(text: str) -> float:
    return float(text.rstrip("%"))


def _first_sentence(text: str) -> str:
    return text.split(". ", 1)[0].rstrip(".") + "."
