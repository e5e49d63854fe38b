"""Finding a device by name, or reading one from a small TOML file of the user's own."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from omnizip_cost.errors import InputFileError, OmnizipCostError, UnknownNameError
from omnizip_cost.hardware.device import DTYPES, Device
from omnizip_cost.units import GIBI, GIGA, TERA

_DATA = Path(__file__).with_name("data") / "devices.toml"

_TEXTS = ("title", "architecture", "source")
_NUMBERS = ("bandwidth_gb_per_s", "memory_gib")
_KEYS = (*_TEXTS, "peak_tflop_per_s", *_NUMBERS, "notes")
_OPTIONAL = ("notes",)


@cache
def bundled_devices() -> Mapping[str, Device]:
    """Devices that are known by name, in the order of the data file."""
    tables = _read(_DATA)
    return MappingProxyType({name: _device(_DATA, name, table) for name, table in tables.items()})


def load_device(name_or_path: str | Path) -> Device:
    """Return a bundled device, or the one that a TOML file describes.

    Parameters
    ----------
    name_or_path
        A name of :func:`bundled_devices`, or the path of a ``.toml`` file with the keys ``name``,
        ``title``, ``architecture``, ``source``, ``bandwidth_gb_per_s`` (10^9 bytes/s),
        ``memory_gib`` (2^30 bytes), the table ``peak_tflop_per_s`` (dense, 10^12 FLOP/s per
        dtype), and ``notes``, which may be left out.

    Raises
    ------
    UnknownNameError
        Neither a known name nor a TOML file.
    InputFileError
        A file that cannot be read, lacks a key, or has one that is not known.

    Examples
    --------
    >>> load_device("rtx-a6000").peak("bf16") // 10**11 / 10
    154.8
    """
    if str(name_or_path) in bundled_devices():
        return bundled_devices()[str(name_or_path)]
    if not str(name_or_path).lower().endswith(".toml"):
        raise UnknownNameError("device", str(name_or_path), bundled_devices())
    path = Path(name_or_path)
    table = _read(path)
    name = table.pop("name", None)
    if not isinstance(name, str) or not name.strip():
        raise InputFileError(path, "lacks the key name, a text", "it names the device in tables")
    if name in bundled_devices():
        raise InputFileError(path, f"name {name!r} is a bundled device's", "choose another")
    return _device(path, name, table)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except FileNotFoundError:
        raise InputFileError(path, "there is no such file") from None
    except OSError as error:
        raise InputFileError(path, f"cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise InputFileError(path, "is not text in UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise InputFileError(path, f"is not valid TOML ({error})") from None


def _device(path: Path, name: str, table: object) -> Device:
    """Check one table key by key and convert its units."""
    if not isinstance(table, dict):
        raise InputFileError(path, f"{name!r} must be a table of a device")
    _refuse_unknown(path, "key", table, _KEYS)
    for key in _KEYS:
        if key not in table and key not in _OPTIONAL:
            raise InputFileError(path, f"device {name!r} lacks the key {key}", "nothing is guessed")
    for key in _TEXTS:
        if not isinstance(table[key], str) or not table[key].strip():
            raise InputFileError(path, f"{key} must be a text, got {table[key]!r}")
    peaks = table["peak_tflop_per_s"]
    if not isinstance(peaks, dict) or not peaks:
        raise InputFileError(path, "peak_tflop_per_s must be a table of dtype = 10^12 FLOP/s")
    _refuse_unknown(path, "dtype", peaks, DTYPES)
    notes = table.get("notes", [])
    if not isinstance(notes, list) or not all(isinstance(note, str) for note in notes):
        raise InputFileError(path, f"notes must be a list of texts, got {notes!r}")
    try:
        return Device(
            name=name,
            title=table["title"],
            architecture=table["architecture"],
            peak_flop_per_s=MappingProxyType(
                {dtype: _scaled(path, dtype, peaks[dtype], TERA) for dtype in peaks}
            ),
            bandwidth_bytes_per_s=_scaled(
                path, "bandwidth_gb_per_s", table["bandwidth_gb_per_s"], GIGA
            ),
            memory_bytes=_scaled(path, "memory_gib", table["memory_gib"], GIBI),
            source=table["source"],
            notes=tuple(notes),
        )
    except InputFileError:
        raise
    except OmnizipCostError as error:
        raise InputFileError(path, str(error)) from None


def _refuse_unknown(
    path: Path, kind: str, table: Mapping[str, Any], known: tuple[str, ...]
) -> None:
    for key in table:
        if key not in known:
            near = get_close_matches(key.lower(), known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
            raise InputFileError(path, f"unknown {kind} {key!r}", hint)


def _scaled(path: Path, key: str, value: object, factor: int) -> int:
    """Turn a number of giga or tera units into a whole number of units, exactly."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    amount = Decimal(value) if whole or isinstance(value, Decimal) else None  # type: ignore[arg-type]
    if amount is None or not amount.is_finite() or not 0 < amount < GIGA:
        raise InputFileError(path, f"{key} must be a number above zero, got {value!r}")
    return int(amount * factor)
