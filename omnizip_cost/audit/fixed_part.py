"""What printed FLOPs at several ratios say of their own formula, when no known one gives them.

If all but a fixed part shrinks with the tokens kept, FLOPs are f + x r + y r^2: three rows give
the three parts, with no convention assumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

from omnizip_cost.audit.work import AS_BUILT, Case
from omnizip_cost.cost import count
from omnizip_cost.errors import OmnizipCostError
from omnizip_cost.specs import ThinkerSpec
from omnizip_cost.units import TERA
from omnizip_cost.workload import VideoSettings, workload

_SHAPE = (4, 5)
"""Sides of a frame whose shape is not stated."""


def parts(points: Sequence[tuple[Fraction, Fraction]]) -> tuple[Fraction, Fraction, Fraction]:
    """Fixed, linear and quadratic part through three points (ratio, FLOPs), exactly.

    >>> one, two, three = Fraction(1), Fraction(2), Fraction(3)
    >>> parts([(one, Fraction(6)), (two, Fraction(17)), (three, Fraction(34))]) == (one, two, three)
    True
    """
    (a, fa), (b, fb), (c, fc) = points
    quadratic = ((fa - fb) / (a - b) - (fb - fc) / (b - c)) / (a - c)
    linear = (fa - fb) / (a - b) - quadratic * (a + b)
    return fa - linear * a - quadratic * a**2, linear, quadratic


def account(cases: Sequence[Case]) -> str:
    """Sentences on the fixed part of rows of one model at three ratios; empty without them."""
    points = sorted(
        (Fraction(1) if case.claim.full else Fraction(str(case.claim.retained)),
         case.claim.flops_t.value)
        for case in cases
        if case.claim.flops_t is not None and not case.claim.layer_tokens
        and (case.claim.full or case.claim.retained is not None)
    )  # fmt: skip
    if len(points) != 3 or len({ratio for ratio, _ in points}) != 3:
        return ""
    fixed, linear, quadratic = parts(points)
    said = (
        f" As f + x r + y r² its three values are f = {float(fixed):.1f}, x = {float(linear):.1f}, "
        f"y = {float(quadratic):.1f} (10¹²)"
    )
    if quadratic <= 0:
        slopes = [(fb - fa) / (b - a) for (a, fa), (b, fb) in pairwise(points)]
        ends = sorted(
            float(points[at][1] - slope * points[at][0])
            for at, slope in zip((0, 2), slopes, strict=True)
        )
        said += (
            ": nothing grows with the square, so attention's pairs are not in it, as with counters "
            f"that miss fused attention. Without a square the fixed part is {ends[0]:.1f} to "
            f"{ends[1]:.1f}{_length(cases[0], slopes)}"
        )
    return f"{said}.{_encoder(cases)}"


def _length(case: Case, slopes: Sequence[Fraction]) -> str:
    """Length at which torch's count without attention's pairs grows by these slopes."""
    per_token = Fraction(
        4 * case.without_compression().flops(1, AS_BUILT)
        - case.without_compression().flops(2, AS_BUILT),
        2,
    )
    ends = sorted(round(slope * TERA / per_token) for slope in slopes)
    return f", and the rest is torch's count without pairs at n = {ends[0]:,} to {ends[1]:,}"


def _encoder(cases: Sequence[Case]) -> str:
    """Vision encoder of the frames that the rows state, by torch's count."""
    case = next((c for c in cases if c.claim.frames and c.claim.frame_pixels), None)
    if case is None or not isinstance(case.spec, ThinkerSpec):
        return ""
    frames, pixels = case.claim.frames, case.claim.frame_pixels
    assert frames and pixels
    side = (pixels / (_SHAPE[0] * _SHAPE[1])) ** 0.5
    try:
        work = workload(
            case.spec,
            seconds=frames / 2,
            pixels=(round(_SHAPE[0] * side), round(_SHAPE[1] * side)),
            audio=False,
            settings=VideoSettings(min_pixels=1, max_pixels=pixels, max_frames=frames),
        )
        rows = count(case.spec, case.without_compression().plan(work.av_tokens), AS_BUILT, 0, work)
    except OmnizipCostError:
        return ""
    flops = sum(row.flops for row in rows if row.component == "vision_encoder")
    return (
        f" The vision encoder on {frames} frames of {pixels:,} pixels takes {flops / TERA:.1f} by "
        f"torch's count ({work.frame_height} x {work.frame_width} assumed, {work.av_tokens:,} "
        f"tokens), {flops / 2 / TERA:.1f} at one FLOP per multiply-add."
    )
