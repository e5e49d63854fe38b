"""The sweep benchmark: its arithmetic by hand, its cases on a model that takes no time."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from omnizip_cost.specs import load_spec

ANALYSIS = Path(__file__).resolve().parents[2] / "analysis"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(ANALYSIS)
    import bench_sweep

    monkeypatch.setattr(bench_sweep, "SAMPLE", 12)
    monkeypatch.setattr(bench_sweep, "COUNTER_TOKENS", 50)
    return bench_sweep


def test_rates_and_ratios_are_of_medians(bench: Any) -> None:
    grid = bench.row_of("grid", 600, [(2.0, 3.0), (1.0, 2.0), (30.0, 30.0)])
    single = bench.row_of("one at a time", 5, [(1.0, 1.0)])
    assert (grid["configurations_per_s"], grid["most_per_s"], grid["cores"]) == (300, 600, 1.5)
    first, second = bench.with_ratios([grid, single])
    assert (first["times_scalar"], first["times_flop_counter"]) == (60, None)
    assert second["times_scalar"] == 1


def test_a_busy_machine_is_told(bench: Any) -> None:
    calm = {"case": "a", "low_s": 0.95, "median_s": 1.0, "high_s": 1.05}
    assert bench.doubts([calm]) == ""
    assert "of 'b' lie 80%" in bench.doubts([calm, calm | {"case": "b", "high_s": 1.75}])


def test_nothing_is_shared_in_the_bare_grid(bench: Any) -> None:
    broad, bare = bench.grids(load_spec("omni-tiny"), 6_000).values()
    assert [method.name for method in bare.methods] == ["fastv"]
    assert (len(bare.decode), bare.size) == (1, 6_000)
    assert 5_000 < broad.size < 7_500


def test_one_run_holds_every_case_and_compares_the_integers(
    bench: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    out = tmp_path / "new" / "bench.json"
    words = ["--rows", "700", "--rounds", "1", "--model", "omni-tiny", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["bench_sweep.py", *words])
    bench.main(bench.arguments())
    printed = capsys.readouterr().out
    record = json.loads(out.read_text())
    rows = {row["case"]: row for row in record["rows"]}
    assert {"one at a time", "FlopCounterMode, meta", "broad: Parquet"} <= set(rows)
    assert rows["bare: columns, 1 thread"]["configurations"] == 660
    assert rows["bare: columns, 2 threads"]["configurations"] == 660
    assert rows["FlopCounterMode, meta"]["configurations"] == 1
    assert all(len(row["samples_s"]) == 1 for row in rows.values())
    assert record["agreement"] == {"sampled": 12, "exact": 12, "equal": 12}
    assert record["environment"]["cpu"] and record["environment"]["numpy"]
    assert "of 12 configurations taken one at a time 12 are below 2^53, of which 12" in printed
