"""The committed CPU campaign: its rows, fitted anew, still predict what they held out."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import pytest

from omnizip_cost.cli.calibrate import read_rows
from omnizip_cost.compare.calibrated import Calibrated, calibrate
from omnizip_cost.compression import make_plan
from omnizip_cost.hardware import load_device
from omnizip_cost.latency import predict
from omnizip_cost.latency.calibration_file import read_calibration
from omnizip_cost.results import read_table
from omnizip_cost.specs import load_spec
from omnizip_cost.workload import workload

FOLDER = Path(__file__).resolve().parents[2] / "analysis" / "measurements" / "cpu-calibration"


@pytest.fixture(scope="module")
def found() -> Calibrated:
    measured, specs, micro, _ = read_rows([FOLDER, FOLDER / "cpu.micro.csv"])
    return calibrate(measured, specs, load_device(FOLDER / "cpu.toml"), micro=micro)


def test_prefill_at_lengths_and_ratios_never_fitted_is_off_by_eight_percent_at_most(
    found: Calibrated,
) -> None:
    unseen = [r for r in found.rows if (r.part, r.stage) == ("held out", "prefill")]
    seen = [r for r in found.rows if (r.part, r.stage) == ("fitted", "prefill")]
    lengths = {row.full_tokens for row in seen}
    shares = {row.retained for row in seen}
    assert all(row.full_tokens not in lengths or row.retained not in shares for row in unseen)
    assert any(r.full_tokens not in lengths and r.retained not in shares for r in unseen)
    assert len(unseen) >= 8
    assert median(abs(row.error) for row in unseen) <= 0.08


def test_the_fit_is_determined_and_off_its_bounds(found: Calibrated) -> None:
    fit = found.calibration.fit
    assert fit is not None
    assert fit.on_bound == ()
    assert fit.held == ("launch_s",)
    assert all((one.standard_error or 0) < 0.6 for one in fit.estimates)
    assert found.calibration.mel_s_per_s is not None
    assert found.calibration.patch_s_per_pixel is not None


def test_the_committed_record_is_of_these_rows(found: Calibrated) -> None:
    record = read_calibration(FOLDER / "calibration.toml")
    assert record.fit is not None
    assert found.calibration.fit is not None
    assert record.fit.cells_used == found.calibration.fit.cells_used
    assert record.fit.environments == found.calibration.fit.environments
    table = read_table(FOLDER / "predicted.csv")
    assert list(table["observed_s"]) == pytest.approx([row.observed_s for row in found.rows])


def test_stages_that_were_not_fitted_carry_the_errors_they_were_seen_with(
    found: Calibrated,
) -> None:
    """Encoders were predicted far worse than prefill, and their range must say so."""
    fit = found.calibration.fit
    assert fit is not None
    errors = fit.errors_not_fitted
    assert set(errors) == {"assembly", "audio_encoder", "vision_encoder", "selection"}
    sizes = [abs(row.error) for row in found.rows if row.stage == "vision_encoder"]
    assert sum(size <= errors["vision_encoder"] for size in sizes) >= 0.9 * len(sizes)
    spec = load_spec("omni-tiny")
    clip = workload(spec, seconds=10, pixels=(252, 448))
    seen = predict(
        spec,
        make_plan("full", clip, spec),
        load_device(FOLDER / "cpu.toml"),
        workload=clip,
        dtype="fp32",
        calibration=found.calibration,
    ).stage("vision_encoder")
    assert seen is not None
    assert seen.high_s > seen.seconds * (1 + errors["vision_encoder"])
    assert seen.low_s < seen.seconds * (1 - errors["vision_encoder"])
