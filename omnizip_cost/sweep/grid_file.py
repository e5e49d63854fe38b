"""A grid from a small TOML file: strict, with nothing guessed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from omnizip_cost.errors import InvalidValueError, OptionsError
from omnizip_cost.specs import bundled_names
from omnizip_cost.sweep.axes import LARGEST_COUNT, LONGEST_AXIS
from omnizip_cost.sweep.grid import Grid, make_grid
from omnizip_cost.text_file import read_toml, refuse_unknown, require_keys
from omnizip_cost.units import MEBI

LARGEST_BYTES = 64 * MEBI
"""A list of ten million token counts fits; anything larger is another file."""

_REQUIRED = ("models", "conventions", "tokens")
KEYS = (*_REQUIRED, "methods", "retained", "decode", "fastv_layer", "chunk_rows")
RANGE_KEYS = ("start", "stop", "step", "count", "spacing")
SPACINGS = ("linear", "log")
_SHOWN = 5

EXAMPLE = """\
models = ["qwen2.5-omni-7b", "qwen2.5-omni-3b"]  # names, or paths of a config.json
conventions = ["eq9", "hardware"]                # names, or paths of a TOML file
methods = ["full", "omnizip", "fastv"]           # names; see `methods`
tokens = { start = 1000, stop = 100_000, count = 200, spacing = "log" }  # or a list
retained = { start = 0.05, stop = 1.0, step = 0.05 }  # shares of the tokens that are kept
decode = [0, 100, 1000]                          # R: decoded tokens
"""
"""A complete file."""


def load_grid(path: str | os.PathLike[str]) -> Grid:
    """Return the grid that a TOML file states.

    Parameters
    ----------
    path
        A file with the lists ``models``, ``conventions`` and ``tokens``, and, where they are not
        the defaults of :func:`~omnizip_cost.sweep.grid.make_grid`, ``methods``, ``retained``,
        ``decode``, ``fastv_layer`` and ``chunk_rows``. Numbers are a list or a range: a table of
        ``start``, ``stop`` (inside, where a step meets it) and either ``step`` or ``count``, with
        ``spacing`` "linear" or "log". Paths of models and conventions may be relative to the file.

    Raises
    ------
    InputFileError
        No such file, not TOML, or a key is missing.
    UnknownNameError
        A key or a name that is not known, with near ones.
    InvalidValueError
        A value that is not allowed.

    Examples
    --------
    >>> from tempfile import NamedTemporaryFile
    >>> with NamedTemporaryFile("w", suffix=".toml") as file:
    ...     _ = file.write(EXAMPLE), file.flush()
    ...     load_grid(file.name).size
    98400
    """
    place = Path(path)
    values = read_toml(place, LARGEST_BYTES, "the TOML file of a grid", parse_float=Decimal)
    refuse_unknown(place, values, KEYS)
    require_keys(place, values, _REQUIRED, lambda _key: "see `sweep --example`")
    for key in ("models", "conventions", "methods"):
        if key in values:
            values[key] = _names(place, key, values[key])
    for key in ("tokens", "retained", "decode"):
        if key in values:
            values[key] = _numbers(place, key, values[key])
    for key in ("fastv_layer", "chunk_rows"):
        if key in values and type(values[key]) is not int:
            raise InvalidValueError(str(place), key, "a whole number", _plain(values[key]))
    return make_grid(**values)


def _names(place: Path, key: str, given: object) -> list[str]:
    """Return the list of names, paths made relative to the file's folder where they exist there."""
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise InvalidValueError(str(place), key, "a list of names", _plain(given))
    if key == "methods":
        return given
    known = bundled_names() if key == "models" else ()
    beside = {name: place.parent / name for name in given if name and name not in known}
    return [
        str(beside[name]) if name in beside and beside[name].is_file() else name for name in given
    ]


def _numbers(place: Path, key: str, given: object) -> NDArray[Any] | list[Any]:
    """Return a list as it stands, or the values of a range."""
    if isinstance(given, list):
        return [_plain(value) for value in given]
    if not isinstance(given, Mapping):
        expected = "a list of numbers, or a table of start, stop and step or count"
        raise InvalidValueError(str(place), key, expected, _plain(given))
    owner = f"{place}, {key}"
    refuse_unknown(owner, given, RANGE_KEYS)
    return _range(owner, key, given)


def _range(owner: str, key: str, given: Mapping[str, Any]) -> NDArray[Any] | list[Any]:
    whole = key != "retained"
    spacing = given.get("spacing", "linear")
    if spacing not in SPACINGS:
        raise InvalidValueError(owner, "spacing", "'linear' or 'log'", _plain(spacing))
    least = Decimal(0 if spacing == "linear" else 1 if whole else "1e-9")
    most = Decimal(LARGEST_COUNT - 1 if whole else 1)
    start = _limit(owner, "start", given, least, most, whole=whole)
    stop = _limit(owner, "stop", given, start, most, whole=whole)
    if ("step" in given) == ("count" in given):
        both = ", not both" if "step" in given else ""
        raise OptionsError(owner, f"step must be given, or count in its place{both}")
    if "count" in given:
        count = int(
            _limit(owner, "count", given, Decimal(1), Decimal(LONGEST_AXIS[key]), whole=True)
        )
        return _spaced(start, stop, count, spacing, whole=whole)
    if spacing == "log":
        raise OptionsError(owner, "step must be left out with spacing 'log'; give count")
    smallest = Decimal(1) if whole else Decimal("1e-9")
    step = _limit(owner, "step", given, smallest, most, whole=whole)
    count = int((stop - start) / step) + 1
    if count > LONGEST_AXIS[key]:
        raise InvalidValueError(
            owner,
            "step",
            f"so large that {LONGEST_AXIS[key]:,} values do",
            _plain(step),
            f"this makes {count:,}",
        )
    if whole:
        return int(start) + int(step) * np.arange(count, dtype=np.int64)
    return [float(start + place * step) for place in range(count)]


def _spaced(
    start: Decimal, stop: Decimal, count: int, spacing: str, *, whole: bool
) -> NDArray[Any] | list[Any]:
    """That many values from start to stop; whole ones are rounded, and those met twice left out."""
    if spacing == "log":
        values = np.geomspace(float(start), float(stop), count)
    elif whole:
        values = np.linspace(float(start), float(stop), count)
    else:
        each = (stop - start) / max(count - 1, 1)
        return [float(start + place * each) for place in range(count)]
    return np.unique(np.rint(values).astype(np.int64)) if whole else values.clip(0, 1)


def _limit(
    owner: str, name: str, given: Mapping[str, Any], least: Decimal, most: Decimal, *, whole: bool
) -> Decimal:
    value = given.get(name)
    sound = type(value) is int or (isinstance(value, Decimal) and not whole)
    if not sound or not least <= Decimal(value) <= most:  # type: ignore[arg-type]
        kind = "a whole number" if whole else "a number"
        bounds = f"from {least:,f} to {most:,f}"
        raise InvalidValueError(owner, name, f"{kind} {bounds}", _plain(value))
    return Decimal(value)  # type: ignore[arg-type]


def _plain(value: Any) -> Any:
    """Decimals as the floats that were written, for messages: of a list its first values."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, list):
        return [_plain(item) for item in value[:_SHOWN]]
    return value
