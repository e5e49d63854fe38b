"""The longest kernels of a pass: of a real one on the CPU, and by rule on invented events."""

from __future__ import annotations

import gzip
import json
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from profiling_fixtures import LAYERS, OMNIZIP, SPEC, inputs, thinker
from torch.autograd import DeviceType

from omnizip_cost.profiling import PassProfile, profile_pass
from omnizip_cost.profiling.operators import place
from omnizip_cost.profiling.top_kernels import LONGEST_NAME, short_names, top_kernels
from omnizip_cost.results import KernelRow, read_table, write_table
from omnizip_cost.results.kernel_row import OTHERS

COMMON: dict[str, Any] = {
    "model": "a model",
    "method": "omnizip",
    "label": "OmniZip",
    "retained": 0.45,
    "device": "a GPU",
    "clip": "a clip",
    "decode_steps": 1,
}


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trace") / "pass.json.gz"


@pytest.fixture(scope="module")
def found(trace: Path) -> PassProfile:
    return profile_pass(thinker(), SPEC, inputs(), OMNIZIP, trace=trace, warmup=False)


def test_kernels_add_up_to_the_operators_of_their_phase(found: PassProfile) -> None:
    for phase in ("prefill", "decode"):
        rows = [row for row in found.kernels if row.phase == phase]
        assert [row.rank for row in rows] == list(range(1, 17))
        assert sum(row.share for row in rows) == pytest.approx(1)
        assert rows[-1].kernel == rows[-1].group == OTHERS
        shares = [row.share for row in rows[:-1]]
        assert shares == sorted(shares, reverse=True)
        own = sum(row.self_cpu_s for row in found.operators if row.phase == phase)
        assert 0.1 * own < sum(row.self_cpu_s for row in rows) < own, "scopes are no kernels"
        assert not any(row.kernel.startswith(("phase ", "group ", "class ")) for row in rows)


def test_a_named_operator_is_found_with_its_calls(found: PassProfile) -> None:
    calls = {(row.phase, row.group, row.kernel): row.calls for row in found.kernels}
    assert calls["decode", "mlp", "aten::mm"] == 2 * 3 * LAYERS
    assert {row.decode_steps for row in found.kernels} == {2}


def test_rows_go_to_a_file_and_back(found: PassProfile, tmp_path: Path) -> None:
    path = write_table(found.kernels, tmp_path / "kernels.csv")
    again = [KernelRow(**record) for record in read_table(path).to_dict("records")]
    assert [row.kernel for row in again] == [row.kernel for row in found.kernels]
    assert again[0].self_cpu_s == pytest.approx(found.kernels[0].self_cpu_s)


def test_the_trace_holds_outermost_operators_alone(found: PassProfile, trace: Path) -> None:
    content = json.loads(gzip.decompress(trace.read_bytes()))
    events = [event for event in content["traceEvents"] if event["ph"] == "X"]
    assert {event["cat"] for event in events} == {"user_annotation", "cpu_op"}
    assert {"ph", "cat", "name", "pid", "tid", "ts", "dur"} == set(events[0])
    operators = [event for event in events if event["cat"] == "cpu_op"]
    assert "aten::linear" in {event["name"] for event in operators}
    for before, after in pairwise(operators):
        assert after["ts"] >= before["ts"] + before["dur"] - 0.11, "rounded to tenths"
    assert events[0]["ts"] == 0


def event(name: str, parent: Any, *, kernels: Any = (), cpu: float = 1) -> Any:
    return SimpleNamespace(
        name=name,
        cpu_parent=parent,
        device_type=DeviceType.CPU,
        self_cpu_time_total=cpu,
        self_device_time_total=sum(time for _, time in kernels),
        kernels=[SimpleNamespace(name=name, duration=time) for name, time in kernels],
        flops=0,
    )


def invented() -> list[Any]:
    phase = event("phase prefill", None, kernels=[("phase prefill", 900)])
    mlp = event("group mlp", phase, kernels=[("group mlp", 800)])
    mm = event("aten::mm", mlp, cpu=8, kernels=[("gemm_tn", 30), ("splitKreduce", 10)])
    again = event("aten::mm", mlp, cpu=4, kernels=[("gemm_tn", 50)])
    view = event("aten::view", mlp, cpu=100)
    norm = event("group norm", phase)
    mul = event("aten::mul", norm, cpu=3, kernels=[("elementwise", 5)])
    small = event("aten::add", norm, cpu=2, kernels=[("elementwise2", 4), ("elementwise3", 1)])
    decode = event("phase decode", None)
    host = event("aten::add", decode, cpu=6)
    return [phase, mlp, mm, again, view, norm, mul, small, decode, host]


def test_kernels_are_those_that_operators_launched() -> None:
    rows = top_kernels(place(invented()), COMMON, top=2)
    prefill = [row for row in rows if row.phase == "prefill"]
    assert [(row.group, row.kernel, row.calls) for row in prefill] == [
        ("mlp", "gemm_tn", 2),
        ("mlp", "splitKreduce", 1),
        (OTHERS, OTHERS, 3),
    ]
    assert [row.device_s for row in prefill] == pytest.approx([80e-6, 10e-6, 10e-6])
    assert [row.self_cpu_s for row in prefill] == pytest.approx([8e-6, 4e-6, 5e-6])
    assert [row.share for row in prefill] == pytest.approx([0.8, 0.1, 0.1])
    assert "aten::view" not in {row.kernel for row in prefill}, "it launched nothing"
    (decode,) = [row for row in rows if row.phase == "decode"]
    assert (decode.kernel, decode.device_s, decode.share) == ("aten::add", 0, 1)


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("aten::addmm", "aten::addmm"),
        ("ampere_bf16_s16816gemm_bf16_128x128_tn", "ampere_bf16_s16816gemm_bf16_128x128_tn"),
        ("nvjet_hsh_128x256_64x4_1x2_h_bz_coopA_NTT", "nvjet_hsh_128x256_64x4_1x2_h_bz_coopA_NTT"),
        ("Memcpy HtoD (Pageable -> Device)", "Memcpy HtoD (Pageable -> Device)"),
        (
            "void at::native::(anonymous namespace)::CatArrayBatchedCopy<float, unsigned int, 4>"
            "(float*, at::native::(anonymous namespace)::Meta<int>)",
            "CatArrayBatchedCopy<float, unsigned int, 4>",
        ),
        (
            "void at::native::vectorized_elementwise_kernel<4, at::native::CUDAFunctor_add"
            "<c10::BFloat16>, std::array<char*, 3ul> >(int, std::array<char*, 3ul>)",
            "vectorized_elementwise_kernel<4, CUDAFunctor_add<BFloat16>, array<char*, 3ul>>",
        ),
    ],
)
def test_names_are_readable(name: str, short: str) -> None:
    found = short_names([name])[name]
    if len(short) <= LONGEST_NAME:
        assert found == short
    else:
        assert found[:-7] == short[: LONGEST_NAME - 8]
        assert len(found) <= LONGEST_NAME


def test_no_two_kernels_share_a_name() -> None:
    long = "void pytorch_flash::flash_fwd_kernel<pytorch_flash::Traits<128, 128, 64, 4>, {}>(int)"
    names = [long.format(f"{'true, ' * 12}{last}") for last in ("true", "false")]
    names += ["void a::kernel<float>(int)", "void b::kernel<float>(float)"]
    short = short_names(names)
    assert len(set(short.values())) == len(names)
    assert all(len(name) <= LONGEST_NAME for name in short.values())
    assert short[names[2]].startswith("kernel<float>~")
