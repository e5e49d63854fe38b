"""What a derivation is made of: steps, a result, limits, forms to put numbers into, checks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sympy

from omnizip_cost.symbolic.letters import MEANINGS, Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One equation and a plain sentence that says why it holds."""

    says: str
    expression: Expression
    """An equation, or a tuple of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitStep(Step):
    """What an expression comes to as one letter vanishes or grows without bound."""

    of: Expression
    letter: Expression
    place: Expression
    value: Expression


def limit_step(
    says: str,
    name: Expression,
    of: Expression,
    letter: Expression,
    place: Expression,
    value: Expression = None,
) -> LimitStep:
    """Take a limit.

    Parameters
    ----------
    name
        What the expression is called in the equation.
    of
        The expression itself.
    place
        0, from above, or infinity.
    value
        The limit as it is best written; None: as it comes out. A check proves that it is so.
    """
    direction = "-" if place == sympy.oo else "+"
    said = sympy.limit(of, letter, place, direction) if value is None else sympy.sympify(value)
    return LimitStep(
        says=says,
        expression=sympy.Eq(sympy.Limit(name, letter, place, direction), said, evaluate=False),
        of=of,
        letter=letter,
        place=place,
        value=said,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A closed form that becomes a number once a model and lengths are given."""

    name: str
    expression: Expression
    unit: str = ""
    """Of the number: ``tokens``, ``FLOP``, ``bytes``, ``x`` (times as fast), or none: a ratio."""
    otherwise: str = "never"
    """What it means when no positive number comes out."""
    convention: str | None = None
    """Whose count it is; None where no convention decides it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What was tried with numbers, on how many points, and how far off the worst was."""

    says: str
    points: int
    """0 for an identity that was proved for all values of its letters."""
    worst: float
    """Largest relative difference; 0 where all were equal as exact numbers."""
    held: str = "equal, exactly"
    """Words for a worst of 0."""

    def __str__(self) -> str:
        if not self.points:
            return f"{self.says}: {'proved' if self.worst == 0 else 'NOT equal'}"
        how = (
            "equal, exactly" if self.worst == 0 else f"largest relative difference {self.worst:.2g}"
        )
        return f"{self.says}: {how}, at {self.points:,} points"


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivation:
    """One topic from question to result."""

    name: str
    title: str
    question: str
    assumptions: tuple[str, ...]
    steps: tuple[Step, ...]
    result: Step
    limits: tuple[LimitStep, ...]
    forms: tuple[Form, ...]
    source: str

    def parts(self) -> Iterator[tuple[str, Step]]:
        """All equations with their kind, in reading order."""
        yield from (("step", step) for step in self.steps)
        yield "result", self.result
        yield from (("limit", step) for step in self.limits)

    def legend(self) -> dict[Expression, str]:
        """Meaning of every letter that occurs."""
        found = {letter for _, step in self.parts() for letter in step.expression.free_symbols}
        found |= {letter for form in self.forms for letter in form.expression.free_symbols}
        return {letter: meaning for letter, meaning in MEANINGS.items() if letter in found}
