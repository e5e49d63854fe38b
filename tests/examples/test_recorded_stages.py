"""Stages of a prediction on record: they add up to it, under the names of the measured cell."""

from __future__ import annotations

from pathlib import Path

import pytest

import omnizip_cost as oz
from omnizip_cost.cli.compare import read_measurements
from omnizip_cost.compare import recorded_stage_rows, stage_rows
from omnizip_cost.compare.recorded import Writer

CAMPAIGN = Path(__file__).resolve().parents[2] / "analysis" / "measurements" / "cpu-calibration"


def test_recorded_stages_add_up_and_carry_the_names_of_the_measured_cell() -> None:
    measured = read_measurements(CAMPAIGN)[0]
    row = next(one for one in measured if one.label == "OmniZip 50%")
    spec = oz.load_spec("omni-tiny")
    work = oz.workload(spec, seconds=4, pixels=(252, 448))
    full, mine = (
        oz.predict(spec, oz.plan(method, work, spec, retained=share), workload=work, dtype="fp32",
                   device=str(CAMPAIGN / "cpu.toml"), decode=8)
        for method, share in (("full", 1.0), ("omnizip", 0.5))
    )  # fmt: skip
    writer = Writer(package_version="0", git_commit="", created_utc="2026-11-23T00:00:00+00:00")
    found = writer.record(mine, full, clip="another name", label="another label",
                          attention="sdpa", execution="stock")  # fmt: skip
    rows = recorded_stage_rows(row, found)
    assert sum(one.seconds or 0.0 for one in rows) == pytest.approx(mine.end_to_end_s)
    for one in rows:
        assert (one.low_s, one.high_s) == pytest.approx(mine.interval(one.stage))
    seen = [one for one in stage_rows(measured) if one.label == row.label and one.clip == row.clip]
    assert {one.stage for one in rows} == {one.stage for one in seen}
    names = ("model", "device", "dtype", "attention", "execution", "clip", "full_tokens",
             "decode_steps", "label", "method", "weights")  # fmt: skip
    assert {tuple(one[name] for name in names) for one in (*rows, *seen)} == {
        tuple(row[name] for name in names)
    }
    assert {one.timed for one in rows} == {"uncalibrated"}
    assert {one.timed for one in seen} == {"observed"}
