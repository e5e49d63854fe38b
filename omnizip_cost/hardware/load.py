"""Finding a device by name, or reading one from a small TOML file of the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from omnizip_cost.errors import (
    InputFileError,
    InvalidValueError,
    OmnizipCostError,
    UnknownNameError,
    shown,
)
from omnizip_cost.hardware.device import CPU, DTYPES, Device
from omnizip_cost.text_file import read_toml, refuse_unknown, require_keys, toml_text
from omnizip_cost.units import GIBI, GIGA, KIBI, TERA

_DATA = Path(__file__).with_name("data") / "devices.toml"

EXAMPLE = """\
name = "my-card"
title = "My card 24GB"
architecture = "Ampere"
source = "vendor's data sheet, page 3; memory: as the driver reports it"
bandwidth_gb_per_s = 768            # 10^9 bytes per second
memory_gib = 24                     # 2^30 bytes
reported_gib = 23.68                # as CUDA reports it; may be left out, with its source
reported_source = "torch.cuda.get_device_properties(0).total_memory"
notes = ["peaks at the boost clock"]  # may be left out

[peak_tflop_per_s]                  # 10^12 FLOP/s, dense: without sparsity
fp32 = 27.8
bf16 = 111.1                        # products summed in fp32
fp16 = 111.1
"""
"""A complete file: the form, with figures of a card that nobody sells."""

MEASURE = "run `omnizip-cost devices cpu --measure --out cpu.toml` and give that file"
"""A CPU is never looked up: its speed depends on cores, threads and libraries. Nothing is cached
either, so that no figure of another day or machine slips in: the file says when it was made."""

LARGEST_BYTES = 64 * KIBI
"""A device is a dozen lines, all bundled ones a few hundred; anything larger is another file."""

_TEXTS = ("title", "architecture", "source")
_NUMBERS = ("bandwidth_gb_per_s", "memory_gib")
_OPTIONAL = ("reported_gib", "reported_source", "notes")
_KEYS = (*_TEXTS, "peak_tflop_per_s", *_NUMBERS, *_OPTIONAL)


@cache
def bundled_devices() -> Mapping[str, Device]:
    """Devices that are known by name, in the order of the data file."""
    tables = _tables(_DATA)
    return MappingProxyType({name: _device(_DATA, name, table) for name, table in tables.items()})


def load_device(name_or_path: str | Path) -> Device:
    """Return a bundled device, or the one that a TOML file describes.

    Parameters
    ----------
    name_or_path
        A name of :func:`bundled_devices`, or the path of a ``.toml`` file with the keys ``name``,
        ``title``, ``architecture``, ``source``, ``bandwidth_gb_per_s`` (10^9 bytes/s),
        ``memory_gib`` (2^30 bytes), the table ``peak_tflop_per_s`` (dense, 10^12 FLOP/s per
        dtype); ``reported_gib`` (memory as CUDA reports it) with ``reported_source``, and
        ``notes``, may be left out.

    Raises
    ------
    UnknownNameError
        Neither a known name nor a TOML file, or a key or dtype that is not known.
    InputFileError
        A file that cannot be read, lacks a key, or has a value that is not allowed.
    InvalidValueError
        ``cpu``, which is measured on the spot.

    Examples
    --------
    >>> load_device("rtx-a6000").peak("bf16") // 10**11 / 10
    154.8
    """
    if str(name_or_path) in bundled_devices():
        return bundled_devices()[str(name_or_path)]
    if str(name_or_path).lower() == CPU.lower():
        raise InvalidValueError(
            "device",
            "name",
            "the TOML file of a CPU that was measured on the spot",
            str(name_or_path),
            MEASURE,
        )
    if not str(name_or_path).lower().endswith(".toml"):
        raise UnknownNameError("device", str(name_or_path), bundled_devices())
    path = Path(name_or_path)
    table = _tables(path)
    refuse_unknown(path, table, ("name", *_KEYS))
    require_keys(path, table, ("name",), lambda _key: "it names the device in tables")
    name = table.pop("name")
    if not isinstance(name, str) or not name.strip():
        raise InputFileError(path, f"name must be a text, got {shown(name)}")
    if name in bundled_devices():
        raise InputFileError(path, f"name {name!r} is a bundled device's", "choose another")
    return _device(path, name, table)


def device_text(device: Device) -> str:
    """Return a device as the TOML file that :func:`load_device` reads."""
    reported = device.reported_bytes
    return toml_text(
        {
            "name": device.name,
            "title": device.title,
            "architecture": device.architecture,
            "source": device.source,
            "bandwidth_gb_per_s": device.bandwidth_bytes_per_s / GIGA,
            "memory_gib": device.memory_bytes / GIBI,
            "reported_gib": None if reported is None else reported / GIBI,
            "reported_source": device.reported_source or None,
            "notes": device.notes,
            "peak_tflop_per_s": {
                dtype: peak / TERA for dtype, peak in device.peak_flop_per_s.items()
            },
        }
    )


def _tables(path: Path) -> dict[str, Any]:
    return read_toml(path, LARGEST_BYTES, "the TOML file of a device", parse_float=Decimal)


def _device(path: Path, name: str, table: object) -> Device:
    """Check one table key by key and convert its units."""
    if not isinstance(table, dict):
        raise InputFileError(path, f"{name!r} must be a table of a device")
    refuse_unknown(path, table, _KEYS)
    required = (key for key in _KEYS if key not in _OPTIONAL)
    require_keys(path, table, required, lambda _key: "nothing is guessed")
    for key in _TEXTS:
        if not isinstance(table[key], str) or not table[key].strip():
            raise InputFileError(path, f"{key} must be a text, got {shown(table[key])}")
    peaks = table["peak_tflop_per_s"]
    if not isinstance(peaks, dict) or not peaks:
        raise InputFileError(path, "peak_tflop_per_s must be a table of dtype = 10^12 FLOP/s")
    refuse_unknown(path, peaks, DTYPES, "dtype")
    notes = table.get("notes", [])
    if not isinstance(notes, list) or not all(isinstance(note, str) for note in notes):
        raise InputFileError(path, f"notes must be a list of texts, got {shown(notes)}")
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
            reported_bytes=_reported(path, table),
            reported_source=_text(path, "reported_source", table.get("reported_source", "")),
        )
    except InputFileError:
        raise
    except OmnizipCostError as error:
        raise InputFileError(path, str(error)) from None


def _reported(path: Path, table: dict[str, Any]) -> int | None:
    if "reported_gib" not in table:
        return None
    return _scaled(path, "reported_gib", table["reported_gib"], GIBI)


def _text(path: Path, key: str, value: object) -> str:
    if not isinstance(value, str):
        raise InputFileError(path, f"{key} must be a text, got {shown(value)}")
    return value


def _scaled(path: Path, key: str, value: object, factor: int) -> int:
    """Turn a number of giga or tera units into a whole number of units, exactly."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    amount = Decimal(value) if whole or isinstance(value, Decimal) else None  # type: ignore[arg-type]
    if amount is None or not amount.is_finite() or not 0 < amount < GIGA:
        raise InputFileError(path, f"{key} must be a number above zero, got {shown(value)}")
    return int(amount * factor)
