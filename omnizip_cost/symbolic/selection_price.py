"""What OmniZip's and FastV's selections cost, and what FastV saves, in letters."""

from __future__ import annotations

import sympy

from omnizip_cost import formulas
from omnizip_cost.compression import make_plan
from omnizip_cost.compression.counts import ANCHOR_SHARE
from omnizip_cost.cost import CONVENTIONS, selection_ops
from omnizip_cost.specs import load_spec
from omnizip_cost.symbolic.elements import Check
from omnizip_cost.symbolic.letters import (
    Expression,
    K,
    P,
    T,
    V,
    Values,
    a,
    alpha,
    b,
    d,
    epsilon,
    n,
    q,
    r,
    rho_a,
    spec_values,
)
from omnizip_cost.symbolic.stack import head, layer
from omnizip_cost.symbolic.witness import exactly
from omnizip_cost.workload import workload

CONVENTION = CONVENTIONS["torch"]
"""As executed: the selection's products are counted as they run."""

WINDOW: Values = {
    alpha: sympy.Rational(50, 338),
    P: sympy.Integer(144),
    epsilon: sympy.Rational(str(ANCHOR_SHARE)),
}
"""OmniZip's window of two seconds: 288 video tokens in two grids, and 50 audio tokens."""

APART = sympy.Rational(3, 10)
"""rho_v - rho_a in OmniZip's settings (0.3, 0.6) and (0.4, 0.7) (OmniZip, Tab. 1)."""


def omnizip_cost() -> tuple[Expression, Expression]:
    """FLOPs per token and per token squared of OmniZip's two products, as published.

    Left-over audio (neither salient nor anchor) with all video, and inside every even grid.
    """
    factor = CONVENTION.flop_per_multiply_add
    video = 1 - alpha
    grids = video / (2 * P)
    per_token = factor * grids * formulas.similarities(P, P, d)
    per_pair = factor * formulas.similarities((rho_a - epsilon) * alpha, video, d)
    return per_token, per_pair


def audio_pruning() -> Expression:
    """rho_a that keeps a share r, anchors counted, on the line of OmniZip's settings."""
    return alpha * (1 + epsilon) + (1 - alpha) * (1 - APART) - r


def fastv_cost() -> Expression:
    """FLOPs of FastV's ranking as published: the scores of every pair in one layer."""
    return CONVENTION.flop_per_multiply_add * formulas.similarities(n, n, q)


def fastv_saved() -> Expression:
    """FLOPs that FastV saves in its last T - K layers, and in the logits it need not compute."""
    each, logits = layer(CONVENTION), head(CONVENTION)
    return (T - K) * (each - each.subs(n, r * n)) + logits - logits.subs(n, r * n)


def fastv_pays_to() -> Expression:
    """Length up to which FastV pays, where not every length does; a and b of one layer."""
    logits = CONVENTION.flop_per_multiply_add * formulas.linear(1, d, V)
    gained = (1 - r) * ((T - K) * a + logits)
    return gained / (2 * q - (T - K) * b * (1 - r**2))


def fastv_always() -> Expression:
    """Ratio below which FastV pays at every length."""
    return sympy.sqrt(1 - 1 / (2 * (T - K)))


def listed_steps() -> Check:
    """OmniZip's two products against the steps that the count lists for a described clip."""
    names = ("relevance to the video", "density peaks")
    per_token, per_pair = omnizip_cost()
    worst, points = 0.0, 0
    spec = load_spec("qwen2.5-omni-7b")
    for seconds in (60, 300):
        work = workload(spec, seconds=seconds, pixels=(252, 448))
        for audio, video in ((0.3, 0.6), (0.4, 0.7)):
            plan = make_plan(
                "omnizip", work, spec, audio_pruning=audio, video_pruning=video, mode="official"
            )
            steps = selection_ops(spec, plan) or ()
            factor = CONVENTION.flop_per_multiply_add
            true = factor * sum(step.multiply_adds for step in steps if step.name in names)
            values = {**spec_values(spec), **WINDOW, n: work.av_tokens}
            values[rho_a] = sympy.Rational(str(audio))
            ours = exactly(per_token * n + per_pair * n**2, values)
            worst = max(worst, float(abs(ours - true) / true))
            points += 1
    return Check(
        says="OmniZip's two products against the listed steps of 60 s and 300 s clips",
        points=points,
        worst=worst,
    )
