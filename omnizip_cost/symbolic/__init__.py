"""The same formulas with letters: derivations, limits, break-even points, LaTeX.

Topics are named at once; what needs SymPy loads on first use.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from omnizip_cost.errors import UnknownNameError
from omnizip_cost.symbolic.topics import TOPICS

if TYPE_CHECKING:
    from omnizip_cost.symbolic.elements import Check, Derivation, Form, Step
    from omnizip_cost.symbolic.numbers import NumberRow, Point, lines_of, number_rows
    from omnizip_cost.symbolic.rows import DerivationRow, derivation_rows
    from omnizip_cost.symbolic.tex import document, fragment
    from omnizip_cost.symbolic.text import readable
    from omnizip_cost.symbolic.writing import latex, plain

__all__ = [
    "TOPICS",
    "Check",
    "Derivation",
    "DerivationRow",
    "Form",
    "NumberRow",
    "Point",
    "Step",
    "checks",
    "derivation",
    "derivation_rows",
    "document",
    "fragment",
    "latex",
    "lines_of",
    "number_rows",
    "plain",
    "readable",
]

_LAZY = {
    "Check": "elements",
    "Derivation": "elements",
    "Form": "elements",
    "Step": "elements",
    "NumberRow": "numbers",
    "Point": "numbers",
    "lines_of": "numbers",
    "number_rows": "numbers",
    "DerivationRow": "rows",
    "derivation_rows": "rows",
    "document": "tex",
    "fragment": "tex",
    "readable": "text",
    "latex": "writing",
    "plain": "writing",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)


def derivation(topic: str) -> Derivation:
    """Return the derivation of that name.

    Raises
    ------
    UnknownNameError
    """
    found: Derivation = _module(topic).derive()
    return found


@cache
def checks(topic: str) -> tuple[Check, ...]:
    """Check a derivation: proofs, and numbers against the exact count, once in a process.

    Raises
    ------
    UnknownNameError
    """
    done: tuple[Check, ...] = _module(topic).verify()
    return done


def _module(topic: str) -> Any:
    if topic not in TOPICS:
        raise UnknownNameError("topic", topic, TOPICS)
    return import_module(f"omnizip_cost.symbolic.topics.{topic.replace('-', '_')}")
