"""A derivation to be read in a terminal."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence

from omnizip_cost.symbolic.elements import Check, Derivation, Step
from omnizip_cost.symbolic.writing import plain

WIDTH = 100
_HARD = "\N{NO-BREAK SPACE}"
_PRODUCT = re.compile(r"(?<![-+=,]) (?![-+=])")
"""Spaces inside a product, where a line must not end."""


def readable(derivation: Derivation, checks: Sequence[Check]) -> str:
    """Return question, assumptions, numbered steps, result, limits, checks, letters, source."""
    return "\n".join(_lines(derivation, checks))


def _lines(derivation: Derivation, checks: Sequence[Check]) -> Iterator[str]:
    yield derivation.title
    yield from _wrapped(derivation.question, "")
    yield from _section("Assumed", [line for a in derivation.assumptions for line in _item("-", a)])
    steps = [
        line
        for number, step in enumerate(derivation.steps, start=1)
        for line in _equation(f"{number}.", step)
    ]
    yield from _section("Steps", steps)
    yield from _section("Result", _equation("", derivation.result))
    yield from _section(
        "Limits", [line for lim in derivation.limits for line in _equation("-", lim)]
    )
    yield from _section("Checked", [line for check in checks for line in _item("-", str(check))])
    letters = [f"  {plain(letter):<8} {says}" for letter, says in derivation.legend().items()]
    yield from _section("Letters", letters)
    yield from _section("Source", list(_wrapped(derivation.source, "  ")))


def _section(title: str, lines: Sequence[str] | Iterator[str]) -> Iterator[str]:
    body = list(lines)
    if body:
        yield ""
        yield title
        yield from body


def _item(mark: str, sentence: str) -> Iterator[str]:
    first = f"  {mark:<3} " if mark[:1].isdigit() else f"  {mark} " if mark else "  "
    yield from textwrap.wrap(
        sentence, WIDTH, initial_indent=first, subsequent_indent=" " * len(first)
    )


def _equation(mark: str, step: Step) -> Iterator[str]:
    yield from _item(mark, step.says)
    whole = _PRODUCT.sub(_HARD, plain(step.expression))
    lines = textwrap.wrap(whole, WIDTH, initial_indent=" " * 10, subsequent_indent=" " * 14)
    yield from (line.replace(_HARD, " ") for line in lines)


def _wrapped(sentence: str, indent: str) -> Iterator[str]:
    yield from textwrap.wrap(sentence, WIDTH, initial_indent=indent, subsequent_indent=indent)
