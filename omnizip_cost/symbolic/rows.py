"""A derivation as flat rows: one for each assumption, equation and check."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from omnizip_cost.results.row import FlatRow
from omnizip_cost.symbolic.elements import Check, Derivation
from omnizip_cost.symbolic.numbers import NumberRow
from omnizip_cost.symbolic.writing import latex, plain


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivationRow(FlatRow):
    """One line of one derivation, or one of its numbers."""

    topic: str
    kind: str
    """``question``, ``assumption``, ``step``, ``result``, ``limit``, ``check``, ``source`` or
    ``number``."""
    step: int
    """Counted from 1 within its kind."""
    statement: str
    expression: str | None = None
    """As SymPy reads it."""
    text: str | None = None
    latex: str | None = None
    convention: str | None = None
    model: str | None = None
    tokens: int | None = None
    retained: float | None = None
    value: float | int | None = None
    unit: str | None = None


def derivation_rows(
    derivation: Derivation, checks: Iterable[Check], numbers: Iterable[NumberRow]
) -> list[DerivationRow]:
    """All of a derivation, in reading order."""
    return [
        *_sentences(derivation, "question", [derivation.question]),
        *_sentences(derivation, "assumption", derivation.assumptions),
        *_equations(derivation),
        *_sentences(derivation, "check", map(str, checks)),
        *_sentences(derivation, "source", [derivation.source]),
        *_numbers(numbers),
    ]


def _sentences(
    derivation: Derivation, kind: str, sentences: Iterable[str]
) -> Iterator[DerivationRow]:
    for number, sentence in enumerate(sentences, start=1):
        yield DerivationRow(topic=derivation.name, kind=kind, step=number, statement=sentence)


def _equations(derivation: Derivation) -> Iterator[DerivationRow]:
    seen: dict[str, int] = {}
    for kind, step in derivation.parts():
        seen[kind] = seen.get(kind, 0) + 1
        yield DerivationRow(
            topic=derivation.name,
            kind=kind,
            step=seen[kind],
            statement=step.says,
            expression=str(step.expression),
            text=plain(step.expression),
            latex=latex(step.expression),
        )


def _numbers(numbers: Iterable[NumberRow]) -> Iterator[DerivationRow]:
    for place, row in enumerate(numbers, start=1):
        yield DerivationRow(
            topic=row.topic,
            kind="number",
            step=place,
            statement=f"{row.statement}: {row.means}" if row.means else row.statement,
            convention=row.convention,
            model=row.model,
            tokens=row.tokens,
            retained=row.retained,
            value=row.value,
            unit=row.unit or None,
        )
