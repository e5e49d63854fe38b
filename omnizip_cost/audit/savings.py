"""Seconds saved: what a whole item saves against what its prefill saves.

A token that is dropped before the decoder spares work in the prefill, and in every decode step the
reading of its keys and values; encoders run on everything. So an item saves what its prefill does,
and what R steps save on the cache. Printed values carry rounding: every amount here is an interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from omnizip_cost.audit.finding import IMPOSSIBLE, Verdict
from omnizip_cost.audit.identity import cards, in_seconds
from omnizip_cost.audit.printed import Printed
from omnizip_cost.audit.rows import Rows
from omnizip_cost.audit.work import Case
from omnizip_cost.units import KILO, TERA

_TIMES = ("prefill_ms", "end_to_end_s")


@dataclass(frozen=True, slots=True)
class Span:
    """All that a number made of printed ones may be."""

    low: Fraction
    high: Fraction

    def __str__(self) -> str:
        """Write it with three digits, in ms below one second; one number where both ends agree."""
        low, high = (in_seconds(float(end)) for end in (self.low, self.high))
        if low == high:
            return low
        same_unit = low.rsplit(" ", 1)[1] == high.rsplit(" ", 1)[1]
        return f"{low.rsplit(' ', 1)[0] if same_unit else low} to {high}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """What one compressed row saves against the full run of its setting, in seconds."""

    full: Case
    item: Span
    prefill: Span
    decode_s: Fraction | None
    """What R shorter caches spare at the card's bandwidth; None where R or the card is open."""
    full_prefill: Span | None
    """The full prefill at which the item's saving and the prefill's speed-up are one story."""

    @property
    def elsewhere_s(self) -> Fraction:
        """Least of the item's saving that neither prefill nor cache explains; 0: nothing."""
        return max(self.item.low - self.prefill.high - (self.decode_s or 0), Fraction(0))


def saving_of(case: Case, rows: Rows) -> Saving | None:
    """Compare what item and prefill save; None without both times of both runs."""
    claim = case.claim
    if claim.full or claim.prefill_ms is None or claim.end_to_end_s is None:
        return None
    full = rows.full_run(case, *_TIMES)
    if full is None or "total" in {claim.timed, full.claim.timed}:
        return None
    whole_ms, whole_s = full.claim.prefill_ms, full.claim.end_to_end_s
    assert whole_ms is not None and whole_s is not None
    prefill = _less(whole_ms, claim.prefill_ms)
    item = _less(whole_s, claim.end_to_end_s)
    step_s = cache_seconds(case)
    decode_s = None if step_s is None or claim.decode_steps is None else claim.decode_steps * step_s
    speedup = _speedup(claim.speedup, whole_ms, claim.prefill_ms)
    return Saving(
        full=full,
        item=item,
        prefill=Span(prefill.low / KILO, prefill.high / KILO),
        decode_s=decode_s,
        full_prefill=None if speedup.low <= 1 or item.low <= 0 else Span(
            item.low / (1 - 1 / speedup.high), item.high / (1 - 1 / speedup.low)
        ),
    )  # fmt: skip


def _less(whole: Printed, part: Printed) -> Span:
    return Span(whole.low - part.high, whole.high - part.low)


def _speedup(printed: Printed | None, whole: Printed, mine: Printed) -> Span:
    """All that the prefill's speed-up may be: as printed, and as its two times allow."""
    times = Span(whole.low / mine.high, whole.high / mine.low)
    if printed is None:
        return times
    low, high = max(printed.low, times.low), min(printed.high, times.high)
    return times if low > high else Span(low, high)


def cache_seconds(case: Case) -> Fraction | None:
    """Time that the shorter cache spares one decode step at the cards' bandwidth; None: open."""
    if not case.computable or case.length is None or case.device is None:
        return None
    whole = case.without_compression().cache_bytes(case.length)
    return (whole - case.cache_bytes()) / case.bandwidth_bytes_per_s


def saved_elsewhere(case: Case, rows: Rows) -> str:
    """Say so where an item saves more than its prefill and its cache can."""
    saving = saving_of(case, rows)
    if saving is None or not saving.elsewhere_s:
        return ""
    whole, mine = saving.full.claim.end_to_end_s, case.claim.end_to_end_s
    whole_ms, mine_ms = saving.full.claim.prefill_ms, case.claim.prefill_ms
    assert whole is not None and mine is not None and whole_ms is not None and mine_ms is not None
    item_s = whole.value - mine.value
    prefill_s = (whole_ms.value - mine_ms.value) / KILO
    alone = whole.value / (whole.value - prefill_s)
    return (
        f" The item saves {in_seconds(float(item_s))}, its prefill {in_seconds(float(prefill_s))}, "
        f"which alone makes {float(alone):.2f}x: at least {in_seconds(float(saving.elsewhere_s))} "
        "were saved elsewhere, while encoders run on every token, or the time called prefill is "
        f"not the whole prefill.{_decode(case, saving)}"
    )


def _decode(case: Case, saving: Saving) -> str:
    """Say what the decode steps can have to do with it."""
    step_s, steps = cache_seconds(case), case.claim.decode_steps
    if step_s is None or step_s <= 0:
        return "" if steps is not None else " How many tokens were decoded is not stated."
    pass_s = Fraction(case.pass_bytes, case.bandwidth_bytes_per_s)
    spared = (
        f" At {cards(case)}'s bandwidth a decode step reads its weights in "
        f"{in_seconds(float(pass_s))} either way, and the shorter cache spares it "
        f"{in_seconds(float(step_s))}"
    )
    if steps is not None:
        return f"{spared}, {in_seconds(float(steps * step_s))} over R = {steps}."
    many, fewer = (-(-saving.elsewhere_s // one_s) for one_s in (step_s, pass_s))
    return (
        f"{spared}: it takes {many:,} such steps (R is not stated), or an answer shorter by "
        f"{fewer:,} tokens."
    )


def reading(case: Case, rows: Rows, verdict: Verdict) -> str:
    """Say which full prefill the items' savings and the prefill speed-ups imply together.

    Only of a full row, and where some row of its setting saves more than its prefill; ``verdict``
    is the one on the printed prefill.
    """
    claim = case.claim
    if not claim.full or claim.prefill_ms is None or claim.end_to_end_s is None:
        return ""
    if rows.full_run(case, *_TIMES) is not case:
        return ""
    savings = [found for row in rows.alike(case) if (found := saving_of(row, rows)) is not None]
    more = [found for found in savings if found.elsewhere_s]
    spans = [found.full_prefill for found in more if found.full_prefill is not None]
    if not spans:
        return ""
    span = Span(min(one.low for one in spans), max(one.high for one in spans))
    item_s, prefill_s = (
        max((one.low + one.high) / 2 for one in ends)
        for ends in ([found.item for found in more], [found.prefill for found in more])
    )
    said = (
        f"Items save up to {in_seconds(float(item_s))}, their prefills up to "
        f"{in_seconds(float(prefill_s))}: if all of it is prefill, the prefill speed-ups of "
        f"{len(spans)} row{'s' * (len(spans) > 1)} imply a full prefill of {span}"
    )
    return f"{said}{_beside(case, span, claim.prefill_ms, claim.end_to_end_s, verdict)}."


def _beside(case: Case, span: Span, prefill: Printed, item: Printed, verdict: Verdict) -> str:
    """Hold the prefill that the other columns imply against the card and the printed numbers."""
    if span.low > item.high:
        return f", longer than the whole item of {item.text} s: the columns time different things"
    rates, ms = _rates(case, span), f"{prefill.text} ms"
    if span.high > item.high:
        return (
            f"{rates}; in part longer than the whole item of {item.text} s, so it is not the case"
        )
    if verdict == IMPOSSIBLE and case.flops() <= span.low * case.peak_flop_per_s:
        return (
            f"{rates}. End-to-end times and speed-ups thus agree with the card, and not with the "
            f"{ms}"
        )
    if prefill.high / KILO < span.low:
        return (
            f"{rates}; the printed {ms} leave out a part of it, or items save elsewhere too, "
            "as where they decode less"
        )
    return f"{rates}, and the printed {ms} lie within"


def _rates(case: Case, span: Span) -> str:
    """Rate and share of the peak over a span of times; nothing where the length is open."""
    if case.length is None or not case.computable:
        return ""
    work = case.flops()
    slow, fast = (float(work / time / TERA) for time in (span.high, span.low))
    rates = f": {slow:.3g} to {fast:.3g} TFLOP/s at n = {case.length:,}"
    if case.device is None:
        return rates
    shares = [float(work / time / case.peak_flop_per_s) for time in (span.high, span.low)]
    return f"{rates}, {shares[0]:.0%} to {shares[1]:.0%} of the peak"
