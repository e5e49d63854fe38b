"""Where the gap between FLOPs and time goes: the stage that makes the difference, in a sentence."""

from __future__ import annotations

from omnizip_cost.results import MeasurementRow
from omnizip_cost.units import GIGA, MILLI

Stages = dict[str, MeasurementRow]

SAME_WORK = ("audio_encoder", "vision_encoder", "assembly")
"""Stages that no method shortens."""


def explain(
    stages: Stages, full: Stages, flops: dict[str, int], flops_full: dict[str, int]
) -> tuple[str, str]:
    """Stage with the largest gap between its time and the time its FLOPs predict.

    A stage's predicted time is its full-token time scaled by its FLOPs (prefill, decode).
    Selection has no full-token time: its FLOPs are taken at the rate of the full prefill, and
    count for nothing where they are not known. Encoders and assembly do the same work in every
    configuration: how far they differ is the machine's noise (:func:`noise`).

    Returns
    -------
    tuple of str
        Stage name (empty for full tokens) and one sentence with the gap in milliseconds.
    """
    if stages.keys() == full.keys() and all(stages[name] is full[name] for name in stages):
        return "", "the reference"
    gaps: dict[str, float] = {}
    for name in ("prefill", "decode", "selection"):
        row = stages.get(name)
        if row is not None and row.median_s is not None:
            gaps[name] = row.median_s - _expected(name, full, flops, flops_full)
    if not gaps:
        return "", ""
    name = max(gaps, key=lambda stage: abs(gaps[stage]))
    return name, _sentence(name, gaps[name], stages[name], full.get(name), flops, flops_full)


def noise(stages: Stages, full: Stages) -> float | None:
    """Change of the stages that do the same work in every configuration: signed, relative."""
    same = [name for name in SAME_WORK if name in stages and name in full]
    here = sum(stages[name].median_s or 0.0 for name in same)
    there = sum(full[name].median_s or 0.0 for name in same)
    return here / there - 1 if here and there else None


def _expected(name: str, full: Stages, flops: dict[str, int], flops_full: dict[str, int]) -> float:
    """Seconds that the stage's FLOPs take at the rate of the full-token stage they resemble."""
    like = "prefill" if name == "selection" else name
    whole = full[like].median_s if like in full else None
    if whole is None or not flops_full[like]:
        return 0.0
    return whole * flops.get(name, 0) / flops_full[like]


def _sentence(
    name: str,
    gap_s: float,
    row: MeasurementRow,
    whole: MeasurementRow | None,
    flops: dict[str, int],
    flops_full: dict[str, int],
) -> str:
    took = f"{abs(gap_s) / MILLI:,.1f} ms"
    way = "more" if gap_s > 0 else "less"
    if name == "selection":
        if name not in flops:
            return f"selection takes {took}, and its FLOPs are not known"
        return (
            f"selection takes {took} {way} than its {flops[name] / GIGA:,.3g} GFLOP would at the "
            "full prefill's rate"
        )
    sentence = f"{name} takes {took} {way} than its FLOPs predict"
    if whole is not None and whole.median_s and row.median_s and flops[name]:
        rate = flops[name] / row.median_s / GIGA
        rate_full = flops_full[name] / whole.median_s / GIGA
        sentence += f": {rate:,.4g} GFLOP/s against {rate_full:,.4g} at full length"
    return sentence
