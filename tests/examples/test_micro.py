"""The micro-benchmark: what it runs, what it skips, and the device it makes of its rows."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from omnizip_cost.errors import InvalidValueError, UnknownNameError
from omnizip_cost.hardware import load_device
from omnizip_cost.hardware.load import device_text
from omnizip_cost.latency.calibration_micro import micro_terms, preprocessing
from omnizip_cost.profiling.clock import ProcessClock
from omnizip_cost.profiling.micro import micro_benchmark
from omnizip_cost.profiling.micro_cases import MicroCase, half_cases, micro_cases
from omnizip_cost.profiling.micro_device import measured_device
from omnizip_cost.results import read_table, write_table
from omnizip_cost.results.micro import MicroRow

FEW = (
    MicroCase(op="gemm", m=4, n=64, k=32),
    MicroCase(op="gemm", m=10**6, n=10**6, k=10**6),
    MicroCase(op="prefill_attention", queries=8, keys=8, heads=4, kv_heads=2, head_dim=16),
    MicroCase(op="decode_attention", queries=1, keys=9, heads=4, kv_heads=2, head_dim=16),
    MicroCase(op="encoder_attention", queries=8, keys=8, heads=2, kv_heads=2, head_dim=16),
    MicroCase(op="copy", amount=4096),
    MicroCase(op="add", amount=4096),
    MicroCase(op="silu", amount=4096),
    MicroCase(op="dispatch", amount=1),
)


@pytest.fixture(scope="module")
def rows_and_record() -> tuple[tuple[MicroRow, ...], dict[str, object]]:
    return micro_benchmark(seconds=0.3, cases=FEW)


def test_every_case_gives_a_row_and_what_takes_too_long_says_so(
    rows_and_record: tuple[tuple[MicroRow, ...], dict[str, object]],
) -> None:
    rows, record = rows_and_record
    assert len(rows) == len(FEW)
    assert {row.environment_id for row in rows} == {rows[0].environment_id}
    assert record["torch_threads"] == torch.get_num_threads()
    skipped = [row for row in rows if row.status != "ok"]
    assert [row.m for row in skipped] == [10**6]
    assert skipped[0].reason.startswith("would take about")
    for row in rows:
        if row.status == "ok":
            assert row.median_s is not None
            assert row.low_s <= row.median_s <= row.high_s  # type: ignore[operator]
            assert len(row.samples_s) >= 1
            assert row.calls >= 1


def test_counts_of_a_case_are_those_of_torch() -> None:
    """The numbers are what torch.utils.flop_counter gave for these calls with torch 2.13."""
    case = MicroCase(op="gemm", m=7, n=5, k=3)
    assert case.flops == 210
    assert case.bytes_moved(4) == 4 * (7 * 3 + 5 * 3 + 7 * 5)
    case = MicroCase(op="encoder_attention", queries=6, keys=9, heads=2, kv_heads=2, head_dim=4)
    assert case.flops == 1728
    causal = replace(case, op="prefill_attention", queries=6, keys=6)
    pairs = sum(range(1, 7))
    assert causal.flops == 2 * 2 * pairs * 2 * 4


def test_declared_cases_hold_the_sides_of_the_bundled_models() -> None:
    from omnizip_cost.specs import load_spec

    cases = list(micro_cases())
    sides = {(case.n, case.k) for case in cases if case.op == "gemm"}
    for name in ("omni-tiny", "qwen2.5-omni-3b", "qwen2.5-omni-7b"):
        text = load_spec(name).text
        assert (text.hidden_size, text.hidden_size) in sides
        assert (text.intermediate_size, text.hidden_size) in sides
    rows = {case.m for case in cases if case.op == "gemm"}
    assert {1, 4096} <= rows
    assert len(set(cases)) == len(cases)
    assert {case.op for case in half_cases()} == {"gemm", "copy"}


def test_rows_come_back_from_a_table(
    tmp_path: Path, rows_and_record: tuple[tuple[MicroRow, ...], dict[str, object]]
) -> None:
    rows, _ = rows_and_record
    records = read_table(write_table(rows, tmp_path / "x.micro.csv")).to_dict("records")
    back = [MicroRow.from_mapping({str(k): v for k, v in one.items()}) for one in records]
    assert back == list(rows)
    with pytest.raises(UnknownNameError, match="column of MicroRow 'mm'"):
        MicroRow.from_mapping({"mm": 1})


def test_the_device_is_the_best_that_was_measured(
    tmp_path: Path, rows_and_record: tuple[tuple[MicroRow, ...], dict[str, object]]
) -> None:
    rows, record = rows_and_record
    device = measured_device(rows, record)
    best = max(row.flop_per_s for row in rows if row.op == "gemm" and row.status == "ok")  # type: ignore[type-var]
    assert device.peak("fp32") == pytest.approx(best, abs=10**6)
    moved = [row.bytes_per_s for row in rows if row.op in ("copy", "add")]
    assert device.bandwidth_bytes_per_s == pytest.approx(max(moved), abs=10**6)  # type: ignore[type-var]
    assert not device.asynchronous
    assert device.usable_bytes <= device.memory_bytes
    assert str(record["created_utc"])[:10] in device.source
    path = tmp_path / "cpu.toml"
    path.write_text(device_text(device))
    assert load_device(path) == device
    with pytest.raises(InvalidValueError, match="at least one product and one copy"):
        measured_device([row for row in rows if row.op == "gemm"], record)
    with pytest.raises(InvalidValueError, match="measured on the cpu, got 'NVIDIA H100'"):
        measured_device([replace(rows[0], device="NVIDIA H100")], record)


def test_a_row_becomes_a_term_timed_as_the_model_times_it() -> None:
    device = load_device("h100-sxm")
    row = MicroRow(
        environment_id="x",
        device="NVIDIA H100 80GB HBM3",
        dtype="bfloat16",
        op="copy",
        amount=2**28,
        bytes_moved=2**30,
        median_s=4e-4,
        samples_s=(4e-4,),
    )
    term = micro_terms(row, device)
    assert term is not None
    assert 0.8 < 2**30 / term.base_s[0] / device.bandwidth_bytes_per_s < 1
    product = replace(row, op="gemm", m=4096, n=4096, k=4096, flops=2 * 4096**3)
    from omnizip_cost.latency.kernels import kernel_latency_s

    found = micro_terms(product, device)
    assert found is not None
    assert found.base_s[0] == pytest.approx(
        kernel_latency_s(device, "gemm", m=4096, n=4096, k=4096)
    )
    assert micro_terms(replace(row, op="dispatch"), device) is None
    sound = replace(row, op="log_mel", amount=10.0, median_s=0.02)
    assert preprocessing([sound, row]) == {"mel_s_per_s": pytest.approx(0.002)}


def test_seconds_and_devices_that_cannot_be_are_refused() -> None:
    for seconds in (0.0, -1.0, float("nan"), 1e9):
        with pytest.raises(InvalidValueError, match="seconds must be above 0 and at most 3600"):
            micro_benchmark(seconds=seconds, cases=FEW)
    with pytest.raises(InvalidValueError, match="dtype must be one of"):
        micro_benchmark(seconds=1, dtype="int7", cases=FEW)
    with pytest.raises(InvalidValueError, match="op must be one of"):
        MicroRow(environment_id="", device="cpu", dtype="float32", op="gem")
    with pytest.raises(InvalidValueError, match="filled when the status is 'ok'"):
        MicroRow(environment_id="", device="cpu", dtype="float32", op="gemm")


def test_a_process_does_not_pay_for_the_time_it_sleeps() -> None:
    clock = ProcessClock()
    start = clock.mark()
    time.sleep(0.05)
    clock.synchronise()
    assert clock.elapsed_s(start, clock.mark()) < 0.04


_KEPT = """
import torch
from omnizip_cost.profiling.memory import keep_freed_memory, release_memory, resident_bytes

SIZE = 64 * 2**20


def left(before: int) -> float:
    return (resident_bytes() - before) / SIZE


if keep_freed_memory():
    release_memory("cpu")
    before = resident_bytes()
    torch.ones(SIZE // 4)
    kept = left(before)
    release_memory("cpu")
    released = left(before)
    keep_freed_memory(False)
    torch.ones(SIZE // 4)
    print(kept, released, left(before))
"""


def test_freed_memory_is_kept_until_it_is_asked_back() -> None:
    """In a process of its own: how a heap grows depends on all that it held before."""
    told = subprocess.run(
        [sys.executable, "-c", _KEPT], check=True, capture_output=True, text=True
    ).stdout.split()
    if not told:
        pytest.skip("not glibc")
    kept, released, by_default = map(float, told)
    assert kept > 0.8
    assert released < 0.2
    assert by_default < 0.2
