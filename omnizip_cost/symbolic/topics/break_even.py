"""Length from which a selection saves more than it costs."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial

import sympy

from omnizip_cost.cost import break_even
from omnizip_cost.specs import load_spec
from omnizip_cost.symbolic.elements import Check, Derivation, Form, LimitStep, Step, limit_step
from omnizip_cost.symbolic.letters import (
    A,
    B,
    Expression,
    K,
    T,
    a,
    b,
    n,
    r,
    rho_a,
    s_0,
    s_1,
    s_2,
    spec_values,
)
from omnizip_cost.symbolic.selection_price import (
    CONVENTION,
    WINDOW,
    audio_pruning,
    fastv_always,
    fastv_cost,
    fastv_pays_to,
    fastv_saved,
    listed_steps,
    omnizip_cost,
)
from omnizip_cost.symbolic.stack import Quadratic, layer, prefill
from omnizip_cost.symbolic.witness import (
    LENGTHS,
    agree,
    counted,
    flops,
    limits_proved,
    proof,
)
from omnizip_cost.units import TERA

ASSUMPTIONS = (
    "Cost and saving in the same unit: FLOPs here, or seconds with rates put in.",
    "Matrix products alone are counted; `flops --steps` lists what else runs.",
    "Numbers follow `torch`: all pairs, logits at every position.",
    "OmniZip: its published (`official`) form in the paper's window, no text.",
)
_N_PAY = sympy.Symbol("n_pay")


def saved() -> Expression:
    """FLOPs of prefill that pruning before the first layer saves."""
    return A * (1 - r) * n + B * (1 - r**2) * n**2


def growing() -> Expression:
    """FLOPs of choosing that grow with n: one part per token, one per pair."""
    return s_1 * n + s_2 * n**2


def spent() -> Expression:
    """FLOPs of choosing, a fixed part included."""
    return s_0 + growing()


def pays_from() -> Expression:
    """Length at which saving and cost are equal: the positive root, with a fixed part s_0."""
    linear, squared = A * (1 - r) - s_1, B * (1 - r**2) - s_2
    return (sympy.sqrt(linear**2 + 4 * squared * s_0) - linear) / (2 * squared)


def pays_from_without_fixed_part() -> Expression:
    """The same where the cost has no fixed part."""
    return (s_1 - A * (1 - r)) / (B * (1 - r**2) - s_2)


def in_letters(expression: Expression) -> Expression:
    """Put the executed count's A and B, and OmniZip's cost in the paper's window, in."""
    whole = Quadratic.of(prefill(CONVENTION))
    per_token, per_pair = omnizip_cost()
    each = Quadratic.of(layer(CONVENTION))
    letters = {A: whole.linear, B: whole.squared, s_1: per_token, s_2: per_pair}
    letters |= {a: each.linear, b: each.squared}
    return expression.subs(letters).subs(rho_a, audio_pruning()).subs(WINDOW)


@cache
def derive() -> Derivation:
    """Saving, cost, their crossing; OmniZip's and FastV's cost put in."""
    return Derivation(
        name="break-even",
        title="When choosing the tokens pays",
        question="From which length on does a method save more FLOPs than it spends on choosing?",
        assumptions=ASSUMPTIONS,
        steps=_steps(),
        result=Step(
            says="A selection whose cost grows no faster than what it saves pays from here on.",
            expression=sympy.Eq(_N_PAY, pays_from_without_fixed_part(), evaluate=False),
        ),
        limits=_limits(),
        forms=_forms(),
        source="ours; OmniZip, Secs. 3.2-3.3, Eqs. 3 and 7-8; FastV (arXiv 2403.06764)",
    )


def _steps() -> tuple[Step, ...]:
    return (*_general(), *_of_omnizip(), *_of_fastv())


def _general() -> tuple[Step, ...]:
    return (
        Step(
            says="Pruning to r before the first layer saves, with prefill A n + B n^2,",
            expression=sympy.Eq(sympy.Function("G")(n), saved(), evaluate=False),
        ),
        Step(
            says="and choosing costs a fixed part, one per token and one per pair.",
            expression=sympy.Eq(sympy.Function("s")(n), spent(), evaluate=False),
        ),
        Step(
            says="They are equal at the positive root of their difference; longer prompts pay "
            "where B (1 - r^2) > s_2.",
            expression=sympy.Eq(_N_PAY, pays_from(), evaluate=False),
        ),
        Step(
            says="Without a fixed part the root is a quotient; where it is negative (s_1 below "
            "A (1 - r), s_2 below B (1 - r^2)) every length pays.",
            expression=sympy.Eq(_N_PAY, pays_from_without_fixed_part(), evaluate=False),
        ),
    )


def _of_omnizip() -> tuple[Step, ...]:
    per_token, per_pair = omnizip_cost()
    return (
        Step(
            says="OmniZip multiplies each token of an even grid with the others of its grid: "
            "linear in n, since grids do not grow.",
            expression=sympy.Eq(s_1, per_token, evaluate=False),
        ),
        Step(
            says="As published it also multiplies the left-over audio with all video: "
            "quadratic in n. (Compared inside its own window alone, this part is linear too.)",
            expression=sympy.Eq(s_2, per_pair, evaluate=False),
        ),
        Step(
            says="Its settings keep rho_v = rho_a + 3/10, so r fixes rho_a.",
            expression=sympy.Eq(rho_a, audio_pruning(), evaluate=False),
        ),
    )


def _of_fastv() -> tuple[Step, ...]:
    return (
        Step(
            says="FastV as published multiplies all queries with all keys once more,",
            expression=sympy.Eq(sympy.Function("s_FastV")(n), fastv_cost(), evaluate=False),
        ),
        Step(
            says="and saves in T - K layers only. With all pairs counted (b = 4 q) it pays at "
            "every length if r is at most",
            expression=sympy.Eq(sympy.Symbol("r_pay"), fastv_always(), evaluate=False),
        ),
        Step(
            says="and else only up to the length",
            expression=sympy.Eq(_N_PAY, fastv_pays_to(), evaluate=False),
        ),
    )


def _limits() -> tuple[LimitStep, ...]:
    return (
        limit_step(
            "Cost over saving, long prompts: a ratio of the two squared terms.",
            spent() / saved(),
            spent() / saved(),
            n,
            sympy.oo,
            s_2 / (B * (1 - r**2)),
        ),
        limit_step(
            "Without a fixed part, short prompts: a ratio of the two linear ones.",
            growing() / saved(),
            growing() / saved(),
            n,
            0,
            s_1 / (A * (1 - r)),
        ),
    )


def _forms() -> tuple[Form, ...]:
    """All under one convention."""
    forms = (
        Form(
            name="saved by r before layer 1",
            expression=in_letters(saved()),
            unit="FLOP",
        ),
        Form(
            name="OmniZip's two products",
            expression=in_letters(growing()),
            unit="FLOP",
        ),
        Form(
            name="OmniZip's two products over their saving",
            expression=in_letters(growing() / saved()),
        ),
        Form(
            name="OmniZip's two products pay from",
            expression=in_letters(pays_from_without_fixed_part()),
            unit="tokens",
            otherwise="any length",
        ),
        Form(
            name="FastV's scores",
            expression=fastv_cost(),
            unit="FLOP",
        ),
        Form(
            name="FastV's scores over their saving",
            expression=fastv_cost() / fastv_saved(),
        ),
        Form(
            name="FastV's scores pay at any length up to r =",
            expression=fastv_always(),
        ),
        Form(
            name="FastV's scores pay, at this r, up to",
            expression=in_letters(fastv_pays_to()),
            unit="tokens",
            otherwise="any length",
        ),
        Form(
            name="a fixed price of 1 TFLOP pays from",
            expression=in_letters(pays_from().subs({s_0: TERA, s_1: 0, s_2: 0})),
            unit="tokens",
        ),
    )
    return tuple(replace(form, convention=CONVENTION.name) for form in forms)


def _price(flops_of_any: int, _: int) -> int:
    return flops_of_any


def _searched() -> Check:
    """Closed forms against the search of :func:`omnizip_cost.cost.break_even`."""
    wrong = points = 0
    most = 4_000_000
    fixed = pays_from().subs({s_1: 0, s_2: 0})
    for price in (TERA // 100, TERA, 50 * TERA):
        for model in ("qwen2.5-omni-7b", "omni-tiny"):
            values = {**spec_values(load_spec(model)), r: sympy.Rational(9, 20)}
            root = in_letters(fixed.subs(s_0, price)).subs(values)
            gain = sympy.lambdify(n, in_letters(saved()).subs(values), "math")
            found = break_even(gain, partial(_price, price), least=1, most=most)
            wrong += found.first != int(sympy.floor(root)) + 1
            points += 1
    for model in ("qwen2.5-omni-7b", "omni-tiny"):
        values = spec_values(load_spec(model))
        values |= {K: values[T] - 1, r: sympy.Rational(9, 10)}
        gain = sympy.lambdify(n, fastv_saved().subs(values), "math")
        loss = sympy.lambdify(n, fastv_cost().subs(values), "math")
        found = break_even(gain, loss, least=1, most=most)
        wrong += found.last != int(sympy.ceiling(in_letters(fastv_pays_to()).subs(values))) - 1
        points += 1
    return Check(
        says="first and last length that pay, against `cost.break_even`",
        points=points,
        worst=float(wrong),
    )


def verify() -> tuple[Check, ...]:
    """Hold savings against counts, roots against the search, costs against listed steps."""

    def difference(method: str, model: str, length: int, kept: str) -> int:
        part = counted(model, length, CONVENTION.name, method=method, retained=kept, fastv_layer=5)
        return flops(counted(model, length, CONVENTION.name)) - flops(part)

    equal = saved() - growing()
    with_fixed = saved() - spent()
    return (
        agree(
            "FLOPs saved before layer 1, against counts under `torch`",
            in_letters(saved()),
            partial(difference, "random"),
        ),
        agree(
            "FLOPs saved by FastV, K = 5, likewise",
            fastv_saved(),
            partial(difference, "fastv"),
            more={K: 5},
            lengths=LENGTHS[:2],
        ),
        proof("saving = cost at n_pay", equal.subs(n, pays_from_without_fixed_part())),
        proof("and with a fixed part", sympy.expand(with_fixed.subs(n, pays_from()))),
        proof(
            "at r_pay FastV's squared terms cancel",
            sympy.Poly(sympy.expand(fastv_saved() - fastv_cost()), n)
            .coeff_monomial(n**2)
            .subs(r, fastv_always()),
        ),
        proof(
            "FastV's saving = its cost at its n_pay",
            (fastv_saved() - fastv_cost()).subs(n, in_letters(fastv_pays_to())),
        ),
        limits_proved(derive().limits),
        _searched(),
        listed_steps(),
    )
