"""What compression saves per decoded token: in FLOPs, and in the bytes a step must read."""

from __future__ import annotations

from fractions import Fraction
from functools import cache, partial

import sympy

from omnizip_cost.cost import CONVENTIONS
from omnizip_cost.specs import load_spec, parameter_counts
from omnizip_cost.symbolic.elements import Check, Derivation, Form, Step, limit_step
from omnizip_cost.symbolic.letters import (
    Expression,
    R,
    T,
    V,
    W,
    c,
    d,
    i,
    kv,
    m,
    n,
    phi,
    r,
    u,
)
from omnizip_cost.symbolic.stack import decode, matrices, prefill
from omnizip_cost.symbolic.witness import DECODED, agree, counted, flops, limits_proved, proof
from omnizip_cost.units import BYTES_PER_ELEMENT

SHOWN = ("eq9", "torch")
_WIDTH = BYTES_PER_ELEMENT["bfloat16"]


def gain(convention: str) -> Expression:
    """Decode FLOPs of R steps on the full cache over those on the kept one."""
    steps = sympy.cancel(decode(CONVENTIONS[convention]) / R)
    return steps / steps.subs(n, r * n)


def weight_bytes() -> Expression:
    """Bytes of the matrices that one step multiplies with, experts in use only, and the head."""
    plain = CONVENTIONS["torch"]
    return u * (
        sympy.expand(T * matrices(plain, sympy.S.One) / plain.flop_per_multiply_add) + d * V
    )


def cache_bytes() -> Expression:
    """Bytes of keys and values that one token leaves in all layers."""
    return u * 2 * T * kv


def gain_in_bytes() -> Expression:
    """Bytes of the first step on the full cache over those on the kept one."""
    return (W + c * n) / (W + c * r * n)


def step_time() -> Expression:
    """End to end, in bytes' time: prefill bound by FLOPs, R steps bound by bytes."""
    return prefill(CONVENTIONS["hardware"]) / phi + R * W + c * (R * n + R * (R + 1) / 2)


def end_to_end() -> Expression:
    """Gain of prefill and R steps together, in time."""
    return step_time() / step_time().subs(n, r * n)


def end_to_end_flops(convention: str) -> Expression:
    """Gain of prefill and R steps together, in FLOPs."""
    chosen = CONVENTIONS[convention]
    whole = prefill(chosen) + decode(chosen)
    return whole / whole.subs(n, r * n)


def in_letters(expression: Expression) -> Expression:
    """Put a model's weights and cache in, in bfloat16."""
    return expression.subs({W: weight_bytes(), c: cache_bytes()}).subs(u, _WIDTH)


@cache
def derive() -> Derivation:
    """Three gains side by side, and their limits."""
    name = sympy.Symbol
    flops_gain, bytes_gain = sympy.Function("S_FLOP"), sympy.Function("S_byte")
    whole = sympy.Function("S_R")
    eq9 = sympy.simplify(gain("eq9"))
    halfway = sympy.solve(sympy.Eq(gain_in_bytes(), (1 + 1 / r) / 2), n)[0]
    return Derivation(
        name="decode",
        title="What compression saves per decoded token",
        question="Eq. 9 lets each decoded token get cheaper with the tokens dropped. Does it?",
        assumptions=(
            "One prompt at a time: a batch reads its weights once for all, caches once for each.",
            "A decode step is bound by bytes: it reads every matrix it uses and the whole cache.",
            "Weights and cache have elements of the same width; norms and biases are left out.",
            "Of a mixture of experts, the experts that one token uses are read.",
            "Survivors alone are cached; decoded tokens are never dropped.",
        ),
        steps=(
            Step(
                says="Eq. 9, mean FLOPs of one of R steps,",
                expression=sympy.Eq(
                    name("D_eq9"), sympy.factor_terms(sympy.cancel(decode(CONVENTIONS["eq9"]) / R))
                ),
            ),
            Step(
                says="so that a step on r n cached tokens instead of n gains",
                expression=sympy.Eq(flops_gain(r, n), eq9),
            ),
            Step(
                says="What the step reads: all matrices, the LM head's included,",
                expression=sympy.Eq(W, weight_bytes()),
            ),
            Step(
                says="and for each cached token its keys and values in every layer.",
                expression=sympy.Eq(c, cache_bytes()),
            ),
            Step(
                says="Bound by bytes, the step after prefill gains",
                expression=sympy.Eq(bytes_gain(r, n), gain_in_bytes()),
            ),
            Step(
                says="Half of what can ever be gained is reached where the kept cache is as large "
                "as the weights.",
                expression=sympy.Eq(name("n_half"), halfway),
            ),
            Step(
                says="End to end: prefill N(n) (`hardware`) bound by FLOPs, on a device that does "
                "phi of them in the time of a byte, then R steps bound by bytes,",
                expression=sympy.Eq(
                    sympy.Function("t")(n),
                    sympy.Function("N")(n) / phi + R * W + c * (R * n + R * (R + 1) / 2),
                    evaluate=False,
                ),
            ),
            Step(
                says="so that compression gains, prefill and decode together.",
                expression=sympy.Eq(
                    whole(r, n),
                    sympy.Function("t")(n) / sympy.Function("t")(r * n),
                    evaluate=False,
                ),
            ),
        ),
        result=Step(
            says="However many tokens are dropped, a step cannot gain more than the cache's share "
            "allows: S_byte < 1 + c n / W.",
            expression=sympy.Eq(bytes_gain(r, n), gain_in_bytes()),
        ),
        limits=(
            limit_step(
                "All tokens dropped.", bytes_gain(r, n), gain_in_bytes(), r, 0, 1 + c * n / W
            ),
            limit_step("Short prompts: weights alone.", bytes_gain(r, n), gain_in_bytes(), n, 0),
            limit_step(
                "Long prompts: cache alone.", bytes_gain(r, n), gain_in_bytes(), n, sympy.oo
            ),
            limit_step(
                "Many decoded tokens: they fill both caches alike, and nothing is gained.",
                whole(r, n),
                end_to_end(),
                R,
                sympy.oo,
            ),
        ),
        forms=(
            *(
                Form(
                    name="gain per decoded token, FLOPs",
                    convention=key,
                    expression=gain(key),
                    unit="x",
                )
                for key in SHOWN
            ),
            Form(
                name="gain per decoded token, bytes",
                expression=in_letters(gain_in_bytes()),
                unit="x",
            ),
            Form(
                name="gain in bytes if all were dropped",
                expression=in_letters(1 + c * n / W),
                unit="x",
            ),
            Form(name="gain in bytes halfway at", expression=in_letters(halfway), unit="tokens"),
            Form(name="weights read per step", expression=in_letters(W), unit="bytes"),
            Form(name="cache of n tokens", expression=in_letters(c * n), unit="bytes"),
            *(
                Form(
                    name="end to end, FLOPs",
                    convention=key,
                    expression=end_to_end_flops(key),
                    unit="x",
                )
                for key in SHOWN
            ),
            Form(
                name="end to end, time at phi FLOPs per byte",
                expression=in_letters(end_to_end()),
                unit="x",
            ),
        ),
        source="ours; Eq. 9: OmniZip, supplement C; sizes: each model's config.json",
    )


def verify() -> tuple[Check, ...]:
    """Hold FLOPs against counts, bytes against parameters and against the FLOPs of a step."""

    def quotient(convention: str, model: str, length: int, kept: str) -> Fraction:
        full = counted(model, length, convention, decoded=DECODED)
        part = counted(model, length, convention, method="random", retained=kept, decoded=DECODED)
        return Fraction(flops(full, phase="decode"), flops(part, phase="decode"))

    def read(model: str, *_: object) -> int:
        parts = parameter_counts(load_spec(model))
        head = (
            parts["lm_head"] or load_spec(model).text.vocab_size * load_spec(model).text.hidden_size
        )
        embedding = load_spec(model).text.vocab_size * load_spec(model).text.hidden_size
        return _WIDTH * (parts["text_model"] - embedding + head)

    attention = sympy.Poly(decode(CONVENTIONS["torch"]), n).coeff_monomial(n) * (n + (R + 1) / 2)
    return (
        *(
            agree(
                f"gain in FLOPs against counts under `{key}`",
                gain(key),
                partial(quotient, key),
            )
            for key in SHOWN
        ),
        proof(
            "two FLOPs for each weight read, and those of the cache, are the decode FLOPs",
            decode(CONVENTIONS["torch"]) - 2 * R * weight_bytes() / u - attention,
        ),
        agree(
            "bytes of the weights against the parameters (norms and biases apart)",
            in_letters(W),
            read,
            models=("qwen2.5-omni-7b", "qwen2.5-omni-3b", "omni-tiny"),
            lengths=(1,),
        ),
        proof(
            "end to end: the bytes of R steps, one by one",
            step_time()
            - prefill(CONVENTIONS["hardware"]) / phi
            - sympy.summation(W + c * (n + i), (i, 1, R)),
        ),
        limits_proved(derive().limits),
        proof(
            "Eq. 9's gain per token is that of its widths",
            gain("eq9") - (2 * d + m + n + (R + 1) / 2) / (2 * d + m + r * n + (R + 1) / 2),
        ),
    )
