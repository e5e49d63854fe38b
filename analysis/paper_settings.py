"""What the paper prints of each setting: accuracies and FLOPs, and the plan that stands for it.

Accuracies are transcribed (OmniZip, arXiv 2511.14582 v2: WorldSense table, supplement Table 6, and
the table of AVUT, VideoMME and ShortVid-Bench); nothing here measures any.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import omnizip_cost as oz
from omnizip_cost.compression import PAPER_SETTINGS, Plan, Setting
from omnizip_cost.specs import ThinkerSpec
from omnizip_cost.workload import Workload

MODELS = ("qwen2.5-omni-7b", "qwen2.5-omni-3b")
WORLDSENSE, AV_BENCHMARKS = "WorldSense", "AVUT, VideoMME, ShortVid-Bench"
TABLES = {"main": "WorldSense", "supplement-6": "Table 6"}
"""Tables of accuracies on WorldSense, and what they are called."""

SECONDS, PIXELS = 60, (252, 448)
"""The clip that stands for the paper's prompts: 30 of its windows of 288 + 50 tokens, 10,140 in
all, the nearest whole windows come to n = 10,004."""
CLIP = "60 s at 252x448"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One row of a published table."""

    table: str
    benchmark: str
    model: str
    setting: Setting
    accuracy: float
    """Percent: the average over a benchmark's parts, or the printed mean of scores that are
    normalised to full tokens."""

    @property
    def full(self) -> bool:
        """Whether it is the row of all tokens."""
        return self.setting.method == "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedFlops:
    """What the FLOPs column prints of one setting, as it is printed."""

    flops_t: str
    """In 10^12; empty where only the ratio is printed."""
    ratio_pct: str


def _rows(name: str) -> list[dict[str, str]]:
    path = files("omnizip_cost.audit") / "data" / f"{name}.csv"
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


@cache
def worldsense() -> tuple[Published, ...]:
    """Both WorldSense tables, in the order of the paper."""
    return tuple(
        Published(
            table=TABLES[row["table"]],
            benchmark=WORLDSENSE,
            model=row["model"],
            setting=_setting(row),
            accuracy=float(row["average"]),
        )
        for row in _rows("omnizip_worldsense")
    )


@cache
def av_benchmarks() -> tuple[Published, ...]:
    """The table of three further benchmarks: the printed mean of their normalised scores."""
    return tuple(
        Published(
            table=AV_BENCHMARKS,
            benchmark=AV_BENCHMARKS,
            model=row["model"],
            setting=_setting(row),
            accuracy=float(row["score"]),
        )
        for row in _rows("omnizip_av_benchmarks")
    )


@cache
def printed_flops() -> dict[tuple[str, str, float], PrintedFlops]:
    """The printed FLOPs column, by model, method and nominal ratio."""
    return {
        (row["model"], row["method"], float(row["retained"])): PrintedFlops(
            flops_t=row["flops_T"], ratio_pct=row["flops_ratio_pct"]
        )
        for row in _rows("omnizip_flops")
    }


def out_of_memory(model: str, method: str, retained: float) -> str:
    """Name the device on which the paper's run did not fit; empty where it did, or none is told."""
    for row in _rows("omnizip_efficiency"):
        place = row["model"], row["method"], float(row["retained"])
        if place == (model, method, retained) and row["prefill_ms"] == "oom":
            return row["device"]
    return ""


def _setting(row: dict[str, str]) -> Setting:
    """Method and ratio of a row, with the printed pair or, where none is, the method's own."""
    method, retained = row["method"], float(row["retained"])
    if row.get("rho_a") and method != "fastv":  # which ranks both modalities together
        pair: tuple[float | None, float | None] = float(row["rho_a"]), float(row["rho_v"])
    else:
        pair = _usual_pair(method, retained)
    return Setting(method=method, retained=retained, rho_a=pair[0], rho_v=pair[1])


def _usual_pair(method: str, retained: float) -> tuple[float | None, float | None]:
    """Last of the paper's pairs at a ratio: of OmniZip's two at 45%, that of the main tables."""
    known = [s for s in PAPER_SETTINGS if (s.method, s.retained) == (method, retained)]
    return (known[-1].rho_a, known[-1].rho_v) if known else (None, None)


def distinct(rows: tuple[Published, ...]) -> Iterator[Published]:
    """Each setting of each model once: Table 6 repeats some of the main table."""
    seen = set()
    for row in rows:
        if (row.model, row.setting) not in seen:
            seen.add((row.model, row.setting))
            yield row


def clip(spec: ThinkerSpec) -> Workload:
    """The clip that stands for the paper's prompts."""
    return oz.workload(spec, seconds=SECONDS, pixels=PIXELS)


def plan(setting: Setting, work: Workload, spec: ThinkerSpec, **settings: int) -> Plan:
    """What a setting keeps: its pair where the prompt has a mix, else its ratio."""
    if setting.method == "full":
        return oz.plan("full", work, spec)
    mixed = work.bare_tokens is None and setting.method != "fastv"
    if mixed and setting.rho_a is not None:
        return oz.plan(
            setting.method,
            work,
            spec,
            retained=setting.retained,
            audio_pruning=setting.rho_a,
            video_pruning=setting.rho_v,
            **settings,
        )
    return oz.plan(setting.method, work, spec, retained=setting.retained, **settings)
