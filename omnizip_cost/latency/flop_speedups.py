"""What FLOPs alone promise for prefill, beside a prediction in seconds."""

from __future__ import annotations

from dataclasses import dataclass

from omnizip_cost.cost import count, total_flops
from omnizip_cost.latency.prediction import Prediction
from omnizip_cost.results.row import FlatRow


@dataclass(frozen=True, slots=True, kw_only=True)
class FlopSpeedups(FlatRow):
    """FLOPs of full tokens over FLOPs of a plan, decoder and head on the prompt.

    None where a count is zero, as under Eq. 9 with no audio or video token left.
    """

    prefill_speedup_eq9: float | None
    """By Eq. 9: audio and video tokens, no head."""
    prefill_speedup_exact: float | None
    """By the FLOPs that the backend executes."""
    exact_convention: str
    """The count that these are made under."""


def flop_speedups(prediction: Prediction, full: Prediction) -> FlopSpeedups:
    """Return the two ratios of FLOPs that a prediction's prefill speed-up stands beside.

    Parameters
    ----------
    prediction, full : Prediction
        Of one model and backend; ``full`` keeps every token.
    """
    exact = prediction.backend.convention
    return FlopSpeedups(
        prefill_speedup_eq9=_ratio(prediction, full, "eq9"),
        prefill_speedup_exact=_ratio(prediction, full, exact),
        exact_convention=exact,
    )


def _ratio(prediction: Prediction, full: Prediction, convention: str) -> float | None:
    mine, theirs = _prefill_flops(prediction, convention), _prefill_flops(full, convention)
    return theirs / mine if mine else None


def _prefill_flops(prediction: Prediction, convention: str) -> int:
    """FLOPs of the stage that ``prefill_s`` times: selection and encoders are others."""
    rows = count(prediction.spec, prediction.plan, convention, decode=0)
    return total_flops(
        row for row in rows if row.phase == "prefill" and row.component in ("llm", "lm_head")
    )
