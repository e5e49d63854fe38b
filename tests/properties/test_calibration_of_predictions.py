"""A calibration planted in predictions is found from their seconds alone."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import pytest

import omnizip_cost as oz
from omnizip_cost.compression.plan import Plan
from omnizip_cost.hardware import Device, load_device
from omnizip_cost.latency import Calibration, predict
from omnizip_cost.latency.assumptions import host_seconds, launch_floor
from omnizip_cost.latency.calibration import PARAMETERS
from omnizip_cost.latency.calibration_fit import fit
from omnizip_cost.latency.calibration_terms import StageTerms, TermTable, terms_of
from omnizip_cost.specs.spec import ModelSpec

CPU = Device(
    name="cpu",
    title="a CPU",
    architecture="CPU",
    peak_flop_per_s=MappingProxyType({"fp32": 10**11, "bf16": 2 * 10**11}),
    bandwidth_bytes_per_s=35 * 10**9,
    memory_bytes=2**34,
    source="made up, as the calibration is",
)
CARD = load_device("h100-sxm")

PLANTED = {
    "cpu": Calibration(gemm=0.8, attention=0.5, memory=0.4, host_s=40e-6),
    "h100-sxm": Calibration(gemm=0.9, attention=0.7, memory=0.8, launch_s=3e-6, host_s=9e-6),
}


def cases(device: Device) -> list[tuple[ModelSpec, Plan]]:
    """Two models at several lengths: a CPU takes small ones, a card large ones as well."""
    names = ("omni-tiny", "qwen2.5-omni-3b")
    lengths = (300, 1500, 6000) if device is CPU else (50, 400, 4000, 30_000)
    specs = [oz.load_spec(name) for name in names]
    return [(spec, oz.plan("full", oz.bare_workload(n), spec)) for spec in specs for n in lengths]


def planted_stages(device: Device, noise: float) -> list[StageTerms]:
    """Terms of neutral predictions, beside the seconds of calibrated ones and some noise."""
    draw = np.random.default_rng(3)
    dtype = "fp32" if device is CPU else "bf16"
    stages = []
    for spec, plan in cases(device):
        for engine in ("hf-sdpa",) if device is CPU else ("hf-sdpa", "compiled"):
            neutral = predict(spec, plan, device, dtype=dtype, decode=8, backend=engine)
            truth = predict(
                spec,
                plan,
                device,
                dtype=dtype,
                decode=8,
                backend=engine,
                calibration=PLANTED[device.name],
            )
            for name in ("prefill", "decode"):
                found = terms_of(
                    neutral,
                    name,
                    truth.seconds(name) * float(np.exp(noise * draw.standard_normal())),
                    length=plan.av_tokens,
                    retained=1.0,
                    name=f"{spec.name}, {plan.av_tokens} tokens, {engine}, {name}",
                )
                assert found is not None
                stages.append(found)
    return stages


def start(device: Device) -> dict[str, float]:
    return dict.fromkeys(PARAMETERS, 1.0) | {
        "launch_s": launch_floor(device).value,
        "host_s": host_seconds(device).value,
    }


@pytest.mark.parametrize("device", [CPU, CARD], ids=lambda device: device.name)
def test_planted_numbers_are_found(device: Device) -> None:
    planted = PLANTED[device.name]
    stages = planted_stages(device, noise=0.0)
    values = {name: getattr(planted, name) or 0.0 for name in PARAMETERS}
    table = TermTable(stages)
    assert table.seconds(values) == pytest.approx(table.observed_s, rel=1e-9)
    found = fit(stages, [False] * len(stages), start(device))
    for one in found.estimates:
        if not one.held:
            assert one.value == pytest.approx(values[one.name], rel=0.01), one.name
    held = [one.name for one in found.estimates if one.held]
    assert held == (["launch_s"] if device is CPU else [])


@pytest.mark.parametrize("device", [CPU, CARD], ids=lambda device: device.name)
def test_noise_of_two_percent_moves_them_within_their_errors(device: Device) -> None:
    stages = planted_stages(device, noise=0.02)
    found = fit(stages, [False] * len(stages), start(device))
    for one in found.estimates:
        if not one.held:
            assert one.standard_error is not None
            truth = getattr(PLANTED[device.name], one.name)
            assert abs(np.log(one.value / truth)) < 4 * one.standard_error + 0.005, one
    assert np.median(np.abs(found.errors_used)) < 0.03
