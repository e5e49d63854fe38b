"""A calibration on disk: one TOML file that a person can read, and that is read strictly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from math import isfinite
from pathlib import Path
from types import MappingProxyType
from typing import Any

from omnizip_cost.errors import InputFileError, OmnizipCostError, shown
from omnizip_cost.latency.calibration import PARAMETERS, Calibration, Estimate, Fit
from omnizip_cost.text_file import read_toml, refuse_unknown, require_keys, toml_text
from omnizip_cost.units import MEBI

LARGEST_BYTES = MEBI
"""A record is some hundred lines; anything larger is another file."""

FORMAT = 1
"""Version of the file's layout."""

_COUNTS = ("rows_used", "rows_held_out")
_SHARES = ("median_error_used", "worst_error_used", "median_error_held_out", "worst_error_held_out")
_LISTS = ("models", "environments", "cells_used", "cells_held_out")
_TABLES = ("versions", "correlations", "errors_not_fitted")
_ABSENT = ("median_error_held_out", "worst_error_held_out")
"""Left out of the file where nothing was held out."""

_FIT_KEYS = tuple(item.name for item in fields(Fit) if item.name != "estimates")
_VALUES = tuple(item.name for item in fields(Calibration) if item.name != "fit")
_ESTIMATE_KEYS = ("standard_error", "held")


def calibration_text(calibration: Calibration) -> str:
    """Return the TOML text of a calibration.

    >>> print(calibration_text(Calibration(gemm=0.9)), end="")
    format = 1
    <BLANKLINE>
    [values]
    gemm = 0.9
    attention = 1.0
    memory = 1.0
    """
    table: dict[str, Any] = {"format": FORMAT, "values": calibration.values()}
    if calibration.fit is not None:
        found = calibration.fit
        table["fit"] = {name: getattr(found, name) for name in _FIT_KEYS}
        table["estimates"] = {
            one.name: {
                "value": one.value,
                "standard_error": one.standard_error,
                "held": one.held or None,
            }
            for one in found.estimates
        }
    return toml_text(table)


def write_calibration(calibration: Calibration, path: str | Path) -> Path:
    """Write a calibration so that a reader sees the old file or the new one, never a part.

    Raises
    ------
    InputFileError
        A name that does not end in ``.toml``, or a folder that cannot be written to.
    """
    from omnizip_cost.results.tables import atomic_write_bytes

    path = Path(path)
    if path.suffix.lower() != ".toml":
        raise InputFileError(path, "a calibration is a TOML file", "give a name ending in .toml")
    atomic_write_bytes(path, calibration_text(calibration).encode())
    return path


def read_calibration(path: str | Path) -> Calibration:
    """Read a calibration that :func:`write_calibration` wrote, or one written by hand.

    Raises
    ------
    InputFileError
        A file that cannot be read, lacks a key, or has a value that is not allowed.
    UnknownNameError
        A key that is not known.
    """
    path = Path(path)
    table = read_toml(path, LARGEST_BYTES, "the TOML file that `calibrate --out` writes")
    refuse_unknown(path, table, ("format", "values", "fit", "estimates"))
    require_keys(path, table, ("format", "values"), lambda _key: "give a file of `calibrate --out`")
    if table["format"] != FORMAT:
        raise InputFileError(path, f"format must be {FORMAT}, got {shown(table['format'])}")
    values = _table(path, table, "values")
    refuse_unknown(f"values in {path}", values, _VALUES)
    for name, value in values.items():
        _number(path, f"values.{name}", value)
    if ("fit" in table) != ("estimates" in table):
        raise InputFileError(path, "fit and estimates must both be given, or neither")
    try:
        found = _fit(path, table) if "fit" in table else None
        return Calibration(**values, fit=found)
    except InputFileError:
        raise
    except OmnizipCostError as error:
        raise InputFileError(path, str(error)) from None


def _fit(path: Path, table: Mapping[str, Any]) -> Fit:
    kept = _table(path, table, "fit")
    refuse_unknown(f"fit in {path}", kept, _FIT_KEYS)
    required = (name for name in _FIT_KEYS if name not in _ABSENT)
    require_keys(path, kept, required, lambda _key: "a record says where it comes from")
    ready: dict[str, Any] = dict.fromkeys(_ABSENT) | kept
    for name in _FIT_KEYS:
        value = ready[name]
        if name in _COUNTS:
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise InputFileError(path, f"fit.{name} must be a whole number, got {shown(value)}")
        elif name in _SHARES:
            if value is not None:
                ready[name] = _number(path, f"fit.{name}", value)
        elif name in _LISTS:
            if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
                raise InputFileError(path, f"fit.{name} must be a list of texts")
            ready[name] = tuple(value)
        elif name in _TABLES:
            ready[name] = MappingProxyType(_inner(path, name, value))
        elif not isinstance(value, str):
            raise InputFileError(path, f"fit.{name} must be a text, got {shown(value)}")
    return Fit(**ready, estimates=_estimates(path, _table(path, table, "estimates")))


def _inner(path: Path, name: str, value: object) -> dict[str, Any]:
    """Texts of ``versions``, numbers of the others."""
    if not isinstance(value, dict):
        raise InputFileError(path, f"fit.{name} must be a table")
    if name != "versions":
        return {key: _number(path, f"fit.{name}.{key}", one) for key, one in value.items()}
    for key, one in value.items():
        if not isinstance(one, str):
            raise InputFileError(path, f"fit.{name}.{key} must be a text, got {shown(one)}")
    return value


def _estimates(path: Path, table: Mapping[str, Any]) -> tuple[Estimate, ...]:
    refuse_unknown(f"estimates in {path}", table, PARAMETERS)
    require_keys(path, table, PARAMETERS, lambda _key: "every parameter is fitted or held")
    found = []
    for name in PARAMETERS:
        one = _table(path, table, name)
        refuse_unknown(f"estimates.{name} in {path}", one, ("value", *_ESTIMATE_KEYS))
        require_keys(path, one, ("value",), lambda _key: "of each of its estimates")
        error = one.get("standard_error")
        held = one.get("held", "")
        if not isinstance(held, str):
            raise InputFileError(path, f"estimates.{name}.held must be a text, got {shown(held)}")
        found.append(
            Estimate(
                name=name,
                value=_number(path, f"estimates.{name}.value", one["value"]),
                standard_error=None
                if error is None
                else _number(path, f"estimates.{name}.standard_error", error),
                held=held,
            )
        )
    return tuple(found)


def _table(path: Path, table: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = table[key]
    if not isinstance(value, dict):
        raise InputFileError(path, f"{key} must be a table, got {shown(value)}")
    return value


def _number(path: Path, key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise InputFileError(path, f"{key} must be a number, got {shown(value)}")
    return float(value)
