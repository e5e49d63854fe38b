"""How the speed-up of prefill depends on the retained ratio and the length."""

from __future__ import annotations

from fractions import Fraction
from functools import cache, partial

import sympy

from omnizip_cost.cost import CONVENTIONS
from omnizip_cost.symbolic.elements import Check, Derivation, Form, Step, limit_step
from omnizip_cost.symbolic.letters import A, B, C, Expression, R, d, m, n, r
from omnizip_cost.symbolic.stack import Quadratic, decode, prefill
from omnizip_cost.symbolic.witness import DECODED, agree, counted, flops, limits_proved, proof

SHOWN = ("eq9", "torch", "hardware")
S = sympy.Function("S")


@cache
def general() -> Expression:
    """Full over compressed prefill, in A and B."""
    whole = A * n + B * n**2
    return sympy.simplify(whole / whole.subs(n, r * n))


@cache
def halfway() -> Expression:
    """Length at which the speed-up is midway between its limits."""
    (root,) = sympy.solve(sympy.Eq(general(), (1 / r + 1 / r**2) / 2), n)
    return root


def ratio(convention: str, *, decoding: bool = False) -> Expression:
    """Speed-up under a convention in the model's letters; of prefill, or with R steps inside."""
    chosen = CONVENTIONS[convention]
    whole = prefill(chosen) + (decode(chosen) if decoding else 0)
    return whole / whole.subs(n, r * n)


def halfway_of(convention: str) -> Expression:
    """Halfway length in the letters of a model; the logits of one position are left aside."""
    found = Quadratic.of(prefill(CONVENTIONS[convention]))
    return sympy.simplify(halfway().subs({A: found.linear, B: found.squared}))


@cache
def derive() -> Derivation:
    """Quotient of two quadratics, its limits, and where it is halfway between them."""
    eq9 = Quadratic.of(prefill(CONVENTIONS["eq9"]))
    torch = Quadratic.of(prefill(CONVENTIONS["torch"]))
    needed = Quadratic.of(prefill(CONVENTIONS["hardware"]))
    whole = A * n + B * n**2
    of_eq9 = sympy.simplify(ratio("eq9"))
    with_constant = (whole + C) / (whole.subs(n, r * n) + C)
    decoding = ratio("eq9", decoding=True)
    name = sympy.Symbol
    steps = (
        Step(
            says="Every count of prefill is a quadratic in n: matrices give A n, attention's pairs "
            "give B n^2.",
            expression=sympy.Eq(sympy.Function("N")(n), whole),
        ),
        Step(
            says="Speed-up at constant FLOPs per second: all n tokens over the r n that are kept.",
            expression=sympy.Eq(S(r, n), general()),
        ),
        Step(
            says="Half of the way from 1/r to 1/r^2 is gone where the compressed run spends as "
            "much on attention as on its matrices: solve S = (1/r + 1/r^2) / 2 for n.",
            expression=sympy.Eq(name("n_half"), halfway()),
        ),
        Step(
            says="Under Eq. 9, A and B are",
            expression=sympy.Tuple(sympy.Eq(A, eq9.linear), sympy.Eq(B, eq9.squared)),
        ),
        Step(
            says="so that the speed-up is",
            expression=sympy.Eq(S(r, n), of_eq9),
        ),
        Step(
            says="and halfway is reached at a length that knows only two widths.",
            expression=sympy.Eq(name("n_half"), halfway_of("eq9")),
        ),
        Step(
            says="Counted by torch (`torch`) on the stock thinker, with logits at every position,",
            expression=sympy.Tuple(sympy.Eq(A, torch.linear), sympy.Eq(B, torch.squared)),
        ),
        Step(
            says="and needed (`hardware`): causal pairs, logits of one position.",
            expression=sympy.Tuple(
                sympy.Eq(A, needed.linear),
                sympy.Eq(B, needed.squared),
                sympy.Eq(C, needed.constant),
            ),
        ),
    )
    return Derivation(
        name="speedup",
        title="Speed-up of prefill against retained ratio and length",
        question="How much faster can prefill get when a share r of the tokens is kept?",
        assumptions=(
            "Tokens are dropped before the first layer (for FastV see `fastv`).",
            "Time is proportional to FLOPs, choosing the tokens is free (see `break-even`).",
            "No text tokens; the encoders, which see every token, are left out: both make the "
            "real speed-up smaller.",
        ),
        steps=steps,
        result=Step(
            says="Between 1/r and 1/r^2, the nearer to 1/r^2 the longer the prompt.",
            expression=sympy.Eq(S(r, n), general()),
        ),
        limits=(
            limit_step("Short prompts: matrices alone.", S(r, n), general(), n, 0),
            limit_step("Long prompts: pairs alone.", S(r, n), general(), n, sympy.oo),
            limit_step(
                "With logits of one position (C > 0) the shortest prompts gain nothing.",
                sympy.Function("S_C")(r, n),
                with_constant,
                n,
                0,
            ),
            limit_step(
                "With R decoded tokens inside, Eq. 9's gain goes to nothing as R grows.",
                sympy.Function("S_R")(r, n),
                decoding,
                R,
                sympy.oo,
            ),
        ),
        forms=(
            *(
                Form(name="speed-up of prefill", convention=key, expression=ratio(key), unit="x")
                for key in SHOWN
            ),
            *(
                Form(
                    name="speed-up with R decoded tokens inside",
                    convention=key,
                    expression=ratio(key, decoding=True),
                    unit="x",
                )
                for key in SHOWN
            ),
            *(
                Form(
                    name="halfway length", convention=key, expression=halfway_of(key), unit="tokens"
                )
                for key in SHOWN
            ),
        ),
        source="ours, from Eq. 9 (OmniZip, supplement C) and from the count of each convention",
    )


def verify() -> tuple[Check, ...]:
    """Hold every speed-up against quotients of counts, and halfway against its definition."""

    def quotient(convention: str, decoded: int, model: str, length: int, kept: str) -> Fraction:
        full = flops(counted(model, length, convention, decoded=decoded))
        part = counted(model, length, convention, method="random", retained=kept, decoded=decoded)
        return Fraction(full, flops(part))

    checks = [
        agree(
            f"speed-up{' with R = 100 inside' if decoded else ''} against the count under `{key}`",
            ratio(key, decoding=bool(decoded)),
            partial(quotient, key, decoded),
        )
        for key in SHOWN
        for decoded in (0, DECODED)
    ]
    definition = general().subs(n, halfway()) - (1 / r + 1 / r**2) / 2
    at_ends = (
        sympy.limit(ratio("eq9"), n, 0) - 1 / r,
        sympy.limit(ratio("eq9"), n, sympy.oo) - 1 / r**2,
    )
    return (
        *checks,
        proof("speed-up at n_half is midway between 1/r and 1/r^2", definition),
        proof("Eq. 9 with all its letters has the same two limits", *at_ends),
        limits_proved(derive().limits),
        proof("n_half under Eq. 9 = (2 d + m) / r", halfway_of("eq9") - (2 * d + m) / r),
    )
