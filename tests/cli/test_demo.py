"""The demo end to end on a two-second clip, and the window rates of a clip's own sound."""

from __future__ import annotations

import csv
import json
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
    for name in ("speedup", "stages", "windows", "conventions"):
        assert (tmp_path / "figures" / f"{name}.pdf").is_file()
        assert f"figures/{name}.png" in document
    with (tmp_path / "tables" / "compare.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == labels
    assert all(float(row["speedup_observed"]) > 0 for row in rows)
    assert str(tmp_path) not in document


def test_allocate_reads_a_clips_own_sound(clip: Path, capsys: Capture) -> None:
    arguments = ["allocate", str(clip), "--video-pruning", "0.6", "--max-pixels", "12544"]
    assert run([*arguments, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["scores"] for row in rows} == {"proxy"}
    assert [row["audio_tokens"] for row in rows] == [50]
    assert rows[0]["rate"] == pytest.approx(0.6)
    assert run(arguments) == 0
    assert "scores: proxy" in capsys.readouterr().out


def test_allocate_needs_sound(tmp_path: Path, shared: Path, capsys: Capture) -> None:
    import av

    silent = tmp_path / "silent.mp4"
    with av.open(str(shared / "clips" / "bigbuckbunny.mp4")) as source:
        stream = source.streams.video[0]
        with av.open(str(silent), "w") as target:
            copy = target.add_stream_from_template(stream)
            for packet in source.demux(stream):
                if packet.dts is not None:
                    packet.stream = copy
                    target.mux(packet)
    assert run(["allocate", str(silent), "--video-pruning", "0.6"]) == 2
    assert "no sound" in capsys.readouterr().err
