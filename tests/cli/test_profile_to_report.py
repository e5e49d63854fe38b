"""From a described clip to measured rows, a comparison, figures and a document, as typed."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

import omnizip_cost as oz
from omnizip_cost.cli.app import run
from omnizip_cost.workload import VideoSettings

Capture = pytest.CaptureFixture[str]

PROFILE = (
    *("profile", "--model", "omni-tiny", "--seconds", "2", "--pixels", "112x112"),
    *("--max-pixels", "12544", "--method", "full,omnizip,fastv", "--retained", "0.5"),
    *("--decode", "2", "--rounds", "2"),
)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("profile")
    assert run([*PROFILE, "--out", str(out), "--trace"]) == 0
    return out


def test_rows_say_what_was_measured(measured: Path, capsys: Capture) -> None:
    """A second run finds everything measured and only reports it."""
    capsys.readouterr()
    assert run([*PROFILE, "--out", str(measured), "--no-operators", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["label"] for row in rows} == {"Full tokens", "OmniZip 50%", "FastV 50%"}
    assert {row["weights"] for row in rows} == {"random"}
    assert {row["stage"] for row in rows if row["method"] == "omnizip"} == {
        "audio_encoder",
        "vision_encoder",
        "assembly",
        "selection",
        "prefill",
        "decode",
    }
    assert all(len(row["samples_s"]) == 2 for row in rows)
    assert all(row["resident_bytes"] > 0 for row in rows)


def test_a_second_run_says_that_it_measured_nothing(measured: Path, capsys: Capture) -> None:
    capsys.readouterr()
    assert run([*PROFILE, "--out", str(measured), "--no-operators"]) == 0
    assert "3 of 3 configurations were measured before this run" in capsys.readouterr().out


def test_compare_figures_and_report(measured: Path, capsys: Capture, tmp_path: Path) -> None:
    capsys.readouterr()
    assert run(["compare", str(measured), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    full, omnizip, fastv = rows
    assert full["speedup_observed"] == 1
    assert omnizip["kept_tokens"] < fastv["full_tokens"]
    assert omnizip["error_exact"] == pytest.approx(
        omnizip["speedup_exact"] / omnizip["speedup_observed"] - 1
    )
    spec = oz.load_spec("omni-tiny")
    work = oz.workload(
        spec, seconds=2, pixels=(112, 112), settings=VideoSettings(min_pixels=1, max_pixels=12_544)
    )
    assert work.tokens == full["full_tokens"]
    for row in (omnizip, fastv):
        planned = oz.count(spec, oz.plan(row["method"], work, spec, retained=0.5), "sdpa", 2)
        (selection,) = [part.flops for part in planned if part.component == "selection"]
        assert row["flops_selection"] == selection > 0
        assert row["speedup_exact"] < row["prefill_speedup_exact"]
        assert row["speedup_observed"] < row["prefill_speedup_observed"]
    assert run(["compare", str(measured), "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "random weights" in out
    assert "The exact count (convention `sdpa`)" in out
    for name in ("speedup", "stages"):
        for kind in ("pdf", "svg", "png"):
            assert (tmp_path / "figures" / f"{name}.{kind}").stat().st_size > 1_000
    assert run(["report", "--from", str(measured), "--out", str(tmp_path / "r.md")]) == 0
    document = (tmp_path / "r.md").read_text()
    assert "| OmniZip 50%" in document
    assert "The weights are random" in document


def test_operator_table_and_traces(measured: Path) -> None:
    table = (measured / "tables" / "operators.csv").read_text()
    assert "gemm" in table
    traces = sorted(path.name for path in (measured / "traces").iterdir())
    assert traces == ["fastv-50.json.gz", "full-tokens.json.gz", "omnizip-50.json.gz"]
    with gzip.open(measured / "traces" / traces[0], "rt") as file:
        assert json.load(file)["traceEvents"]


def test_a_described_size_cannot_be_profiled_as_a_bare_count(capsys: Capture) -> None:
    assert run(["profile", "--model", "omni-tiny", "--tokens", "100", "--out", "o"]) == 2
    assert "no mix of audio and video" in capsys.readouterr().err
