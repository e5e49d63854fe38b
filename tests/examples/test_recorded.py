"""Predictions on record: which may be called predictions of which measured cell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from planted_rows import planted

import omnizip_cost as oz
from omnizip_cost.compare.recorded import RecordedPrediction, UsedCalibration, Writer
from omnizip_cost.compare.recorded_check import first_sessions, recorded_for, require_one_each
from omnizip_cost.compare.recorded_file import add_recorded, read_recorded
from omnizip_cost.errors import InputFileError, InvalidValueError, OmnizipCostError
from omnizip_cost.latency import Calibration, Prediction
from omnizip_cost.latency.calibration_file import calibration_text, read_calibration
from omnizip_cost.results import MeasurementRow, read_table, write_table

SPEC = oz.load_spec("qwen2.5-omni-7b")
WORK = oz.workload(SPEC, seconds=40, pixels=(252, 448))
WRITTEN = "2026-11-20T12:00:00+00:00"
MEASURED = "2026-11-21T12:00:00+00:00"
LABEL = "OmniZip 50%"
COMMITTED = Path(__file__).parents[2] / "analysis" / "measurements" / "cpu-calibration"
WRITER = Writer(package_version="0.1.0", git_commit="c0ffee", created_utc=WRITTEN)


def _predicted(method: str, calibration: Calibration | None = None) -> Prediction:
    plan = oz.plan(method, WORK, SPEC, **({"retained": 0.5} if method != "full" else {}))
    return oz.predict(SPEC, plan, "h100-sxm", workload=WORK, decode=4, calibration=calibration)


MINE, FULL = _predicted("omnizip"), _predicted("full")


@pytest.fixture(scope="module")
def recorded() -> RecordedPrediction:
    return WRITER.record(
        MINE, FULL, clip=WORK.name, label=LABEL, attention="sdpa", execution="stock"
    )


@pytest.fixture(scope="module")
def fitted() -> RecordedPrediction:
    """The same under a calibration that was fitted the day before it, on another clip."""
    fit = read_calibration(COMMITTED / "calibration.toml").fit
    assert fit is not None
    own = Calibration(
        gemm=0.8,
        fit=replace(
            fit,
            device="h100-sxm",
            created_utc="2026-11-19T12:00:00+00:00",
            cells_used=("omni-tiny, 9,999 tokens, OmniZip 50%, prefill",),
        ),
    )
    used = UsedCalibration.of("own.toml", calibration_text(own).encode(), own)
    return replace(WRITER, calibration=used).record(
        _predicted("omnizip", own),
        _predicted("full", own),
        clip=WORK.name,
        label=LABEL,
        attention="sdpa",
        execution="stock",
    )


def _rows(**changes: Any) -> list[MeasurementRow]:
    told = {
        "device": "NVIDIA H100 80GB HBM3",
        "label": LABEL,
        "started_utc": MEASURED,
        "created_utc": "2026-11-21T12:05:00+00:00",
    }
    return planted(MINE, WORK, **(told | changes))


def _found(recorded: Any, **changes: Any) -> Any:
    (one,) = recorded_for(_rows(**changes), recorded).values()
    return one


def test_a_prediction_says_what_was_predicted(recorded: RecordedPrediction) -> None:
    prefill, selection = MINE.seconds("prefill"), MINE.seconds("selection")
    assert recorded.speedup == pytest.approx(FULL.prefill_s / (prefill + selection))
    assert recorded.speedup_low < recorded.speedup < recorded.speedup_high  # type: ignore[operator]
    assert (recorded.selection_s, recorded.prefill_s) == (selection, prefill)
    assert recorded.selection_low_s < selection < recorded.selection_high_s  # type: ignore[operator]
    assert recorded.full_tokens == WORK.tokens


def test_one_written_before_the_first_sample_is_accepted(recorded: RecordedPrediction) -> None:
    found = _found([recorded])
    assert found.uncalibrated is recorded
    assert found.calibrated is None
    assert found.refused == ""


@pytest.mark.parametrize(
    "started",
    [
        WRITTEN,  # the same second
        "2026-11-20T11:59:59+00:00",
        "2026-11-20T14:00:00+05:00",  # 09:00 in UTC, though its text sorts after ours
        "2026-11-20T06:30:00-05:00",  # 11:30 in UTC
    ],
)
def test_one_written_at_or_after_it_is_refused(recorded: RecordedPrediction, started: str) -> None:
    found = _found([recorded], started_utc=started)
    assert not found.any
    assert "was written at 2026-11-20T12:00:00+00:00, not before the first sample" in found.refused


@pytest.mark.parametrize("started", ["2026-11-20T07:00:01-05:00", "2026-11-20T12:00:01Z"])
def test_times_are_compared_in_utc(recorded: RecordedPrediction, started: str) -> None:
    assert _found([recorded], started_utc=started).uncalibrated is recorded


@pytest.mark.parametrize("time", ["", "yesterday", "2026-11-20", "2026-11-20T11:00:00", "-1"])
def test_a_time_that_is_none_refuses(recorded: RecordedPrediction, time: str) -> None:
    assert (
        "does not say when it was written" in _found([replace(recorded, created_utc=time)]).refused
    )
    unknown = _found([recorded], started_utc=time)
    assert not unknown.any
    assert "When its first sample was taken is not known" in unknown.refused


def test_the_earliest_stage_counts(recorded: RecordedPrediction) -> None:
    rows = _rows()
    rows[-1] = replace(rows[-1], started_utc="2026-11-20T11:00:00+00:00")
    (found,) = recorded_for(rows, [recorded]).values()
    assert not found.any


def test_rows_that_began_after_they_ended_have_no_prediction(recorded: RecordedPrediction) -> None:
    later = replace(_rows()[0], created_utc="2026-11-20T11:00:00+00:00")
    (found,) = recorded_for([later, *_rows()[1:]], [recorded]).values()
    assert not found.any
    assert "its last of 2026-11-20T11:00:00" in found.refused


def test_rows_without_a_time_take_their_environments_first_session(
    recorded: RecordedPrediction,
) -> None:
    def found(*starts: str) -> Any:
        sessions = first_sessions(
            [{"id": "planted", "sessions": [{"created_utc": start} for start in starts]}]
        )
        (one,) = recorded_for(_rows(started_utc=""), [recorded], sessions=sessions).values()
        return one

    assert found(MEASURED).any
    assert not found(MEASURED, "2026-11-20T11:00:00+00:00").any
    assert "is not known" in found(MEASURED, "").refused
    assert "is not known" in found().refused


@pytest.mark.parametrize(
    "changes",
    [
        {"clip": "another"}, {"label": "OmniZip 45%"}, {"dtype": "float32"}, {"mode": "official"},
        {"execution": "graph"}, {"attention": "eager"}, {"decode_steps": 5}, {"model": "other"},
        {"device": "NVIDIA H200"}, {"retained": 0.5001}, {"full_tokens": 3}, {"rho_a": 0.9},
        {"fastv_layer": 5}, {"fastv_form": "last-query"}, {"device": "cpu"},
    ],
)  # fmt: skip
def test_another_cell_has_no_prediction(
    recorded: RecordedPrediction, changes: dict[str, Any]
) -> None:
    assert _found([recorded], **changes).refused == "No prediction of it is on record."


def test_weights_and_seed_do_not_matter(recorded: RecordedPrediction) -> None:
    assert _found([recorded], weights="checkpoint", seed=3).any


def test_a_device_of_ones_own_may_be_named(recorded: RecordedPrediction) -> None:
    (found,) = recorded_for(_rows(device="A card"), [recorded], device="h100-sxm").values()
    assert found.any


def test_a_calibration_of_other_rows_is_accepted(
    recorded: RecordedPrediction, fitted: RecordedPrediction
) -> None:
    found = _found([recorded, fitted])
    assert (found.uncalibrated, found.calibrated) == (recorded, fitted)
    assert fitted.prefill_s > recorded.prefill_s


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"calibration_created_utc": "2026-11-22T12:00:00+00:00"}, "before its calibration"),
        ({"calibration_created_utc": "2026-11-20T18:00:00+00:00"}, "before its calibration"),
        ({"calibration_created_utc": ""}, "does not say when own.toml was made"),
        ({"fitted_configurations": (f"qwen2.5-omni-7b, {WORK.tokens:,} tokens, {LABEL}",)},
         "was fitted on this configuration"),
        ({"fitted_configurations": ()}, "does not say what own.toml was fitted on"),
    ],
)  # fmt: skip
def test_one_that_may_have_seen_the_cell_is_refused(
    recorded: RecordedPrediction, fitted: RecordedPrediction, changes: dict[str, Any], why: str
) -> None:
    found = _found([recorded, replace(fitted, **changes)])
    assert found.uncalibrated is recorded
    assert found.calibrated is None
    assert why in found.refused


def test_the_fit_names_what_it_saw(fitted: RecordedPrediction) -> None:
    assert fitted.fitted_configurations == ("omni-tiny, 9,999 tokens, OmniZip 50%",)
    assert fitted.fitted_environments == ("21e8acfebe76",)
    assert len(fitted.calibration_sha256) == 64


def test_two_of_one_kind_for_one_cell_are_an_error(recorded: RecordedPrediction) -> None:
    later = replace(recorded, prefill_s=1.0, created_utc=MEASURED)
    with pytest.raises(InvalidValueError, match="written once, and never changed"):
        require_one_each([recorded, later])
    with pytest.raises(InvalidValueError, match="OmniZip 50% of qwen"):
        _found([recorded, later])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "exact"}, "kind must be one of"),
        ({"kind": "calibrated"}, "what the column `calibrated` says"),
        ({"execution": "graph"}, "backend must be"),
        ({"weight_dtype": "int4"}, "as measured passes run"),
        ({"prefill_s": float("nan")}, "prefill_s must be a finite number"),
        ({"speedup": -1.0}, "speedup must be a finite number"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(
    recorded: RecordedPrediction, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidValueError, match=message):
        replace(recorded, **changes)


def test_a_calibration_that_was_not_used_is_refused() -> None:
    used = UsedCalibration.of("c.toml", b"", Calibration(gemm=0.5))
    with pytest.raises(InvalidValueError, match="the one that both predictions were made with"):
        replace(WRITER, calibration=used).record(
            MINE, FULL, clip="c", label="l", attention="sdpa", execution="stock"
        )


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_file_gives_back_what_was_written(
    recorded: RecordedPrediction, fitted: RecordedPrediction, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"h100{suffix}"
    add_recorded([recorded], path)
    kept = add_recorded([fitted], path)
    assert read_recorded(path) == kept
    assert [replace(row, fingerprint="") for row in kept] == [recorded, fitted]
    before = path.read_bytes()
    with pytest.raises(InvalidValueError, match="never changed"):
        add_recorded([replace(recorded, prefill_s=1.0)], path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("created_utc", "2026-01-01T00:00:00+00:00"), ("prefill_s", 0.5), ("prefill_s", "fast"),
        ("fits", "no"), ("fitted_environments", 3), ("kind", None), ("tokens", 1.5),
        ("fingerprint", ""), ("speedup", float("inf")),
    ],
)  # fmt: skip
def test_an_edited_file_is_refused_in_a_sentence(
    fitted: RecordedPrediction, tmp_path: Path, column: str, value: Any
) -> None:
    path = tmp_path / "file.parquet"
    add_recorded([fitted], path)
    table = read_table(path).astype({column: object})
    table[column] = [value]
    write_table(table, path)
    with pytest.raises(InputFileError) as caught:
        read_recorded(path)
    assert "\n" not in str(caught.value)


def test_rows_written_before_a_column_was_added_are_read_as_they_were(
    recorded: RecordedPrediction, fitted: RecordedPrediction, tmp_path: Path
) -> None:
    """As if ``fitted_environments``, which has a default, came with a later version."""
    path = tmp_path / "file.parquet"
    (kept,) = add_recorded([recorded], path)
    write_table(read_table(path).drop(columns="fitted_environments"), path)
    assert read_recorded(path) == (kept,)
    assert add_recorded([fitted], path)[0] == kept
    assert read_recorded(path)[0] == kept


@pytest.mark.parametrize("spoil", ["bytes", "column", "missing", "empty"])
def test_a_wrong_file_is_refused(recorded: RecordedPrediction, tmp_path: Path, spoil: str) -> None:
    path = tmp_path / "file.parquet"
    add_recorded([recorded], path)
    if spoil == "bytes":
        path.write_bytes(path.read_bytes()[:-40])
    elif spoil == "column":
        write_table(read_table(path).drop(columns="created_utc"), path)
    elif spoil == "empty":
        write_table(pd.DataFrame({"a": [1]}), path)
    else:
        path.unlink()
    with pytest.raises(OmnizipCostError):
        read_recorded(path)
