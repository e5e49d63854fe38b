"""The measured rows kept in the project: they load, compare, and are what the README shows."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median

import pytest

from omnizip_cost.cli.app import run
from omnizip_cost.cli.compare import read_measurements
from omnizip_cost.cli.publish import verdicts
from omnizip_cost.compare import compare

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = sorted(path.parent for path in (ROOT / "analysis" / "measurements").rglob("rows.parquet"))


def test_there_are_some() -> None:
    assert FOLDERS


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_they_compare_and_carry_their_circumstances(folder: Path) -> None:
    rows, specs = read_measurements(folder)
    assert all(row.samples_s for row in rows if row.status == "ok")
    assert all(row.environment_id and row.created_utc and row.package_version for row in rows)
    assert {row.model for row in rows} <= set(specs)
    assert compare(rows, specs)


def test_the_readme_shows_what_selection_took() -> None:
    """Every line of its table is a kept row, and the targets of the selection are met there."""
    kept = ROOT / "analysis" / "measurements" / "cpu-selection" / "bench.json"
    rows = [
        row
        for row in json.loads(kept.read_text())["rows"]
        if row["case"] in ("floor", "official", "paper", "plain official")
    ]
    readme = (ROOT / "README.md").read_text()
    for row in rows:
        assert row["median_ms"] == pytest.approx(median(row["samples_ms"]))
        faster = row["plain_official_times"]
        line = (
            f"| {row['tokens']:,} | ({row['rho_a']:g}, {row['rho_v']:g}) | {row['case']} "
            f"| {row['median_ms']:,.0f} | {row['times_floor']:.2f} "
            f"| {'-' if faster is None else f'{faster:.1f}'} |"
        )
        assert line in readme
    targets = {"official": (2.0, 7.0), "paper": (1.1, 15.0)}
    judged = [row for row in rows if row["tokens"] == 10_140 and row["case"] in targets]
    assert len(judged) == 4
    for row in judged:
        most, least = targets[row["case"]]
        assert row["times_floor"] <= most
        assert row["plain_official_times"] >= least


def test_the_readme_shows_the_demos_rows(capsys: pytest.CaptureFixture[str]) -> None:
    folder = ROOT / "analysis" / "measurements" / "cpu-demo"
    readme = (ROOT / "README.md").read_text()
    rows, specs = read_measurements(folder)
    compared = compare(rows, specs)
    assert all(sentence in readme for sentence in verdicts(compared))
    capsys.readouterr()
    assert run(["compare", str(folder)]) == 0
    table = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    shown = [line for line in table if line.startswith("  OmniZip") or line.startswith("  FastV")]
    assert len(shown) == 6
    assert all(line in readme for line in shown)
    assert all(abs(row.error_exact or 0) < 0.15 for row in compared)
