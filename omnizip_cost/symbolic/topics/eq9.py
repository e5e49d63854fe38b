"""Eq. 9 from first principles: matrix by matrix, then each silent assumption as a step."""

from __future__ import annotations

from functools import cache

import sympy

from omnizip_cost import formulas
from omnizip_cost.symbolic.choices import NEEDED, chain, token_multiply_adds, whole
from omnizip_cost.symbolic.elements import Check, Derivation, Form, Step
from omnizip_cost.symbolic.letters import Expression, F, L, R, T, V, d, e, f, i, kv, m, n, p, q
from omnizip_cost.symbolic.witness import DECODED, agree, counted, flops, proof

_BEGIN = {**NEEDED, L: 1 + R}


def printed() -> Expression:
    """Eq. 9 as the supplement prints it, term by term."""
    half = sympy.Rational(1, 2)
    prefill = T * (4 * n * d**2 + 2 * n**2 * d + 2 * n * d * m)
    return prefill + T * R * ((4 * d**2 + 2 * d * m) + 2 * (d * n + half * d * (R + 1)))


def layer(tokens: Expression, pairs: Expression) -> Expression:
    """Multiply-adds of one layer for some tokens and the pairs they see."""
    plain = formulas.decoder_layer(tokens, 2 * pairs, d=d, q=q, kv=kv, m=m, ffn_matrices=F)
    return plain + formulas.linear(tokens, d, e)


def summed() -> Expression:
    """Sum of the R decode steps of one layer in closed form."""
    return sympy.expand(sympy.summation(layer(sympy.S.One, n + i), (i, 1, R)))


@cache
def derive() -> Derivation:
    """Count a layer, sum the steps, make the choices; end at Eq. 9."""
    name = sympy.Symbol
    token, pairs = name("M_token"), name("p_R")
    steps = [
        Step(
            says="Projections: one token through the query, key, value and output matrices.",
            expression=sympy.Eq(name("M_proj"), formulas.projections(1, d, q, kv)),
        ),
        Step(
            says="FFN: F matrices of d by m, and the router where there are experts.",
            expression=sympy.Eq(
                name("M_ffn"), formulas.feed_forward(1, d, m, F) + formulas.linear(1, d, e)
            ),
        ),
        Step(
            says="Together, the multiply-adds of one token in one layer's matrices, whether it is "
            "part of the prompt or decoded.",
            expression=sympy.Eq(token, token_multiply_adds()),
        ),
        Step(
            says="Attention: each of p (query, key) pairs multiplies two vectors as wide as the "
            "queries, one for its score and one for its value.",
            expression=sympy.Eq(name("M_attn"), formulas.attention(2 * p, q)),
        ),
        Step(
            says="Decode step i sees the n cached keys and i more; the pairs of R steps are "
            "summed in closed form.",
            expression=sympy.Eq(
                sympy.Sum(n + i, (i, 1, R)), n * R + R * (R + 1) / 2, evaluate=False
            ),
        ),
        Step(
            says="T layers, n + R tokens, all pairs, the logits of L positions, f FLOPs per "
            "multiply-add: the whole count, before anything is assumed.",
            expression=sympy.Tuple(
                sympy.Eq(
                    name("N"),
                    f * (T * ((n + R) * token + 2 * q * pairs) + formulas.linear(L, d, V)),
                    evaluate=False,
                ),
                sympy.Eq(pairs, p + n * R + R * (R + 1) / 2, evaluate=False),
            ),
        ),
    ]
    for number, (choice, expression) in enumerate(chain(whole(decoding=True), _BEGIN)):
        says = (
            "Needed (`hardware`): two FLOPs per multiply-add, a query sees no key after it, "
            "logits of the last position and of the R decoded ones."
            if choice is None
            else f"Assumption {number}: {choice.says}."
        )
        steps.append(Step(says=says, expression=sympy.Eq(name(f"N_{number}"), expression)))
    return Derivation(
        name="eq9",
        title="Eq. 9 from first principles",
        question="Which assumptions turn the work of a decoder into the paper's Eq. 9?",
        assumptions=(
            "Products of matrices alone are counted: no norms, softmax, rotary positions.",
            "All layers are alike and see the same n tokens.",
            "n counts audio and video tokens only: the prompt's text is left out.",
            "The encoders and the choice of tokens are left out.",
        ),
        steps=tuple(steps),
        result=Step(
            says="Eq. 9 as printed: N_5 less this is zero.",
            expression=sympy.Eq(name("N_eq9"), printed(), evaluate=False),
        ),
        limits=(),
        forms=tuple(
            Form(
                name="needed (`hardware`)"
                if choice is None
                else f"assumption {number}: {choice.says}",
                expression=expression,
                unit="FLOP",
            )
            for number, (choice, expression) in enumerate(chain(whole(decoding=True), _BEGIN))
        ),
        source="OmniZip (arXiv 2511.14582), supplement C, Eq. 9",
    )


def verify() -> tuple[Check, ...]:
    """Prove the end, and hold both ends against the count."""
    stages = [expression for _, expression in chain(whole(decoding=True), _BEGIN)]
    return (
        proof("the last step less Eq. 9 as printed is 0", stages[-1] - printed()),
        proof(
            "prefill and the sum of the R steps, layer by layer = the whole count",
            f * (T * (layer(n, p) + summed()) + L * d * V) - whole(decoding=True),
        ),
        agree(
            "first stage against the count under `hardware`",
            stages[0],
            lambda model, length, _: flops(counted(model, length, "hardware", decoded=DECODED)),
        ),
        agree(
            "last stage against the count under `eq9`",
            stages[-1],
            lambda model, length, _: flops(counted(model, length, "eq9", decoded=DECODED)),
        ),
    )
