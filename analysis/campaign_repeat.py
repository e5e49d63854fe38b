"""Holds two runs of a campaign against each other, cell by cell.

    python analysis/campaign_repeat.py analysis/measurements/cpu out/again [--csv FILE.csv]

Ratios are the second over the first. Exit 1 where the runs disagree: a cell that only one of them
has, another end (out of memory, failed), other tokens kept, or speed-ups further apart than the
tolerances. Seconds are shown and not judged: another machine may be faster, all of it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from omnizip_cost.compare.cells import MeasuredCell, gathered_cells
from omnizip_cost.compare.observed import observed_speedup
from omnizip_cost.errors import InputFileError, OmnizipCostError
from omnizip_cost.results import MeasurementStore, write_table
from omnizip_cost.results.row import FlatRow

MIDDLE, WORST = 0.05, 0.20
"""Shares by which speed-ups of two runs may differ: at the median, and for one cell. Speed-ups of
interleaved rounds on a machine of two shared cores spread by some percent (our choice)."""

_CELL = (
    "model",
    "weights",
    "dtype",
    "attention",
    "execution",
    "clip",
    "decode_steps",
    "method",
    "mode",
    "label",
    "seed",
)
"""What makes a cell the same on another day or another machine."""

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatRow(FlatRow):
    """One cell in two runs."""

    model: str
    clip: str
    attention: str
    execution: str
    decode_steps: int
    method: str
    label: str
    first_status: str
    """"ok", "oom", "failed", or "absent"."""
    second_status: str
    first_kept: int | None
    """Tokens in the last layer."""
    second_kept: int | None
    first_prefill_s: float | None
    second_prefill_s: float | None
    prefill_ratio: float | None
    first_speedup: float | None
    """Full prefill / (prefill + selection)."""
    second_speedup: float | None
    speedup_ratio: float | None

    @property
    def agrees(self) -> bool:
        """Whether the cell ended alike and kept the same tokens."""
        return self.first_status == self.second_status and self.first_kept == self.second_kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How far two runs lie apart."""

    cells: int
    disagreeing: tuple[str, ...]
    middle: float
    """Median of |ratio - 1| of speed-ups; full tokens, whose speed-up is 1, are left out."""
    worst: float
    worst_label: str
    prefill_middle: float
    """The same of prefill seconds."""
    prefill_worst: float

    def holds(self, *, middle: float = MIDDLE, worst: float = WORST) -> bool:
        """Whether the runs agree within these shares."""
        return not self.disagreeing and self.middle <= middle and self.worst <= worst


def repeat_rows(first: Path, second: Path) -> list[RepeatRow]:
    """Join two stores by what makes a cell the same on any machine.

    Raises
    ------
    InputFileError
        A folder without rows, or one that holds the same cell measured in two environments.
    """
    one, other = _cells(first), _cells(second)
    return [_row(key, one.get(key), other.get(key)) for key in dict.fromkeys((*one, *other))]


def verdict(rows: Sequence[RepeatRow]) -> Verdict:
    """Say how far two runs lie apart."""
    chosen = [
        (abs(row.speedup_ratio - 1), _named(row))
        for row in rows
        if row.speedup_ratio is not None and row.method != "full"
    ]
    prefill = [abs(row.prefill_ratio - 1) for row in rows if row.prefill_ratio is not None]
    worst, label = max(chosen, default=(0.0, ""))
    return Verdict(
        cells=len(rows),
        disagreeing=tuple(_named(row) for row in rows if not row.agrees),
        middle=median(share for share, _ in chosen) if chosen else 0.0,
        worst=worst,
        worst_label=label,
        prefill_middle=median(prefill) if prefill else 0.0,
        prefill_worst=max(prefill, default=0.0),
    )


def _named(row: RepeatRow) -> str:
    steps = f", {row.decode_steps} steps"
    return f"{row.label} of {row.model} on {row.clip} ({row.attention}, {row.execution}{steps})"


def _cells(folder: Path) -> dict[Key, MeasuredCell]:
    store = MeasurementStore(folder)
    if not store.rows_path.is_file():
        raise InputFileError(store.rows_path, "there are no measured rows")
    found: dict[Key, MeasuredCell] = {}
    for cell in gathered_cells(store.rows()):
        key = tuple(cell.row[name] for name in _CELL)
        if key in found:
            raise InputFileError(
                folder, f"holds {cell.row.label} on {cell.row.clip} of two environments"
            )
        found[key] = cell
    return found


def _row(key: Key, one: MeasuredCell | None, other: MeasuredCell | None) -> RepeatRow:
    named = dict(zip(_CELL, key, strict=True))
    first, second = _facts(one), _facts(other)
    return RepeatRow(
        model=named["model"],
        clip=named["clip"],
        attention=named["attention"],
        execution=named["execution"],
        decode_steps=named["decode_steps"],
        method=named["method"],
        label=named["label"],
        first_status=first[0],
        second_status=second[0],
        first_kept=first[1],
        second_kept=second[1],
        first_prefill_s=first[2],
        second_prefill_s=second[2],
        prefill_ratio=_ratio(second[2], first[2]),
        first_speedup=first[3],
        second_speedup=second[3],
        speedup_ratio=_ratio(second[3], first[3]),
    )


def _facts(cell: MeasuredCell | None) -> tuple[str, int | None, float | None, float | None]:
    """Status, tokens kept, seconds of prefill, speed-up."""
    if cell is None:
        return "absent", None, None, None
    if cell.broken is not None:
        return cell.broken.status, None, None, None
    seen = observed_speedup(cell.stages, cell.full, ("selection", "prefill")) if cell.full else None
    return "ok", cell.row.kept_tokens, cell.row.median_s, seen.ratio if seen else None


def _ratio(above: float | None, below: float | None) -> float | None:
    return above / below if above and below else None


def report(rows: Sequence[RepeatRow], found: Verdict) -> str:
    """Write both runs side by side, then how far they lie apart."""
    lines = [
        f"{'clip':<16}  {'model':<26}  {'cell':<24}  {'first':>18}  {'second':>18}  "
        "prefill  speed-up"
    ]
    for row in rows:
        lines.append(
            f"{row.clip:<16}  {row.model:<26}  {row.label:<24}  "
            f"{_side(row.first_status, row.first_prefill_s, row.first_speedup):>18}  "
            f"{_side(row.second_status, row.second_prefill_s, row.second_speedup):>18}  "
            f"{_apart(row.prefill_ratio):>7}  {_apart(row.speedup_ratio):>8}"
        )
    lines.append(
        f"{found.cells} cells. Speed-ups apart: {found.middle:.1%} at the median, at worst "
        f"{found.worst:.1%}{f' ({found.worst_label})' if found.worst_label else ''}. "
        f"Prefill apart: {found.prefill_middle:.1%} at the median, at worst "
        f"{found.prefill_worst:.1%}."
    )
    lines += [f"Not alike: {one}." for one in found.disagreeing]
    return "\n".join(lines)


def _side(status: str, prefill_s: float | None, speedup: float | None) -> str:
    if status != "ok":
        return status
    return f"{prefill_s:.3f} s" + (f", {speedup:.2f}x" if speedup else "")


def _apart(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio - 1:+.1%}"


def main(arguments: list[str] | None = None) -> int:
    """Compare two folders; 1 where they disagree, 2 where one cannot be read."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--median", type=float, default=MIDDLE, help="share, of all speed-ups")
    parser.add_argument("--worst", type=float, default=WORST, help="share, of any speed-up")
    parser.add_argument("--csv", type=Path, help="write the cells side by side")
    options = parser.parse_args(arguments)
    try:
        rows = repeat_rows(options.first, options.second)
        if options.csv:
            write_table(rows, options.csv)
    except OmnizipCostError as error:
        print(error, file=sys.stderr)
        return 2
    found = verdict(rows)
    print(report(rows, found))
    return 0 if found.holds(middle=options.median, worst=options.worst) else 1


if __name__ == "__main__":
    sys.exit(main())
