"""What is known of the machine: environment, memory peaks, disturbances, failures."""

from __future__ import annotations

import getpass
import json
import socket
from pathlib import Path
from typing import Any

import pytest
import torch

from omnizip_cost.profiling import environment
from omnizip_cost.profiling.environment import (
    device_name,
    environment_record,
    git_commit,
    parse_smi,
    throttling,
)
from omnizip_cost.profiling.failures import failure_of, is_out_of_memory
from omnizip_cost.profiling.memory import (
    CudaPeaks,
    KernelPeaks,
    SampledPeaks,
    peak_meter,
    release_memory,
    resident_bytes,
)
from omnizip_cost.profiling.watch import LEAST_PAUSE_S, GpuState, MachineWatch, contention
from omnizip_cost.results.schema import IDENTITY_FIELDS, environment_id
from omnizip_cost.units import MEBI

SMI = "580.95.05, 1980, 2619, 1980, 412.31, 700.00, 54, 0x0000000000000004\n"


def test_the_environment_is_plain_json_without_names_of_people_or_places() -> None:
    record = environment_record("cpu", dtype="float32", attention="sdpa")
    text = json.dumps(record, allow_nan=False)
    assert record["device"] == "cpu"
    assert record["torch"] == torch.__version__
    assert record["cuda"] is None
    assert record["temperature_c"] is None
    assert record["memory_bytes"] > 2**28
    assert set(IDENTITY_FIELDS) <= set(record)
    assert str(Path.home()) not in text
    assert str(Path(__file__).parent) not in text
    words = {str(value) for value in record.values()}
    assert not words & {socket.gethostname(), getpass.getuser()}


def test_identity_is_the_machine_not_the_moment() -> None:
    record = environment_record("cpu", dtype="float32", attention="sdpa")
    assert environment_id({**record, "created_utc": "?", "load_average": 9}) == environment_id(
        record
    )
    for name in ("device", "torch", "transformers", "torch_threads"):
        assert environment_id({**record, name: "other"}) != environment_id(record)


def test_the_commit_is_that_of_the_package() -> None:
    commit = git_commit()
    if (Path(__file__).parents[2] / ".git").exists():
        assert commit is not None
        assert len(commit.rstrip("+")) == 40
    else:
        assert commit is None


def test_nvidia_smi_is_read() -> None:
    state = parse_smi(SMI)
    assert state["driver"] == "580.95.05"
    assert (state["sm_clock_mhz"], state["power_w"], state["temperature_c"]) == (1980, 412.31, 54)
    assert throttling(state) == ("power cap",)
    assert throttling(parse_smi(SMI.replace("04\n", "01\n"))) == ()
    assert throttling(parse_smi(SMI.replace("04\n", "c8\n"))) == (
        "hardware slowdown",
        "hardware thermal slowdown",
        "power brake",
    )


@pytest.mark.parametrize("text", [None, "", "one, two\n", "No devices were found\n"])
def test_what_nvidia_smi_does_not_tell_is_absent(text: str | None) -> None:
    assert set(parse_smi(text).values()) == {None}
    assert throttling(parse_smi(text)) == ()


def test_cells_that_are_not_available_are_absent() -> None:
    state = parse_smi("580.95.05, [N/A], 2619, 1980, [Not Supported], ?, 54, [N/A]\n")
    assert state["sm_clock_mhz"] is None
    assert state["power_limit_w"] is None
    assert state["temperature_c"] == 54
    assert throttling(state) == ()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_gpu_is_recorded() -> None:
    record = environment_record("cuda", dtype="bfloat16", attention="sdpa")
    assert record["device"] == torch.cuda.get_device_name() == device_name("cuda")
    assert record["device_memory_bytes"] > 2**30


def meters() -> list[Any]:
    kernel = pytest.param(
        KernelPeaks,
        marks=pytest.mark.skipif(not KernelPeaks.works(), reason="this kernel resets no mark"),
    )
    return [kernel, SampledPeaks]


@pytest.mark.parametrize("make", meters())
def test_a_short_peak_is_seen_and_then_forgotten(make: type) -> None:
    meter = make()
    try:
        size = 96 * MEBI
        release_memory("cpu")
        meter.reset()
        base = resident_bytes()
        block = torch.ones(size, dtype=torch.uint8)
        block.add_(1)
        del block
        peak = meter.peaks()["resident_bytes"]
        assert 0.9 * size < peak - base < 1.3 * size
        release_memory("cpu")
        meter.reset()
        assert meter.peaks()["resident_bytes"] < base + size // 2
    finally:
        meter.close()


def test_the_best_meter_is_chosen() -> None:
    meter = peak_meter("cpu")
    assert meter.source == (
        "kernel high-water mark" if KernelPeaks.works() else "sampled every 2 ms"
    )
    meter.close()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_cuda_peaks_are_the_allocators() -> None:
    meter = peak_meter("cuda")
    assert isinstance(meter, CudaPeaks)
    base = meter.peaks()["peak_allocated_bytes"]
    block = torch.ones(64 * MEBI, dtype=torch.uint8, device="cuda")
    del block
    peaks = meter.peaks()
    assert peaks["peak_allocated_bytes"] == base + 64 * MEBI
    assert peaks["peak_reserved_bytes"] >= peaks["peak_allocated_bytes"]


def test_other_processes_are_doubted_when_they_take_our_cores() -> None:
    assert contention(1.6, cores=2, threads=2) == ("other processes kept 1.6 of 2 cores busy",)
    assert contention(0.1, cores=2, threads=2) == ()
    assert contention(8.0, cores=64, threads=16) == (), "there are cores enough for both"
    assert contention(60.0, cores=64, threads=16) != ()


def test_the_watch_subtracts_our_own_work(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter([(0.0, 100.0, 7.0), (10.0, 130.0, 17.0), (10.0, 130.0, 17.0)])
    slow = {"throttle_reasons": "0x0000000000000020"}
    watch = MachineWatch("cpu", read=lambda: next(readings), state=lambda device: slow)
    assert watch.others_cores() == pytest.approx(2.0)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert watch.doubts() == (
        "the GPU was throttled: software thermal slowdown",
        "other processes kept 2.0 of 2 cores busy",
    )


def test_a_cap_that_is_gone_when_asked_is_still_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counters of the driver say what held the clocks down in between."""
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    counts = [
        {"power cap": 5.0, "power brake": 1.0},
        {"power cap": 9.0, "power brake": 1.05},
    ]
    told = iter(counts)
    moments = iter([(0.0, 0.0, 0.0), *[(10.0, 10.0, 10.0)] * 2])
    watch = MachineWatch(
        "cuda",
        read=lambda: next(moments),
        state=lambda device: {"throttle_reasons": "0x1"},
        held_down=lambda device: next(told),
    )
    assert watch.doubts() == ("the GPU was throttled: power cap",)


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        ("3000000, 0, 12, 0\n", {"power cap": 3.0, "hardware thermal slowdown": 12e-6}),
        ("[N/A], 0, 0, 0\n", {}),
        ('Field "clocks_event_reasons_counters.sw_power_cap" is not a valid field\n', None),
        (None, None),
    ],
)
def test_the_drivers_counters_are_read(
    answer: str | None, seconds: dict[str, float] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "_smi_id", lambda device: "0")
    monkeypatch.setattr(environment, "command_output", lambda *command: answer)
    found = environment.held_down_seconds("cuda")
    if seconds is None:
        assert found == {}
    else:
        assert {words: value for words, value in found.items() if value} == pytest.approx(seconds)
        assert ("power cap" in found) == (not answer.startswith("[N/A]"))


def test_a_real_watch_reads_the_machine() -> None:
    watch = MachineWatch("cpu")
    assert watch.others_cores() >= 0
    assert isinstance(watch.doubts(), tuple)


def test_running_out_of_host_memory_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
    assert failure_of(caught.value, "prefill").status == "oom"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB"), "oom"),
        (MemoryError(), "oom"),
        (RuntimeError("CUDA error: out of memory"), "oom"),
        (RuntimeError("[enforce fail] not enough memory: you tried to allocate 1 bytes"), "oom"),
        (RuntimeError("shape mismatch"), "failed"),
        (ValueError("not enough memory to remember"), "failed"),
    ],
)
def test_only_memory_errors_are_out_of_memory(error: Exception, status: str) -> None:
    failure = failure_of(error, "decode")
    assert (failure.status, failure.stage) == (status, "decode")
    assert type(error).__name__ in failure.reason


def test_reasons_are_one_short_line() -> None:
    reason = failure_of(RuntimeError("first\nsecond" + "x" * 999), "prefill").reason
    assert reason == "RuntimeError: first"
    assert len(failure_of(RuntimeError("x" * 999), "prefill").reason) == 300


def test_nvidia_smi_is_asked_now_and_then() -> None:
    moments = iter([0.0, 0.3, 1.0, LEAST_PAUSE_S + 0.4, LEAST_PAUSE_S + 0.7])
    answers = iter([{"throttle_reasons": "0x4"}, {"throttle_reasons": "0x0"}])
    state = GpuState(lambda device: next(answers), moment_s=lambda: next(moments))
    assert [throttling(state("cuda")) for _ in "123"] == [("power cap",), ("power cap",), ()]
    assert next(answers, None) is None, "it was asked twice"
