"""The demo end to end on a two-second clip."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from omnizip_cost.cli.app import run
from omnizip_cost.compression import PAPER_SETTINGS
from omnizip_cost.workload import make_demo_clip

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "short.mp4"
    make_demo_clip(path, seconds=2.0, size=(112, 112))
    return path


def test_the_main_job(clip: Path, tmp_path: Path, capsys: Capture) -> None:
    assert run(["demo", "--clip", str(clip), "--out", str(tmp_path), "--rounds", "1"]) == 0
    out = capsys.readouterr().out
    labels = [setting.label for setting in PAPER_SETTINGS]
    assert all(label in out for label in labels)
    assert "random weights: timing only" in out
    document = (tmp_path / "report.md").read_text()
    assert all(f"| {label} |" in document for label in labels)
    for name in ("speedup", "stages", "windows", "kept", "conventions"):
        assert (tmp_path / "figures" / f"{name}.pdf").is_file()
        assert f"figures/{name}.png" in document
    with (tmp_path / "tables" / "compare.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == labels
    assert all(float(row["speedup_observed"]) > 0 for row in rows)
    assert str(tmp_path) not in document
