"""The result of a small campaign, worked out by hand: speed-ups, seconds, bytes and errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

import pytest
from planted_result import (
    SPECS,
    STEPS,
    WRITTEN,
    broken,
    changed,
    full_tokens,
    half,
)

from omnizip_cost.compare.errors import QUANTITIES, ErrorRow, error_rows, summarise_errors
from omnizip_cost.compare.errors_held_out import held_out_errors
from omnizip_cost.compare.recorded_check import recorded_for
from omnizip_cost.compare.result import ALLOCATED, RESIDENT, ResultRow, result_rows
from omnizip_cost.errors import InvalidValueError
from omnizip_cost.hardware import load_device
from omnizip_cost.results import MeasurementRow
from omnizip_cost.specs.parameters import parameter_counts

MEBIBYTE = 2**20


def _results(rows: Sequence[MeasurementRow] | None = None, **changes: str) -> dict[str, ResultRow]:
    rows = [*full_tokens().rows, *half().rows] if rows is None else rows
    recorded = [replace(one.recorded, **changes) for one in (full_tokens(), half())]
    return {row.label: row for row in result_rows(rows, SPECS, recorded_for(rows, recorded))}


def test_speedups_and_seconds_are_those_worked_out_by_hand() -> None:
    row = _results()["Random 50%"]
    assert row.speedup_observed == pytest.approx(4.0 / (1.5 + 0.5))
    assert row.speedup_observed_low == row.speedup_observed_high == row.speedup_observed
    assert row.ttft_s == pytest.approx(0.6 + 0.5 + 1.5)
    assert row.ttft_speedup_observed == pytest.approx(4.6 / 2.6)
    assert row.decode_s_per_token == pytest.approx(0.1)
    assert row.end_to_end_s == pytest.approx(2.6 + STEPS * 0.1)
    assert row.end_to_end_speedup_observed == pytest.approx(5.0 / 2.8)
    assert (row.status, row.prediction_version, row.predicted_utc) == ("ok", "1.2.3", WRITTEN)


def test_errors_are_predicted_over_observed_less_one() -> None:
    row = _results()["Random 50%"]
    assert row.error_predicted == pytest.approx(2.2 / 2.0 - 1)
    assert row.error_eq9 == pytest.approx((row.speedup_eq9 or 0) / 2.0 - 1)
    assert row.prefill_error_predicted == pytest.approx(1.2 / 1.5 - 1)
    assert row.decode_error_predicted == pytest.approx(0.08 / 0.1 - 1)
    assert row.ttft_error_predicted == pytest.approx(0.0, abs=1e-12)
    assert row.end_to_end_error_predicted == pytest.approx(2.81 / 2.8 - 1)
    assert row.error_calibrated is None
    assert row.prefill_calibrated_s is None


def test_full_tokens_have_seconds_to_miss_and_no_speedup() -> None:
    row = _results()["Full tokens"]
    assert row.speedup_observed == 1
    assert row.error_eq9 is row.error_predicted is None
    assert row.prefill_error_predicted == pytest.approx(5.0 / 4.0 - 1)


def test_quartiles_of_a_speedup_are_those_of_its_rounds() -> None:
    full = [
        replace(row, samples_s=(4.0, 6.0, 9.0)) if row.stage == "prefill" else row
        for row in full_tokens().rows
    ]
    row = _results([*full, *half().rows])["Random 50%"]
    assert (row.speedup_observed_low, row.speedup_observed) == pytest.approx((2.5, 3.0))
    assert row.speedup_observed_high == pytest.approx(3.75)


@pytest.mark.parametrize("status", ["oom", "failed"])
def test_a_configuration_without_a_measurement_keeps_its_place_and_its_prediction(
    status: str,
) -> None:
    rows = [*full_tokens().rows, *broken(half(), status, "no memory left")]
    row = _results(rows)["Random 50%"]
    assert (row.status, row.reason) == (status, "no memory left")
    assert row.prefill_s is row.speedup_observed is row.error_predicted is row.flops_eq9 is None
    assert row.prefill_predicted_s == 1.2
    assert error_rows([row]) == []


def test_full_tokens_out_of_memory_leave_the_others_without_speedups() -> None:
    rows = [*broken(full_tokens(), "oom", "40 GiB"), *half().rows]
    row = _results(rows)["Random 50%"]
    assert (row.status, row.speedup_observed, row.speedup_eq9) == ("ok", None, None)
    assert row.flops_eq9 == _results()["Random 50%"].flops_eq9
    assert row.flops_exact == _results()["Random 50%"].flops_exact
    assert row.prefill_error_predicted == pytest.approx(1.2 / 1.5 - 1)


def test_a_pass_under_graphs_is_not_divided_by_one_that_python_dispatches() -> None:
    rows = [*full_tokens().rows, *changed(half(), execution="graph")]
    assert _results(rows)["Random 50%"].speedup_observed is None


def test_without_decode_nothing_is_end_to_end() -> None:
    rows = [row for row in (*full_tokens().rows, *half().rows) if row.stage != "decode"]
    row = _results(rows)["Random 50%"]
    assert row.decode_s_per_token is row.end_to_end_s is row.end_to_end_speedup_observed is None
    assert row.decode_error_predicted is row.end_to_end_error_predicted is None
    assert row.ttft_s == pytest.approx(2.6)


def test_without_a_prediction_on_record_the_counts_remain() -> None:
    rows = [*full_tokens().rows, *half().rows]
    row = result_rows(rows, SPECS)[1]
    assert row.speedup_observed == pytest.approx(2.0)
    assert row.speedup_predicted is row.error_predicted is None
    assert row.error_eq9 is not None
    assert (row.predicted_utc, row.prediction_refused) == ("", "")


def test_what_was_written_after_the_first_sample_is_refused_with_its_sentence() -> None:
    row = _results(created_utc="2026-02-04T00:00:00+00:00")["Random 50%"]
    assert row.prefill_predicted_s is row.error_predicted is None
    assert row.prediction_refused == (
        "The uncalibrated prediction was written at 2026-02-04T00:00:00+00:00, not before the "
        "first sample at 2026-02-03T00:00:00+00:00."
    )


def test_memory_of_a_cpu_is_weights_and_what_the_pass_added() -> None:
    base = 700 * MEBIBYTE
    added = {"prefill": 30, "decode": 50}
    rows = [
        replace(
            row,
            dtype="float32",
            resident_base_bytes=base,
            resident_bytes=base + added.get(row.stage, 1) * MEBIBYTE,
        )
        for row in (*full_tokens().rows, *half().rows)
    ]
    row = result_rows(rows, SPECS)[1]
    weights = 4 * parameter_counts(SPECS["omni-tiny"])["total"]
    assert row.peak_memory_bytes == weights + 50 * MEBIBYTE
    assert row.memory_basis == RESIDENT


def test_memory_of_a_card_is_what_was_allocated_in_the_hungriest_stage() -> None:
    rows = [
        replace(row, peak_allocated_bytes=at)
        for one in (full_tokens(), half())
        for at, row in enumerate(one.rows)
    ]
    row = result_rows(rows, SPECS)[1]
    assert (row.peak_memory_bytes, row.memory_basis) == (len(half().rows) - 1, ALLOCATED)


def test_doubts_name_the_stages_that_they_are_of() -> None:
    rows = [replace(row, doubts=("few samples",)) for row in full_tokens().rows]
    (row,) = result_rows(rows, SPECS)
    assert row.doubts.startswith("few samples (")
    assert all(name in row.doubts for name in ("prefill", "decode", "assembly"))


def test_no_rows_and_an_unknown_model_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="at least one measured configuration, got 0"):
        result_rows([], SPECS)
    with pytest.raises(InvalidValueError, match="one with a known config, got 'omni-tiny'"):
        result_rows(full_tokens().rows, {})


# ---------------------------------------------------------------- errors and their summary


def test_the_summary_is_what_a_loop_over_the_errors_gives() -> None:
    worse = changed(half(), label="Random 50% again")
    worse = [replace(row, samples_s=(9.0,) * 3, median_s=9.0) for row in worse]
    rows = [*full_tokens().rows, *half().rows, *worse]
    recorded = [full_tokens().recorded, half().recorded]
    recorded.append(replace(half().recorded, label="Random 50% again"))
    errors = error_rows(result_rows(rows, SPECS, recorded_for(rows, recorded)))
    summary = summarise_errors(errors)
    assert [(row.quantity, row.predictor) for row in summary[:4]] == [
        ("prefill speed-up", name) for name in ("eq9", "exact", "torch", "predicted")
    ]
    for one in summary:
        own = [
            row.error
            for row in errors
            if (row.quantity, row.predictor) == (one.quantity, one.predictor)
        ]
        assert one.configurations == len(own)
        assert one.mean_error == pytest.approx(sum(map(abs, own)) / len(own))
        assert one.median_error == median(own)
        assert abs(one.worst_error) == max(map(abs, own))
        assert one.worst_error in own
    assert sum(one.configurations for one in summary) == len(errors)


def test_full_tokens_are_counted_among_seconds_and_not_among_speedups() -> None:
    summary = {(row.quantity, row.predictor): row for row in summarise_errors(_errors())}
    assert summary["prefill", "predicted"].configurations == 2
    assert summary["prefill speed-up", "predicted"].configurations == 1
    assert summary["first-token speed-up", "predicted"].configurations == 1
    assert ("prefill", "eq9") not in summary


def test_our_targets_are_met_and_missed() -> None:
    summary = {(row.quantity, row.predictor): row for row in summarise_errors(_errors())}
    missed = summary["prefill speed-up", "predicted"]
    assert (missed.mean_error, missed.target) == (pytest.approx(0.1), 0.04)
    assert missed.verdict == "missed"
    met = summary["end-to-end speed-up", "predicted"]
    assert met.mean_error == pytest.approx(1.8 / (5.0 / 2.8) - 1)
    assert (met.target, met.verdict) == (0.04, "met")
    decode = summary["decode", "predicted"]
    assert (decode.target, decode.verdict) == (None, "")


def test_decode_under_graphs_is_a_quantity_of_its_own() -> None:
    result = replace(_results()["Random 50%"], execution="graph")
    named = {row.quantity for row in error_rows([result])}
    assert "decode under graphs" in named
    assert "decode" not in named
    assert named <= set(QUANTITIES)


def test_held_out_errors_are_of_rows_that_no_fit_saw() -> None:
    unseen = changed(half(), retained=0.7, label="Random 70%")
    found = held_out_errors(
        [*full_tokens().rows, *half().rows, *unseen], SPECS, load_device("h100-sxm")
    )
    assert not found.unfitted
    assert {(row.label, row.quantity, row.unit) for row in found.errors} == {
        ("Random 70%", "prefill", "s"),
        ("Random 70%", "decode", "s/token"),
    }
    assert {row.predictor for row in found.errors} == {"held out"}
    decode = next(row for row in found.errors if row.quantity == "decode")
    assert decode.observed == pytest.approx(0.1)
    assert decode.error == pytest.approx(decode.predicted / 0.1 - 1)


def test_a_setting_that_cannot_be_fitted_is_named() -> None:
    found = held_out_errors(broken(half(), "oom", ""), SPECS, load_device("h100-sxm"))
    assert found.errors == []
    assert found.unfitted[0].startswith("bfloat16, sdpa, stock: ")


def _errors() -> list[ErrorRow]:
    return error_rows(_results().values())
