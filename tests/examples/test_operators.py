"""The operator table of a real pass, and its rules on invented events."""

from __future__ import annotations

import gzip
import json
import socket
import sys
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from profiling_fixtures import LAYERS, OMNIZIP, SPEC, inputs, thinker
from torch.autograd import DeviceType

from omnizip_cost.profiling import profile_operators
from omnizip_cost.profiling.clock import HostClock
from omnizip_cost.profiling.opclasses import OPERATOR_CLASSES, operator_class
from omnizip_cost.profiling.operators import place, rotary_scopes, tabulate
from omnizip_cost.profiling.stages import TimeLedger, run_pass
from omnizip_cost.results import OperatorRow
from omnizip_cost.runtime import session
from omnizip_cost.runtime.modules import find_text_model

STEPS = 2


@pytest.fixture(scope="module")
def model() -> Any:
    return thinker()


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trace") / "pass.json.gz"


@pytest.fixture(scope="module")
def rows(model: Any, trace: Path) -> tuple[OperatorRow, ...]:
    return profile_operators(
        model, SPEC, inputs(), OMNIZIP, decode_steps=STEPS, trace=trace, warmup=False
    )


def test_every_part_and_class_is_there(rows: tuple[OperatorRow, ...]) -> None:
    groups: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        groups[row.phase].add(row.group)
        assert row.operator_class in OPERATOR_CLASSES
        assert row.self_cpu_s >= 0
        assert row.self_device_s == 0
    inside = {"assembly", "decoder", "attention", "mlp", "norm", "lm_head"}
    assert groups["decode"] == inside
    assert groups["prefill"] == inside | {"audio_encoder", "vision_encoder", "selection"}


def test_products_are_counted_once(rows: tuple[OperatorRow, ...]) -> None:
    calls = {(row.phase, row.group, row.operator_class): row.calls for row in rows}
    assert calls["prefill", "attention", "gemm"] == 4 * LAYERS
    assert calls["prefill", "mlp", "gemm"] == 3 * LAYERS
    assert calls["decode", "mlp", "gemm"] == 3 * LAYERS * STEPS
    assert calls["decode", "lm_head", "gemm"] == STEPS
    assert calls["prefill", "attention", "attention"] == LAYERS


def test_flops_are_those_of_the_survivors(model: Any, rows: tuple[OperatorRow, ...]) -> None:
    ledger = TimeLedger(HostClock())
    done = run_pass(model, inputs().kwargs(), OMNIZIP, decode_steps=0, ledger=ledger)
    kept = done.kept_tokens
    assert kept < done.full_tokens
    flops = {(row.phase, row.group, row.operator_class): row.flops_reported for row in rows}
    text = SPEC.text
    mlp = 2 * 3 * text.hidden_size * text.intermediate_size * LAYERS
    assert flops["prefill", "mlp", "gemm"] == kept * mlp
    assert flops["decode", "mlp", "gemm"] == STEPS * mlp
    assert flops["decode", "lm_head", "gemm"] == STEPS * 2 * text.hidden_size * text.vocab_size


def test_norm_and_rotary_modules_claim_what_they_call(rows: tuple[OperatorRow, ...]) -> None:
    classes: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        classes[row.group].add(row.operator_class)
    assert classes["norm"] <= {"norm", "other"}
    assert "rotary" in classes["attention"]
    assert {"norm", "rotary", "attention", "gemm"} <= classes["vision_encoder"]


def test_the_model_and_its_file_are_put_back(model: Any) -> None:
    module = sys.modules[type(find_text_model(model)).__module__]
    names = [name for name in vars(module) if "rotary_pos_emb" in name]
    before = {name: getattr(module, name) for name in names}
    assert names
    with pytest.raises(KeyError), rotary_scopes(module):
        assert all(getattr(module, name) is not before[name] for name in names)
        raise KeyError
    assert {name: getattr(module, name) for name in names} == before
    hooks = sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in model.modules())
    assert hooks == 0


def test_the_trace_is_a_chrome_trace_without_names(
    rows: tuple[OperatorRow, ...], trace: Path
) -> None:
    text = gzip.decompress(trace.read_bytes()).decode()
    content = json.loads(text)
    events = [event for event in content["traceEvents"] if event.get("ph") == "X"]
    assert {"name", "ts", "dur", "pid", "tid"} <= set(events[0])
    names = {event["name"] for event in events}
    assert {"phase prefill", "phase decode", "group selection", "class rotary"} <= names
    assert content["traceName"] == trace.name
    assert str(trace.parent) not in text
    assert f'"{socket.gethostname()}"' not in text


def test_self_times_add_up_to_the_pass() -> None:
    scope, host = torch.profiler.record_function, torch.profiler.ProfilerActivity.CPU
    with torch.profiler.profile(activities=[host]) as profiled, scope("phase prefill"):
        with scope("group mlp"):
            torch.randn(64, 64) @ torch.randn(64, 64)
        torch.randn(64).softmax(0)
    events = profiled.events()
    outer = next(event for event in events if event.name == "phase prefill")
    total = sum(part.self_cpu_us for part in tabulate(place(events)).values())
    assert total == pytest.approx(outer.cpu_time_total, rel=1e-6)


def event(
    name: str, parent: Any = None, *, cpu: float = 1, device: float = 0, kind: Any = DeviceType.CPU
) -> Any:
    return SimpleNamespace(
        name=name,
        cpu_parent=parent,
        device_type=kind,
        self_cpu_time_total=cpu,
        self_device_time_total=device,
        flops=0,
    )


def test_kernels_count_for_the_operator_that_launched_them() -> None:
    phase = event("phase prefill", device=50)
    mlp = event("group mlp", phase, device=50)
    linear = event("aten::linear", mlp)
    mm = event("aten::mm", linear, cpu=2, device=40)
    launch = event("cudaLaunchKernel", mm, cpu=5)
    kernel = event("ampere_gemm", cpu=0, device=40, kind=DeviceType.CUDA)
    label = event("group mlp", cpu=0, device=50, kind=DeviceType.CUDA)
    stray = event("aten::add")
    totals = tabulate(place([launch, kernel, label, stray, mm, linear, mlp, phase]))
    assert set(totals) == {
        ("prefill", "mlp", "gemm"),
        ("prefill", "mlp", "other"),
        ("prefill", "assembly", "other"),
    }
    gemm = totals["prefill", "mlp", "gemm"]
    assert (gemm.calls, gemm.self_cpu_us, gemm.self_device_us) == (1, 1 + 2 + 5, 40)
    assert totals["prefill", "mlp", "other"].self_device_us == 0


@pytest.mark.parametrize(
    ("name", "outer", "expected"),
    [
        ("aten::addmm", None, "gemm"),
        ("aten::_convolution", None, "gemm"),
        ("aten::scaled_dot_product_attention", None, "attention"),
        ("aten::_scaled_dot_product_flash_attention_for_cpu", None, "attention"),
        ("flash_attn::_flash_attn_forward", None, "attention"),
        ("aten::bmm", "attention", "attention"),
        ("aten::mul", "norm", "norm"),
        ("aten::cat", "rotary", "rotary"),
        ("aten::add_", None, "elementwise"),
        ("aten::_softmax", "gemm", "softmax"),
        ("aten::copy_", "gemm", "copy"),
        ("aten::_index_put_impl_", None, "index"),
        ("aten::as_strided", "gemm", "other"),
        ("cudaLaunchKernel", "gemm", "gemm"),
        ("cudaMalloc", None, "other"),
    ],
)
def test_operator_classes(name: str, outer: str | None, expected: str) -> None:
    assert operator_class(name, outer) == expected


def test_an_error_leaves_no_scope_open(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise MemoryError

    monkeypatch.setattr(session, "select", fail)
    with pytest.raises(MemoryError):
        profile_operators(model, SPEC, inputs(), OMNIZIP, decode_steps=1)
    hooks = sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in model.modules())
    assert hooks == 0
