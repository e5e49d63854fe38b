"""The selection benchmark: its arithmetic by hand, its rows at a width that takes no time."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

ANALYSIS = Path(__file__).resolve().parents[2] / "analysis"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(ANALYSIS)
    import bench_selection
    import selection_prompts

    monkeypatch.setattr(selection_prompts, "WIDTH", 32)
    return bench_selection


def printed(
    bench: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> str:
    monkeypatch.setattr(sys, "argv", ["bench_selection.py", *words])
    bench.main(bench.arguments())
    return capsys.readouterr().out


def test_ratios_are_taken_inside_rounds(bench: Any) -> None:
    """A round in which everything took twice as long changes nothing."""
    found = bench.ratios("x", [4.0, 8.0, 4.4], [2.0, 4.0, 2.0, 9.0])
    assert found == {"x": 2.0, "x_least": 2.0}
    assert bench.ratios("x", None, [2.0]) == {"x": None, "x_least": None}


def test_a_busy_machine_is_told(bench: Any) -> None:
    calm = {"case": "floor", "low_ms": 95.0, "median_ms": 100.0, "high_ms": 105.0}
    assert bench.doubts([calm]) == ""
    assert "80% of its median apart" in bench.doubts([calm, calm | {"high_ms": 175.0}])


def test_peak_memory_is_what_was_held_at_once(bench: Any) -> None:
    def work() -> None:
        for _ in range(3):
            torch.empty(1_000_000, dtype=torch.uint8)
        kept = torch.empty(500_000, dtype=torch.uint8)
        torch.empty(2_000_000, dtype=torch.uint8)
        del kept

    assert bench.peak_bytes(work, torch.device("cpu")) == 2_500_000


def test_one_run_holds_every_case(
    bench: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    out = tmp_path / "rows.json"
    rows = json.loads(
        printed(bench, monkeypatch, capsys, "--sizes=700", "--rounds=3", "--json", f"--out={out}")
    )
    assert json.loads(out.read_text())["rows"] == rows
    cases = ["floor", "official", "paper", "official + rows", "paper + rows"]
    cases += ["plain official", "plain paper"]
    assert [row["case"] for row in rows] == 2 * cases
    for row in rows:
        assert row["tokens"] == 676
        assert len(row["samples_ms"]) == 3
        assert row["least_ms"] == min(row["samples_ms"]) > 0
        assert row["low_ms"] <= row["median_ms"] <= row["high_ms"]
        if row["case"] in ("official", "paper"):
            assert row["peak_bytes"] > 0
    assert [row["times_floor"] for row in rows if row["case"] == "floor"] == [1.0, 1.0]


def test_the_table_says_where_it_ran(
    bench: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = printed(bench, monkeypatch, capsys, "--sizes=338", "--rounds=2")
    assert f"CPU, {torch.get_num_threads()} threads" in text
    assert "x floor" in text
    assert "samples_ms" not in text


def test_parity_counts_nothing_in_float32_and_much_in_a_plain_bf16(
    bench: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = printed(bench, monkeypatch, capsys, "--parity", "--sizes=700", "--json")
    rows = json.loads(text)
    assert len(rows) == 8
    for row in rows:
        assert row["ours_differs"] == 0
        if row["dtype"] == "float32":
            assert row["plain_differs"] == 0
        else:
            assert row["plain_differs"] > 0
            assert row["ours_differs_from_plain"] == row["plain_differs"]
