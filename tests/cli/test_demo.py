"""The demo end to end on a two-second clip."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from omnizip_cost.cli.app import run
from omnizip_cost.cli.demo import ON_PAPER, _write_theory
from omnizip_cost.compression import PAPER_SETTINGS
from omnizip_cost.specs import load_spec
from omnizip_cost.workload import decode_clip, make_demo_clip

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


@pytest.mark.parametrize(("level", "kept"), [(None, True), (0.0, False), (1.0, True)])
def test_tables_of_clips_without_sound_and_of_silence(
    clip: Path, tmp_path: Path, level: float | None, kept: bool
) -> None:
    """Digital silence ranks nothing and has no tables of windows; the rest of the demo goes on."""
    decoded = decode_clip(str(clip), load_spec(ON_PAPER))
    assert decoded.waveform is not None
    waveform = None if level is None else level * decoded.waveform
    _write_theory(replace(decoded, waveform=waveform), tmp_path)
    written = {path.name for path in (tmp_path / "tables").iterdir()}
    tables = {"windows.csv", "kept.parquet", "kept_frames.parquet"}
    assert written == {"conventions.csv"} | (tables if kept else set())
