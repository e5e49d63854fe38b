"""Which convention is meant: a built-in one by name, the user's own by the path of its file."""

from __future__ import annotations

import os
from collections.abc import Iterable

from omnizip_cost.cost.convention import Convention
from omnizip_cost.cost.convention_file import load_convention
from omnizip_cost.cost.conventions import CONVENTIONS
from omnizip_cost.errors import InvalidValueError, UnknownNameError


def executed_convention(attention: str) -> str:
    """Name the convention whose prediction tables call the *exact count*.

    A fused kernel skips whole masked blocks: it executes no less than ``sdpa`` and no more than
    ``torch``, nearer to ``sdpa`` the longer the prompt. Eager attention executes ``torch``.

    Parameters
    ----------
    attention : str
        Attention implementation of transformers: ``eager`` multiplies the masked half too,
        ``sdpa`` and the flash kernels skip it.
    """
    return "torch" if attention == "eager" else "sdpa"


def definition(convention: Convention) -> str | None:
    """Return the choices of a convention of the user's own; None of a built-in one.

    Rows carry it, so that a file of rows still says what they count when the convention is gone.
    """
    return None if convention.name in CONVENTIONS else convention.choices


def require_convention(convention: str | os.PathLike[str] | Convention) -> Convention:
    """Return a convention by name, from a TOML file, or as it is.

    Parameters
    ----------
    convention : str, path or Convention
        A name of ``CONVENTIONS``; a path of a TOML file, which ends in ``.toml`` (see
        :func:`~omnizip_cost.cost.convention_file.load_convention`); or a convention.

    Raises
    ------
    UnknownNameError
        Neither a name nor a path.
    InputFileError, InvalidValueError
        The file is no convention, or its name is a built-in one's.
    """
    if isinstance(convention, Convention):
        if CONVENTIONS.get(convention.name, convention) != convention:
            raise InvalidValueError(
                f"convention {convention.name!r}",
                "name",
                "one of its own, since a built-in convention has this one",
                convention.name,
            )
        return convention
    if isinstance(convention, os.PathLike) or str(convention).lower().endswith(".toml"):
        return load_convention(convention)
    if not isinstance(convention, str) or convention not in CONVENTIONS:
        known = (*CONVENTIONS, "or a path that ends in .toml")
        raise UnknownNameError("convention", str(convention), known)
    return CONVENTIONS[convention]


def require_conventions(
    conventions: Iterable[str | os.PathLike[str] | Convention],
) -> dict[str, Convention]:
    """Return several conventions by name, in order, each once.

    Raises
    ------
    InvalidValueError
        Two of them share a name and count differently: their rows could not be told apart.
    UnknownNameError, InputFileError
    """
    found: dict[str, Convention] = {}
    for asked in conventions:
        convention = require_convention(asked)
        known = found.setdefault(convention.name, convention)
        if known.choices != convention.choices:
            raise InvalidValueError(
                f"convention {convention.name!r}",
                "name",
                "of one convention only",
                "two that count differently",
                "rename one of them",
            )
    return found
