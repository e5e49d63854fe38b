"""``predict --out``: predictions and their memory as tables, and the figures of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from omnizip_cost.cli.layers import LABEL
from omnizip_cost.cli.methods import labelled

if TYPE_CHECKING:
    from omnizip_cost.cli.predict import Case
    from omnizip_cost.compression import Plan
    from omnizip_cost.hardware import Device
    from omnizip_cost.latency.memory_table import MemoryLimitRow, MemoryRow
    from omnizip_cost.latency.stage_table import PredictedStageRow

CARDS = ("rtx-4090", "rtx-a6000", "h100-sxm", "h200-sxm")
"""One card of each size that is sold most, 24, 48, 80 and 141 GB: what memory is held against."""


def write_predictions(cases: Sequence[Case], out: Path) -> list[Path]:
    """Write predictions, their stages and their memory as tables, and the figures of both.

    Returns
    -------
    list of Path
        The files written.
    """
    from omnizip_cost.cli.publish import draw_figures
    from omnizip_cost.latency.memory_table import limit_rows, memory_rows
    from omnizip_cost.latency.stage_table import stage_rows
    from omnizip_cost.results import write_table

    names = _titles([case.prediction.plan for case in cases])
    cards = limits([case.prediction.device for case in cases])
    stages: list[PredictedStageRow] = []
    parts: list[MemoryRow] = []
    held: list[MemoryLimitRow] = []
    told: set[tuple[str, Plan]] = set()
    for case in cases:
        mine = case.prediction
        which = {"input": case.work.name, "label": names[mine.plan]}
        stages += stage_rows(mine, **which)
        if (mine.backend.name, mine.plan) not in told:
            told.add((mine.backend.name, mine.plan))
            parts += memory_rows(mine, **which)
            held += limit_rows(mine, cards, **which)
    tables = out / "tables"
    return [
        write_table([case.row() for case in cases], tables / "predictions.csv"),
        write_table(stages, tables / "stages.csv"),
        write_table(parts, tables / "memory.csv"),
        write_table(held, tables / "memory_limits.csv"),
        *draw_figures(out, ["stages", "memory"]),
    ]


def _titles(plans: Sequence[Plan]) -> dict[Plan, str]:
    """What figures call each plan; one given layer by layer has no method whose title it took."""
    if plans[0].method == LABEL:
        return {plan: f"{LABEL} {plan.retained:.0%}" for plan in plans}
    return {plan: title for title, plan in labelled(list(dict.fromkeys(plans))).items()}


def limits(asked: Sequence[Device]) -> list[Device]:
    """Devices asked for, and a card of every other size that is sold most; smallest first."""
    from omnizip_cost.hardware import load_device

    sizes = {device.memory_bytes for device in asked}
    others = [card for card in map(load_device, CARDS) if card.memory_bytes not in sizes]
    named = {device.name: device for device in (*asked, *others)}
    return sorted(named.values(), key=lambda device: device.usable_bytes)
