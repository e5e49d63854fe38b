"""The exact count beside the letters: points at which a closed form must be the same number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from functools import cache
from typing import Any

import sympy

from omnizip_cost.compression import make_plan
from omnizip_cost.cost import CostRow, count
from omnizip_cost.specs import load_spec
from omnizip_cost.specs.spec import ModelSpec
from omnizip_cost.symbolic.elements import Check, LimitStep
from omnizip_cost.symbolic.letters import Expression, R, Values, n, put, r, spec_values
from omnizip_cost.workload.workload import bare_workload

MODELS = ("qwen2.5-omni-7b", "qwen2.5-omni-3b", "qwen3-omni-30b-a3b", "omni-tiny")
LENGTHS = (20, 10_000, 200_000)
"""Multiples of 20, so that r n is whole at every ratio tried."""
RATIOS = ("0.45", "0.35")
"""OmniZip's two settings (OmniZip, Tab. 1)."""
DECODED = 100


@cache
def _spec(model: str) -> ModelSpec:
    return load_spec(model)


@cache
def counted(
    model: str,
    length: int,
    convention: str,
    *,
    method: str = "full",
    retained: str = "1",
    decoded: int = 0,
    fastv_layer: int = 1,
) -> tuple[CostRow, ...]:
    """Rows of :func:`omnizip_cost.count` for a bare number of tokens."""
    spec = _spec(model)
    plan = make_plan(
        method,
        bare_workload(length),
        spec,
        retained=None if method == "full" else float(retained),
        fastv_layer=fastv_layer,
    )
    return tuple(count(spec, plan, convention, decoded))


def flops(rows: Iterable[CostRow], component: str | None = None, phase: str | None = None) -> int:
    """Sum of the rows of one component, one phase, or of all."""
    return sum(
        row.flops
        for row in rows
        if component in (None, row.component) and phase in (None, row.phase)
    )


def exactly(expression: Expression, values: Values) -> Fraction:
    """Put exact numbers in; the rational that comes out."""
    number = sympy.Rational(put(expression, values))
    return Fraction(int(number.p), int(number.q))


def proof(says: str, *differences: Expression) -> Check:
    """Prove identities: every difference must simplify to zero."""
    proved = all(map(_vanishes, differences))
    return Check(says=says, points=0, worst=0.0 if proved else 1.0)


def limits_proved(limits: Iterable[LimitStep]) -> Check:
    """Take every limit anew and prove that it is what is written."""
    return proof(
        "limits as written",
        *(
            sympy.limit(
                limit.of, limit.letter, limit.place, "-" if limit.place == sympy.oo else "+"
            )
            - limit.value
            for limit in limits
        ),
    )


def _vanishes(difference: Expression) -> bool:
    """Whether an expression is zero for all values: its numerator expanded, else simplified."""
    numerator = sympy.expand(sympy.numer(sympy.together(difference)))
    return bool(numerator == 0 or sympy.simplify(numerator) == 0)


def bracketed(
    says: str,
    root: Expression,
    surplus: Callable[[str, int, str], Fraction | int],
    *,
    models: Sequence[str] = MODELS,
    ratios: Sequence[str] = RATIOS,
    more: Values | None = None,
) -> Check:
    """Hold a length in closed form against counts: the sign changes between its neighbours.

    Parameters
    ----------
    surplus : callable
        Of model, whole length and ratio, from counts: of one sign (or zero) at the length rounded
        down, of the other (or zero) at the length rounded up.
    """
    wrong, points = 0, 0
    for model in models:  # at least one of them must have such a length
        for ratio in ratios if root.has(r) else ratios[:1]:
            values = {**spec_values(_spec(model)), r: sympy.Rational(ratio), **(more or {})}
            length = put(root, values)
            if not length.is_positive:
                continue
            below, above = int(sympy.floor(length)), int(sympy.ceiling(length))
            low, high = surplus(model, below, ratio) if below else 0, surplus(model, above, ratio)
            wrong += low * high > 0
            points += 1
    found = float(wrong) if points else 1.0
    return Check(says=says, points=points, worst=found, held="so it is")


def agree(
    says: str,
    expression: Expression,
    truth: Callable[[str, int, str], Fraction | int],
    *,
    models: Sequence[str] = MODELS,
    lengths: Sequence[int] = LENGTHS,
    ratios: Sequence[str] = RATIOS,
    more: Values | None = None,
) -> Check:
    """Hold a rational expression against counts at every model, length and ratio.

    Parameters
    ----------
    says : str
        What is compared.
    expression
        In the letters of a model, n, r and those of ``more``.
    truth : callable
        Of model, length and ratio: the exact number from the count.
    """
    worst, points = Fraction(0), 0
    for model in models:
        fixed: dict[Any, Any] = {**spec_values(_spec(model)), R: DECODED, **(more or {})}
        of_lengths = put(expression, fixed)
        for length in lengths:
            for ratio in ratios if of_lengths.has(r) else ratios[:1]:
                ours = exactly(of_lengths, {n: length, r: sympy.Rational(ratio)})
                true = Fraction(truth(model, length, ratio))
                worst = max(worst, abs(ours - true) / abs(true))
                points += 1
    return Check(says=says, points=points, worst=float(worst))
