"""The readable table of predictions: a line per configuration, with what it is compared to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from omnizip_cost.cli.output import show
from omnizip_cost.units import GIBI, MILLI, fixed

if TYPE_CHECKING:
    from omnizip_cost.cli.predict import Case

ENCODERS = ("audio_encoder", "vision_encoder")
SETTING = ("device", "backend")


def print_predictions(cases: Sequence[Case]) -> None:
    """Print seconds and memory, then how many times faster, and what both rest on and say."""
    from omnizip_cost.cli.predict_notes import about_seconds, about_speedups

    rows = [case.row() for case in cases]
    apart = [name for name in SETTING if len({row[name] for row in rows}) > 1]
    same = [str(rows[0][name]) for name in SETTING if name not in apart]
    names = [
        [*(row[key] for key in apart), *_named(name)]
        for row, name in zip(rows, labels(rows), strict=True)
    ]
    facts = (cases[0].prediction.spec.name, cases[0].work.name, *same, rows[0]["scheme"])
    heads = (*apart, "method", "asked")
    show(
        f"{', '.join(facts)}: predicted seconds and memory",
        (*heads, "kept", "tokens", "prefill ms", "first token ms", "ms per token", "all s", "GiB"),
        [[*name, *_seconds_cells(row)] for name, row in zip(names, rows, strict=True)],
        left=1 + len(apart),
        notes=about_seconds(cases, rows),
    )
    if all(case.prediction is case.full for case in cases):
        return
    clip = cases[0].work.bare_tokens is None
    print()
    show(
        "How many times less and faster than full tokens",
        (*heads, "Eq. 9", "FLOPs", "prefill", "first token", "all",
         *(("encoders", "choosing") if clip else ())),
        [
            [*name, *_speedup_cells(row), *(_shares(row, case) if clip else ())]
            for name, row, case in zip(names, rows, cases, strict=True)
            if case.prediction is not case.full
        ],
        left=1 + len(apart),
        notes=about_speedups(cases, rows),
    )  # fmt: skip


def labels(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Name configurations by method and ratio, and by the pair where rows would else look alike.

    >>> same = {"method": "omnizip", "retained": 0.45, "device": "l4", "backend": "ideal"}
    >>> labels([{**same, "rho_a": 0.3, "rho_v": 0.6}, {**same, "rho_a": 0.55, "rho_v": 0.55}])
    ['omnizip 45% (0.3, 0.6)', 'omnizip 45% (0.55, 0.55)']
    """
    short = [_short(row) for row in rows]
    alike = [(row["device"], row["backend"], name) for row, name in zip(rows, short, strict=True)]
    return [
        name
        if alike.count(key) == 1 or row["rho_a"] is None
        else f"{name} ({row['rho_a']:.3g}, {row['rho_v']:.3g})"
        for row, name, key in zip(rows, short, alike, strict=True)
    ]


def _short(row: dict[str, Any]) -> str:
    if row["method"] == "full":
        return "full"
    return f"{row['method']} {100 * row['retained']:.3g}%"


def _named(label: str) -> tuple[str, str]:
    """Method and what it was asked to keep, in two cells that do not wrap."""
    method, _, asked = label.partition(" ")
    return method, asked or "100%"


def _seconds_cells(row: dict[str, Any]) -> list[str]:
    return [
        f"{row['realised']:.1%}",
        f"{row['kept_tokens']:,}",
        _range(row, "prefill", "_s", MILLI),
        _range(row, "ttft", "_s", MILLI),
        _range(row, "decode", "_s_per_token", MILLI),
        _range(row, "end_to_end", "_s", 1.0),
        _memory(row),
    ]


def _range(row: dict[str, Any], name: str, unit: str, factor: float) -> str:
    """Write a time with the range that it should lie in, such as ``262 (250-275)``."""
    value = row[f"{name}{unit}"]
    if value is None:
        return "-"
    low, high = row[f"{name}_low{unit}"], row[f"{name}_high{unit}"]
    return f"{fixed(value / factor)} ({fixed(low / factor)}-{fixed(high / factor)})"


def _memory(row: dict[str, Any]) -> str:
    peak, usable = row["peak_memory_bytes"] / GIBI, row["usable_bytes"] / GIBI
    return f"{peak:.1f} {'of' if row['fits'] else '>'} {usable:.1f}"


def _speedup_cells(row: dict[str, Any]) -> list[str]:
    return [
        _times(row["prefill_speedup_eq9"]),
        _times(row["prefill_speedup_exact"]),
        *(_speedup(row, name) for name in ("prefill", "ttft", "end_to_end")),
    ]


def _speedup(row: dict[str, Any], name: str) -> str:
    ratio = row[f"{name}_speedup"]
    if ratio is None:
        return "-"
    low, high = row[f"{name}_speedup_low"], row[f"{name}_speedup_high"]
    return f"{_times(ratio)} ({_times(low)}-{_times(high)})"


def _times(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"


def _shares(row: dict[str, Any], case: Case) -> list[str]:
    """Shares of the time to first token."""
    first = row["ttft_s"]
    return [
        f"{case.prediction.seconds(*names) / first:.1%}" if first else "-"
        for names in (ENCODERS, ("selection",))
    ]
