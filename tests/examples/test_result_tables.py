"""All tables of a campaign: made again from its files, and told apart when they are stale."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from planted_result import STARTED, full_tokens, half

from omnizip_cost.compare.recorded_file import add_recorded
from omnizip_cost.results import MeasurementStore
from omnizip_cost.results.tables import read_table

ANALYSIS = Path(__file__).resolve().parents[2] / "analysis"
NAMES = {"result.csv", "result.md", "result.tex", "errors.csv", "error_summary.csv", "stages.csv"}


@pytest.fixture(scope="module")
def program() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ANALYSIS)
        import result_tables

        return result_tables


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A campaign of two configurations, predicted before it was measured."""
    store = MeasurementStore(tmp_path / "measurements" / "h100-sxm")
    configs = MeasurementStore(ANALYSIS / "measurements" / "cpu-calibration").thinkers()
    record = {"device": "NVIDIA H100 80GB HBM3", "created_utc": STARTED}
    key = store.register(record, model="omni-tiny", config=configs["omni-tiny"])
    for one in (full_tokens(), half()):
        store.append([replace(row, environment_id=key) for row in one.rows])
    (store.folder / "operators.csv").write_text("model,calls\nomni-tiny,3\n")
    predicted = [full_tokens().recorded, half().recorded]
    add_recorded(predicted, tmp_path / "predictions" / "h100-sxm.parquet")
    return tmp_path


@pytest.fixture
def run(program: Any, home: Path) -> Callable[..., int]:
    def call(*arguments: str) -> int:
        code: int = program.main(["--home", str(home), *arguments])
        return code

    return call


def test_every_table_is_written_and_then_in_agreement(
    run: Callable[..., int], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--check") == 1
    assert run() == 0
    folder = home / "tables" / "h100-sxm"
    assert {path.name for path in folder.iterdir()} == {*NAMES, "operators.csv"}
    capsys.readouterr()
    assert run("--check") == 0
    assert run() == 0
    assert capsys.readouterr().out == ""
    rows = read_table(folder / "result.csv")
    assert list(rows["label"]) == ["Full tokens", "Random 50%"]
    assert list(rows["prefill_predicted_s"]) == [5.0, 1.2]
    assert set(read_table(folder / "stages.csv")["timed"]) == {"observed", "uncalibrated"}


def test_the_check_names_what_differs_and_leaves_it(
    run: Callable[..., int], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run()
    edited = home / "tables" / "h100-sxm" / "errors.csv"
    edited.write_text(edited.read_text().replace("0.1", "0.2", 1))
    (edited.parent / "stages.csv").unlink()
    capsys.readouterr()
    assert run("--check") == 1
    assert capsys.readouterr().out.splitlines() == [
        "tables/h100-sxm/errors.csv: differs",
        "tables/h100-sxm/stages.csv: differs",
    ]
    assert not (edited.parent / "stages.csv").exists()


@pytest.mark.parametrize(
    "arguments", [("--device", "h200-sxm"), ("--device", "h200-sxm", "--check")]
)
def test_a_device_without_rows_is_refused_in_a_sentence(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str], arguments: Sequence[str]
) -> None:
    assert run(*arguments) == 2
    said = capsys.readouterr().err
    assert "device with rows and predictions" in said
    assert "h100-sxm" in said
    assert len(said.splitlines()) == 1


def test_predictions_that_were_edited_are_refused(
    run: Callable[..., int], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = home / "predictions" / "h100-sxm.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    assert run() == 2
    assert "h100-sxm.parquet" in capsys.readouterr().err
    assert not (home / "tables").exists()


def test_nothing_measured_is_nothing_to_do(
    program: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program.main(["--home", str(tmp_path), "--check"]) == 0
    assert "no device has both" in capsys.readouterr().err


def test_the_committed_tables_are_what_the_committed_rows_give(
    program: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    if not program.devices():
        pytest.skip("no campaign with rows and predictions is committed")
    assert program.main(["--check"]) == 0, capsys.readouterr().out
