"""Options that several commands share, stated once: a dataclass whose fields are Typer options.

A command takes such a dataclass as one parameter; on the command line its fields are options of
their own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from typing import Any, get_type_hints

Command = Callable[..., None]


def with_options(command: Command) -> Command:
    """Spread every parameter annotated with an options dataclass into that class's fields."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    spread = []
    for name, parameter in inspect.signature(command).parameters.items():
        if name in groups:
            spread += _parameters(groups[name])
        else:
            kind = inspect.Parameter.KEYWORD_ONLY
            spread.append(parameter.replace(kind=kind, annotation=hints[name]))

    @wraps(command)
    def spread_out(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{item.name: given.pop(item.name) for item in fields(group)})
        command(**given)

    spread_out.__signature__ = inspect.Signature(spread)  # type: ignore[attr-defined]
    spread_out.__annotations__ = {item.name: item.annotation for item in spread}
    return spread_out


def _parameters(group: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            item.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if item.default is MISSING else item.default,
            annotation=hints[item.name],
        )
        for item in fields(group)
    ]
