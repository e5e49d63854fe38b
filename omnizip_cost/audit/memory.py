"""Memory held against the weights alone, against what the card has, and against a counted peak.

One set of assumptions for every row: the thinker alone is resident, in bf16 unless the row says
otherwise; attention is fused, as in the paper's published evaluation, which asks for flash
attention 2 (github.com/KD-TAO/OmniZip, eval/eval.py); n audio and video tokens and no others, R of
the row or 100 as that evaluation has it; tensors in the allocator's blocks, one item at a time.
What they leave out, a longest item, a talker loaded beside the thinker, memory kept in reserve, can
only add: so less than counted needs an assumption, and more is said with what it would take.
"""

from __future__ import annotations

from omnizip_cost.audit.finding import IMPOSSIBLE, PLAUSIBLE, UNSTATED, Finding, Verdict
from omnizip_cost.audit.identity import claim_columns, length_words
from omnizip_cost.audit.memory_peak import counted_bytes, implied_length, length_of
from omnizip_cost.audit.rows import Rows
from omnizip_cost.audit.work import BYTES_PER_WEIGHT, Case
from omnizip_cost.specs import parameter_counts
from omnizip_cost.units import GIBI, GIGA


def memory_findings(case: Case, rows: Rows) -> list[Finding]:
    """Finding on the printed memory of one claim, or on its running out, if it says either.

    "GB" is read as the reader's wish: 2^30 bytes where little memory would speak against the
    claim, 10^9 where much would.
    """
    if case.claim.out_of_memory:
        return _ran_out(case, rows)
    claimed = case.claim.memory_gb
    if claimed is None:
        return []
    said = claim_columns(case, "memory", float(claimed), "GB")
    capacity = None if case.device is None else case.claim.gpus * case.device.memory_bytes
    if capacity is not None and claimed.low * GIGA > capacity:
        reason = f"The card has {capacity / GIGA:.1f} GB ({capacity / GIBI:g} GiB)."
        return [Finding(**said, verdict=IMPOSSIBLE, reason=reason)]
    if case.spec is None:
        return [
            Finding(**said, verdict=UNSTATED, reason="The model is not stated, nor its weights.")
        ]
    weights = BYTES_PER_WEIGHT[case.dtype] * parameter_counts(case.spec)["total"]
    held = (
        f"The weights alone take {weights / GIGA:.1f} GB ({weights / GIBI:.1f} GiB) in {case.dtype}"
    )
    verdict: Verdict = PLAUSIBLE
    counted = residual = None
    if claimed.high * GIBI >= weights:
        rest = float(claimed.value) - weights / GIGA
        reason = f"{held}; {max(rest, 0):.1f} GB are left for activations and cache."
        peak = counted_bytes(case)
        if peak is not None:
            counted, residual = peak / GIGA, float(claimed) - peak / GIGA
            verdict, beside = _beside(case, peak)
            reason += beside
    elif case.claim.dtype is None:
        verdict = UNSTATED
        reason = f"{held}: less is claimed, so they were quantised, or partly kept off the card."
    else:
        verdict = IMPOSSIBLE
        reason = f"{held}, as the row states: less is claimed than they take."
    return [
        Finding(
            **said,
            bound=weights / GIGA,
            bound_by="weights",
            counted=counted,
            residual=residual,
            verdict=verdict,
            reason=reason,
        )
    ]


def _beside(case: Case, counted: int) -> tuple[Verdict, str]:
    """Hold printed memory against the counted peak."""
    claimed = case.claim.memory_gb
    assert claimed is not None
    peak = f" Counted at {length_words(case)}: {counted / GIGA:.1f} GB"
    if claimed.high * GIBI < counted:
        return UNSTATED, f"{peak}: less is claimed, so the prompt was shorter, or less of it held."
    more = float(claimed) - counted / GIGA
    if abs(more) <= float(claimed.half):
        return PLAUSIBLE, f"{peak}, as printed."
    if more < 0:
        return PLAUSIBLE, f"{peak}, as printed if GB are of 2^30 bytes."
    text = f"{peak}, {more:.1f} GB less than printed"
    length = None if case.claim.layer_tokens else length_of(case, float(claimed) * GIGA)
    return PLAUSIBLE, f"{text}." if length is None else f"{text}; n = {length:,} would fill it."


def _ran_out(case: Case, rows: Rows) -> list[Finding]:
    """Hold a run that did not fit against its counted peak, at the length that the table implies.

    What is claimed is that it takes more than the card has.
    """
    if case.device is None:
        return []
    capacity = case.claim.gpus * case.device.memory_bytes
    usable = case.claim.gpus * case.device.usable_bytes
    said = claim_columns(case, "out of memory", capacity / GIGA, "GB")
    at_stated = counted_bytes(case)
    if at_stated is None:
        reason = "Model or token count is not stated, so what it takes is open."
        return [Finding(**said, verdict=UNSTATED, reason=reason)]
    counted, implied = at_stated, implied_length(case, rows)
    reason = (
        f"Counted at {length_words(case)}: {at_stated / GIGA:.1f} GB, where a process can allocate "
        f"{usable / GIGA:.1f} GB, enough up to n = {length_of(case, usable) or 0:,}."
    )
    if implied is not None:
        counted = counted_bytes(case, implied) or at_stated
        reason += (
            f" What the method takes above full tokens in the row of another model implies "
            f"n = {implied:,}: {counted / GIGA:.1f} GB."
        )
    return [
        Finding(
            **said,
            counted=counted / GIGA,
            bound=usable / GIGA,
            bound_by="device",
            verdict=PLAUSIBLE if counted > usable else UNSTATED,
            reason=reason,
        )
    ]
