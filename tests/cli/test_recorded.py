"""``predict --record``, then ``compare --predictions``: as typed, on rows planted in a store."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from planted_rows import planted

import omnizip_cost as oz
from omnizip_cost.cli.app import run
from omnizip_cost.results import MeasurementStore, read_table, write_table

Capture = pytest.CaptureFixture[str]
CALIBRATION = Path(__file__).parents[2] / "analysis" / "measurements" / "cpu-calibration"
CPU = str(CALIBRATION / "cpu.toml")
SPEC = oz.load_spec("omni-tiny")
CLIP = ("--seconds", "2", "--pixels", "112x112")
WORK = oz.workload(SPEC, seconds=2, pixels=(112, 112))
ASKED = ("predict", "--model", "omni-tiny", "--device", CPU, "--dtype", "fp32", "--decode", "3")
LATER, EARLIER = "2999-01-01T00:00:00+00:00", "2001-01-01T00:00:00+00:00"
SLOWER = 1.25
"""Measured seconds over predicted ones, of each stage: it cancels in a speed-up."""

Store = Callable[..., str]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Full tokens and OmniZip at a half, whose first samples are of the given times."""

    def planted_store(full_utc: str, omnizip_utc: str, **changes: Any) -> str:
        folder = MeasurementStore(tmp_path / "rows")
        session = {"device": "cpu", "created_utc": changes.pop("session_utc", full_utc)}
        environment = folder.register(session, model=SPEC.name, config=SPEC.config)
        methods = {"full": ("Full tokens", full_utc), "omnizip": ("OmniZip 50%", omnizip_utc)}
        for method, (label, utc) in methods.items():
            ratio = {} if method == "full" else {"retained": 0.5}
            plan = oz.plan(method, WORK, SPEC, **ratio)
            found = oz.predict(SPEC, plan, CPU, workload=WORK, dtype="fp32", decode=3)
            told = {"environment_id": environment, "device": "cpu", "label": label,
                    "started_utc": utc}  # fmt: skip
            folder.append(
                planted(found, WORK, lambda name, one=found: SLOWER * one.seconds(name),
                        **(told | changes))
            )  # fmt: skip
        return str(tmp_path / "rows")

    return planted_store


def _recorded(tmp_path: Path, *more: str) -> str:
    path = str(tmp_path / "predicted.parquet")
    asked = (*ASKED, *CLIP, "--method", "full,omnizip", "--retained", "0.5", *more)
    assert run([*asked, "--record", path, "--json"]) == 0
    return path


def _refused(capsys: Capture, *arguments: str) -> str:
    capsys.readouterr()
    assert run(list(arguments)) == 2
    out = capsys.readouterr()
    assert out.out == ""
    assert out.err.count("\n") == 1
    return out.err


def test_a_stranger_records_and_compares(capsys: Capture, store: Store, tmp_path: Path) -> None:
    path, rows = _recorded(tmp_path), store(LATER, LATER)
    said = json.loads(capsys.readouterr().out)
    assert run(["compare", rows, "--predictions", path, "--json"]) == 0
    full, pruned = json.loads(capsys.readouterr().out)
    assert (full["label"], pruned["label"]) == ("Full tokens", "OmniZip 50%")
    assert pruned["prefill_predicted_s"] == said[1]["prefill_s"]
    assert full["prefill_error_predicted"] == pytest.approx(1 / SLOWER - 1)
    assert pruned["speedup_predicted"] < said[1]["prefill_speedup"]  # selection is inside
    assert pruned["predicted_utc"] < LATER
    assert pruned["prefill_calibrated_s"] is None


def test_both_kinds_stand_side_by_side(capsys: Capture, store: Store, tmp_path: Path) -> None:
    path = _recorded(tmp_path)
    _recorded(tmp_path, "--calibration", str(CALIBRATION / "calibration.toml"))
    capsys.readouterr()
    assert run(["compare", store(LATER, LATER), "--predictions", path]) == 0
    shown = capsys.readouterr().out
    assert "pred. err" in shown and "calib. err" in shown
    assert "Refused" not in shown
    assert len(read_table(path)) == 4


def test_what_came_too_late_is_named_below(capsys: Capture, store: Store, tmp_path: Path) -> None:
    path = _recorded(tmp_path)
    capsys.readouterr()
    rows = store(LATER, EARLIER)
    assert run(["compare", rows, "--predictions", path]) == 0
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert last.startswith("Refused: OmniZip 50% (omni-tiny, 2 s of 112x112 with sound). The unc")
    assert last.endswith("not before the first sample at 2001-01-01T00:00:00+00:00.")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, "not before the first sample at 2001"),
        ({"started_utc": ""}, "not before the first sample at 2001"),
        ({"started_utc": "", "session_utc": None}, "When its first sample was taken is not known"),
        ({"clip": "another"}, "No prediction of it is on record"),
    ],
)
def test_nothing_left_is_one_sentence(
    capsys: Capture, store: Store, tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    path, rows = _recorded(tmp_path), store(EARLIER, EARLIER, **changes)
    said = _refused(capsys, "compare", rows, "--predictions", path)
    assert "holds no prediction of these rows, of 2 measured configurations" in said
    assert why in said


def test_an_edited_prediction_is_refused(capsys: Capture, store: Store, tmp_path: Path) -> None:
    path, rows = _recorded(tmp_path), store(EARLIER, EARLIER)
    table = read_table(path)
    table["created_utc"] = "2000-01-01T00:00:00+00:00"
    write_table(table, path)
    assert "was changed after it was written" in _refused(
        capsys, "compare", rows, "--predictions", path
    )


def test_a_prediction_is_written_once(capsys: Capture, tmp_path: Path) -> None:
    path = _recorded(tmp_path)
    before = Path(path).read_bytes()
    asked = (*ASKED, *CLIP, "--record", path)
    assert "written once, and never changed" in _refused(capsys, *asked)
    assert Path(path).read_bytes() == before


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (("--tokens", "900"), "nothing measures a bare count of tokens"),
        ((*CLIP, "--backend", "ideal"), "backend must be one that is measured"),
        ((*CLIP, "--cache-dtype", "int8"), "weights and cache must be in fp32"),
        ((*CLIP, "--ops"), "--ops and --record exclude each other"),
        (("--tokens", "9", "--layer-tokens", "9"), "--layer-tokens exclude each other"),
    ],
)
def test_what_nobody_measures_is_not_recorded(
    capsys: Capture, tmp_path: Path, more: tuple[str, ...], why: str
) -> None:
    path = tmp_path / "predicted.parquet"
    assert why in _refused(capsys, *ASKED, *more, "--record", str(path))
    assert not path.exists()


def test_now_and_then_are_not_mixed(capsys: Capture, store: Store, tmp_path: Path) -> None:
    path, rows = _recorded(tmp_path), store(LATER, LATER)
    said = _refused(capsys, "compare", rows, "--predictions", path, "--explain")
    assert "--explain asks for what is computed now" in said


def test_what_is_computed_afterwards_says_so(capsys: Capture, store: Store) -> None:
    assert run(["compare", store(LATER, LATER), "--device", CPU]) == 0
    shown = capsys.readouterr().out
    assert "computed now" in shown
    assert "so no prediction" in shown
    assert "pred. err" not in shown


def test_result_tables_are_written(capsys: Capture, store: Store, tmp_path: Path) -> None:
    path, rows = _recorded(tmp_path), store(LATER, LATER)
    out = tmp_path / "out"
    assert run(["compare", rows, "--predictions", path, "--out", str(out)]) == 0
    written = {one.name for one in (out / "tables").iterdir()}
    assert {"result.csv", "errors.csv", "error_summary.csv"} <= written
    assert list(read_table(out / "tables" / "result.csv")["label"]) == [
        "Full tokens", "OmniZip 50%",
    ]  # fmt: skip
