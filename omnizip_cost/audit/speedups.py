"""Speed-ups held against ratios of work: what dropping tokens alone can give, at any length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from omnizip_cost.audit.finding import (
    ATTENTION_COSTS,
    PLAUSIBLE,
    UNSTATED,
    Finding,
    Verdict,
)
from omnizip_cost.audit.identity import claim_columns, length_words
from omnizip_cost.audit.printed import Printed
from omnizip_cost.audit.rows import Rows
from omnizip_cost.audit.savings import saved_elsewhere
from omnizip_cost.audit.work import AS_BUILT, LEAST, MOST_TOKENS, Case, most_tokens

LEAST_TOKENS = 100
"""Shortest prompt looked at: below, rounding r * n to whole tokens moves the ratio more than n."""

_KINDS = (
    ("prefill speed-up", "prefill_ms", "speedup"),
    ("end-to-end speed-up", "end_to_end_s", "end_to_end_speedup"),
)


def speedup_findings(cases: Sequence[Case], rows: Rows) -> Mapping[int, list[Finding]]:
    """Findings on speed-ups, printed or made of two printed times, by place in ``cases``."""
    return {
        index: [found for kind in _KINDS if (found := _finding(case, rows, *kind)) is not None]
        for index, case in enumerate(cases)
        if not case.claim.full
    }


def _finding(case: Case, rows: Rows, quantity: str, time: str, column: str) -> Finding | None:
    full = rows.full_run(case, time)
    printed: Printed | None = getattr(case.claim, column)
    mine: Printed | None = getattr(case.claim, time)
    whole: Printed | None = None if full is None else getattr(full.claim, time)
    ends = [(printed.low, printed.high)] if printed is not None else []
    if mine is not None and whole is not None:
        ends.append((whole.low / mine.high, whole.high / mine.low))
    if not ends:
        return None
    if printed is not None:
        claimed = float(printed)
    else:
        assert mine is not None and whole is not None
        claimed = float(whole.value / mine.value)
    low = max(low for low, _ in ends)
    clash = low > min(high for _, high in ends)
    low = min(low for low, _ in ends) if clash else low
    said = claim_columns(case, quantity, round(claimed, 4), "x") | {"derived": printed is None}
    if not case.computable:
        verdict, reason = _open(case, low, claimed)
        return Finding(**said, verdict=verdict, reason=reason)
    limit = ratio_limit(case)
    verdict, reason, remark = _judge(case, low, limit)
    if clash:
        verdict = UNSTATED if verdict == PLAUSIBLE else verdict
        reason += " The printed speed-up does not follow from the times beside it."
    if quantity.startswith("end") and (more := saved_elsewhere(case, rows)):
        verdict = UNSTATED if verdict == PLAUSIBLE else verdict
        reason += more
    return Finding(
        **said,
        bound=float(limit),
        bound_by="work ratio",
        verdict=verdict,
        reason=reason,
        remark=remark,
    )


def ratio_limit(case: Case) -> Fraction:
    """What the ratio of work comes to at endless length: 1/r^2, or less where layers stay full."""
    tokens = case.plan(10**6).layer_av_tokens
    full = case.without_compression().plan(case.length if case.claim.layer_tokens else 10**6)
    shares = [Fraction(kept) / full.av_tokens for kept in tokens]
    return len(shares) / sum((share**2 for share in shares), Fraction(0))


def work_ratios(
    case: Case, tokens: int | None = None, attention: Fraction = Fraction(1)
) -> tuple[Fraction, Fraction]:
    """Work of the full run over the compressed one, by causal pairs and by all pairs.

    ``attention`` weighs attention's FLOPs: what one of them takes against one of a product.
    """
    length = case.length if tokens is None else tokens
    assert length is not None
    least, built = (
        _weighed(case.without_compression(), length, convention, attention)
        / _weighed(case, length, convention, attention)
        for convention in (LEAST, AS_BUILT)
    )
    return least, built


def _weighed(case: Case, tokens: int, convention: str, attention: Fraction) -> Fraction:
    flops = Fraction(case.flops(tokens, convention))
    return flops + (attention - 1) * case.attention_flops(tokens, convention)


def _judge(case: Case, low: Fraction, limit: Fraction) -> tuple[Verdict, str, str | None]:
    """Judge the least speed-up that is printed so: verdict, reason, remark."""
    if low > limit:
        return UNSTATED, (
            f"At one rate no length gives more than {float(limit):.2f} (attention's pairs alone): "
            "the full run used the card worse than the compressed one, as where it ran short of "
            "memory or fell back to slower kernels."
        ), None  # fmt: skip
    if low <= 1:
        return PLAUSIBLE, "Not faster than full tokens: no limit is near.", None
    if case.length is not None:
        return _judge_at_length(case, low)
    short = _too_short(case, low)
    if not short:
        return PLAUSIBLE, "Any length gives this ratio of work.", None
    return UNSTATED, f"No token count is given; it takes n = {_from(short)} at least.", None


def _too_short(case: Case, low: Fraction) -> int:
    """Longest prompt whose ratio of work, at its kindest, stays below a speed-up; 0: none."""
    most = ATTENTION_COSTS[-1]
    return most_tokens(lambda n: max(work_ratios(case, n, most)) < low, least=LEAST_TOKENS)


def _judge_at_length(case: Case, low: Fraction) -> tuple[Verdict, str, str | None]:
    causal, built = work_ratios(case)
    exact = (
        f"At {length_words(case)} the work is {float(causal):.2f} (causal pairs) to "
        f"{float(built):.2f} (all pairs) times less"
    )
    if low <= max(causal, built):
        return PLAUSIBLE, f"{exact}.", None
    least, most = (max(work_ratios(case, attention=cost)) for cost in ATTENTION_COSTS)
    costs = " to ".join(f"{float(cost):.2f}" for cost in ATTENTION_COSTS)
    slower = (
        f"if a FLOP of attention takes {costs} times as long as one of a product, as on the five "
        "cards whose kernels were measured (here it is an assumption), the time is "
        f"{float(least):.2f} to {float(most):.2f} times less"
    )
    if low <= most:
        remark = f"More than the work alone gives, but within what attention allows: {slower}."
        return PLAUSIBLE, f"{exact}.", remark
    if case.claim.layer_tokens:
        return UNSTATED, f"{exact}. More is claimed; {slower}.", None
    return UNSTATED, (
        f"{exact}. More is claimed; {slower}. It takes n = {_from(_too_short(case, low))}, or a "
        "full run that used the card worse than the compressed one."
    ), None  # fmt: skip


def _from(short: int) -> str:
    return f"over {MOST_TOKENS:,}" if short >= MOST_TOKENS else f"{short + 1:,}"


def _open(case: Case, low: Fraction, claimed: float) -> tuple[Verdict, str]:
    """Judge a speed-up whose model or ratio is not stated."""
    if low <= 1:
        return PLAUSIBLE, "Not faster than full tokens: no limit is near."
    ratio = case.claim.retained
    if ratio is not None and low * Fraction(str(ratio)) <= 1:
        return PLAUSIBLE, f"Keeping {ratio:.0%} gives {1 / ratio:.2f} in any model at any length."
    if case.spec is None:
        return UNSTATED, "The model is not stated, so no ratio of work can be computed."
    return UNSTATED, (
        f"The retained ratio is not stated: keeping {1 / claimed:.0%} gives {claimed:.2f} at any "
        f"length, keeping over {claimed**-0.5:.0%} at none, at one rate."
    )
