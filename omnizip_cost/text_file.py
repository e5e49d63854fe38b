"""Text and TOML files that a user hands in: one way to read them, one list of what goes amiss."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from omnizip_cost.errors import InputFileError, UnknownNameError
from omnizip_cost.units import binary_bytes


def read_text(path: Path, most_bytes: int, what: str) -> str:
    """Return the text of a file, without the mark that some editors put before it.

    Parameters
    ----------
    path
        A file, or anything that reads like one and ends.
    most_bytes
        What a sensible file stays below; no more than this is read.
    what
        What the file should be, for messages: "the TOML file of a device".

    Raises
    ------
    InputFileError
        No such file, one that cannot be read or is too large, or not text in UTF-8.
    """
    try:
        with path.open("rb") as file:
            content = file.read(most_bytes + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputFileError(path, "no such file", "check the path") from error
    except OSError as error:
        raise InputFileError(path, f"cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise InputFileError(path, f"cannot be read ({error})") from error
    if len(content) > most_bytes:
        raise InputFileError(path, f"is larger than {binary_bytes(most_bytes)}", f"give {what}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputFileError(path, "is not text in UTF-8", f"give {what}") from error


def read_toml(
    path: Path, most_bytes: int, what: str, parse_float: Callable[[str], Any] = float
) -> dict[str, Any]:
    """Return the top table of a TOML file.

    Parameters
    ----------
    path, most_bytes, what
        As in :func:`read_text`.
    parse_float
        Makes a number with a point; ``Decimal`` keeps it as it is written.

    Raises
    ------
    InputFileError
        As in :func:`read_text`, or not TOML.
    """
    text = read_text(path, most_bytes, what)
    try:
        table = tomllib.loads(text, parse_float=parse_float)
    except RecursionError as error:
        raise InputFileError(path, "is not valid TOML (too deeply nested)") from error
    except (ValueError, ArithmeticError) as error:
        problem = " ".join(str(error).split())
        raise InputFileError(path, f"is not valid TOML ({problem})") from error
    if _holds_longer_numbers(table):
        raise InputFileError(path, "is not valid TOML (a whole number beyond 64 bits)")
    return table


def toml_text(table: Mapping[str, Any]) -> str:
    """Write texts, numbers, lists of them and tables as TOML, in their order; None is left out.

    Plain values come first and tables after them, since TOML gives what follows a table's head to
    that table. :func:`read_toml` gives back what was written.

    >>> print(toml_text({"name": "x", "peaks": {"bf16": 1.5}, "notes": ["a", "b"]}), end="")
    name = "x"
    notes = ["a", "b"]
    <BLANKLINE>
    [peaks]
    bf16 = 1.5
    """
    return "".join(_toml_lines(table, ()))


def _toml_lines(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    inner = {key: value for key, value in table.items() if isinstance(value, Mapping)}
    if path:
        yield f"\n[{'.'.join(map(_toml_key, path))}]\n"
    for key, value in table.items():
        if key not in inner and value is not None:
            yield f"{_toml_key(key)} = {_toml_value(value)}\n"
    for key, value in inner.items():
        yield from _toml_lines(value, (*path, key))


def _toml_key(key: str) -> str:
    plain = key.isascii() and key.replace("_", "a").replace("-", "a").isalnum()
    return key if plain else _toml_value(key)


def _toml_value(value: Any) -> str:
    """A JSON text is a TOML text but for one character; numbers and lists are alike."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml_value, value))}]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False).replace("\x7f", "\\u007f")


def _holds_longer_numbers(table: dict[str, Any]) -> bool:
    """Whether a whole number anywhere in ``table`` is outside what TOML promises to hold."""
    waiting: list[Any] = [table]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            return True
    return False


def refuse_unknown(
    owner: str | Path, keys: Iterable[str], known: Iterable[str], kind: str = "key"
) -> None:
    """Refuse the first of ``keys`` that is not ``known``, with near ones.

    Raises
    ------
    UnknownNameError
    """
    allowed = tuple(known)
    for key in keys:
        if key not in allowed:
            raise UnknownNameError(f"{kind} of {owner}", key, allowed)


def require_keys(
    path: Path, table: Mapping[str, Any], required: Iterable[str], hint: Callable[[str], str]
) -> None:
    """Name every key that the table of ``path`` lacks; ``hint`` says what the first must be.

    Raises
    ------
    InputFileError
    """
    missing = [key for key in required if key not in table]
    if missing:
        raise InputFileError(path, f"lacks {', '.join(missing)}", hint(missing[0]))
