"""Predictions worked out by hand, what they leave out, and what they refuse."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from attended_method import MostAttended

import omnizip_cost as oz
from omnizip_cost.cost.formats import STORED_BYTES, Formats
from omnizip_cost.errors import InvalidValueError, UnknownNameError
from omnizip_cost.hardware import load_device
from omnizip_cost.latency import (
    FIRST_TOKEN,
    Calibration,
    Prediction,
    PredictionRow,
    predict,
    prediction_row,
    speedup,
)
from omnizip_cost.latency.calibration import Fit
from omnizip_cost.latency.kernels import kernel_latency_s
from omnizip_cost.latency.schemes import UNPACKING_SHARE, Scheme
from omnizip_cost.specs import spec_from_config, weights_read_per_pass
from omnizip_cost.units import MICRO

SPEC = oz.load_spec("qwen2.5-omni-7b")
CLIP = oz.workload(SPEC, seconds=20, pixels=(252, 448))
BARE = oz.bare_workload(10_000)
H100 = load_device("h100-sxm")


def _of(
    work: Any = BARE, method: str = "full", device: Any = "h100-sxm", **other: Any
) -> Prediction:
    plan_of = {name: other.pop(name) for name in ("retained", "fastv_form") if name in other}
    spec = other.pop("spec", SPEC)
    return predict(spec, oz.plan(method, work, spec, **plan_of), device, workload=work, **other)


def test_a_decode_step_of_an_ideal_engine_reads_weights_and_cache_once() -> None:
    """7,070,619,136 weights and 28 layers' keys and values of 10,050.5 tokens, in bf16."""
    found = _of(backend="ideal")
    cached = 28 * 2 * 4 * 128 * 10_050.5
    least_s = 2 * (weights_read_per_pass(SPEC) + cached) / H100.bandwidth_bytes_per_s
    step_s = found.decode_s_per_token
    assert step_s is not None
    assert least_s == pytest.approx(4.39e-3, rel=0.01)
    assert least_s * 0.98 < step_s < least_s / 0.7
    decode = found.stage("decode")
    assert decode is not None
    assert decode.bound == "memory"


def test_a_products_time_is_its_kernels() -> None:
    """28 layers' output projection: 10,000 rows of 3,584 to 3,584."""
    (projection,) = [
        op
        for op in _of().ops
        if op.stage == "prefill" and op.aten == "mm" and op.operator == "projection"
    ]
    kernel_s = kernel_latency_s("h100-sxm", "gemm", m=10_000, n=3_584, k=3_584)
    assert projection.seconds == pytest.approx(28 * kernel_s)
    assert projection.flops == 28 * 2 * 10_000 * 3_584**2
    assert (projection.sides, projection.bound) == ("10000 x 3584 x 3584", "compute")


def test_what_is_elementwise_goes_by_its_bytes() -> None:
    """SiLU reads and writes 10,000 x 18,944 numbers of 2 bytes in each of 28 layers."""
    (silu,) = [op for op in _of().ops if op.stage == "prefill" and op.aten == "silu"]
    assert silu.bytes_moved == 28 * 2 * 10_000 * 18_944 * 2
    assert silu.memory_s == pytest.approx(silu.bytes_moved / H100.bandwidth_bytes_per_s)
    assert silu.seconds == pytest.approx(silu.memory_s / 0.885)


def test_the_host_binds_short_steps_and_its_cost_is_a_calibration() -> None:
    slow, quick = _of(), _of(calibration=Calibration(host_s=MICRO))
    decode, prefill = slow.stage("decode"), slow.stage("prefill")
    assert decode is not None
    assert prefill is not None
    assert (decode.bound, prefill.bound) == ("host", "compute")
    assert decode.seconds == pytest.approx(decode.kernels * 12 * MICRO)
    assert quick.decode_s < decode.seconds
    assert quick.prefill_s == slow.prefill_s


def test_a_cpu_works_and_dispatches_in_turn() -> None:
    cpu = replace(
        H100,
        name="cpu",
        architecture="CPU",
        peak_flop_per_s={"bf16": 10**11, "fp32": 10**11},
        bandwidth_bytes_per_s=2 * 10**10,
    )
    found = _of(oz.bare_workload(100), device=cpu, dtype="fp32", decode=3)
    for stage in found.stages:
        assert stage.seconds == stage.device_s + stage.host_s > stage.host_s > 0
    products = [op for op in found.ops if op.work == "gemm" and op.stage == "prefill"]
    least = sum(op.flops for op in products) / 10**11
    assert sum(op.base_s for op in products) == pytest.approx(least, rel=0.3)


def test_stages_are_those_of_the_pass() -> None:
    clip, bare = _of(CLIP, "omnizip", retained=0.45), _of(decode=0)
    assert [one.stage for one in clip.stages] == [*FIRST_TOKEN, "decode"]
    assert [one.stage for one in bare.stages] == ["assembly", "prefill"]
    assert bare.decode_s_per_token is None
    assert bare.end_to_end_s == bare.ttft_s == bare.seconds("assembly") + bare.prefill_s
    without = predict(SPEC, oz.plan("full", CLIP, SPEC), "h100-sxm")
    assert without.seconds("audio_encoder", "vision_encoder") == 0
    assert "audio_encoder, vision_encoder: the clip itself was not given" in without.unlisted
    assert without.prefill_s == _of(CLIP).prefill_s


def test_what_is_not_listed_is_said() -> None:
    assert _of().unlisted == ()
    assert _of(CLIP, backend="ideal").unlisted == ()
    for method in ("fastv", "omnizip"):
        (said,) = _of(BARE, method, retained=0.5).unlisted
        assert said == "selection: a bare count of tokens has no layout to choose in"
    assert _of(CLIP).unlisted == ("assembly: positions, worked out on the host",)
    plan = oz.plan(MostAttended(), CLIP, SPEC, retained=0.5)
    stated = predict(SPEC, plan, "h100-sxm", workload=CLIP)
    assert "selection: the method does not state its steps" in stated.unlisted
    assert stated.stage("selection") is None
    sizes = {
        "model_type": "mistral",
        "hidden_size": 48,
        "intermediate_size": 80,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 96,
        "sliding_window": 16,
    }
    slides = spec_from_config(sizes, "slides")
    unknown = _of(oz.bare_workload(40), spec=slides)
    assert unknown.unlisted == tuple(
        f"{name}: operators of this model are not listed" for name in ("llm", "lm_head")
    )
    assert unknown.prefill_s == 0
    assert prediction_row(unknown).prefill_bound is None
    assert _of(oz.bare_workload(40), spec=slides, backend="ideal").unlisted == ()


def test_fastv_pays_for_the_attention_that_it_writes_down() -> None:
    forms = [
        _of(CLIP, "fastv", retained=0.5, fastv_form=form) for form in ("materialised", "last-query")
    ]
    written, last = (one.seconds("selection") for one in forms)
    assert written > 3 * last > 0
    assert forms[0].prefill_s == forms[1].prefill_s
    for dtype in ("bf16", "fp32"):
        found = _of(CLIP, "fastv", retained=0.5, fastv_form="materialised", dtype=dtype)
        (attended,) = [op for op in found.ops if op.module == "attention of the last token"]
        pairs = 28 * CLIP.tokens**2  # products in the model's own dtype, softmax in float32
        product_s = 2 * 128 * pairs / H100.peak(dtype)
        assert attended.compute_s == pytest.approx(product_s + 5 * pairs / H100.peak("fp32"))


@pytest.mark.parametrize(
    ("device", "stored", "name"),
    [
        ("h100-sxm", None, "W16A16 KV16"),
        ("h100-sxm", "fp8", "W8A8 fp8 KV16"),
        ("a100-sxm", "fp8", "W8A16 fp8 KV16"),
        ("a100-sxm", "int8", "W8A8 int8 KV16"),
        ("h100-sxm", "int4", "W4A16 KV16"),
    ],
)
def test_a_scheme_is_what_the_device_can_multiply(
    device: str, stored: str | None, name: str
) -> None:
    scheme = Scheme.of(Formats.of("bf16", stored), load_device(device))
    assert scheme.name == name
    assert Scheme.of(Formats.of("bf16", cache_dtype="int4"), H100).name == "W16A16 KV4"


def test_eight_bits_speed_prefill_up_and_four_bits_decode_alone() -> None:
    """W8A8 halves the time of products bound by arithmetic; unpacking W4 to bf16 costs prefill."""
    plain = _of(backend="ideal")
    eight, four = (_of(backend="ideal", weight_dtype=name) for name in ("fp8", "int4"))
    assert 0.5 < eight.prefill_s / plain.prefill_s < 0.65
    assert 1 < four.prefill_s / plain.prefill_s < 1.1
    head = 2 * 152_064 * 3_584
    layers = 2 * weights_read_per_pass(SPEC) - head
    left = float(STORED_BYTES["int4"]) / 2 / UNPACKING_SHARE
    share = (head + layers * left) / (head + layers)
    assert share < four.decode_s / plain.decode_s < 1.5 * share
    unpacked = [op for op in four.ops if op.stage == "prefill" and op.operator == "ffn"]
    whole = [op for op in plain.ops if op.stage == "prefill" and op.operator == "ffn"]
    weights = 28 * 3 * 3_584 * 18_944
    more = sum(op.bytes_moved for op in unpacked) - sum(op.bytes_moved for op in whole)
    assert more == pytest.approx(weights * (float(STORED_BYTES["int4"]) + 2))


def test_a_pruned_model_is_predicted_like_any_other() -> None:
    half = oz.pruned(SPEC, layers=14)
    whole, cut = _of(backend="ideal"), _of(backend="ideal", spec=half)
    heads = [
        sum(op.seconds for op in one.ops if op.component == "lm_head" and op.stage == "decode")
        for one in (whole, cut)
    ]
    assert heads[0] == heads[1]
    lookup = sum(
        op.seconds for op in whole.ops if op.operator == "embedding" and op.stage == "decode"
    )
    assert (whole.decode_s - heads[0] - lookup) == pytest.approx(
        2 * (cut.decode_s - heads[0] - lookup)
    )


def test_preprocessing_is_on_the_host_and_only_where_it_was_measured() -> None:
    assert _of(CLIP).preprocessing_s is None
    measured = Calibration(mel_s_per_s=0.01, patch_s_per_pixel=1e-8)
    found = _of(CLIP, calibration=measured)
    pixels = CLIP.frames * 252 * 448
    assert found.preprocessing_s == pytest.approx(20 * 0.01 + pixels * 1e-8)
    assert found.ttft_s == _of(CLIP).ttft_s


def test_errors_that_both_share_cancel_in_a_ratio() -> None:
    """An efficiency that is lent may be far off, but as far for both."""
    full = _of(CLIP, device="rtx-a5000")
    kept = _of(CLIP, "omnizip", device="rtx-a5000", retained=0.35)
    ratio = speedup(kept, full)
    assert ratio is not None
    low, high = full.interval("prefill")
    assert ratio.high / ratio.low < high / low
    assert full.errors.drift > _of(CLIP).errors.drift == 0
    with pytest.raises(InvalidValueError, match="speed-up: device must be the same in both"):
        speedup(kept, _of(CLIP, device="a100-sxm"))
    assert speedup(kept, full, "vision_encoder") is not None
    assert speedup(_of(), _of(), "selection") is None


def test_the_first_columns_of_a_row_are_what_others_rely_on() -> None:
    found = _of(CLIP, "omnizip", retained=0.45)
    row = prediction_row(found, _of(CLIP))
    assert isinstance(row, PredictionRow)
    columns = (
        "model, device, method, retained, prefill_s, ttft_s, decode_s_per_token, end_to_end_s, "
        "peak_memory_bytes, fits"
    )
    assert list(row.keys())[:10] == columns.split(", ")
    assert row.end_to_end_s == pytest.approx(row.ttft_s + 100 * (row.decode_s_per_token or 0))
    assert row.peak_memory_bytes == found.memory.peak_bytes
    assert row.fits is True
    assert row.prefill_speedup == _of(CLIP).prefill_s / row.prefill_s
    assert prediction_row(found).prefill_speedup is None
    assert _of(CLIP, device="rtx-4090", dtype="fp32").fits is False


@pytest.mark.parametrize(
    ("passed", "error", "words"),
    [
        ({"backend": "hf-spda"}, UnknownNameError, "did you mean hf-sdpa"),
        ({"device": "h100"}, UnknownNameError, "unknown device 'h100': did you mean h100-sxm"),
        ({"dtype": "int8"}, InvalidValueError, "dtype must be one of bf16, fp16, fp32"),
        ({"weight_dtype": "fp32"}, InvalidValueError, "one of bf16, fp8, int8, int4"),
        ({"cache_dtype": "nvfp4"}, InvalidValueError, "cache_dtype must be one of"),
        ({"decode": -1}, InvalidValueError, "decode must be a whole number from 0 to 1,000,000"),
        ({"decode": True}, InvalidValueError, "decode must be a whole number"),
        ({"decode": 10**7}, InvalidValueError, "decode must be a whole number"),
    ],
)
def test_what_cannot_be_is_refused(
    passed: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        _of(**passed)


def test_a_calibration_of_another_device_is_refused() -> None:
    fit = Fit(
        device="l40s",
        models=(),
        created_utc="",
        versions={},
        environments=(),
        rows_used=1,
        rows_held_out=0,
        held_out_rule="",
        cells_used=(),
        cells_held_out=(),
        median_error_used=0.0,
        worst_error_used=0.0,
        median_error_held_out=None,
        worst_error_held_out=None,
        estimates=(),
        correlations={},
    )
    theirs = Calibration(gemm=0.5, fit=fit)
    with pytest.raises(InvalidValueError, match="calibration must be one of h100-sxm, got 'one of"):
        _of(calibration=theirs)
    assert _of(device="l40s", calibration=theirs).prefill_s > _of(device="l40s").prefill_s


def test_a_card_without_bf16_is_predicted_in_what_it_has() -> None:
    volta = replace(
        H100, name="volta", architecture="Volta", peak_flop_per_s={"fp16": 10**14, "fp32": 10**13}
    )
    for dtype in ("fp16", "fp32"):
        found = _of(device=volta, dtype=dtype)
        products = [op for op in found.ops if op.kernel == "gemm" and op.stage == "prefill"]
        least = sum(op.flops for op in products) / volta.peak(dtype)
        assert sum(op.seconds for op in products) == pytest.approx(least, rel=0.05)
    with pytest.raises(UnknownNameError, match=r"dtype of volta 'bf16'.*fp16"):
        _of(device=volta)


def test_a_plan_that_leaves_nothing_cannot_run() -> None:
    words = "plan of random at 10%: tokens left must be at least 1 in each layer, got 0"
    with pytest.raises(InvalidValueError, match=words):
        _of(oz.bare_workload(1), "random", retained=0.1)


def test_a_window_never_makes_a_longer_prompt_quicker() -> None:
    """Layers that see 16 keys: attention grows with the length, from the time of one window."""
    spec = spec_from_config(
        {
            "model_type": "mistral",
            "hidden_size": 512,
            "intermediate_size": 1024,
            "num_hidden_layers": 2,
            "num_attention_heads": 8,
            "num_key_value_heads": 2,
            "vocab_size": 96,
            "sliding_window": 16,
        },
        "slides",
    )
    times = [
        sum(op.seconds for op in one.ops if op.work == "attention" and op.stage == "prefill")
        for one in (
            _of(oz.bare_workload(n), spec=spec, backend="ideal") for n in (8, 16, 50, 500, 500_000)
        )
    ]
    assert times == sorted(times)
    assert 0 < times[0] <= times[1] == times[2] < times[4]
