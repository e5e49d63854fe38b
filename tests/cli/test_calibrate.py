"""``calibrate`` on committed rows of a real CPU, and ``devices cpu``: refusals in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from omnizip_cost.cli.app import run
from omnizip_cost.latency.calibration_file import read_calibration

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "analysis" / "measurements" / "cpu-demo"

DEVICE = """
name = "cpu"
title = "the CPU of the demo's rows"
architecture = "CPU"
source = "two threads at about 90 GFLOP/s each; the fit takes up what this is off"
bandwidth_gb_per_s = 36
memory_gib = 23.5
peak_tflop_per_s = { fp32 = 0.18, bf16 = 0.4 }
"""


@pytest.fixture
def device(tmp_path: Path) -> Path:
    path = tmp_path / "cpu.toml"
    path.write_text(DEVICE)
    return path


def test_committed_rows_are_predicted_at_ratios_that_were_not_fitted(
    tmp_path: Path, device: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "calibration.toml"
    assert run(["calibrate", str(DEMO), "--device", str(device), "--out", str(out), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    unseen = [row for row in rows if row["part"] == "held out" and row["stage"] == "prefill"]
    fitted = {row["retained"] for row in rows if row["part"] == "fitted"}
    assert len(unseen) >= 3
    assert not fitted & {row["retained"] for row in unseen}
    errors = sorted(abs(row["error"]) for row in unseen)
    assert errors[len(errors) // 2] < 0.08
    for row in rows:
        assert row["error"] == pytest.approx(row["predicted_s"] / row["observed_s"] - 1)
    record = read_calibration(out)
    assert record.fit is not None
    assert record.fit.rows_used == sum(row["part"] == "fitted" for row in rows)
    assert record.fit.versions["torch"].startswith("2.")
    assert record.fit.held == ("launch_s",)
    assert record.launch_s is None
    assert record.host_s is not None


def test_estimates_are_those_of_the_file(
    tmp_path: Path, device: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "calibration.toml"
    asked = ["calibrate", str(DEMO), "--device", str(device), "--out", str(out), "--estimates"]
    assert run([*asked, "--json"]) == 0
    told = {row["parameter"]: row for row in json.loads(capsys.readouterr().out)}
    written = read_calibration(out)
    assert {name: row["value"] for name, row in told.items()} == {
        name: getattr(written, name) for name in told
    }
    assert (told["host_s"]["unit"], told["gemm"]["unit"]) == ("s", "")
    assert told["gemm"]["standard_error"] > 0
    assert told["launch_s"]["held"] and told["launch_s"]["standard_error"] is None
    assert run(asked) == 2
    assert "--estimates goes with --json or --csv" in capsys.readouterr().err


def test_a_bare_table_of_rows_is_fitted_as_their_folder_is(
    tmp_path: Path, device: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from omnizip_cost.cli.compare import read_measurements
    from omnizip_cost.results import write_table

    table = write_table(read_measurements(DEMO)[0], tmp_path / "rows.csv")
    said = []
    for source in (DEMO, table):
        out = tmp_path / f"{source.stem}.toml"
        command = ["calibrate", str(source), "--device", str(device), "--out", str(out), "--csv"]
        assert run(command) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]


def test_the_table_says_what_was_fitted_and_what_was_not(
    tmp_path: Path, device: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "all.toml"
    command = ["calibrate", str(DEMO), "--device", str(device), "--out", str(out)]
    assert run([*command, "--no-hold-out"]) == 0
    text = capsys.readouterr().out
    assert "launch_s is held: a CPU launches nothing." in text
    assert "none held out." in text
    assert "Held out: nothing was held out." in text
    assert f"Written: {out}" in text
    fit = read_calibration(out).fit
    assert fit is not None
    assert fit.rows_held_out == 0
    assert fit.median_error_held_out is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["{none}", "--device", "{cpu}", "--out", "x.toml"], "there are no measured rows"),
        (["{demo}", "--device", "{cpu}", "--out", "x.json"], "give a name ending in .toml"),
        (["{demo}", "--device", "cpu", "--out", "x.toml"], "devices cpu --measure --out cpu.toml"),
        (
            ["{demo}", "--device", "h100-sxm", "--out", "x.toml"],
            "device must be the one the rows were measured on (cpu), got 'h100-sxm'",
        ),
        (["{demo}", "--device", "h100", "--out", "x.toml"], "did you mean h100-sxm"),
        (["{none}/a.micro.csv", "--device", "{cpu}", "--out", "x.toml"], "there is no such file"),
        (
            ["{wrong}", "--device", "{cpu}", "--out", "x.toml"],
            "neither measured stages nor a micro-benchmark",
        ),
    ],
)
def test_what_cannot_be_fitted_is_one_sentence(
    tmp_path: Path,
    device: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    says: str,
) -> None:
    wrong = tmp_path / "wrong.micro.csv"
    wrong.write_text("a,b\n1,2\n")
    names = {"none": tmp_path / "none", "demo": DEMO, "cpu": device, "wrong": wrong}
    filled = [argument.format(**names) for argument in arguments]
    assert run(["calibrate", *filled]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["cpu"], "run `omnizip-cost devices cpu --measure --out cpu.toml` and give that file"),
        (["cpu", "--measure"], "`cpu --measure` needs --out FILE.toml"),
        (["cpu", "--measure", "--out", "x.csv"], "`cpu --measure` needs --out FILE.toml"),
        (["h100-sxm", "--measure", "--out", "x.toml"], "--measure goes with `cpu` or `cuda`"),
        (["cuda", "--measure", "--out", "x.toml"], "needs --out FILE.micro.csv"),
        (["--out", "x.toml"], "--out and --seconds go with --measure"),
        (["cpu", "--measure", "--out", "x.toml", "--seconds", "-1"], "--seconds must be above 0"),
    ],
)
def test_a_cpu_is_measured_or_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert run(["devices", *arguments]) == 2
    assert says in capsys.readouterr().err


def test_an_uncalibrated_processor_has_errors_of_other_devices(
    device: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No kernel of it was timed: what is known of the roofline comes from GPUs."""
    asked = ["predict", "--model", "omni-tiny", "--device", str(device), "--dtype", "fp32"]
    assert run([*asked, "--tokens", "300"]) == 0
    said = capsys.readouterr().out
    assert "How far that is off on this processor is not known" in said
    assert "median errors on measured GPUs (products" in said
