"""What printed FLOPs at several ratios say of their own formula, when no known one gives them.

If all but a fixed part shrinks with the tokens kept, FLOPs are f + x r + y r^2: three rows give
the three parts, with no convention assumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from omnizip_cost.audit.work import AS_BUILT, Case
from omnizip_cost.cost import encoder_ops, require_convention
from omnizip_cost.errors import OmnizipCostError
from omnizip_cost.specs import ThinkerSpec
from omnizip_cost.units import GIGA, TERA
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


def sentences(cases: Sequence[Case]) -> str:
    """Sentences on rows of one model at three ratios; empty where they are not that."""
    valued = [case for case in cases if case.claim.flops_t is not None and case.length is None]
    points = sorted((_ratio(case), _flops_t(case)) for case in valued)
    one_model = len({case.claim.model for case in valued}) == 1
    if len(points) != 3 or len({ratio for ratio, _ in points}) != 3 or not one_model:
        return ""
    fixed, linear, quadratic = parts(points)
    said = (
        f" As f + x r + y r² its three values are f = {float(fixed):.1f}, x = {float(linear):.1f}, "
        f"y = {float(quadratic):.1f} (10¹²)"
    )
    if quadratic > 0:
        return f"{said}."
    said += (
        ": nothing grows with the square, so attention's pairs are not in it, as with counters "
        "that miss fused attention."
    )
    encoder = _encoder_flops_per_token(valued)
    if encoder is None:
        return said
    decoder = _linear_flops_per_token(valued[0])
    lengths = [round(value * TERA / (ratio * decoder + encoder)) for ratio, value in points]
    return (
        f"{said} By torch's count without pairs the decoder takes {float(decoder) / GIGA:.2f} "
        f"GFLOP a token kept, its logits included, and the vision encoder "
        f"{float(encoder) / GIGA:.2f} a token of the whole: the three values are then those of "
        f"n = {min(lengths):,} to "
        f"{max(lengths):,} visual tokens, nearly one length, without any other part."
    )


def _ratio(case: Case) -> Fraction:
    return Fraction(1) if case.claim.full else Fraction(str(case.claim.retained))


def _flops_t(case: Case) -> Fraction:
    assert case.claim.flops_t is not None
    return case.claim.flops_t.value


def _linear_flops_per_token(case: Case) -> Fraction:
    """Work of one token in decoder and head that does not grow with the length: of F(1), F(2)."""
    full = case.without_compression()
    return Fraction(4 * full.flops(1, AS_BUILT) - full.flops(2, AS_BUILT), 2)


def _encoder_flops_per_token(cases: Sequence[Case]) -> Fraction | None:
    """Work of the vision encoder for one token, pairs left out, on the frames the rows state."""
    case = next((c for c in cases if c.claim.frames and c.claim.frame_pixels), None)
    if case is None or not isinstance(case.spec, ThinkerSpec):
        return None
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
    except OmnizipCostError:
        return None
    as_built = require_convention(AS_BUILT)
    multiply_adds = sum(
        op.multiply_adds
        for op in encoder_ops(case.spec, work, as_built)
        if op.component == "vision_encoder" and op.operator != "attention"
    )
    return Fraction(as_built.flop_per_multiply_add * round(multiply_adds), work.video_tokens)
