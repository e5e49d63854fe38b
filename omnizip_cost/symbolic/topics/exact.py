"""Exact prefill over Eq. 9's: its limits, where it is two, and what each choice contributes."""

from __future__ import annotations

from fractions import Fraction
from functools import cache, partial
from itertools import pairwise

import sympy

from omnizip_cost.cost import CONVENTIONS
from omnizip_cost.symbolic.choices import NEEDED, Choice, chain, whole
from omnizip_cost.symbolic.elements import Check, Derivation, Form, Step, limit_step
from omnizip_cost.symbolic.letters import Expression, F, L, T, V, d, e, kv, m, n, q
from omnizip_cost.symbolic.stack import layer, prefill
from omnizip_cost.symbolic.witness import agree, bracketed, counted, flops, limits_proved, proof

SHOWN = ("torch", "hardware")
TWICE = 2
_RATIO = sympy.Function("G")


def ratio(convention: str, *, with_head: bool = True) -> Expression:
    """Prefill under a convention over Eq. 9's, with the LM head or of the layers alone."""
    chosen, eq9 = CONVENTIONS[convention], CONVENTIONS["eq9"]
    if not with_head:
        return sympy.cancel(layer(chosen) / layer(eq9))
    return prefill(chosen) / prefill(eq9)


def where(convention: str, value: Expression = TWICE) -> Expression:
    """Length at which the layers alone cost ``value`` times Eq. 9."""
    surplus = sympy.Poly(layer(CONVENTIONS[convention]) - value * layer(CONVENTIONS["eq9"]), n)
    linear, squared = (surplus.coeff_monomial(n**power) for power in (1, 2))
    return sympy.expand(linear / 2) / sympy.expand(-squared / 2)


def limits(convention: str) -> tuple[Expression, Expression]:
    """Ratio of the layers alone for n -> 0 and n -> infinity."""
    found = ratio(convention, with_head=False)
    return tuple(sympy.factor(sympy.limit(found, n, place)) for place in (0, sympy.oo))


def factors() -> tuple[tuple[Choice, Expression], ...]:
    """What each choice divides prefill by, those before it made: from what must run to Eq. 9."""
    stages = list(chain(whole(decoding=False), {**NEEDED, L: 1}))
    return tuple(
        (choice, _shorter(sympy.cancel(before / after)))
        for (_, before), (choice, after) in pairwise(stages)
        if choice is not None
    )


def _shorter(factor: Expression) -> Expression:
    """Write a factor as one plus a share where what was left out is a single term."""
    share = sympy.factor(sympy.cancel(factor - 1))
    return factor if sympy.fraction(share)[0].has(sympy.Add) else 1 + share


@cache
def derive() -> Derivation:
    """Two quadratics, their quotient, its ends, and its factors."""
    eq9 = CONVENTIONS["eq9"]
    steps = [
        Step(
            says="Eq. 9, one layer in prefill.",
            expression=sympy.Eq(sympy.Symbol("N_eq9"), sympy.factor_terms(layer(eq9))),
        )
    ]
    ends = []
    words = {
        "torch": "counted by torch (`torch`): two FLOPs per multiply-add, widths as built, all "
        "pairs",
        "hardware": "needed (`hardware`): the same with causal pairs",
    }
    for key in SHOWN:
        steps += [
            Step(
                says=f"The layer {words[key]}.",
                expression=sympy.Eq(
                    sympy.Symbol(f"N_{key}"), sympy.factor_terms(layer(CONVENTIONS[key]))
                ),
            ),
            Step(
                says="Their quotient.",
                expression=sympy.Eq(_RATIO(n), ratio(key, with_head=False)),
            ),
        ]
        for place, end in zip((0, sympy.oo), limits(key), strict=True):
            says = f"Layers under `{key}`, {'long' if place else 'short'} prompts."
            whole_ratio = ratio(key, with_head=False)
            ends.append(limit_step(says, _RATIO(n), whole_ratio, n, place, end))
    steps += [
        Step(
            says=f"Factor {number}: {choice.says} divides prefill by",
            expression=sympy.Eq(sympy.Symbol(f"g_{number}"), factor),
        )
        for number, (choice, factor) in enumerate(factors(), start=1)
    ]
    steps.append(
        Step(
            says="With causal pairs the quotient passes 2 at the length",
            expression=sympy.Eq(sympy.Symbol("n_2"), where("hardware")),
        )
    )
    return Derivation(
        name="exact",
        title="The exact count over Eq. 9",
        question="How far is Eq. 9 from the work that is done, and through which choices?",
        assumptions=(
            "Prefill alone, n tokens in every layer, no text.",
            "The steps compare layers; numbers with the LM head are beside them.",
            "Factors depend on their order: each is taken with those before it made.",
        ),
        steps=tuple(steps),
        result=Step(
            says="Counted by torch (`torch`), the layers take this many times Eq. 9, from the "
            "first limit for short prompts to 2 q / d for long ones; causal pairs halve the "
            "second.",
            expression=sympy.Eq(_RATIO(n), ratio("torch", with_head=False)),
        ),
        limits=tuple(ends),
        forms=(
            *(
                form
                for key in SHOWN
                for form in (
                    Form(
                        name="layers over Eq. 9",
                        convention=key,
                        expression=ratio(key, with_head=False),
                    ),
                    Form(name="limit for n -> 0", convention=key, expression=limits(key)[0]),
                    Form(name="limit for n -> infinity", convention=key, expression=limits(key)[1]),
                    Form(
                        name="length where it is 2",
                        convention=key,
                        expression=where(key),
                        unit="tokens",
                    ),
                    Form(name="with the LM head over Eq. 9", convention=key, expression=ratio(key)),
                )
            ),
            *(
                Form(name=f"factor {number}: {choice.says}", expression=factor)
                for number, (choice, factor) in enumerate(factors(), start=1)
            ),
        ),
        source="ours, from the counts; Eq. 9: OmniZip, supplement C",
    )


def verify() -> tuple[Check, ...]:
    """Hold the quotients against counts; multiply the factors; bracket the length of two."""

    def truth(convention: str, component: str | None, model: str, length: int, _: str) -> Fraction:
        ours = flops(counted(model, length, convention), component)
        return Fraction(ours, flops(counted(model, length, "eq9")))

    def surplus(convention: str, model: str, length: int, _: str) -> int:
        layers = flops(counted(model, length, convention), "llm")
        return layers - TWICE * flops(counted(model, length, "eq9"))

    product = sympy.prod(factor for _, factor in factors())
    short = 2 * (2 * d * q + 2 * d * kv + F * d * m + d * e) / (4 * d**2 + 2 * d * m)
    return (
        *(
            agree(
                f"{'layers' if component else 'with the LM head'}, against counts under `{key}` "
                "and `eq9`",
                ratio(key, with_head=component is None),
                partial(truth, key, component),
            )
            for key in SHOWN
            for component in ("llm", None)
        ),
        bracketed(
            "twice Eq. 9 between the two whole lengths beside n_2, by the count under `hardware`",
            where("hardware"),
            partial(surplus, "hardware"),
        ),
        proof("product of the factors = `hardware` over Eq. 9", product - ratio("hardware")),
        proof(
            "limits under `torch` are those of the coefficients",
            limits("torch")[0] - short,
            limits("torch")[1] - 2 * q / d,
        ),
        limits_proved(derive().limits),
        proof(
            "the LM head alone is d V",
            (prefill(CONVENTIONS["hardware"]) - T * layer(CONVENTIONS["hardware"])) - 2 * d * V,
        ),
    )
