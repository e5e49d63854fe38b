"""Times held against work and bytes: the rate they imply, and the lengths at which they hold."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from omnizip_cost.audit.finding import (
    ATTAINABLE_SHARE,
    IMPOSSIBLE,
    PLAUSIBLE,
    UNSTATED,
    WHOLE_ITEM,
    Finding,
    Verdict,
)
from omnizip_cost.audit.identity import cards, claim_columns, in_seconds, length_words
from omnizip_cost.audit.rows import Rows
from omnizip_cost.audit.savings import reading
from omnizip_cost.audit.work import (
    AS_BUILT,
    MOST_TOKENS,
    Case,
    device_peak,
    most_tokens,
    product_type,
)
from omnizip_cost.hardware import Device, bundled_devices
from omnizip_cost.units import GIGA, KILO, si

MOST_CLOCK = 1.2
"""Shares of the peak up to which a clock above the rated boost may be part of the answer: an RTX
A6000 is rated at 1.80 GHz and lists 2.10 GHz, 1.17 times as much, as its maximum (nvidia-smi -q,
log in issue 323 of github.com/mrirecon/bart)."""

_SHARE = Fraction(str(ATTAINABLE_SHARE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """One printed time: what it covers, and the longest it can have been."""

    quantity: str
    claimed: float
    unit: str
    seconds: Fraction
    most_s: Fraction
    """Longest time that is printed so: the claim's own rounding speaks for it."""
    steps: int
    """Decode steps inside."""


def time_findings(case: Case, rows: Rows) -> list[Finding]:
    """Findings on the printed times of one claim; ``rows`` may tell what rate its source had."""
    claim = case.claim
    timed = []
    if (ms := claim.prefill_ms) is not None:
        steps = (claim.decode_steps or 0) if claim.timed == "total" else 0
        timed.append(Timed(quantity="prefill", claimed=float(ms), unit="ms", steps=steps,
                           seconds=ms.value / KILO, most_s=ms.high / KILO))  # fmt: skip
    if (s := claim.end_to_end_s) is not None:
        timed.append(Timed(quantity="end to end", claimed=float(s), unit="s", seconds=s.value,
                           most_s=s.high, steps=claim.decode_steps or 0))  # fmt: skip
    return [_finding(case, time, rows) for time in timed]


def least_seconds(case: Case, tokens: int | None, steps: int, share: Fraction) -> Fraction:
    """Least time of the prefill and ``steps`` decode steps at a share of the peak.

    Work or bytes of the prefill, whichever takes longer; each further step reads the weights
    again. The cache, the encoders and the host are left out, so the true time is longer.
    """
    per_pass = Fraction(case.pass_bytes, case.bandwidth_bytes_per_s)
    work = Fraction(case.flops(tokens)) / (case.peak_flop_per_s * share)
    return max(work, per_pass) + steps * per_pass


def _finding(case: Case, time: Timed, rows: Rows) -> Finding:
    said = claim_columns(case, time.quantity, time.claimed, time.unit)
    about = ""
    if case.claim.timed == "total" and time.quantity == "prefill":
        about = f"{WHOLE_ITEM}, encoders included: no prefill time to compare with. "
    longer = _longer_than_item(case)
    if not case.computable:
        missing = "model" if case.spec is None else "retained ratio"
        reason = f"{about}The {missing} is not stated, so no work can be computed.{longer}"
        return Finding(**said, verdict=UNSTATED, reason=reason)
    facts: dict[str, Any] = {}
    if case.length is not None:
        facts = _rates(case, time)
    if case.device is None:
        verdict, reason = _without_device(case, time)
    else:
        facts |= _limits(case, time)
        verdict, reason = _judge(case, time, facts)
        reason += _at_sibling_rate(case, time, rows)
    left = longer or _after_prefill(case, time)
    if left and verdict == PLAUSIBLE:
        verdict = UNSTATED
    if time.quantity == "prefill":
        reason += _one_card_at_work(case, facts)
        remark = reading(case, rows, verdict)
    else:
        remark = "" if left else _after_prefill(case, time, one_card=True)
    return Finding(
        **said, **facts, verdict=verdict, reason=f"{about}{reason}{left}", remark=remark or None
    )


def _rates(case: Case, time: Timed) -> dict[str, Any]:
    work = case.flops(decode=time.steps)
    facts: dict[str, Any] = {
        "hardware_flops": work,
        "torch_flops": case.flops(convention=AS_BUILT, decode=time.steps),
        "implied_flop_per_s": float(work / time.seconds),
    }
    if case.device is not None:
        least = least_seconds(case, None, time.steps, Fraction(1))
        in_unit = least * (KILO if time.unit == "ms" else 1)
        by_bytes = least == (time.steps + 1) * Fraction(case.pass_bytes, case.bandwidth_bytes_per_s)
        facts |= {
            "share_of_peak": float(work / time.seconds / case.peak_flop_per_s),
            "bound": float(in_unit),
            "bound_by": "bytes" if by_bytes else "work",
        }
    return facts


def _limits(case: Case, time: Timed) -> dict[str, Any]:
    facts: dict[str, Any] = {"peak_flop_per_s": case.peak_flop_per_s}
    if not case.claim.layer_tokens:
        for name, share in (("peak", Fraction(1)), ("attainable", _SHARE)):
            facts[f"tokens_at_{name}"] = _most_in_time(case, time, share)
    return facts


def _judge(case: Case, time: Timed, facts: dict[str, Any]) -> tuple[Verdict, str]:
    """Judge a time whose device is known."""
    assert case.device is not None
    if facts.get("tokens_at_peak") == 0:
        passes = time.steps + 1
        needed = passes * case.pass_bytes / case.bandwidth_bytes_per_s
        times = "once" if passes == 1 else f"{passes} times"
        return IMPOSSIBLE, (
            f"Reading the decoder's {case.pass_bytes / GIGA:.1f} GB of weights {times} takes "
            f"{in_seconds(needed)} at {cards(case)}'s bandwidth, at any length, one item at a time."
        )
    holds = _holds(facts)
    if case.length is None:
        return UNSTATED, f"No token count is given. {holds}"
    share = facts["share_of_peak"]
    rate = (
        f"At {length_words(case)} the decoder's work is {si(facts['hardware_flops'], 'FLOP')}: "
        f"{si(facts['implied_flop_per_s'], 'FLOP/s')}, {_share(share)} the dense "
        f"{product_type(case.device, case.dtype)} peak of {cards(case)} "
        f"({si(case.peak_flop_per_s, 'FLOP/s')})"
    )
    torch_rate = si(float(facts["torch_flops"] / time.seconds), "FLOP/s")
    if least_seconds(case, None, time.steps, Fraction(1)) > time.most_s:
        if facts["bound_by"] == "bytes":
            return IMPOSSIBLE, f"{rate}; reading the weights alone takes longer. {holds}"
        counted = f"; torch's count of the stock model makes it {torch_rate}"
        return IMPOSSIBLE, f"{rate}{counted}. {holds}{_ways_out(case, time, share)}"
    if least_seconds(case, None, time.steps, _SHARE) > time.most_s:
        return UNSTATED, (
            f"{rate}: below the peak, above the {ATTAINABLE_SHARE:.0%} of it that measured kernels "
            f"come to, so it needs kernels that keep such a rate throughout. {holds}"
        )
    return PLAUSIBLE, f"{rate}."


def _ways_out(case: Case, time: Timed, share: float) -> str:
    """Say which clock or type of product, neither of them stated, would bring a time in reach."""
    assert case.device is not None
    said = ""
    if share < MOST_CLOCK:
        said = " The peak is at the rated boost clock, which a card may pass a little."
    if case.claim.dtype is None and "int8" in case.device.peak_flop_per_s:
        int8 = case.claim.gpus * case.device.peak("int8")
        if case.flops() <= int8 * time.most_s:
            said += f" bf16 is assumed: in int8 ({si(int8, 'FLOP/s')}) it would be in reach."
    return said


def _without_device(case: Case, time: Timed) -> tuple[Verdict, str]:
    """Judge a time whose device is not stated by the devices that are known."""
    if case.length is None:
        return UNSTATED, "Neither device nor token count is given, so the rate is open."
    needed = case.flops() / time.most_s
    rate = (
        f"The device is not stated; at {length_words(case)} the decoder's work is "
        f"{si(case.flops(), 'FLOP')}, so it takes a card of {si(float(needed), 'FLOP/s')} at least"
    )
    devices = bundled_devices().values()
    fast = [card for card in devices if _peak(case, card) >= needed]
    if not fast:
        return IMPOSSIBLE, f"{rate}: more than any card known here."
    slowest = min(devices, key=lambda card: _peak(case, card))
    if _peak(case, slowest) * _SHARE >= needed:
        return PLAUSIBLE, f"{rate}, which every card known here has."
    least = min(fast, key=lambda card: _peak(case, card))
    return UNSTATED, f"{rate} ({least.name} or faster)."


def _peak(case: Case, device: Device) -> int:
    return case.claim.gpus * device_peak(device, case.dtype)


def _at_sibling_rate(case: Case, time: Timed, rows: Rows) -> str:
    """Say which length the rate of another prefill of the same source, model and card means."""
    other = rows.timed_full_run(case)
    full_prefill = time.quantity == "prefill" and case.claim.full and case.length is None
    if other is None or not full_prefill:
        return ""
    ms = other.claim.prefill_ms
    assert ms is not None
    rate = other.flops() / (ms.value / KILO)
    length = _most_at(case, rate * time.seconds)
    return (
        f" At the rate that {ms.text} ms at {length_words(other)} imply "
        f"({si(float(rate), 'FLOP/s')}) it would be n = {length:,}."
    )


def _most_in_time(case: Case, time: Timed, share: Fraction) -> int:
    """Largest n that the time affords at a share of the peak."""
    return most_tokens(lambda n: least_seconds(case, n, time.steps, share) <= time.most_s)


def _most_at(case: Case, flops: Fraction) -> int:
    """Largest n whose prefill takes no more than this work."""
    return most_tokens(lambda n: case.flops(n) <= flops)


def _longer_than_item(case: Case) -> str:
    """Say so where a prefill is longer than the whole item that it is part of."""
    prefill, item = case.claim.prefill_ms, case.claim.end_to_end_s
    if prefill is None or item is None or prefill.low / KILO <= item.high:
        return ""
    return (
        f" The prefill of {prefill.text} ms is longer than the whole item of {item.text} s: a part "
        "cannot outlast the whole, so the two timers cover different things."
    )


def _one_card_at_work(case: Case, facts: dict[str, Any]) -> str:
    """Say what the share is where several cards work one after another, layer by layer."""
    share = facts.get("share_of_peak")
    if share is None or case.claim.gpus == 1:
        return ""
    alone = share * case.claim.gpus
    return (
        f" That is with all cards at work at once; one after another, as where layers are split "
        f"over them, it is {_share(alone)} the peak of the one at work."
    )


def _after_prefill(case: Case, time: Timed, *, one_card: bool = False) -> str:
    """Say so where too little of the whole time is left for the decode steps.

    ``one_card``: where several cards do not read their share of the weights at the same time.
    """
    claim = case.claim
    if (
        time.quantity != "end to end"
        or not time.steps
        or claim.prefill_ms is None
        or claim.timed == "total"
        or case.device is None
        or (one_card and claim.gpus == 1)
    ):
        return ""
    left = time.most_s - claim.prefill_ms.low / KILO
    needed = time.steps * Fraction(case.pass_bytes, case.bandwidth_bytes_per_s)
    if one_card:
        needed *= claim.gpus
    if left >= needed:
        return ""
    said = (
        f"After the claim's own prefill {in_seconds(float(left))} are left for {time.steps} "
        f"decode steps, which take {in_seconds(float(needed))} at "
    )
    if one_card:
        return (
            f"{said}one card's bandwidth: either the cards read at once, which layers split over "
            "them do not, or fewer tokens were generated, or the two timers cover different things."
        )
    return (
        f" {said}{cards(case)}'s bandwidth: fewer tokens were generated, or the two timers cover "
        "different things."
    )


def _holds(facts: dict[str, Any]) -> str:
    if "tokens_at_peak" not in facts:
        return ""
    peak, attainable = facts["tokens_at_peak"], facts["tokens_at_attainable"]
    if peak >= MOST_TOKENS:
        return "It holds at any length looked at."
    first = f"It would hold up to n = {peak:,} at the full peak"
    return f"{first} and up to {attainable:,} at {ATTAINABLE_SHARE:.0%} of it."


def _share(share: float) -> str:
    return f"{share:.2f} times" if share > 1 else f"{share:.1%} of"
