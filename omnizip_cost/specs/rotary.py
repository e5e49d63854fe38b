"""Rotary settings of a decoder, from its config section: they change operators, never FLOPs.

Keys as transformers 5.17 and 5.23 read them: ``rope_parameters``, or ``rope_scaling`` in older
files, with ``rope_type`` (once ``type``), ``partial_rotary_factor`` and ``mrope_section``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.specs.section import Section
from omnizip_cost.specs.spec import RotarySpec

_AXES = 3
"""Time, height and width."""


def read_rotary(text: Section, *, sections: tuple[int, int, int] | None = None) -> RotarySpec:
    """Return the rotary settings of a decoder.

    Parameters
    ----------
    text : Section
        The decoder's section, or a decoder's whole config.
    sections : tuple of int, optional
        What the family's class takes where ``mrope_section`` is absent; None: the family writes
        no axis between the places of another, and the key is not read.

    Raises
    ------
    InvalidValueError
        A setting of the wrong type, or an impossible one.
    """
    key = "rope_parameters" if text.values.get("rope_parameters") else "rope_scaling"
    settings = text.values.get(key) or {}
    if not isinstance(settings, Mapping):
        raise InvalidValueError(text.place, key, "a JSON object or null", settings)
    kind = settings.get("rope_type", settings.get("type")) or "default"
    if not isinstance(kind, str):
        raise InvalidValueError(text.place, f"{key}.rope_type", "a name", kind)
    found = RotarySpec(kind=kind, part=_part(text, settings))
    if sections is None:
        return found
    return replace(found, sections=_sections(text, key, settings) or sections)


def _part(text: Section, settings: Mapping[str, Any]) -> float:
    name = "partial_rotary_factor"
    part = settings.get(name) or text.values.get(name) or 1
    if isinstance(part, bool) or not isinstance(part, int | float) or not 0 < part <= 1:
        raise InvalidValueError(text.place, name, "a number above 0 and at most 1", part)
    return float(part)


def _sections(text: Section, key: str, settings: Mapping[str, Any]) -> tuple[int, int, int] | None:
    given = settings.get("mrope_section") or ()
    whole = isinstance(given, list | tuple) and all(
        isinstance(size, int) and not isinstance(size, bool) and size >= 0 for size in given
    )
    if not whole or len(given) not in (0, _AXES):
        raise InvalidValueError(
            text.place, f"{key}.mrope_section", "three whole numbers of at least 0", given
        )
    return (given[0], given[1], given[2]) if given else None
