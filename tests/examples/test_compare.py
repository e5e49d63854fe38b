"""Compare: like with like, signed errors, spread, and the stage that makes the gap."""

from __future__ import annotations

from typing import Any

import pytest

import omnizip_cost as oz
from omnizip_cost.compare import CompareRow, compare, convention_rows, stage_rows, summarise
from omnizip_cost.cost import CONVENTIONS, counted, share_left, total_flops
from omnizip_cost.errors import ConventionMismatchError, InvalidValueError
from omnizip_cost.results import MeasurementRow

SPEC = oz.load_spec("omni-tiny")
FULL_AV, TEXT = 1_500, 70


def _row(stage: str, samples: tuple[float, ...], **changes: Any) -> MeasurementRow:
    """A row of a made-up machine: times in seconds as given, counts consistent."""
    kept = changes.pop("av_kept", FULL_AV)
    ordered: list[float | None] = [*sorted(samples)] or [None]
    values: dict[str, Any] = {
        "environment_id": "abc",
        "model": SPEC.name,
        "weights": "random",
        "device": "cpu",
        "dtype": "float32",
        "attention": "sdpa",
        "clip": "made up",
        "method": "full",
        "mode": "paper",
        "label": "Full tokens",
        "retained": kept / FULL_AV,
        "realised": kept / FULL_AV,
        "full_tokens": FULL_AV + TEXT,
        "kept_tokens": kept + TEXT,
        "text_tokens": TEXT,
        "av_tokens": FULL_AV,
        "av_kept": kept,
        "audio_tokens": 300,
        "audio_kept": kept // 5,
        "video_tokens": 1_200,
        "video_kept": kept - kept // 5,
        "decode_steps": 4,
        "stage": stage,
        "median_s": ordered[len(ordered) // 2],
        "low_s": ordered[0],
        "high_s": ordered[-1],
        "samples_s": samples,
        "order": "interleaved",
    }
    return MeasurementRow(**{**values, **changes})


def _half(stage: str, samples: tuple[float, ...], **changes: Any) -> MeasurementRow:
    more = {"method": "random", "label": "Random 50%", "av_kept": FULL_AV // 2, **changes}
    return _row(stage, samples, **more)


def _joined(*rows: MeasurementRow) -> list[CompareRow]:
    return compare(rows, {SPEC.name: SPEC})


def test_speedups_and_signed_errors() -> None:
    full, half = _joined(_row("prefill", (1.0, 1.0, 1.0)), _half("prefill", (0.5, 0.5, 0.5)))
    assert (full.speedup_eq9, full.speedup_observed, full.error_exact) == (1, 1, 0)
    assert half.speedup_observed == 2
    assert half.speedup_eq9 is not None
    assert half.speedup_eq9 > 2
    assert half.error_eq9 == pytest.approx(half.speedup_eq9 / 2 - 1)
    work = oz.bare_workload(FULL_AV // 2)
    eq9 = oz.count(SPEC, oz.plan("full", work, SPEC), "eq9", 0)
    assert half.flops_eq9 == total_flops(eq9)
    plan = oz.plan("full", oz.bare_workload(FULL_AV // 2 + TEXT), SPEC)
    assert half.flops_torch == total_flops(oz.count(SPEC, plan, "torch", 0))
    assert half.flops_exact == total_flops(oz.count(SPEC, plan, "sdpa", 0))


def test_the_exact_count_follows_the_attention_that_ran() -> None:
    """Eager attention multiplies the masked half too; fused kernels skip it."""
    for attention, convention in (("eager", "torch"), ("sdpa", "sdpa")):
        (full,) = _joined(_row("prefill", (1.0,) * 3, attention=attention))
        assert full.exact_convention == convention
        same = full.flops_exact_full == full.flops_torch_full
        assert same is (attention == "eager")


def test_interleaved_rounds_are_free_of_drift() -> None:
    """The machine slows down threefold; every round still says two."""
    _, half = _joined(_row("prefill", (1.0, 2.0, 3.0)), _half("prefill", (0.5, 1.0, 1.5)))
    assert (half.speedup_observed_low, half.speedup_observed, half.speedup_observed_high) == (
        2,
        2,
        2,
    )


@pytest.mark.parametrize("cell", [(0.5, 0.6), (0.5, 0.55, 0.6)])
def test_cells_measured_apart_are_never_paired(cell: tuple[float, ...]) -> None:
    """Equally many samples say nothing: only rounds put them next to each other."""
    alone = {"order": "alone"}
    _, half = _joined(_row("prefill", (1.0, 1.1, 1.2), **alone), _half("prefill", cell, **alone))
    assert half.speedup_observed_low is not None
    assert half.speedup_observed_high is not None
    assert half.speedup_observed_low < 2 < half.speedup_observed_high


LAYOUT: dict[str, Any] = {
    "tokens_per_grid": 200,
    "mel_frames": 1_200,
    "video_windows": (400,) * 3,
    "audio_windows": (100,) * 3,
}
OMNIZIP: dict[str, Any] = {
    **LAYOUT,
    "method": "omnizip",
    "label": "OmniZip",
    "rho_a": 0.4,
    "rho_v": 0.7,
    "anchor_share": 0.05,
    "merge": 3,
}


def test_selection_is_inside_predictions_and_observations() -> None:
    """Half a second of prefill and a half of selection: nothing gained; the rounds are summed."""
    full = _row("prefill", (1.0, 2.0, 4.0))
    cell = _half("prefill", (0.25, 1.0, 1.0), **OMNIZIP)
    selection = _half("selection", (0.25, 0.0, 3.0), **OMNIZIP)
    _, half = _joined(full, cell, selection)
    assert half.speedup_observed == 2
    assert (half.speedup_observed_low, half.speedup_observed_high) == (1.5, 2)
    assert half.prefill_speedup_observed == 4
    assert half.flops_selection is not None
    assert half.flops_exact is not None
    assert half.speedup_exact == half.flops_exact_full / (half.flops_exact + half.flops_selection)
    assert half.prefill_speedup_exact == half.flops_exact_full / half.flops_exact
    assert half.error_exact == pytest.approx(half.speedup_exact / 2 - 1)
    assert half.flops_torch is not None
    assert half.speedup_torch == half.flops_torch_full / (half.flops_torch + half.flops_selection)
    assert half.flops_eq9 is not None
    assert half.speedup_eq9 == half.flops_eq9_full / half.flops_eq9


def test_selection_counts_what_the_row_says_it_worked_on() -> None:
    """By hand: six blocks of scores, 15 anchors among 120 left-over tokens, three even grids."""
    _, half = _joined(_row("prefill", (1.0,) * 3), _half("prefill", (0.5,) * 3, **OMNIZIP))
    d, audio = SPEC.text.hidden_size, SPEC.audio.hidden_size
    anchors, others = 15, 120 - 15
    products = 6 * 100 * 100 * audio + 2 * anchors * others * d + 3 * (100 * 400 + 200 * 200) * d
    assert half.flops_selection == 2 * products


@pytest.mark.parametrize("missing", [LAYOUT, {"method": "of another package"}])
def test_selection_that_is_not_known_counts_for_nothing_and_says_so(
    missing: dict[str, Any],
) -> None:
    """Rows measured before layouts were noted; a method that states no steps."""
    changes = {name: value for name, value in OMNIZIP.items() if name not in LAYOUT}
    if missing is not LAYOUT:
        changes = {**OMNIZIP, **missing}
    _, half = _joined(
        _row("prefill", (1.0,) * 3),
        _half("prefill", (0.5,) * 3, **changes),
        _half("selection", (9.0,) * 3, **changes),
    )
    assert half.flops_selection is None
    assert half.speedup_exact == half.prefill_speedup_exact
    assert half.explanation == "selection takes 9,000.0 ms, and its FLOPs are not known"


def test_selection_is_the_gap_when_prefill_follows_its_flops() -> None:
    full = _row("prefill", (1.0,) * 3)
    exact = _joined(full, _half("prefill", (0.5,) * 3, **OMNIZIP))[1].prefill_speedup_exact
    assert exact is not None
    _, half = _joined(
        full,
        _half("prefill", (1.0 / exact,) * 3, **OMNIZIP),
        _half("selection", (0.25,) * 3, **OMNIZIP),
    )
    assert half.largest_gap_stage == "selection"
    assert half.flops_selection is not None
    expected_s = half.flops_selection / half.flops_exact_full
    took = f"selection takes {1e3 * (0.25 - expected_s):,.1f} ms more than its "
    assert half.explanation.startswith(took)
    assert half.explanation.endswith("GFLOP would at the full prefill's rate")


def test_fewer_samples_of_selection_are_added_by_their_median() -> None:
    full = _row("prefill", (1.0,) * 3)
    cell = _half("prefill", (0.25,) * 3, **OMNIZIP)
    selection = _half("selection", (0.25, 0.25), **OMNIZIP)
    assert _joined(full, cell, selection)[1].speedup_observed == 2


def test_a_slow_prefill_is_named_with_its_rate() -> None:
    _, half = _joined(_row("prefill", (1.0,) * 3), _half("prefill", (0.9,) * 3))
    assert half.largest_gap_stage == "prefill"
    assert "more than its FLOPs predict" in half.explanation
    assert "GFLOP/s against" in half.explanation


def test_noise_is_what_unchanged_stages_differ_by() -> None:
    _, half = _joined(
        _row("prefill", (1.0,) * 3),
        _row("vision_encoder", (1.0,) * 3),
        _half("prefill", (0.5,) * 3),
        _half("vision_encoder", (1.2,) * 3),
    )
    assert half.noise == pytest.approx(0.2)
    assert half.largest_gap_stage != "vision_encoder"


def test_fastv_counts_its_full_layers() -> None:
    fastv = {"method": "fastv", "label": "FastV 50%", "fastv_layer": 5, "fastv_form": "last-query"}
    _, row = _joined(_row("prefill", (1.0,) * 3), _half("prefill", (0.8,) * 3, **fastv))
    work = oz.bare_workload(FULL_AV)
    plan = oz.plan("fastv", work, SPEC, retained=0.5)
    assert row.flops_eq9 == total_flops(oz.count(SPEC, plan, "eq9", 0))


def test_out_of_memory_is_a_result() -> None:
    oom = _half("prefill", (), status="oom", reason="no room")
    _, half = _joined(_row("prefill", (1.0,) * 3), oom)
    assert (half.status, half.reason, half.speedup_observed) == ("oom", "no room", None)


def test_nothing_kept_has_no_predicted_speedup_under_eq9() -> None:
    """Eq. 9 counts audio and video tokens only: of none it predicts no time at all."""
    _, none = _joined(_row("prefill", (1.0,) * 3), _half("prefill", (0.5,) * 3, av_kept=0))
    assert (none.flops_eq9, none.speedup_eq9, none.error_eq9) == (0, None, None)
    assert none.speedup_exact is not None


def test_without_full_tokens_nothing_can_be_said() -> None:
    with pytest.raises(InvalidValueError, match="profile with `--method full`"):
        _joined(_half("prefill", (0.5,) * 3))
    other = _row("prefill", (1.0,) * 3, environment_id="another machine")
    with pytest.raises(InvalidValueError, match="full tokens must be measured"):
        _joined(other, _half("prefill", (0.5,) * 3))
    with pytest.raises(InvalidValueError, match="at least one measured cell"):
        _joined()


def test_summary_takes_means_of_sizes_and_names_the_worst() -> None:
    rows = _joined(
        _row("prefill", (1.0,) * 3),
        _half("prefill", (0.5,) * 3),
        _half("prefill", (0.25,) * 3, label="Random again", seed=1),
    )
    eq9, exact, torch = summarise(rows)
    assert [row.prediction for row in (eq9, exact, torch)] == ["eq9", "exact", "torch"]
    assert eq9.configurations == 2
    assert eq9.worst_label == "Random again"
    assert eq9.worst_error < 0
    assert eq9.mean_error == pytest.approx(
        (abs(rows[1].error_eq9 or 0) + abs(rows[2].error_eq9 or 0)) / 2
    )


def test_tables_behind_the_figures() -> None:
    stages = stage_rows([_row("prefill", (1.0, 2.0, 3.0))])
    assert (stages[0].seconds, stages[0].low_s, stages[0].high_s) == (2.0, 1.0, 3.0)
    work = oz.workload(SPEC, seconds=8, pixels=(252, 448))
    plans = {
        "Full tokens": oz.plan("full", work, SPEC),
        "OmniZip": oz.plan("omnizip", work, SPEC, audio_pruning=0.3, video_pruning=0.6),
    }
    rows = convention_rows(counted(SPEC, plans.values(), work, CONVENTIONS, 100), plans)
    assert {row.convention for row in rows} == set(CONVENTIONS)
    assert all(row.ratio == 1 for row in rows if row.method == "full")
    assert all(0 < row.ratio < 1 for row in rows if row.method == "omnizip")


def test_conventions_that_count_video_alone_count_nothing_of_sound() -> None:
    work = oz.workload(SPEC, seconds=8, pixels=None)
    plans = {
        "Full tokens": oz.plan("full", work, SPEC),
        "OmniZip": oz.plan("omnizip", work, SPEC, retained=0.5),
    }
    rows = convention_rows(counted(SPEC, plans.values(), work, CONVENTIONS, 100), plans)
    hearing = {name for name, choices in CONVENTIONS.items() if choices.tokens != "video"}
    assert {row.convention for row in rows} == hearing
    assert share_left(0, 0) == 1


def test_two_conventions_are_never_added() -> None:
    plan = oz.plan("full", oz.bare_workload(100), SPEC)
    rows = oz.count(SPEC, plan, "eq9") + oz.count(SPEC, plan, "torch")
    with pytest.raises(ConventionMismatchError, match="'eq9' and 'torch' cannot be added"):
        total_flops(rows)
