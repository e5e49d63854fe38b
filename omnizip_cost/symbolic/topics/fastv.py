"""FastV: what its first K full layers leave to be gained, and what its ranking must hold."""

from __future__ import annotations

from fractions import Fraction
from functools import cache, partial

import sympy

from omnizip_cost.cost import CONVENTIONS
from omnizip_cost.symbolic.elements import Check, Derivation, Form, Step, limit_step
from omnizip_cost.symbolic.letters import Expression, K, T, a, b, h, n, r, x
from omnizip_cost.symbolic.stack import Quadratic, head, layer
from omnizip_cost.symbolic.witness import agree, counted, flops, limits_proved, proof

SHOWN = ("eq9", "torch", "hardware")
LAYER = 5
"""K of the paper's FastV rows."""


def one(tokens: Expression = n) -> Expression:
    """FLOPs of one layer for some tokens."""
    return a * tokens + b * tokens**2


def cost(kept: Expression = r) -> Expression:
    """FLOPs of FastV: K layers on n tokens, T - K on those kept."""
    return K * one() + (T - K) * one(kept * n)


def speedup() -> Expression:
    """All layers on all tokens over FastV."""
    each, kept = a + b * n, a + b * n * r
    return T * each / (K * each + (T - K) * r * kept)


def share_that_costs(flops_of_a_layer: Expression) -> Expression:
    """Share of n tokens for which a layer costs that many FLOPs."""
    return (sympy.sqrt(a**2 + 4 * b * flops_of_a_layer) - a) / (2 * b * n)


def equal_ratio() -> Expression:
    """Retained ratio at which FastV costs what pruning to r before layer 1 costs."""
    return share_that_costs((T * one(r * n) - K * one()) / (T - K))


def least_ratio() -> Expression:
    """Ratio r under which FastV cannot reach the cost, whatever it drops."""
    return share_that_costs(K * one() / T)


def attention_bytes() -> Expression:
    """Bytes of one layer's materialised attention weights."""
    return (2 + 4 + 2) * h * n**2


def ratio(convention: str) -> Expression:
    """Speed-up under a convention in the model's letters, LM head included where counted."""
    chosen = CONVENTIONS[convention]
    each, logits = layer(chosen), head(chosen)
    part = K * each + (T - K) * each.subs(n, r * n) + logits.subs(n, r * n)
    return (T * each + logits) / part


def in_letters(expression: Expression, convention: str) -> Expression:
    """Put a convention's a and b in."""
    found = Quadratic.of(layer(CONVENTIONS[convention]))
    return expression.subs({a: found.linear, b: found.squared})


@cache
def derive() -> Derivation:
    """Cost, quotient, its bound, the ratio of equal cost, the memory beside it."""
    name = sympy.Symbol
    gain = sympy.Function("S")
    bound = sympy.factor(sympy.limit(speedup(), r, 0))
    return Derivation(
        name="fastv",
        title="FastV's bound from its first K layers",
        question="What can FastV gain at most, and what must it drop to cost as little as a "
        "method that prunes before the first layer?",
        assumptions=(
            "Layers are alike; a layer costs a n + b n^2 FLOPs for n tokens.",
            "The choice itself is free in FLOPs (see `break-even`); its memory is the last step.",
            "The steps leave the LM head out; numbers of `torch` and `hardware` have it in, on "
            "the tokens that survive.",
        ),
        steps=(
            Step(says="One layer, n tokens.", expression=sympy.Eq(sympy.Function("N_1")(n), one())),
            Step(
                says="FastV runs K layers on all tokens and T - K on r n.",
                expression=sympy.Eq(name("N_FastV"), cost(), evaluate=False),
            ),
            Step(
                says="Speed-up over T layers on all tokens.",
                expression=sympy.Eq(gain(r, n), speedup(), evaluate=False),
            ),
            Step(
                says="A method that prunes to r before layer 1 costs T layers on r n tokens; FastV "
                "costs the same if it keeps a share x with",
                expression=sympy.Eq(cost(x), T * one(r * n), evaluate=False),
            ),
            Step(
                says="a quadratic in x, whose positive root is",
                expression=sympy.Eq(x, equal_ratio(), evaluate=False),
            ),
            Step(
                says="It is zero at the ratio below which FastV cannot follow: there the K full "
                "layers alone cost as much.",
                expression=sympy.Eq(name("r_min"), least_ratio(), evaluate=False),
            ),
            Step(
                says="To rank, the published form holds one layer's attention weights: for each "
                "head and pair 2 bytes of scores in half precision, 4 of the softmax in float32 "
                "and 2 of its copy back.",
                expression=sympy.Eq(name("M_weights"), attention_bytes(), evaluate=False),
            ),
        ),
        result=Step(
            says="In the decoder's layers FastV gains at most T / K, whatever it drops and however "
            "long the prompt.",
            expression=sympy.Le(gain(r, n), bound, evaluate=False),
        ),
        limits=(
            limit_step(
                "However much is dropped, K layers stay.", gain(r, n), speedup(), r, 0, bound
            ),
            limit_step(
                "Short prompts: matrices alone.",
                gain(r, n),
                speedup(),
                n,
                0,
                T / (K + (T - K) * r),
            ),
            limit_step(
                "Long prompts: pairs alone.",
                gain(r, n),
                speedup(),
                n,
                sympy.oo,
                T / (K + (T - K) * r**2),
            ),
        ),
        forms=(
            Form(name="bound T / K, layers alone", expression=T / K, unit="x"),
            *(
                Form(
                    name="bound with the LM head",
                    convention=key,
                    expression=ratio(key).subs(r, 0),
                    unit="x",
                )
                for key in SHOWN[1:]
            ),
            *(
                Form(name="speed-up of prefill", convention=key, expression=ratio(key), unit="x")
                for key in SHOWN
            ),
            *(
                Form(
                    name="ratio at which FastV costs what r before layer 1 does",
                    convention=key,
                    expression=in_letters(equal_ratio(), key),
                    otherwise="out of reach",
                )
                for key in SHOWN
            ),
            *(
                Form(
                    name="least r that FastV can follow",
                    convention=key,
                    expression=in_letters(least_ratio(), key),
                )
                for key in SHOWN
            ),
            Form(name="attention weights of one layer", expression=attention_bytes(), unit="bytes"),
        ),
        source="FastV (arXiv 2403.06764), K = 5 as in OmniZip, Tab. 1; memory: eager attention of "
        "transformers in half precision",
    )


def verify() -> tuple[Check, ...]:
    """Hold the speed-up against counts; put both roots back where they come from."""

    def quotient(convention: str, model: str, length: int, kept: str) -> Fraction:
        full = flops(counted(model, length, convention))
        part = counted(model, length, convention, method="fastv", retained=kept, fastv_layer=LAYER)
        return Fraction(full, flops(part))

    return (
        *(
            agree(
                f"speed-up against the count under `{key}`, K = {LAYER}",
                ratio(key),
                partial(quotient, key),
                more={K: LAYER},
            )
            for key in SHOWN
        ),
        proof(
            "x put back: FastV costs what the other costs",
            cost(equal_ratio()) - T * one(r * n),
        ),
        proof(
            "r_min put back: T layers there cost K full ones",
            one(least_ratio() * n) * T - K * one(),
        ),
        proof("the speed-up is the quotient of the costs", speedup() - T * one() / cost()),
        proof("the bound is T / K", sympy.limit(speedup(), r, 0) - T / K),
        limits_proved(derive().limits),
    )
