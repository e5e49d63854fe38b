"""Memory held against the weights alone, and against what the card has."""

from __future__ import annotations

from omnizip_cost.audit.finding import IMPOSSIBLE, PLAUSIBLE, UNSTATED, Finding, Verdict
from omnizip_cost.audit.identity import claim_columns
from omnizip_cost.audit.work import BYTES_PER_WEIGHT, Case
from omnizip_cost.specs import parameter_counts
from omnizip_cost.units import GIBI, GIGA


def memory_findings(case: Case) -> list[Finding]:
    """Finding on the printed memory of one claim, if it has one.

    "GB" is read as the reader's wish: 2^30 bytes where little memory would speak against the
    claim, 10^9 where much would.
    """
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
    if claimed.high * GIBI >= weights:
        rest = float(claimed.value) - weights / GIGA
        reason = f"{held}; {max(rest, 0):.1f} GB are left for activations and cache."
    elif case.claim.dtype is None:
        verdict = UNSTATED
        reason = f"{held}: less is claimed, so they were quantised, or partly kept off the card."
    else:
        verdict = IMPOSSIBLE
        reason = f"{held}, as the row states: less is claimed than they take."
    return [
        Finding(**said, bound=weights / GIGA, bound_by="weights", verdict=verdict, reason=reason)
    ]
