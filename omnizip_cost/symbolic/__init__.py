"""The same formulas with letters: derivations, limits, break-even points, LaTeX."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from omnizip_cost.errors import UnknownNameError
from omnizip_cost.symbolic.derivation import Check, Derivation, Form, Step
from omnizip_cost.symbolic.document import document, fragment
from omnizip_cost.symbolic.numbers import NumberRow, Point, by_model, number_rows
from omnizip_cost.symbolic.rows import DerivationRow, derivation_rows
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
    "by_model",
    "checks",
    "derivation",
    "derivation_rows",
    "document",
    "fragment",
    "latex",
    "number_rows",
    "plain",
    "readable",
]

TOPICS = ("eq9", "speedup", "crossover", "fastv", "exact", "break-even", "decode")
"""Names of the derivations, in the order in which they are best read."""


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
