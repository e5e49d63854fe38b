"""What must hold of every prediction, whatever the model, plan, device and format."""

from __future__ import annotations

from functools import cache
from math import isclose, isfinite
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import omnizip_cost as oz
from omnizip_cost.hardware import bundled_devices
from omnizip_cost.latency import (
    BACKENDS,
    FIRST_TOKEN,
    Calibration,
    Prediction,
    predict,
    prediction_row,
    speedup,
)
from omnizip_cost.specs import ModelSpec, spec_from_config
from omnizip_cost.units import MICRO
from omnizip_cost.workload import Workload

MODELS = ("qwen2.5-omni-7b", "qwen2.5-omni-3b", "qwen3-omni-30b-a3b", "omni-tiny", "llama")
DEVICES = ("h100-sxm", "l40s", "rtx-a5000")
TABLED = 1.03
"""What the tables may be off by where two shapes of the same work are compared."""
METHODS = ("random", "dycoke", "omnizip", "visionzip", "fastv")
STORED = (None, "fp8", "int8", "int4")
LLAMA = {
    "model_type": "llama",
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 16,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128_256,
}


@cache
def _spec(name: str) -> ModelSpec:
    return spec_from_config(LLAMA, name) if name == "llama" else oz.load_spec(name)


@cache
def _work(name: str, size: int, bare: bool) -> Workload:
    if bare or name == "llama":
        return oz.bare_workload(200 * size)
    return oz.workload(_spec(name), seconds=size + 0.4, pixels=(252, 448))


@st.composite
def settings_of_a_pass(draw: Any) -> dict[str, Any]:
    """A model, a prompt, a device and formats."""
    name = draw(st.sampled_from(MODELS))
    return {
        "spec": _spec(name),
        "workload": _work(name, draw(st.sampled_from((2, 9, 40, 200))), draw(st.booleans())),
        "device": draw(st.sampled_from(DEVICES)),
        "dtype": draw(st.sampled_from(("bf16", "fp16", "fp32"))),
        "weight_dtype": draw(st.sampled_from(STORED)),
        "cache_dtype": draw(st.sampled_from(STORED)),
        "decode": draw(st.sampled_from((0, 1, 100))),
        "backend": draw(st.sampled_from(tuple(BACKENDS))),
    }


def _predict(
    given_: dict[str, Any], method: str, retained: float = 1.0, **other: Any
) -> Prediction:
    passed = {**given_, **other}
    spec, work = passed.pop("spec"), passed["workload"]
    ratio = {} if method == "full" else {"retained": retained}
    return predict(spec, oz.plan(method, work, spec, **ratio), passed.pop("device"), **passed)


@given(settings_of_a_pass(), st.sampled_from(METHODS), st.sampled_from((0.7, 0.35, 0.1)))
@settings(max_examples=25, deadline=None)
def test_stages_are_sums_of_their_operators(
    passed: dict[str, Any], method: str, retained: float
) -> None:
    found = _predict(passed, method, retained)
    assert [one.stage for one in found.stages] == list(dict.fromkeys(op.stage for op in found.ops))
    for stage in found.stages:
        ops = [op for op in found.ops if op.stage == stage.stage]
        assert isclose(stage.device_s, sum(op.seconds for op in ops))
        assert isclose(stage.device_s, stage.compute_s + stage.memory_s + stage.launch_s)
        assert stage.kernels == sum(op.kernels for op in ops)
        assert stage.seconds == max(stage.device_s, stage.host_s)
        assert 0 <= stage.low_s <= stage.seconds <= stage.high_s
    for op in found.ops:
        assert op.seconds >= op.launch_s * (1 - 1e-12)
        assert op.launch_s == op.kernels * found.launch_s
    assert isclose(found.end_to_end_s, sum(one.seconds for one in found.stages))
    assert isclose(found.ttft_s + found.decode_s, found.end_to_end_s)
    row = dict(prediction_row(found, _predict(passed, "full")))
    assert all(isfinite(value) for value in row.values() if isinstance(value, float))
    assert (row["decode_s_per_token"] is None) == (passed["decode"] == 0)


@given(settings_of_a_pass(), st.sampled_from(METHODS), st.sampled_from((0.7, 0.35, 0.1)))
@settings(max_examples=25, deadline=None)
def test_fewer_tokens_never_take_longer(
    passed: dict[str, Any], method: str, retained: float
) -> None:
    """But for FastV, whose eager layers take a second mask, which costs the host more."""
    if method == "fastv" and passed["backend"] == "hf-eager":
        return
    full, kept = _predict(passed, "full"), _predict(passed, method, retained)
    for stage in ("prefill", "decode"):
        assert kept.seconds(stage) <= full.seconds(stage) * (1 + 1e-9)
    ratio = speedup(kept, full)
    assert ratio is not None
    assert ratio.low <= ratio.ratio <= ratio.high
    assert ratio.ratio >= 1 - 1e-9


@given(settings_of_a_pass())
@settings(max_examples=10, deadline=None)
def test_the_same_run_is_as_fast_as_itself_for_certain(passed: dict[str, Any]) -> None:
    """All errors are shared, so nothing is left of the interval; r = 1 is that run."""
    full, kept = _predict(passed, "full"), _predict(passed, "random", 1.0)
    assert kept.stages == full.stages
    for stages in (("prefill",), FIRST_TOKEN, (*FIRST_TOKEN, "decode")):
        same = speedup(kept, full, *stages)
        assert same is not None
        assert (same.low, same.ratio, same.high) == (1.0, 1.0, 1.0)


@given(settings_of_a_pass())
@settings(max_examples=15, deadline=None)
def test_better_engines_take_no_longer(passed: dict[str, Any]) -> None:
    """Products of two in one, nothing written twice, logits of one position: never slower.

    But for the tables' own error: one wide product may be tabled slower than two narrow ones, the
    more so the thinner it is, as those that stand in for weights of few bits.
    """
    passed = {**passed, "weight_dtype": None}
    stock, compiled, ideal = (
        _predict(passed, "omnizip", 0.5, backend=name) for name in ("hf-sdpa", "compiled", "ideal")
    )
    for stage in ("audio_encoder", "vision_encoder", "assembly", "prefill", "decode"):
        assert (
            ideal.seconds(stage) / TABLED
            <= compiled.seconds(stage)
            <= stock.seconds(stage) * TABLED
        )


@given(settings_of_a_pass(), st.sampled_from(STORED[1:]))
@settings(max_examples=15, deadline=None)
def test_narrower_numbers_never_slow_decode(passed: dict[str, Any], stored: str) -> None:
    """A step reads every weight and the cache once, so fewer bytes are never more time."""
    own = {**passed, "decode": 8, "weight_dtype": None, "cache_dtype": None}
    wide = _predict(own, "omnizip", 0.5)
    for field in ("weight_dtype", "cache_dtype"):
        narrow = _predict({**own, field: stored}, "omnizip", 0.5)
        assert narrow.decode_s <= wide.decode_s * (1 + 1e-9)
        assert narrow.seconds("vision_encoder") == wide.seconds("vision_encoder")
        bytes_of = [
            sum(op.bytes_moved for op in one.ops if op.stage == "decode") for one in (narrow, wide)
        ]
        assert bytes_of[0] < bytes_of[1]


@pytest.mark.parametrize("device", list(bundled_devices()))
def test_nothing_beats_the_device(device: str) -> None:
    """No stage of an ideal engine is done sooner than its FLOPs at the peak and its bytes allow.

    A cache of a few megabytes may be read from the L2 cache: bytes of weights alone are taken.
    """
    spec, work = _spec("qwen2.5-omni-7b"), _work("qwen2.5-omni-7b", 40, False)
    found = predict(
        spec, oz.plan("full", work, spec), device, workload=work, backend="ideal", decode=10
    )
    card = found.device
    for stage in found.stages:
        ops = [op for op in found.ops if op.stage == stage.stage]
        if stage.stage != "selection":
            products = sum(op.flops for op in ops if op.work == "gemm")
            assert stage.device_s >= products / card.peak("bf16")
        weights = sum(op.bytes_moved for op in ops if op.kernel == "gemm")
        assert stage.device_s >= weights / card.bandwidth_bytes_per_s


@pytest.mark.parametrize("device", list(bundled_devices()))
def test_a_step_reads_every_weight_from_memory(device: str) -> None:
    """Small ones were measured in the L2 cache, where a model's other layers leave none of them."""
    spec, work = _spec("qwen2.5-omni-3b"), _work("qwen2.5-omni-3b", 40, True)
    found = predict(spec, oz.plan("full", work, spec), device, backend="compiled", decode=1)
    for op in found.ops:
        if op.stage == "decode" and op.kernel == "gemm":
            _, columns, inner = map(int, op.sides.split(" x "))
            read = op.kernels * 2 * columns * inner
            assert op.seconds >= read / found.device.bandwidth_bytes_per_s * (1 - 1e-9)


@given(st.floats(0.3, 1.5), st.floats(0.3, 1.5), st.floats(0.3, 1.5), st.floats(0.5, 20))
@settings(max_examples=10, deadline=None)
def test_calibration_scales_classes_and_nothing_else(
    gemm: float, attention: float, memory: float, host: float
) -> None:
    """An operator takes its neutral time over its class's efficiency, and its floor at least."""
    measured = Calibration(
        gemm=gemm, attention=attention, memory=memory, launch_s=MICRO, host_s=host * MICRO
    )
    passed = {
        "spec": _spec("omni-tiny"),
        "workload": _work("omni-tiny", 9, False),
        "device": "h100-sxm",
    }
    found = _predict(passed, "full", calibration=measured)
    neutral = _predict(passed, "full")
    for op, before in zip(found.ops, neutral.ops, strict=True):
        share = {"gemm": gemm, "attention": attention, "memory": memory}[op.work]
        assert op.base_s == before.base_s
        assert isclose(op.seconds, max(op.base_s / share, op.kernels * MICRO))
    for stage in found.stages:
        assert isclose(stage.host_s, stage.kernels * host * MICRO)
