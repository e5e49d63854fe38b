"""Reading claims from a CSV file, strictly: each refusal names the line and the column."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from omnizip_cost.audit.claim import Claim
from omnizip_cost.audit.printed import Printed
from omnizip_cost.compression import parse_layer_tokens
from omnizip_cost.errors import InputFileError, OmnizipCostError, near, shown
from omnizip_cost.hardware import DTYPES, plain_dtype
from omnizip_cost.text_file import read_text
from omnizip_cost.units import MEBI

_DATA = Path(__file__).with_name("data")

BUNDLED = (
    "omnizip_efficiency",
    "omnizip_prefill_by_benchmark",
    "omnizip_flops",
    "neighbours_efficiency",
    "neighbours_flops",
    "dynamic_llava_flops",
)
"""Published tables that come with the package, in the order in which they are audited."""

EXAMPLE = """\
source,model,device,method,retained,tokens,decode_steps,prefill_ms,end_to_end_s,memory_GB,flops_T
made-up,qwen2.5-omni-7b,l40s,full,1,4000,100,255,2.60,21,24.8
made-up,qwen2.5-omni-7b,l40s,omnizip,0.45,4000,100,116,2.45,20,10.6
made-up,qwen2.5-omni-7b,l40s,omnizip,0.35,4000,100,40,2.43,20,8.28
"""
"""A complete file: the form, with numbers that nobody published; one prefill is impossible."""

LARGEST_BYTES = 16 * MEBI
"""A published table has tens of rows, a generated one maybe tens of thousands."""

_MOST = 10**8
"""Largest number of tokens, steps, cards or frames that is read."""
_WHOLE = f"a whole number from 1 to {_MOST:,}"


def _text(text: str) -> str:
    return text


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= _MOST:
        raise ValueError(text)
    return int(text)


def _steps(text: str) -> int:
    return 0 if text == "0" else _count(text)


def _ratio(text: str) -> float:
    value = Printed.of(text).value
    if value > 1:
        raise ValueError(text)
    return float(value)


def _layers(text: str) -> str:
    parse_layer_tokens(text)
    return text


def _timed(text: str) -> str:
    if text not in {"prefill", "total"}:
        raise ValueError(text)
    return text


_Reader = Callable[[str], Any]
_POSITIVE = "a number above zero, or empty, or oom"

COLUMNS: Mapping[str, tuple[_Reader, str, str]] = {
    "model": (_text, "a model", "bundled name, config.json, or a name ending in unknown; required"),
    "source": (_text, "a text", "who claims it; rows of one source are searched together"),
    "device": (_text, "a device", "name of `devices`, or unknown"),
    "device_from": (_text, "a text", "why this device is assumed, where the source is silent"),
    "gpus": (_count, _WHOLE, "cards that worked at once [1]"),
    "method": (_text, "a method", "full, or what compressed it [full]"),
    "retained": (_ratio, "a ratio above 0, at most 1", "share of audio+video tokens kept"),
    "benchmark": (_text, "a text", "rows of one benchmark are divided by each other"),
    "tokens": (_count, _WHOLE, "n before compression"),
    "tokens_from": (_text, "a text", "why this n is assumed, where the source is silent"),
    "layer_tokens": (_layers, "layers x tokens, like 18x2500+10x1250", "tokens of every layer"),
    "decode_steps": (_steps, f"a whole number from 0 to {_MOST:,}", "R, steps after the prefill"),
    "dtype": (
        plain_dtype,
        f"one of {', '.join(DTYPES)}",
        "of the weights: bf16, fp16, fp32, fp8, int8",
    ),
    "frames": (_count, _WHOLE, "video frames, where FLOPs may hold the encoder"),
    "frame_pixels": (_count, _WHOLE, "pixels of each of them"),
    "timed": (_timed, "prefill or total", "what prefill_ms times [prefill]"),
    "note": (_text, "a text", "shown with the row"),
    "prefill_ms": (Printed.of, _POSITIVE, "time of the prefill, ms"),
    "end_to_end_s": (Printed.of, _POSITIVE, "time of one item, s"),
    "memory_GB": (Printed.of, _POSITIVE, "peak memory; oom: it did not fit"),
    "flops_T": (Printed.of, _POSITIVE, "printed FLOPs, 10^12"),
    "flops_ratio_pct": (Printed.of, _POSITIVE, "printed FLOPs in percent of the full run's"),
    "speedup": (Printed.of, _POSITIVE, "printed speed-up of the prefill"),
    "end_to_end_speedup": (Printed.of, _POSITIVE, "printed speed-up of the whole item"),
}
"""Column -> how it is read, what a cell must be, what it says."""

ALIASES = {
    "prefill_speedup": "speedup",
    "latency_speedup": "end_to_end_speedup",
    "latency_per_example_s": "end_to_end_s",
}
"""Other headings for the same column, as the published tables have them."""

IGNORED = ("accuracy", "what_is_timed", "setting", "reproduced_by")
"""Columns that are let through without being read."""

OUT_OF_MEMORY = "oom"
"""What a cell says of a run that did not fit; under memory_GB it is a claim of its own."""

_ABSENT = ("", "-", OUT_OF_MEMORY)


def read_claims(path: str | Path) -> list[Claim]:
    """Read the rows of a CSV file; only ``model`` is required.

    Raises
    ------
    InputFileError
        A file that cannot be read, an unknown or repeated column, no row, or a cell that is not
        what its column must hold, with its line.
    """
    path = Path(path)
    content = read_text(path, LARGEST_BYTES, "a CSV table of claims")
    rows = csv.reader(io.StringIO(content, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(rows, [])]
        columns = _columns(path, header)
        claims = [
            _claim(path, rows.line_num, columns, cells)
            for cells in rows
            if any(cell.strip() for cell in cells)
        ]
    except csv.Error as error:
        raise InputFileError(path, f"line {rows.line_num} is not CSV ({error})") from None
    if not claims:
        raise InputFileError(path, "there is no row under its header")
    return claims


def bundled_claims() -> list[Claim]:
    """Return the published rows that come with the package."""
    return [claim for name in BUNDLED for claim in read_claims(_DATA / f"{name}.csv")]


def _columns(path: Path, header: list[str]) -> list[str]:
    spelled = {name.lower(): name for name in (*COLUMNS, *IGNORED)}
    columns = [ALIASES.get(name.lower(), spelled.get(name.lower(), name)) for name in header]
    for heading, name in zip(header, columns, strict=True):
        if name not in COLUMNS and name not in IGNORED and len(header) == 1 and ";" in name:
            raise InputFileError(path, "line 1: columns must be separated by commas, not ;")
        if name not in COLUMNS and name not in IGNORED:
            meant = " or ".join(near(heading, (*COLUMNS, *ALIASES)))
            hint = f"did you mean {meant}?" if meant else f"known: {', '.join(COLUMNS)}"
            raise InputFileError(path, f"line 1: unknown column {shown(heading)}", hint)
        if columns.count(name) > 1:
            raise InputFileError(path, f"line 1: column {name} stands there more than once")
    if "model" not in columns:
        raise InputFileError(path, "line 1: there is no column model", "it is the one required")
    return columns


def _claim(path: Path, line: int, columns: list[str], cells: list[str]) -> Claim:
    place = f"{path.name}, line {line}"
    if len(cells) != len(columns):
        raise InputFileError(
            path, f"line {line} has {len(cells)} cells where the header has {len(columns)}"
        )
    facts: dict[str, Any] = {"source": path.stem}
    for name, cell in zip(columns, (cell.strip() for cell in cells), strict=True):
        if name == "memory_GB" and cell.lower() == OUT_OF_MEMORY:
            facts["out_of_memory"] = True
        if name in IGNORED or cell.lower() in _ABSENT:
            continue
        read, must_be, _ = COLUMNS[name]
        try:
            facts[name.lower()] = read(cell)
        except (ValueError, OmnizipCostError):
            raise InputFileError(
                path, f"line {line}: {name} must be {must_be}, got {shown(cell)}"
            ) from None
    if "model" not in facts:
        raise InputFileError(path, f"line {line}: model is empty", "it is the one required")
    if facts.get("device", "").lower() == "unknown":
        del facts["device"]
    return Claim(place=place, **facts)
