"""The door of kernel times: what it takes, what it refuses, and who lends to whom."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from omnizip_cost.errors import InvalidValueError, OptionsError, UnknownNameError
from omnizip_cost.hardware import bundled_devices, load_device
from omnizip_cost.hardware.load import EXAMPLE
from omnizip_cost.latency.assumptions import launch_floor, stream_share
from omnizip_cost.latency.kernels import (
    OPS,
    kernel_latency_ms,
    kernel_latency_s,
    kernel_uncertainty,
)
from omnizip_cost.latency.kernels.gemm import MEASURED
from omnizip_cost.latency.kernels.roofline import kernel_bytes, kernel_flops, roofline_s
from omnizip_cost.latency.kernels.shapes import checked_shape

SQUARE = {"m": 4096, "n": 4096, "k": 4096}
DECODE = {"batch": 2, "seq": 9_000, "heads": 28, "kv_heads": 4, "head_dim": 128}


@pytest.mark.parametrize(
    ("op", "dims", "error", "words"),
    [
        ("gem", SQUARE, UnknownNameError, "unknown kernel 'gem': did you mean gemm"),
        (["gemm"], SQUARE, UnknownNameError, "unknown kernel"),
        ("gemm", {"m": 1, "n": 2}, OptionsError, "gemm: k must be given; it takes m, n, k"),
        ("gemm", {**SQUARE, "q": 1}, UnknownNameError, "unknown dimension of gemm 'q'"),
        ("gemm", {**SQUARE, "m": 0}, InvalidValueError, "gemm: m must be a count from 1"),
        ("gemm", {**SQUARE, "m": -3}, InvalidValueError, "got -3"),
        ("gemm", {**SQUARE, "n": [4, np.nan]}, InvalidValueError, "n must be a count.* got nan"),
        ("gemm", {**SQUARE, "k": "many"}, InvalidValueError, "k must be a count.* got 'many'"),
        ("gemm", {**SQUARE, "k": True}, InvalidValueError, "got True"),
        ("gemm", {**SQUARE, "k": None}, InvalidValueError, "got None"),
        ("gemm", {**SQUARE, "m": 2**70}, InvalidValueError, "m must be a count"),
        ("gemm", {**SQUARE, "m": [[1], [1, 2]]}, InvalidValueError, "m must be a count"),
        ("gemm", {"m": [1, 2], "n": [1, 2, 3], "k": 1}, OptionsError, "do not broadcast"),
        ("decode_attention", {**DECODE, "kv_heads": 5}, InvalidValueError, "divides heads .28."),
        (
            "prefill_attention",
            {**DECODE, "queries": 9_001},
            InvalidValueError,
            "queries must be at most seq .9000.",
        ),
    ],
)
def test_what_is_wrong_is_said(
    op: Any, dims: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        kernel_latency_ms("h100-sxm", op, **dims)


def test_an_unknown_device_is_answered_with_near_names() -> None:
    with pytest.raises(UnknownNameError, match="did you mean h100-sxm"):
        kernel_latency_ms("h100", "gemm", **SQUARE)
    with pytest.raises(UnknownNameError, match="unknown kernel"):
        kernel_uncertainty("h100-sxm", "gemv")


def test_arrays_broadcast_and_integers_do_not_overflow() -> None:
    m = np.array([[1], [2**31 - 1]], np.int32)
    times = kernel_latency_ms("l40s", "gemm", m=m, n=np.array([152_064, 2**30], np.int32), k=18_944)
    assert times.shape == (2, 2)
    assert times.dtype == np.float64
    flops = kernel_flops("gemm", checked_shape("gemm", {"m": m, "n": 2**30, "k": 18_944}))
    assert times[1, 1] >= flops[1, 0] / load_device("l40s").peak() * 1e3
    assert kernel_latency_ms("l40s", "gemm", m=[], n=8, k=8).shape == (0,)


def test_milliseconds_are_a_thousandth_of_seconds() -> None:
    ms = kernel_latency_ms("h100-sxm", "decode_attention", **DECODE)
    assert ms == pytest.approx(1e3 * kernel_latency_s("h100-sxm", "decode_attention", **DECODE))


def test_work_of_attention_in_closed_form() -> None:
    dims = {"batch": 3, "seq": 5, "heads": 4, "kv_heads": 2, "head_dim": 8}
    causal = checked_shape("prefill_attention", dims)
    # 15 pairs of 25 in each of 12 squares, 4 x 8 FLOPs a pair
    assert kernel_flops("prefill_attention", causal) == 12 * 15 * 4 * 8
    chunk = checked_shape("prefill_attention", {**dims, "queries": 2})
    assert kernel_flops("prefill_attention", chunk) == 12 * (4 + 5) * 4 * 8
    # q and o of 4 heads, k and v of 2, bf16
    assert kernel_bytes("prefill_attention", causal) == 3 * 5 * 8 * (2 * 4 + 2 * 2) * 2
    one = checked_shape("decode_attention", dims)
    assert kernel_bytes("decode_attention", one) == 3 * 8 * (2 * 4 + 2 * 2 * 5) * 2
    assert kernel_flops("decode_attention", one) == 12 * 5 * 4 * 8
    whole = checked_shape("encoder_attention", {**dims, "kv_heads": 4})
    assert kernel_flops("encoder_attention", whole) == 12 * 25 * 4 * 8


def test_who_lends_to_whom() -> None:
    lenders = {name: kernel_uncertainty(name, "gemm").borrowed_from for name in bundled_devices()}
    assert {name for name, lender in lenders.items() if lender is None} == set(MEASURED)
    assert lenders["h20"] == lenders["h100-pcie"] == "h100-sxm"
    assert lenders["a100-pcie-80gb"] == lenders["rtx-a6000"] == "a100-sxm"
    assert lenders["l4"] == lenders["rtx-4090"] == "l40s"
    assert lenders["b200"] == "h200-sxm"
    assert kernel_uncertainty("a100-sxm", "encoder_attention").borrowed_from == "l40s"


@pytest.mark.parametrize("op", OPS)
def test_lent_times_are_told_less_surely(op: str) -> None:
    own, lent = (kernel_uncertainty(name, op) for name in ("l40s", "rtx-6000-ada"))
    assert 0 < own.median < own.p90 < lent.p90
    assert lent.median > own.median
    assert "left out" in own.source
    assert "l40s" in lent.source


def test_a_card_of_ones_own_borrows_and_a_processor_gets_the_roofline(tmp_path: Path) -> None:
    path = tmp_path / "card.toml"
    path.write_text(EXAMPLE)
    card = load_device(path)
    assert kernel_uncertainty(card, "gemm").borrowed_from == "a100-sxm"
    least = float(roofline_s(card, "gemm", checked_shape("gemm", SQUARE)))
    assert least < kernel_latency_s(str(path), "gemm", **SQUARE) < 2.5 * least
    processor = replace(card, architecture="a processor")
    assert kernel_uncertainty(processor, "gemm").borrowed_from is None
    assert "plain roofline" in kernel_uncertainty(processor, "gemm").source
    assert kernel_latency_s(processor, "gemm", **SQUARE) == least
    assert "measured devices" in stream_share(processor).source
    assert "any measured device" in launch_floor(processor).source
    lower = replace(card, architecture="ampere")
    assert kernel_latency_s(lower, "gemm", **SQUARE) == kernel_latency_s(card, "gemm", **SQUARE)
    assert not replace(card, architecture="cpu").asynchronous


def test_a_record_that_borrows_a_name_is_not_taken_for_the_measured_device() -> None:
    measured = load_device("h200-sxm")
    slower = replace(measured, bandwidth_bytes_per_s=measured.bandwidth_bytes_per_s // 2)
    dims = {**DECODE, "batch": 256, "seq": 32_768}
    times = [kernel_latency_s(each, "decode_attention", **dims) for each in (measured, slower)]
    assert kernel_uncertainty(slower, "gemm").borrowed_from == "h100-sxm"
    assert times[1] > 1.8 * times[0]
