"""Predictions of a campaign: every cell of its grid, and what is committed of them.

A committed file is a record. It is held to its grid and to what it says of itself, never to what
the model of time says today.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from omnizip_cost.compare.recorded import RecordedPrediction
from omnizip_cost.compare.recorded_check import first_sessions, recorded_for
from omnizip_cost.compare.recorded_file import add_recorded, read_recorded
from omnizip_cost.hardware import plain_dtype
from omnizip_cost.results import MeasurementStore

ANALYSIS = Path(__file__).resolve().parents[2] / "analysis"
CALIBRATION = ANALYSIS / "measurements" / "cpu-calibration"
COMMITTED = {
    "cpu": (("cpu",), {"uncalibrated", "calibrated"}),
    "h100-sxm": (("cuda", "cuda-more"), {"uncalibrated"}),
    "h200-sxm": (("cuda", "cuda-more"), {"uncalibrated"}),
}
"""Devices with their grids and kinds of prediction."""

Wanted = set[tuple[object, ...]]


@pytest.fixture(scope="module")
def program() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ANALYSIS)
        import campaign_predictions

        yield campaign_predictions


@pytest.fixture(scope="module")
def written(program: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("predictions") / "cpu.parquet"
    assert program.main(_asked(path)) == 0
    return path


def _asked(out: Path, *more: str) -> list[str]:
    nowhere = str(out.parent / "measured")
    return ["--grid", "cpu", "--device", "cpu", "--device-file", str(CALIBRATION / "cpu.toml"),
            "--out", str(out), "--measured", nowhere, *more]  # fmt: skip


def _wanted(program: Any, grids: tuple[str, ...]) -> Wanted:
    """What tells the cells of some grids apart, in the words of their rows."""
    return {
        (case.spec.name, case.clip, case.block.attention, case.block.execution,
         plain_dtype(case.dtype), case.workload.tokens, case.cell.method, case.cell.label,
         case.cell.mode, case.block.decode_steps)
        for grid in grids
        for case in program.cases(program.grid_named(grid))
    }  # fmt: skip


def _held(rows: tuple[RecordedPrediction, ...], kind: str) -> Wanted:
    return {
        (row.model, row.clip, row.attention, row.execution, row.dtype, row.full_tokens,
         row.method, row.label, row.mode, row.decode_steps)
        for row in rows
        if row.kind == kind
    }  # fmt: skip


def test_every_cell_is_predicted(program: Any, written: Path) -> None:
    rows = read_recorded(written)
    wanted = _wanted(program, ("cpu",))
    assert _held(rows, "uncalibrated") == wanted
    assert len(rows) == len(wanted)
    assert {row.speedup for row in rows if row.method == "full"} == {1.0}


def test_what_was_measured_is_not_predicted_again(
    program: Any, written: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = read_recorded(written)
    out, measured = tmp_path / "cpu.parquet", tmp_path / "measured"
    add_recorded(rows[1:], out)
    assert program.write(rows[:2], out, measured=measured) == 2  # nothing measured: made anew
    assert len(read_recorded(out)) == 2
    measured.mkdir()
    (measured / "rows.parquet").touch()
    before = out.read_bytes()
    assert program.main(_asked(out)) == 2
    assert "what was predicted of them must stay" in capsys.readouterr().err
    assert out.read_bytes() == before
    assert program.write(rows, out, measured=measured, again=True) == len(rows) - 2
    kept = read_recorded(out)
    assert kept[:2] == rows[:2]
    assert len(kept) == len(rows)


def test_another_devices_file_is_refused(
    program: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "x.parquet"
    asked = ["--grid", "cpu", "--device", "h100-sxm", "--device-file"]
    assert program.main([*asked, str(CALIBRATION / "cpu.toml"), "--out", str(out)]) == 2
    assert "--device-file must be h100-sxm" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("device", COMMITTED)
def test_committed_predictions_cover_their_grid(program: Any, device: str) -> None:
    grids, kinds = COMMITTED[device]
    rows = read_recorded(ANALYSIS / "predictions" / f"{device}.parquet")
    wanted = _wanted(program, grids)
    for kind in kinds:
        assert wanted <= _held(rows, kind)
    assert {row.kind for row in rows} == kinds
    assert {row.device for row in rows} == {device}


@pytest.mark.parametrize("device", COMMITTED)
def test_committed_predictions_say_where_they_come_from(device: str) -> None:
    for row in read_recorded(ANALYSIS / "predictions" / f"{device}.parquet"):
        assert re.fullmatch(r"[0-9a-f]{40}", row.git_commit), "from a clean commit"
        assert row.package_version
        written = datetime.fromisoformat(row.created_utc)
        assert written.tzinfo is not None
        if row.kind == "calibrated":
            assert datetime.fromisoformat(row.calibration_created_utc) < written
            assert re.fullmatch(r"[0-9a-f]{64}", row.calibration_sha256)
            assert row.configuration not in row.fitted_configurations


@pytest.mark.parametrize("device", COMMITTED)
def test_committed_rows_were_predicted_beforehand(device: str) -> None:
    store = MeasurementStore(ANALYSIS / "measurements" / device)
    if not store.rows_path.is_file():
        pytest.skip(f"nothing is measured on {device} yet")
    recorded = read_recorded(ANALYSIS / "predictions" / f"{device}.parquet")
    sessions = first_sessions(store.environments())
    found = recorded_for(store.rows(), recorded, sessions=sessions)
    assert {one.refused for one in found.values()} == {""}
