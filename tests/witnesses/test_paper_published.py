"""Witness: what the paper prints, and Eq. 9 by hand, against the tables made of both."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from dispatched import Dispatched
from drawn_layouts import token_ids
from tiny_thinker import TOKENS, tiny_spec
from torch.utils.flop_counter import FlopCounterMode

import omnizip_cost as oz
from omnizip_cost.results.store import read_table
from omnizip_cost.runtime.selection import read_layout

DATA = Path(oz.__file__).parent / "audit" / "data"
PAPER = Path(__file__).resolve().parents[2] / "analysis" / "tables" / "paper"
SIZES = {"qwen2.5-omni-7b": (28, 3584, 18944), "qwen2.5-omni-3b": (36, 2048, 11008)}
"""Layers, hidden size and FFN width, as the models' cards state them."""
STEPS = 100


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", ["omnizip_worldsense", "omnizip_av_benchmarks"])
def test_bundled_accuracies_are_the_published_ones(shared: Path, name: str) -> None:
    theirs, ours = (_rows(folder / f"{name}.csv") for folder in (shared / "published", DATA))
    assert len(ours) == len(theirs) >= 18
    for mine, row in zip(ours, theirs, strict=True):
        assert {key: mine[key] for key in row} == row


def _eq9(model: str, tokens: float, layers: int | None = None) -> float:
    """Eq. 9, term by term: prefill, then each of R steps on its cached tokens."""
    all_layers, d, m = SIZES[model]
    prefill = 4 * tokens * d**2 + 2 * tokens**2 * d + 2 * tokens * d * m
    steps = sum(4 * d**2 + 2 * d * m + 2 * d * (tokens + i) for i in range(1, STEPS + 1))
    return (layers or all_layers) * (prefill + steps)


def test_the_column_of_eq9_is_eq9_and_gives_every_printed_digit() -> None:
    table = read_table(PAPER / "paper_tables.csv")
    assert len(table) == 20
    for row in table.itertuples():
        if row.method == "fastv":
            deep = SIZES[row.model][0] - 5
            flops = _eq9(row.model, 10_004, 5) + _eq9(row.model, row.retained * 10_004, deep)
        else:
            flops = _eq9(row.model, row.retained * 10_004)
        assert row.flops_eq9 == pytest.approx(flops, rel=1e-12)
        if row.table == "WorldSense":
            assert f"{flops / 1e12:.1f}" == f"{row.printed_t:.1f}"
    printed = table[table["table"] == "WorldSense"]
    assert printed["equal"].all() and len(printed) == 12


def test_the_best_setting_of_each_cost_is_found_by_brute_force() -> None:
    for name in ("accuracy", "accuracy_av"):
        table = read_table(PAPER / f"{name}.csv")
        panels = table.groupby(["model", "cost", "kind"], sort=False)
        assert len(panels) >= 6
        for _, panel in panels:
            places = list(zip(panel["value"], panel["accuracy"], strict=True))
            front = {at for at, (cost, score) in enumerate(places)
                     if all(score > other or cost <= price for price, other in places
                            if (price, other) != (cost, score) and price <= cost)}  # fmt: skip
            assert [at in front for at in range(len(panel))] == list(panel["best"])


def _selected(merge: int) -> tuple[int, int, int, int]:
    """Operators, bytes and products of the real selection, and the tokens that a plan keeps."""
    spec = tiny_spec()
    work = oz.workload(spec, seconds=12, pixels=(112, 112))
    ids, tokens = token_ids(work), {"audio_id": TOKENS.audio, "video_id": TOKENS.video,
                                    "tokens_per_grid": work.tokens_per_grid}  # fmt: skip
    layout = read_layout(ids, **tokens)
    embeddings = torch.empty(len(ids), spec.text.hidden_size, device="meta")
    scores = torch.empty(work.audio_tokens, device="meta")
    asked: dict[str, Any] = {"audio_pruning": 0.3, "video_pruning": 0.6, "merge": merge}
    with Dispatched() as seen, FlopCounterMode(display=False) as counter, torch.no_grad():
        oz.select("omnizip", embeddings, scores, layout, **tokens, **asked)
    plan = oz.plan("omnizip", work, spec, **asked)
    return seen.kernels, seen.bytes_moved, counter.get_total_flops(), plan.kept_tokens


def test_merging_more_changes_nothing_that_runs() -> None:
    """Operators as torch dispatches them, from G = 1 on; without anchors there are fewer."""
    none, one, default, most = (_selected(merge) for merge in (0, 1, 3, 15))
    assert one == default == most
    assert all(without < with_anchors for without, with_anchors in zip(none, one, strict=True))
    assert one[3] - none[3] == round(0.05 * 12 * 25), "5% of the audio tokens are anchors"


def test_the_table_of_anchors_says_the_same() -> None:
    table = read_table(PAPER / "anchors.csv")
    costs = ["av_kept", "prefill_flops", "selection_flops", "selection_bytes",
             "selection_operators", "selection_ms", "prefill_ms"]  # fmt: skip
    for _, own in table.groupby("label"):
        by_merge: pd.DataFrame = own.set_index("merge")[costs]
        assert list(by_merge.index) == list(range(16))
        assert (by_merge.loc[1:].nunique() == 1).all()
        assert (by_merge.loc[0] < by_merge.loc[1]).all()
        assert by_merge.loc[1, "av_kept"] - by_merge.loc[0, "av_kept"] == round(0.05 * 60 * 25)
