"""The base of every row this package hands out: flat, frozen, readable by field or by key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any


class FlatRow:
    """Mixin for frozen dataclasses: ``row.flops``, ``row["flops"]`` and ``dict(row)`` all work."""

    __slots__ = ()

    def keys(self) -> Iterator[str]:
        """Names of the columns, in order."""
        return (item.name for item in fields(self))  # type: ignore[arg-type]

    def __getitem__(self, name: str) -> Any:
        if name not in self.__dataclass_fields__:  # type: ignore[attr-defined]
            raise KeyError(name)
        return getattr(self, name)
