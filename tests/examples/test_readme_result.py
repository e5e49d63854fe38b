"""Every number of the README's main tables is a cell of the committed result."""

from __future__ import annotations

import importlib
from pathlib import Path
from statistics import mean, median
from typing import Any

import pandas as pd
import pytest

from omnizip_cost.cli.compare import read_measurements
from omnizip_cost.compare.recorded_check import recorded_for
from omnizip_cost.compare.recorded_file import read_recorded
from omnizip_cost.compare.result import result_rows
from omnizip_cost.hardware import load_device
from omnizip_cost.units import MILLI

ROOT = Path(__file__).resolve().parents[2]
README = " ".join((ROOT / "README.md").read_text().split())
TABLES = ROOT / "analysis" / "tables" / "cpu"
PREDICTORS = ("eq9", "exact", "torch", "predicted", "calibrated", "held out")
QUANTITIES = (
    "prefill speed-up",
    "first-token speed-up",
    "end-to-end speed-up",
    "prefill",
    "decode",
    "first token",
    "end to end",
    "peak memory",
)


@pytest.fixture(scope="module")
def result() -> pd.DataFrame:
    return pd.read_csv(TABLES / "result.csv")


def test_the_main_table_is_the_result_of_one_clip(result: pd.DataFrame) -> None:
    rows = result[(result["model"] == "omni-tiny") & (result["full_tokens"] == 1_927)]
    assert len(rows) == 14
    for row in rows.to_dict("records"):
        assert _line(row) in README


def test_the_second_table_is_the_summary_of_errors() -> None:
    summary = pd.read_csv(TABLES / "error_summary.csv").set_index(["quantity", "predictor"])
    for quantity in QUANTITIES:
        cells = [
            f"{one['mean_error']:.1%} ({one['worst_error']:+.1%})" if one is not None else "-"
            for one in (
                summary.loc[(quantity, name)] if (quantity, name) in summary.index else None
                for name in PREDICTORS
            )
        ]
        assert f"| {quantity} | {' | '.join(cells)} |" in README


def test_what_is_said_of_ranges_is_counted(result: pd.DataFrame) -> None:
    compressed = result[result["method"] != "full"]
    assert f"{len(result)} configurations" in README and f"({len(compressed)} compressed)" in README
    inside = result["prefill_s"].between(
        result["prefill_calibrated_low_s"], result["prefill_calibrated_high_s"]
    )
    ratios = compressed["speedup_observed"].between(
        compressed["speedup_calibrated_low"], compressed["speedup_calibrated_high"]
    )
    assert f"only {inside.sum()} of {len(result)} lie in their calibrated range" in README
    assert f"({ratios.sum()} of {len(compressed)} speed-ups do)" in README
    longer = median(1 / (1 + result["prefill_error_calibrated"])) - 1
    assert f"prefills took {longer:.0%} longer than predicted at the median" in README
    before, then = (
        load_device(str(ROOT / "analysis" / "measurements" / name / "cpu.toml"))
        for name in ("cpu-calibration", "cpu")
    )
    products = 1 - then.peak("fp32") / before.peak("fp32")
    copies = 1 - then.bandwidth_bytes_per_s / before.bandwidth_bytes_per_s
    assert f"(products {products:.1%}, copies {copies:.0%})" in README


def test_what_is_said_of_the_second_campaign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "analysis")
    repeat: Any = importlib.import_module("campaign_repeat")
    folders = [ROOT / "analysis" / "measurements" / name for name in ("cpu", "cpu-again")]
    found = repeat.verdict(repeat.repeat_rows(*folders))
    assert f"{found.middle:.1%} apart at the median and {found.worst:.1%} at worst" in README
    measured, specs = read_measurements(folders[1])
    predicted = read_recorded(ROOT / "analysis" / "predictions" / "cpu.parquet")
    results = result_rows(measured, specs, recorded_for(measured, predicted))
    missed = {
        name: mean(abs(row[f"error_{name}"]) for row in results if row.method != "full")
        for name in ("eq9", "exact", "calibrated")
    }
    assert (
        f"Eq. 9 misses by {missed['eq9']:.1%}, the exact count by {missed['exact']:.1%}, "
        f"the calibrated prediction by {missed['calibrated']:.1%}" in README
    )


def _line(row: dict[str, Any]) -> str:
    full = row["method"] == "full"
    ratios = ["1"] * 4 + ["-"] * 3
    if not full:
        ratios = [
            f"{row['speedup_eq9']:.2f}",
            f"{row['speedup_exact']:.2f}",
            f"{row['speedup_calibrated']:.2f} "
            f"({row['speedup_calibrated_low']:.2f}-{row['speedup_calibrated_high']:.2f})",
            f"**{row['speedup_observed']:.2f}** "
            f"({row['speedup_observed_low']:.2f}-{row['speedup_observed_high']:.2f})",
            *(f"{row[f'error_{name}']:+.1%}" for name in ("eq9", "exact", "calibrated")),
        ]
    seconds = [
        f"{row['prefill_calibrated_s'] / MILLI:,.0f} ms",
        f"{row['prefill_s'] / MILLI:,.0f} ms",
        f"{row['decode_s_per_token'] / MILLI:.1f} ms",
        "1" if full else f"{row['end_to_end_speedup_observed']:.2f}",
    ]
    kept = f"{row['realised']:.1%}"
    return f"| {' | '.join([row['label'], kept, *ratios, *seconds])} |"
