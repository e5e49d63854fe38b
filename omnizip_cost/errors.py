"""The family of errors: one root, each class keeps its facts as attributes.

Every message is one sentence that says which object, which field, what it must be, what came,
and what to do. The command line prints that sentence and exits with 2.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from numbers import Real
from pathlib import Path

LONGEST_SHOWN = 200
"""Characters of a refused value or name that a message repeats."""


def shown(value: object) -> str:
    """Write a refused value for a message, cut where it is long.

    >>> shown("fast"), shown(16**9999), len(shown("x" * 9999))
    ("'fast'", 'a number of thousands of digits', 203)
    """
    try:
        text = repr(value)
    except ValueError:
        return "a number of thousands of digits"
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def near(name: str, known: Iterable[str], most: int = 3) -> tuple[str, ...]:
    """Return the known names that someone who wrote ``name`` may have meant, nearest first.

    >>> near("omnizp", ("full", "omnizip"))
    ('omnizip',)
    """
    return tuple(get_close_matches(name[:LONGEST_SHOWN].lower(), known, n=most, cutoff=0.5))


class OmnizipCostError(Exception):
    """Root of every error this package raises on purpose."""


class UnknownNameError(OmnizipCostError):
    """A model, method, convention or device that is not known, with the nearest known names."""

    def __init__(self, kind: str, name: str, known: Iterable[str], also: str = "") -> None:
        self.kind, self.name, self.known = kind, name, tuple(known)
        self.near = near(name, self.known)
        meant = " or ".join(self.near)
        tail = f", or {also}" if also else ""
        hint = f"did you mean {meant}?" if meant else f"known: {', '.join(self.known)}{tail}."
        super().__init__(f"unknown {kind} {shown(name)}: {hint}")


class InvalidValueError(OmnizipCostError):
    """A field whose value is outside what it must be."""

    def __init__(self, owner: str, field: str, expected: str, got: object, hint: str = "") -> None:
        self.owner, self.field, self.expected, self.got, self.hint = (
            owner,
            field,
            expected,
            got,
            hint,
        )
        tail = f"; {hint}" if hint else ""
        super().__init__(f"{owner}: {field} must be {expected}, got {shown(got)}{tail}")


class OptionsError(OmnizipCostError):
    """Options of a command, or keys of a file, that exclude each other or need each other."""

    def __init__(self, owner: str, problem: str) -> None:
        self.owner, self.problem = owner, problem
        super().__init__(f"{owner}: {problem}")


class InputFileError(OmnizipCostError):
    """A file that is missing, unreadable, or does not hold what is needed."""

    def __init__(self, path: str | Path, problem: str, hint: str = "") -> None:
        self.path, self.problem, self.hint = str(path), problem, hint
        tail = f"; {hint}" if hint else ""
        super().__init__(f"{self.path}: {problem}{tail}")


class MediaError(InputFileError):
    """A media file that cannot be decoded into frames or sound."""


class UnsupportedModelError(OmnizipCostError):
    """A model, config or call that this package knows it cannot handle."""

    def __init__(self, what: str, reason: str, hint: str = "") -> None:
        self.what, self.reason, self.hint = what, reason, hint
        tail = f"; {hint}" if hint else ""
        super().__init__(f"{what}: {reason}{tail}")


class PluginError(OmnizipCostError):
    """A method of another package that cannot be used."""

    def __init__(self, name: str, owner: str, problem: str, hint: str = "") -> None:
        self.name, self.owner, self.problem, self.hint = name, owner, problem, hint
        tail = f"; {hint}" if hint else ""
        super().__init__(f"method {name!r} of {owner}: {problem}{tail}")


class BrokenPromiseError(OmnizipCostError):
    """A method that does not keep what every method promises."""

    def __init__(self, name: str, promises: Iterable[str], hint: str = "") -> None:
        self.name, self.promises, self.hint = name, tuple(promises), hint
        tail = f"; {hint}" if hint else ""
        super().__init__(f"method {name!r} breaks its promises: {', '.join(self.promises)}{tail}")


class ConventionMismatchError(OmnizipCostError):
    """Two FLOP counts of different conventions were about to be added."""

    def __init__(self, left: str, right: str) -> None:
        self.left, self.right = left, right
        super().__init__(
            f"counts under {left!r} and {right!r} cannot be added: "
            "convert both to one convention first"
        )


def require_ratio(owner: str, field: str, value: object) -> float:
    """Return a ratio in [0, 1] (NumPy's scalars included), or raise :class:`InvalidValueError`."""
    ratio = float(value) if isinstance(value, Real) and not isinstance(value, bool) else -1.0
    if not 0 <= ratio <= 1:
        raise InvalidValueError(owner, field, "a ratio in [0, 1]", value)
    return ratio
