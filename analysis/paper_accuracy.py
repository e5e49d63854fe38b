"""Published accuracies beside what each setting costs on one and the same prompt.

    python analysis/paper_accuracy.py [--out DIR] [--check]

Writes accuracy.csv (WorldSense) and accuracy_av.csv (AVUT, VideoMME, ShortVid-Bench): for every
published setting its accuracy, and by kind of cost: prefill FLOPs under Eq. 9, the exact count and
predicted seconds on the paper's card, selection inside the latter two. Where a GPU has measured
the same settings on the same prompt (analysis/tables/<device>/result.csv), its seconds as well;
those of a CPU are of tiny models and say nothing of these.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from paper_program import TABLES, Table, run
from paper_settings import (
    CLIP,
    Published,
    av_benchmarks,
    clip,
    distinct,
    out_of_memory,
    plan,
    worldsense,
)

import omnizip_cost as oz
from omnizip_cost.compression import Plan
from omnizip_cost.latency import Prediction
from omnizip_cost.results import FlatRow
from omnizip_cost.specs import ThinkerSpec, require_thinker

DEVICE = "rtx-a6000"
"""The paper's card (OmniZip, Tab. 3)."""
EXACT = "sdpa"
"""What fused attention executes: the exact count beside times."""
PASS = ("prefill", "selection")
NEAR = 0.005
"""Pairs this near are one setting: those of a campaign are solved from the retained ratio on its
own prompt, and the paper's are rounded, such as (0.302, 0.602) and (0.3, 0.6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyRow(FlatRow):
    """One published setting and one of its costs."""

    benchmark: str
    model: str
    table: str
    """Where the accuracy is printed."""
    method: str
    label: str
    retained: float
    rho_a: float | None
    rho_v: float | None
    accuracy: float
    """Percent, as printed."""
    clip: str
    av_tokens: int
    realised: float
    """Share of them kept on this prompt."""
    cost: str
    """``eq9`` and ``exact``: FLOPs; ``seconds``."""
    kind: str
    """``counted``, ``predicted`` or ``measured``."""
    device: str
    value: float
    low: float | None = None
    high: float | None = None
    """Of a prediction nine in ten fall between; of a measurement its quartiles."""
    off_by: float | None = None
    """Half of a prediction's interval, as a share of the value."""
    published_status: str = ""
    """``oom`` where the paper's own run did not fit on this device."""
    best: bool = False
    """Whether no other setting of this model is as cheap and as accurate: the Pareto front."""


def accuracy_rows(
    published: Iterable[Published], folders: Sequence[Path] = ()
) -> Iterator[AccuracyRow]:
    """Rows of all settings and costs, those that nothing beats marked.

    Parameters
    ----------
    published
    folders
        Where measured results may lie, one folder per device.
    """
    rows = [row for one in distinct(tuple(published)) for row in _costs(one)]
    for folder in folders:
        rows += _measured(rows, folder)
    for panel in _panels(rows).values():
        yield from (replace(row, best=not _beaten(row, panel)) for row in panel)


def _costs(one: Published) -> Iterator[AccuracyRow]:
    spec, kept = _planned(one)
    setting = one.setting
    row = AccuracyRow(
        benchmark=one.benchmark,
        model=one.model,
        table=one.table,
        method=setting.method,
        label=setting.label,
        retained=float(setting.retained or 1.0),
        rho_a=setting.rho_a,
        rho_v=setting.rho_v,
        accuracy=one.accuracy,
        clip=CLIP,
        av_tokens=kept.av_tokens,
        realised=kept.realised,
        cost="eq9",
        kind="counted",
        device="",
        value=float(counted(spec, kept, "eq9")),
    )
    yield row
    yield replace(row, cost="exact", value=float(counted(spec, kept, EXACT)))
    predicted = oz.predict(spec, kept, DEVICE, decode=0)
    yield _timed(row, predicted)


def _planned(one: Published) -> tuple[ThinkerSpec, Plan]:
    spec = require_thinker(oz.load_spec(one.model))
    return spec, plan(one.setting, clip(spec), spec)


def counted(spec: ThinkerSpec, kept: Plan, convention: str) -> int:
    """FLOPs of prefill under a convention: decoder, head and selection, where it counts them."""
    return oz.total_flops(oz.count(spec, kept, convention, 0))


def _timed(row: AccuracyRow, predicted: Prediction) -> AccuracyRow:
    low, high = predicted.interval(*PASS)
    value = predicted.seconds(*PASS)
    failed = out_of_memory(row.model, row.method, row.retained) == DEVICE
    return replace(
        row,
        cost="seconds",
        kind="predicted",
        device=DEVICE,
        value=value,
        low=low,
        high=high,
        off_by=(high - low) / 2 / value,
        published_status="oom" if failed else "",
    )


def _measured(rows: Sequence[AccuracyRow], folder: Path) -> list[AccuracyRow]:
    """Seconds of the same settings on the same prompt, as a GPU's result table has them."""
    results = _results(folder / "result.csv")
    found = []
    for row in rows:
        if row.cost != "eq9":
            continue
        result = next((one for one in results if _same_setting(row, one)), None)
        if result is not None:
            found.append(_observed(row, folder.name, result))
    return found


@cache
def _results(path: Path) -> tuple[Mapping[str, str], ...]:
    """Rows of the stock model in bf16 on the prompt; none of a CPU, none without a table."""
    if path.parent.name == "cpu" or not path.is_file():
        return ()
    wanted = {"status": "ok", "execution": "stock", "attention": "sdpa", "dtype": "bfloat16",
              "clip": CLIP}  # fmt: skip
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(
            row
            for row in csv.DictReader(file)
            if all(row[name] == value for name, value in wanted.items())
            and row["fastv_form"] in ("", "materialised")
            and row["mode"] in ("", "paper")
        )


def _same_setting(row: AccuracyRow, result: Mapping[str, str]) -> bool:
    """Whether a measured configuration ran a published setting."""
    if (row.model, row.method) != (result["model"], result["method"]):
        return False
    if row.method == "full":
        return True
    pairs = ((row.rho_a, result["rho_a"]), (row.rho_v, result["rho_v"]))
    return row.retained == float(result["retained"]) and all(
        printed is None or (ran != "" and abs(float(ran) - printed) <= NEAR)
        for printed, ran in pairs
    )


def _observed(row: AccuracyRow, device: str, result: Mapping[str, str]) -> AccuracyRow:
    selection_s = float(result["selection_s"] or 0)
    low, high = (result[f"prefill_{end}_s"] for end in ("low", "high"))
    return replace(
        row,
        cost="seconds",
        kind="measured",
        device=device,
        rho_a=float(result["rho_a"]) if result["rho_a"] else None,
        rho_v=float(result["rho_v"]) if result["rho_v"] else None,
        realised=float(result["realised"]),
        value=float(result["prefill_s"]) + selection_s,
        low=float(low) + selection_s if low else None,
        high=float(high) + selection_s if high else None,
    )


def _panels(rows: Iterable[AccuracyRow]) -> dict[tuple[str, ...], list[AccuracyRow]]:
    panels: dict[tuple[str, ...], list[AccuracyRow]] = {}
    for row in rows:
        place = row.benchmark, row.model, row.cost, row.kind, row.device
        panels.setdefault(place, []).append(row)
    return panels


def _beaten(row: AccuracyRow, panel: Iterable[AccuracyRow]) -> bool:
    """Whether another setting is no worse in both and better in one."""
    return any(
        other.value <= row.value
        and other.accuracy >= row.accuracy
        and (other.value < row.value or other.accuracy > row.accuracy)
        for other in panel
    )


def tables() -> dict[str, Table]:
    """Both tables, by the name of their file."""
    folders = sorted(path.parent for path in TABLES.parent.glob("*/result.csv"))
    return {
        "accuracy.csv": list(accuracy_rows(worldsense(), folders)),
        "accuracy_av.csv": list(accuracy_rows(av_benchmarks(), folders)),
    }


if __name__ == "__main__":
    raise SystemExit(run(tables, __doc__))
