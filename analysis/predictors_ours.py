"""Our own predictions of a bare prompt's decoder, as the comparison asks for them."""

from __future__ import annotations

from typing import NamedTuple

from omnizip_cost.compression import Plan
from omnizip_cost.latency import predict, speedup
from omnizip_cost.specs import ThinkerSpec

PREFILL, DECODE = "prefill", "decode"
"""Stages that are compared: the decoder and its head."""


class Gain(NamedTuple):
    """A full run and a compressed one: seconds of a stage, their quotient and its interval."""

    full_s: float
    kept_s: float
    ratio: float
    low: float
    high: float


def prefill_s(spec: ThinkerSpec, plan: Plan, device: str, backend: str) -> float:
    """Seconds of the decoder and its head on a prompt."""
    return predict(spec, plan, device, backend=backend, decode=0).prefill_s


def gains(
    spec: ThinkerSpec, full: Plan, kept: Plan, device: str, backend: str, steps: int = 0
) -> dict[str, Gain]:
    """Speed-up of each stage; of decode only where there are steps."""
    whole, less = (
        predict(spec, plan, device, backend=backend, decode=steps) for plan in (full, kept)
    )
    found = {}
    for stage in (PREFILL, DECODE) if steps else (PREFILL,):
        share = steps if stage == DECODE else 1
        ratio = speedup(less, whole, stage)
        assert ratio is not None  # a decoder takes time
        found[stage] = Gain(
            full_s=whole.seconds(stage) / share,
            kept_s=less.seconds(stage) / share,
            ratio=ratio.ratio,
            low=ratio.low,
            high=ratio.high,
        )
    return found
