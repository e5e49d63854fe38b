"""Where the gap goes: steps are computed, close on what was observed, and name what was planted."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from math import prod
from typing import Any

import pytest
from planted_rows import planted

import omnizip_cost as oz
from omnizip_cost.compare import WaterfallRow, measured_cells, predicted_cell, waterfall
from omnizip_cost.compare.counterfactual import EFFECTS, Pair, seconds
from omnizip_cost.compare.predicted import (
    PredictedCell,
    observed_workload,
    predicted_row,
    sides_assumed,
)
from omnizip_cost.cost import count, total_flops
from omnizip_cost.errors import InvalidValueError
from omnizip_cost.hardware import Device, load_device
from omnizip_cost.latency import Calibration, Prediction, speedup

SPEC = oz.load_spec("qwen2.5-omni-7b")
WORK = oz.workload(SPEC, seconds=20, pixels=(252, 448))
H100 = load_device("h100-sxm")
CPU = Device(
    name="made-up-cpu",
    title="a CPU",
    architecture="CPU",
    peak_flop_per_s={"fp32": 10**12, "bf16": 10**12},
    bandwidth_bytes_per_s=5 * 10**10,
    memory_bytes=2**36,
    source="made up",
)
CASES = {"cuda": (H100, "bfloat16", "sdpa"), "eager": (H100, "bfloat16", "eager"),
         "cpu": (CPU, "float32", "sdpa")}  # fmt: skip
SLOW = Calibration(gemm=0.5, attention=0.2, memory=0.4, host_s=1e-4, launch_s=3e-5)
"""A machine on which every effect weighs enough to be told from the others."""


@cache
def _pair(case: str, method: str = "omnizip", calibration: Calibration | None = SLOW) -> Pair:
    """What is predicted for a row of the real counts, and for full tokens."""
    device, dtype, attention = CASES[case]
    found = []
    for name, retained in ((method, 0.35), ("full", None)):
        plan = oz.plan(name, WORK, SPEC, **({"retained": retained} if retained else {}))
        about = oz.predict(SPEC, plan, CASES["cuda"][0], decode=4)
        (row, *_) = planted(about, WORK, lambda _: 1.0, dtype=dtype, attention=attention)
        found.append(predicted_row(row, SPEC, device, calibration))
    return Pair(mine=found[0], full=found[1])


def _steps(
    pair: Pair, stage_s: Any = None, timer: str = "prefill", times: float = 1.0
) -> list[WaterfallRow]:
    """Steps of rows that say what the pair predicts, or what ``stage_s`` says of a prediction."""

    def rows(prediction: Prediction) -> Any:
        if stage_s is None:
            return planted(prediction, WORK, lambda name: times * prediction.seconds(name))
        return planted(prediction, WORK, lambda name: stage_s(prediction, name))

    cells = measured_cells([*rows(pair.full), *rows(pair.mine)])
    (cell,) = (cell for cell in cells if cell.row.method != "full")
    return waterfall(PredictedCell(cell=cell, spec=SPEC, mine=pair.mine, full=pair.full), timer)


@pytest.mark.parametrize("timer", ["prefill", "ttft", "end-to-end"])
@pytest.mark.parametrize("case", CASES)
def test_what_the_model_predicts_itself_leaves_nothing_unexplained(case: str, timer: str) -> None:
    pair = _pair(case)
    rows = _steps(pair, timer=timer)
    assert rows[-1].step == "remainder"
    assert rows[-1].factor == pytest.approx(1, rel=1e-9)
    names = {"prefill": ("selection", "prefill"),
             "ttft": ("audio_encoder", "vision_encoder", "assembly", "selection", "prefill"),
             "end-to-end": ("audio_encoder", "vision_encoder", "assembly", "selection", "prefill",
                            "decode")}[timer]  # fmt: skip
    found = speedup(pair.mine, pair.full, *names)
    assert found is not None
    assert rows[-2].speedup == pytest.approx(found.ratio, rel=1e-9)
    assert (rows[-1].predicted_low, rows[-1].predicted_high) == (found.low, found.high)


@pytest.mark.parametrize("method", ["omnizip", "fastv"])
def test_the_steps_close_on_whatever_was_observed(method: str) -> None:
    rows = _steps(_pair("cuda", method), lambda p, name: 0.01 * p.seconds(name) ** 0.5)
    assert prod(row.factor for row in rows) * rows[0].speedup == pytest.approx(rows[-1].speedup)
    assert sum(row.change for row in rows) + rows[0].speedup == pytest.approx(rows[-1].speedup)
    assert abs(rows[-1].factor - 1) > 0.05
    assert [row.place for row in rows] == list(range(len(rows)))


@pytest.mark.parametrize("case", CASES)
def test_the_counted_steps_are_counts_and_meet_the_operators(case: str) -> None:
    """At one rate for all, the operators' seconds are in the ratio of the FLOPs of the count."""
    pair = _pair(case)
    after = {row.step: row.speedup for row in _steps(pair)}

    def flops(convention: str) -> float:
        above, below = (
            total_flops(
                row
                for row in count(SPEC, one.plan, convention, 0)
                if row.component in ("llm", "lm_head")
            )
            for one in (pair.full, pair.mine)
        )
        return above / below

    assert after["eq9"] == flops("eq9")
    assert after["text"] != after["built"] != after["logits"]
    executed = "torch" if case == "eager" else "sdpa"
    assert after["logits"] == flops(executed)
    assert (after["causal"] == after["built"]) is (case == "eager")
    assert pair.speedup(frozenset(("logits",))) == pytest.approx(after["logits"], rel=1e-9)
    assert pair.speedup(frozenset()) == pytest.approx(after["causal"], rel=1e-9)


HIDDEN = {("cuda", "kernels")}
"""The compressed pass waits for the host, so that its kernels' rate no longer matters there."""

TIMED = ("logits", "kernels", "bytes", "launches", "host", "selection")


@pytest.mark.parametrize("case", ["cuda", "cpu"])
@pytest.mark.parametrize("effect", TIMED)
def test_an_effect_that_the_machine_lacks_is_the_remainder_and_nothing_else(
    case: str, effect: str
) -> None:
    """Rows of a machine without one effect: the remainder is that effect's last factor undone."""
    pair = _pair(case)
    whole = _steps(pair)
    rate = _rate(pair)

    def lacking(prediction: Prediction, stage: str) -> float:
        on = frozenset(EFFECTS) - {"encoders", "decode", effect}
        if stage == "prefill":
            return seconds(prediction, on - {"selection"}, rate)
        if stage == "selection":
            return seconds(prediction, on, rate) - seconds(prediction, on - {"selection"}, rate)
        return 1.0

    rows = _steps(pair, lacking)
    assert [row.speedup for row in rows[:-1]] == [row.speedup for row in whole[:-1]]
    (step,) = (row for row in rows if row.step == effect)
    assert step.factor_last is not None
    assert rows[-1].factor * step.factor_last == pytest.approx(1, rel=1e-9)
    assert (abs(step.factor_last - 1) > 1e-5) is ((case, effect) not in HIDDEN)


def _rate(pair: Pair) -> float:
    """Share of the peak that the full prefill's products reach, by the operators' own columns."""
    products = [op for op in pair.full.ops if op.stage == "prefill" and op.kernel is not None]
    peak_s = sum(op.compute_s for op in products)
    return peak_s / sum(op.base_s / getattr(SLOW, op.work) for op in products)


def test_a_cheaper_host_changes_its_own_step_and_those_after_it() -> None:
    """Both the machine and the model have it: no remainder, and what comes before stays."""
    dear = {row.step: row for row in _steps(_pair("cuda"))}
    free = Calibration(gemm=0.5, attention=0.2, memory=0.4, host_s=1e-8, launch_s=3e-5)
    cheap = {row.step: row for row in _steps(_pair("cuda", calibration=free))}
    before = ("eq9", "text", "built", "causal", "logits", "kernels", "bytes", "launches")
    assert all(dear[step].speedup == cheap[step].speedup for step in before)
    assert cheap["host"].factor == pytest.approx(1, abs=1e-6)
    assert dear["host"].factor < 0.9
    assert cheap["remainder"].factor == pytest.approx(1, rel=1e-9)


def test_a_machine_twice_as_slow_changes_nothing() -> None:
    once, twice = _steps(_pair("cuda")), _steps(_pair("cuda"), times=2.0)
    assert [row.factor for row in once] == pytest.approx([row.factor for row in twice])


def test_every_timed_step_says_what_it_divides() -> None:
    for case in CASES:
        rows = _steps(_pair(case), timer="end-to-end")
        assert all(" / " in row.computed_from or "no change" in row.computed_from for row in rows)
        assert len({row.computed_from for row in rows}) == len(rows)


def test_a_cell_that_cannot_be_explained_is_refused_in_a_sentence() -> None:
    pair = _pair("cuda")
    with pytest.raises(InvalidValueError, match="timer must be one of prefill, ttft, end-to-end"):
        _steps(pair, timer="decode")
    none = planted(pair.mine, WORK, av_kept=0, realised=0.0, audio_kept=0, video_kept=0)
    cells = measured_cells([*planted(pair.full, WORK), *none])
    with pytest.raises(InvalidValueError, match=r"without any, Eq\. 9 has no speed-up"):
        waterfall(predicted_cell(cells[1], SPEC, H100))
    flash = planted(pair.full, WORK, attention="flex_attention")
    with pytest.raises(InvalidValueError, match="attention must be one of eager, sdpa"):
        predicted_row(flash[0], SPEC, H100)


def test_the_clip_behind_a_row_is_read_back() -> None:
    (row, *_) = planted(_pair("cuda").full, WORK)
    found = observed_workload(row, SPEC)
    assert found is not None
    assert (found.windows, found.mel_frames) == (WORK.windows, WORK.mel_frames)
    assert found.grid_thw == WORK.grid_thw
    assert WORK.grid_thw is not None
    before = replace(row, grid_thw=())
    assumed = observed_workload(before, SPEC)
    assert assumed is not None
    assert assumed.grid_thw != WORK.grid_thw
    assert prod(assumed.grid_thw or ()) == prod(WORK.grid_thw)
    assert (sides_assumed(row), sides_assumed(before)) == (False, True)
    assert observed_workload(replace(row, tokens_per_grid=None), SPEC) is None


def test_encoders_that_no_row_describes_are_said_to_be_unexplained() -> None:
    nothing = {"tokens_per_grid": None, "video_windows": (), "audio_windows": (), "grid_thw": ()}
    pair = _pair("cuda")
    cells = measured_cells(
        [row for one in (pair.full, pair.mine) for row in planted(one, WORK, **nothing)]
    )
    rows = {row.step: row for row in waterfall(predicted_cell(cells[1], SPEC, H100), "ttft")}
    assert "encoders are not explained" in rows["encoders"].computed_from
    assert rows["remainder"].factor < 0.9
