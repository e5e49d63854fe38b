"""Lengths at which attention's two products overtake the FFN, and all matrices."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial

import sympy

from omnizip_cost.compression import make_plan
from omnizip_cost.cost import CONVENTIONS, decoder_ops
from omnizip_cost.specs import load_spec
from omnizip_cost.symbolic.elements import Check, Derivation, Form, Step, limit_step
from omnizip_cost.symbolic.letters import Expression, T, d, m, n
from omnizip_cost.symbolic.stack import attention, feed_forward, head, layer, matrices
from omnizip_cost.symbolic.witness import bracketed, limits_proved, proof
from omnizip_cost.workload.workload import bare_workload

SHOWN = ("eq9", "torch", "hardware")
_WORDS = {
    "eq9": "Under Eq. 9,",
    "torch": "Counted by torch (`torch`),",
    "hardware": "Needed (`hardware`), with causal pairs only,",
}


def overtakes_ffn(convention: str) -> Expression:
    """Length at which attention takes as many FLOPs as the FFN."""
    chosen = CONVENTIONS[convention]
    return _root(attention(chosen) - feed_forward(chosen))


def overtakes_matrices(convention: str) -> Expression:
    """Length at which attention takes as many FLOPs as all matrices of the layers."""
    chosen = CONVENTIONS[convention]
    return _root(attention(chosen) - matrices(chosen))


def overtakes_all(convention: str) -> Expression:
    """Length at which attention is half of prefill, LM head included where it is counted."""
    chosen = CONVENTIONS[convention]
    return _root(T * (attention(chosen) - matrices(chosen)) - head(chosen))


def attention_share(convention: str) -> Expression:
    """Share of prefill FLOPs that attention's products take, LM head included where counted."""
    chosen = CONVENTIONS[convention]
    return T * attention(chosen) / (T * layer(chosen) + head(chosen))


def _root(difference: Expression) -> Expression:
    """Positive length at which a quadratic without a positive constant is zero."""
    polynomial = sympy.Poly(sympy.expand(difference), n)
    squared, linear, constant = (polynomial.coeff_monomial(n**power) for power in (2, 1, 0))
    if constant == 0:
        return sympy.expand(sympy.cancel(-linear / squared))
    return (sympy.sqrt(linear**2 - 4 * squared * constant) - linear) / (2 * squared)


@cache
def derive() -> Derivation:
    """Equate, solve, convention by convention."""
    steps = []
    for key in SHOWN:
        chosen = CONVENTIONS[key]
        steps += [
            Step(
                says=f"{_WORDS[key]} a layer's attention and its FFN take the same where",
                expression=sympy.Eq(
                    sympy.factor_terms(attention(chosen)),
                    sympy.factor_terms(feed_forward(chosen)),
                    evaluate=False,
                ),
            ),
            Step(
                says="that is, at the length",
                expression=sympy.Eq(sympy.Symbol("n_ffn"), overtakes_ffn(key)),
            ),
            Step(
                says="and attention all matrices together at",
                expression=sympy.Eq(sympy.Symbol("n_lin"), overtakes_matrices(key)),
            ),
        ]
    eq9 = CONVENTIONS["eq9"]
    share = sympy.cancel(attention(eq9) / layer(eq9))
    steps.append(
        Step(
            says="The same length gives attention's share at any other: with pairs counted in "
            "full and no LM head it is n / (n + n_lin), under Eq. 9",
            expression=sympy.Eq(sympy.Symbol("share"), share),
        )
    )
    return Derivation(
        name="crossover",
        title="The length at which attention overtakes the rest",
        question="From which length on does attention take more FLOPs than the FFN, and than all "
        "matrices together?",
        assumptions=(
            "Attention is its two products (scores and values); its projections are matrices.",
            "Every layer sees every token (no sliding window).",
            "Of a mixture of experts, the FFN is the experts that one token uses.",
        ),
        steps=tuple(steps),
        result=Step(
            says="Under Eq. 9 attention overtakes the FFN at n = m and all matrices at 2 d + m. A "
            "third matrix moves the first to 3 m / 2 where q = d, causal pairs to about 3 m.",
            expression=sympy.Tuple(
                sympy.Eq(sympy.Symbol("n_ffn"), overtakes_ffn("eq9")),
                sympy.Eq(sympy.Symbol("n_lin"), overtakes_matrices("eq9")),
            ),
        ),
        limits=tuple(
            limit_step(says, sympy.Symbol("share"), share, n, place)
            for says, place in (
                ("Short prompts: attention vanishes.", 0),
                ("Long prompts: attention is everything.", sympy.oo),
            )
        ),
        forms=tuple(
            Form(name=name, convention=key, expression=expression(key), unit=unit)
            for name, expression, unit, keys in (
                ("attention overtakes the FFN", overtakes_ffn, "tokens", SHOWN),
                (
                    "attention overtakes all matrices",
                    overtakes_matrices,
                    "tokens",
                    SHOWN,
                ),
                (
                    "attention overtakes those and the LM head",
                    overtakes_all,
                    "tokens",
                    SHOWN[1:],
                ),
                ("attention's share of prefill", attention_share, "", SHOWN),
            )
            for key in keys
        ),
        source="ours, from the count of each convention; Eq. 9: OmniZip, supplement C",
    )


def _surplus(convention: str, against: Sequence[str], model: str, length: int, _: str) -> int:
    """Attention less other operators, from the count's own ops."""
    spec = load_spec(model)
    plan = make_plan("full", bare_workload(length), spec)
    ops = list(decoder_ops(spec.text, plan, CONVENTIONS[convention], 0))
    left = sum(op.multiply_adds for op in ops if op.operator == "attention")
    right = sum(op.multiply_adds for op in ops if op.operator in against)
    return int(left - right)


def verify() -> tuple[Check, ...]:
    """Bracket every length by whole ones at which the count's operators change order."""
    layers = ("projection", "ffn", "router")
    checks = [
        bracketed(
            f"{words}, by the count under `{key}`", root(key), partial(_surplus, key, against)
        )
        for key in SHOWN
        for words, root, against in (
            (
                "attention overtakes the FFN between the whole lengths beside n_ffn",
                overtakes_ffn,
                ("ffn",),
            ),
            ("all matrices likewise, beside n_lin", overtakes_matrices, layers),
            ("those and the LM head, if any", overtakes_all, (*layers, "lm_head")),
        )
    ]
    return (
        proof("under Eq. 9: n_ffn = m", overtakes_ffn("eq9") - m),
        proof("under Eq. 9: n_lin = 2 d + m", overtakes_matrices("eq9") - (2 * d + m)),
        *checks,
        limits_proved(derive().limits),
    )
