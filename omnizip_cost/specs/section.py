"""Strict reading of one section of a ``config.json``: every refusal is one sentence.

A section knows the file it came from and its place in it, so that each error can say which file,
which section, which field, what it must be and what came.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omnizip_cost.errors import InputFileError, InvalidValueError

_ABSENT = object()


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One JSON object of a config, with its place and the values that may be left out.

    Parameters
    ----------
    path
        The file, as the user named it.
    label
        Dotted place in the file, such as ``thinker_config.text_config``; empty at the top.
    values
        The JSON object.
    fallbacks
        Values of keys that may be absent; a key that is not here is required.
    """

    path: str
    label: str
    values: Mapping[str, Any]
    fallbacks: Mapping[str, Any]

    @property
    def place(self) -> str:
        """File and section, as errors name them."""
        return f"{self.path}, {self.label}" if self.label else self.path

    def child(self, key: str, fallbacks: Mapping[str, Any]) -> Section:
        """Return the section under ``key``, which must be a JSON object."""
        values = self._value(key, (), "a JSON object")
        if not isinstance(values, dict):
            raise InvalidValueError(
                self.place, key, "a JSON object", type(values).__name__, "see the published config"
            )
        label = f"{self.label}.{key}" if self.label else key
        return Section(path=self.path, label=label, values=values, fallbacks=fallbacks)

    def size(self, key: str, *aliases: str) -> int:
        """Return a positive whole number, under ``key`` or another spelling of it."""
        value = self._value(key, aliases, "a positive whole number")
        if not _is_whole(value) or value <= 0:
            raise InvalidValueError(self.place, key, "a positive whole number", value)
        return int(value)

    def count(self, key: str) -> int:
        """Return a whole number of at least 0."""
        value = self._value(key, (), "a whole number of at least 0")
        if not _is_whole(value) or value < 0:
            raise InvalidValueError(self.place, key, "a whole number of at least 0", value)
        return int(value)

    def optional_size(self, key: str) -> int | None:
        """Return a positive whole number, or None where the file says null."""
        value = self._value(key, (), "a positive whole number or null")
        return None if value is None else self.size(key)

    def names(self, key: str) -> tuple[str, ...] | None:
        """Return a list of names, or None where the file says null."""
        value = self._value(key, (), "a list of names or null")
        if value is None:
            return None
        if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
            raise InvalidValueError(self.place, key, "a list of names or null", value)
        return tuple(value)

    def layer_names(self, key: str, layers: int) -> tuple[str, ...] | None:
        """Return one name per layer, or None where the file says null."""
        names = self.names(key)
        if names is not None and len(names) != layers:
            raise InvalidValueError(
                self.place, key, f"{layers} names, one per layer", f"{len(names)} names"
            )
        return names

    def says_null(self, key: str) -> bool:
        """Whether the file, or the fallback of an absent key, is null: "derive it"."""
        return self.values.get(key, self.fallbacks.get(key, _ABSENT)) is None

    def token_id(self, key: str, *aliases: str) -> int:
        """Return a token id, under ``key`` or another spelling of it."""
        value = self._value(key, aliases, "a token id")
        if not _is_whole(value) or value < 0:
            raise InvalidValueError(self.place, key, "a token id of at least 0", value)
        return int(value)

    def flag(self, key: str) -> bool:
        """Return true or false."""
        value = self._value(key, (), "true or false")
        if not isinstance(value, bool):
            raise InvalidValueError(self.place, key, "true or false", value)
        return value

    def layer_numbers(self, key: str) -> tuple[int, ...]:
        """Return a list of layer numbers as it stands, each at least 0."""
        value = self._value(key, (), "a list of layer numbers")
        if not isinstance(value, list | tuple) or not all(_is_whole(i) and i >= 0 for i in value):
            raise InvalidValueError(self.place, key, "a list of layer numbers from 0", value)
        return tuple(value)

    def divides(self, key: str, divisor: int, whole: int, meaning: str) -> None:
        """Refuse a ``divisor`` (the value of ``key``) that does not divide ``whole``."""
        if whole % divisor:
            raise InvalidValueError(self.place, key, f"a divisor of the {meaning}", divisor)

    def _value(self, key: str, aliases: tuple[str, ...], expected: str) -> Any:
        given = {name: self.values[name] for name in (key, *aliases) if name in self.values}
        if len(given) > 1 and len({repr(value) for value in given.values()}) > 1:
            spelled = " and ".join(f"{name} = {value!r}" for name, value in given.items())
            raise InvalidValueError(
                self.place, key, "given once", spelled, "both spellings name one field: keep one"
            )
        value = next(iter(given.values()), self.fallbacks.get(key, _ABSENT))
        if value is _ABSENT:
            where = f"its {self.label} section lacks" if self.label else "it lacks"
            raise InputFileError(
                self.path, f"{where} {key}", f"add it as {expected}: nothing is guessed"
            )
        return value
