"""A convention of the user's own, from a small TOML file: strict, with nothing guessed."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path

from omnizip_cost.cost.convention import CHOICES, TEXTS, Convention, check_choice, spelled
from omnizip_cost.cost.conventions import CONVENTIONS
from omnizip_cost.errors import InvalidValueError
from omnizip_cost.text_file import read_toml, refuse_unknown, require_keys
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
    values = read_toml(place, LARGEST_BYTES, "the TOML file of a convention")
    refuse_unknown(place, values, KEYS)
    require_keys(
        place, values, REQUIRED, lambda key: f"{key} must be {_expected(key)}: nothing is guessed"
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
