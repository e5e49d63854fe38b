"""``compare --explain`` and predicted seconds beside counts, as typed on committed rows."""

from __future__ import annotations

import csv
import json
import shutil
from math import prod
from pathlib import Path
from typing import Any

import pytest

from omnizip_cost.cli import publish
from omnizip_cost.cli.app import run
from omnizip_cost.compare import STEPS
from omnizip_cost.plotting import drawable
from omnizip_cost.results import read_table, write_table

Capture = pytest.CaptureFixture[str]
ROWS = Path(__file__).resolve().parents[2] / "analysis" / "measurements" / "cpu-demo"

CPU = """\
name = "that-cpu"
title = "the CPU of the committed rows, roughly"
architecture = "CPU"
source = "a round guess for this test; nothing is read off it"
bandwidth_gb_per_s = 12
memory_gib = 16
[peak_tflop_per_s]
fp32 = 0.12
bf16 = 0.12
"""


@pytest.fixture(scope="module")
def cpu(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("device") / "cpu.toml"
    path.write_text(CPU)
    return str(path)


def _json(capsys: Capture, *arguments: str) -> list[dict[str, Any]]:
    assert run(["compare", str(ROWS), *arguments, "--json"]) == 0
    out = capsys.readouterr()
    assert out.err == ""
    rows: list[dict[str, Any]] = json.loads(out.out)
    return rows


def _refused(capsys: Capture, *arguments: str) -> str:
    assert run(["compare", str(ROWS), *arguments]) == 2
    out = capsys.readouterr()
    assert out.out == ""
    assert out.err.count("\n") == 1
    return out.err


def test_steps_close_on_the_speedup_that_compare_shows(capsys: Capture, cpu: str) -> None:
    compared = {row["label"]: row for row in _json(capsys)}
    steps = _json(capsys, "--explain", "--device", cpu, "--method", "omnizip,fastv")
    labels = list(dict.fromkeys(row["label"] for row in steps))
    assert labels == [label for label in compared if label.startswith(("FastV", "OmniZip"))]
    for label in labels:
        own = [row for row in steps if row["label"] == label]
        whole = compared[label]
        assert [row["step"] for row in own] == [
            name for name in STEPS if name not in ("encoders", "decode")
        ]
        assert own[0]["speedup"] == whole["speedup_eq9"]
        assert own[-1]["speedup"] == whole["speedup_observed"]
        assert prod(row["factor"] for row in own) * own[0]["speedup"] == pytest.approx(
            whole["speedup_observed"]
        )
        assert own[-1]["observed_low"] == whole["speedup_observed_low"]
        (logits,) = (row for row in own if row["step"] == "logits")
        assert logits["speedup"] == pytest.approx(whole["prefill_speedup_exact"])


def test_predicted_seconds_stand_beside_the_counts(capsys: Capture, cpu: str) -> None:
    plain, timed = _json(capsys), _json(capsys, "--device", cpu)
    assert [{key: row[key] for key in plain[0]} for row in timed] == plain
    added = set(timed[0]) - set(plain[0])
    assert added >= {"predicted_on", "prefill_predicted_s", "speedup_predicted", "error_predicted"}
    for row in timed:
        assert row["predicted_on"] == "that-cpu"
        assert row["prefill_error"] == pytest.approx(
            row["prefill_predicted_s"] / row["prefill_s"] - 1
        )
        assert row["speedup_predicted_low"] <= row["speedup_predicted"]
        assert row["error_predicted"] == pytest.approx(
            row["speedup_predicted"] / row["speedup_observed"] - 1
        )
    steps = _json(capsys, "--explain", "--device", cpu, "--method", "random")
    predicted = {row["label"]: row["speedup"] for row in steps if row["step"] == "selection"}
    assert predicted == pytest.approx(
        {row["label"]: row["speedup_predicted"] for row in timed if row["method"] == "random"}
    )


def test_its_table_is_written_for_the_figure(
    capsys: Capture, cpu: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drawing itself is tested with the other figures."""
    drawn: list[list[str]] = []
    monkeypatch.setattr(publish, "draw_figures", lambda out: drawn.append(drawable(out / "tables")))
    store, out_dir = tmp_path / "store", tmp_path / "out"
    rows = read_table(ROWS / "rows.parquet").drop(columns="grid_thw")  # as rows were before it
    write_table(rows, store / "rows.parquet")
    shutil.copy(ROWS / "environment.json", store)
    chosen = ("--explain", "--device", cpu, "--method", "random", "--timer", "ttft")
    assert run(["compare", str(store), *chosen, "--out", str(out_dir)]) == 0
    out = capsys.readouterr().out
    assert "Where the speed-up goes (time to first token): Random 40%, 40.0% kept" in out
    assert "frames taken as square" in out
    assert "is not explained" in out
    assert "In no prediction: assembly: positions" in out
    with (out_dir / "tables" / "waterfall.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["label"] for row in rows} == {"Random 55%", "Random 40%"}
    assert {row["timer"] for row in rows} == {"ttft"}
    assert drawn == [["speedup", "stages", "waterfall"]]


def test_bad_input_is_one_sentence(capsys: Capture, cpu: str, tmp_path: Path) -> None:
    assert "rows measured on 'cpu' name no device" in _refused(capsys, "--explain")
    assert "did you mean l40s" in _refused(capsys, "--explain", "--device", "l40")
    assert "known: dycoke, fastv, full, omnizip, random" in _refused(
        capsys, "--explain", "--device", cpu, "--method", "stride"
    )
    kept = tmp_path / "kept"
    assert "known: dycoke" in _refused(capsys, "--method", "stride", "--out", str(kept))
    assert not kept.exists()
    assert "measured on (cpu), got 'l40s'" in _refused(capsys, "--explain", "--device", "l40s")
    assert "did you mean ttft" in _refused(capsys, "--explain", "--timer", "tft")
    assert "--timer says what --explain explains" in _refused(capsys, "--timer", "ttft")
    alone = ("--explain", "--device", cpu, "--method", "full")
    assert "no configuration is compressed" in _refused(capsys, *alone)
    assert "not both" in _refused(capsys, "--explain", "--device", cpu, "--json", "--csv")
    other = tmp_path / "h100.toml"
    other.write_text('format = 1\n[values]\ngemm = "fast"\n')
    assert "gemm" in _refused(capsys, "--device", cpu, "--calibration", str(other))
