"""``sweep`` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from omnizip_cost.cli.app import run

Capture = pytest.CaptureFixture[str]

GRID = """
models = ["qwen2.5-omni-7b"]
conventions = ["eq9", "torch"]
methods = ["full", "omnizip"]
tokens = [10_004]
retained = [0.45, 0.35]
"""


@pytest.fixture
def grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("grid.toml").write_text(GRID)
    return "grid.toml"


def test_the_table_holds_what_flops_says(grid: str, capsys: Capture) -> None:
    assert run(["sweep", grid, "--out", "out", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["convention"], row["rows"], row["files"]) for row in rows] == [
        ("eq9", 3, 1),
        ("torch", 3, 1),
    ]
    assert all(Path(row["path"]).is_dir() and row["bytes"] > 0 for row in rows)
    frame = pd.read_parquet("out").set_index(["convention", "method", "retained"])
    eq9 = {key[1:]: flops for key, flops in frame.flops.items() if key[0] == "eq9"}
    printed = {key: f"{flops / 1e12:.1f}" for key, flops in eq9.items()}
    assert printed == {("full", 1.0): "73.2", ("omnizip", 0.45): "28.3", ("omnizip", 0.35): "21.4"}
    command = ["flops", "--model", "qwen2.5-omni-7b", "--tokens", "10004", "--method", "omnizip"]
    assert run([*command, "--retained", "0.45", "--convention", "torch", "--json"]) == 0
    counted = json.loads(capsys.readouterr().out)
    assert sum(row["flops"] for row in counted) == frame.flops["torch", "omnizip", 0.45]


def test_a_person_reads_what_was_written_and_how_to_read_it(grid: str, capsys: Capture) -> None:
    assert run(["sweep", grid, "--out", "out"]) == 0
    out, err = capsys.readouterr()
    assert err == "", "progress is for terminals"
    assert "6 configurations in out" in out
    assert "6 configurations computed and written in" in out
    assert "per second" in out
    assert "pandas.read_parquet('out')" in out
    assert run(["sweep", grid, "--out", "out"]) == 0
    assert "Nothing was left to do; 6 were there before." in capsys.readouterr().out


def test_a_dry_run_says_what_a_huge_grid_takes_and_writes_nothing(
    grid: str, capsys: Capture
) -> None:
    wide = GRID.replace("[10_004]", "{ start = 1, stop = 10_000_000, step = 1 }")
    Path(grid).write_text(wide.replace("[0.45, 0.35]", "{ start = 0.02, stop = 1.0, count = 50 }"))
    assert run(["sweep", grid, "--dry-run", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["configurations"] == 2 * 10**7 * 51
    assert row["seconds"] == pytest.approx(row["configurations"] / row["rows_per_s"])
    assert row["bytes"] > 5 * row["configurations"]
    assert run(["sweep", grid, "--dry-run"]) == 0
    assert "1,020,000,000" in capsys.readouterr().out
    assert [path.name for path in Path().iterdir()] == ["grid.toml"]


def test_the_example_is_a_grid(grid: str, capsys: Capture) -> None:
    assert run(["sweep", "--help"]) == 0
    assert "grid.toml" in capsys.readouterr().out
    assert run(["sweep", "--example"]) == 0
    Path(grid).write_text(capsys.readouterr().out)
    assert run(["sweep", grid, "--dry-run", "--csv"]) == 0
    header, values = capsys.readouterr().out.splitlines()
    assert dict(zip(header.split(","), values.split(","), strict=True))["configurations"] == "98400"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["grid.toml"], "sweep: --out must be given, unless --dry-run is\n"),
        (["--out", "out"], "sweep: GRID.toml must be given; --example prints one\n"),
        (["nowhere.toml", "--out", "out"], "nowhere.toml: no such file"),
        (["grid.toml", "--out", "."], "holds files but no _grid.json"),
        (["grid.toml", "--out", "out", "--json", "--csv"], "one of --json and --csv"),
    ],
)
def test_what_is_amiss_is_one_sentence_and_nothing_is_written(
    grid: str, capsys: Capture, arguments: list[str], says: str
) -> None:
    assert run(["sweep", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("omnizip-cost: ")
    assert says in err
    assert err.count("\n") == 1
    assert [path.name for path in Path().iterdir()] == [grid]
