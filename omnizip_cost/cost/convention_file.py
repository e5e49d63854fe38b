"""A convention of the user's own, from a small TOML file: strict, with nothing guessed."""

from __future__ import annotations

import os
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

from omnizip_cost.cost.convention import CHOICES, TEXTS, Convention, check_choice, spelled
from omnizip_cost.cost.conventions import CONVENTIONS
from omnizip_cost.errors import InputFileError, InvalidValueError, UnknownNameError
from omnizip_cost.units import KIBI

AS_BUILT = "as built"
"""How a file says that the model's own number of FFN products counts: TOML knows no null."""

KEYS = tuple(item.name for item in fields(Convention))
REQUIRED = ("name", "ffn_matrices", *CHOICES, *TEXTS)
"""Every choice must be stated: a convention with a silent choice is what this is against."""

LARGEST_BYTES = 64 * KIBI
"""A convention is a dozen lines; anything this large is another file."""

EXAMPLE = """\
name = "mac-exact"
answers = "multiply-adds of the real layers, each causal pair once, no head"
source = "our group's tables, appendix B"
flop_per_multiply_add = 1   # or 2
widths = "grouped"          # queries, keys, values as built; or "hidden": all of them d wide
ffn_matrices = "as built"   # or a number: 2 plain, 3 gated
ffn_width = "built"         # or "4d": four times the hidden size, whatever the model has
attention = "causal"        # n (n + 1) / 2 pairs; or "full": n^2; or "none"
lm_head = "none"            # or "every", "last": prompt positions whose logits count
tokens = "all"              # or "audio+video", "video": tokens that n counts
decode = false              # or true: R steps, step i sees n + i keys
encoders = false            # or true: audio and vision encoder
counts_padding = false      # or true: their convolutions padded, as the stock model runs them
selection = false           # or true: choosing the tokens
"""
"""A complete file; ``used_by`` and ``note``, both texts, may be added."""


def load_convention(path: str | os.PathLike[str]) -> Convention:
    """Return the convention that a TOML file states.

    Parameters
    ----------
    path
        A file with every field of :class:`~omnizip_cost.cost.convention.Convention` but
        ``used_by`` and ``note``, which may be left out. ``ffn_matrices`` is a number or
        ``"as built"``.

    Raises
    ------
    InputFileError
        No such file, not TOML, or a field is missing.
    UnknownNameError
        A key that is no field, with the nearest ones.
    InvalidValueError
        A value that is not allowed, or the name of a built-in convention.

    Examples
    --------
    >>> from tempfile import NamedTemporaryFile
    >>> with NamedTemporaryFile("w", suffix=".toml") as file:
    ...     _ = file.write(EXAMPLE), file.flush()
    ...     load_convention(file.name).name
    'mac-exact'
    """
    if not isinstance(path, str | os.PathLike):
        raise InvalidValueError("load_convention", "path", "a path", path)
    place = Path(path)
    values = _read(place)
    for key in values:
        if key not in KEYS:
            raise UnknownNameError(f"key of {place}", key, KEYS)
    missing = [key for key in REQUIRED if key not in values]
    if missing:
        raise InputFileError(
            place,
            f"lacks {', '.join(missing)}",
            f"{missing[0]} must be {_expected(missing[0])}: nothing is guessed",
        )
    for field, allowed in CHOICES.items():
        check_choice(str(place), field, values[field], allowed)
    matrices = values["ffn_matrices"]
    if matrices == AS_BUILT:
        values["ffn_matrices"] = None
    elif isinstance(matrices, bool) or not isinstance(matrices, int) or matrices < 1:
        raise InvalidValueError(str(place), "ffn_matrices", _expected("ffn_matrices"), matrices)
    if values["name"] in tuple(CONVENTIONS):
        raise InvalidValueError(
            str(place), "name", "one that no built-in convention has", values["name"]
        )
    try:
        return Convention(**values)
    except InvalidValueError as error:
        raise InvalidValueError(
            str(place), error.field, error.expected, error.got, error.hint
        ) from error


def _expected(key: str) -> str:
    """What a field must be, in words."""
    if key == "ffn_matrices":
        return f"a positive whole number or {AS_BUILT!r}"
    if key not in CHOICES:
        return "a text"
    return " or ".join(spelled(option) for option in CHOICES[key])


def _read(path: Path) -> dict[str, Any]:
    """Return the top table of the TOML file ``path``."""
    try:
        size = path.stat().st_size
        if size > LARGEST_BYTES:
            raise InputFileError(path, f"{size} bytes is no convention", "give a small TOML file")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputFileError(path, "no such file", "check the path") from error
    except OSError as error:
        raise InputFileError(path, f"cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InputFileError(path, "is not text in UTF-8", "give a TOML file") from error
    except (ValueError, RecursionError) as error:
        raise InputFileError(path, f"is not valid TOML ({_one_line(error)})") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
