"""Devices: the record, a file of one's own, and refusals in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from omnizip_cost.cli.app import run
from omnizip_cost.errors import (
    InputFileError,
    InvalidValueError,
    OmnizipCostError,
    UnknownNameError,
)
from omnizip_cost.hardware import Device, bundled_devices, load_device, plain_dtype

OWN = """
name = "my-card"
title = "My card"
architecture = "Ampere"
source = "measured at home"
bandwidth_gb_per_s = 448.5
memory_gib = 16
peak_tflop_per_s = { bf16 = 76.7, fp32 = 19.2 }
"""


def test_every_record_has_a_source_and_whole_amounts() -> None:
    devices = bundled_devices()
    assert len(devices) == 16
    for name, device in devices.items():
        assert device.name == name
        assert len(device.source) > 40
        assert all(type(peak) is int for peak in device.peak_flop_per_s.values())
        assert device.memory_bytes % 2**30 == 0


def test_units_are_converted_without_a_rounding(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    device = load_device(path)
    assert device.peak("bfloat16") == 76_700_000_000_000
    assert device.bandwidth_bytes_per_s == 448_500_000_000
    assert device.memory_bytes == 16 * 2**30
    assert device.ridge_flop_per_byte() == pytest.approx(171.01, abs=0.01)
    assert str(device) == "My card (76.7 TFLOP/s dense bf16)"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("memory_gib", "memory_gb", "'memory_gb': did you mean memory_gib"),
        ("bf16", "bf61", "'bf61': did you mean bf16"),
        ("448.5", '"fast"', "bandwidth_gb_per_s must be a number above zero, got 'fast'"),
        ("448.5", "nan", "bandwidth_gb_per_s must be a number above zero"),
        ("448.5", "-1", "bandwidth_gb_per_s must be a number above zero, got -1"),
        ("16\n", "true\n", "memory_gib must be a number above zero, got True"),
        ('source = "measured at home"', "", "lacks source; nothing is guessed"),
        ('name = "my-card"', "", "lacks name"),
        ('"my-card"', '"h100-sxm"', "is a bundled device's"),
        ("{ bf16 = 76.7, fp32 = 19.2 }", "76.7", "peak_tflop_per_s must be a table"),
        ("bf16 =", "bf16 ==", "is not valid TOML"),
        ('"My card"', '" "', "title must be a text"),
    ],
)
def test_a_faulty_file_is_one_sentence(tmp_path: Path, old: str, new: str, says: str) -> None:
    path = tmp_path / "own.toml"
    assert old in OWN
    path.write_text(OWN.replace(old, new))
    with pytest.raises(OmnizipCostError) as caught:
        load_device(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)


def test_unknown_names_are_told_near_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown device 'a6000': did you mean rtx-a6000"):
        load_device("a6000")
    with pytest.raises(InputFileError, match="no such file; check the path"):
        load_device("absent.toml")
    with pytest.raises(UnknownNameError, match="unknown dtype of rtx-a6000 'fp8'"):
        load_device("rtx-a6000").peak("fp8")
    with pytest.raises(UnknownNameError, match="unknown dtype 'fp7': did you mean fp"):
        plain_dtype("fp7")


def test_a_record_is_checked_where_it_is_made() -> None:
    with pytest.raises(InvalidValueError, match="memory_bytes must be above zero, got 0"):
        Device(
            name="x",
            title="x",
            architecture="x",
            peak_flop_per_s={"bf16": 1},
            bandwidth_bytes_per_s=1,
            memory_bytes=0,
            source="x",
        )


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["devices", "rtx-a6000", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["bf16_flop_per_s"] == 154_800_000_000_000
    assert row["fp8_flop_per_s"] is None
    assert run(["devices"]) == 0
    table = capsys.readouterr().out
    assert all(name in table for name in bundled_devices())
    assert run(["devices", "h100"]) == 2
    assert "did you mean h100-sxm" in capsys.readouterr().err


def test_the_example_is_a_device(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["devices", "--example"]) == 0
    path = tmp_path / "card.toml"
    path.write_text(capsys.readouterr().out)
    device = load_device(path)
    assert device.peak("bf16") == 111_100_000_000_000
    assert device.notes
    assert run(["devices", str(path), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["memory_bytes"] == 24 * 2**30


def test_usable_memory_is_what_is_reported_less_what_cuda_keeps() -> None:
    for device in bundled_devices().values():
        assert device.usable_bytes < device.memory_bytes
        assert device.asynchronous
    corrected = {"l40s", "l4", "l20"}
    reported = {
        name: device.reported_bytes / device.memory_bytes
        for name, device in bundled_devices().items()
        if device.reported_bytes is not None
    }
    assert all(share < 15 / 16 for name, share in reported.items() if name in corrected)
    assert all(share > 0.98 for name, share in reported.items() if name not in corrected)
    h20 = load_device("h20")
    assert h20.reported_bytes is None
    assert h20.usable_bytes == 96 * 2**30 * 98 // 100 - 512 * 2**20
    assert h20.usable_source == "98% of the nominal memory (our rule), less 512 MiB of CUDA"
    a100 = load_device("a100-sxm-40gb").reported_bytes
    assert a100 == pytest.approx(42_298_834_944, rel=2e-4)  # deviceQuery, see its source


def test_a_report_needs_a_source_and_stays_below_the_nominal_memory(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    report = 'reported_gib = 15.6\nreported_source = "torch"\n'
    path.write_text(report + OWN)
    device = load_device(path)
    assert device.usable_bytes == int(15.6 * 2**30) - 512 * 2**20
    assert device.usable_source == "torch, less 512 MiB of CUDA"
    for wrong, says in (
        ("reported_gib = 15.6\n", "reported_source must be given with reported_bytes"),
        ('reported_source = "torch"\n', "reported_source must be given with reported_bytes"),
        (report.replace("15.6", "16.1"), "at most the nominal 17179869184"),
        (report.replace("15.6", "0.25"), "reported_bytes must be above 536870912"),
        (report.replace('"torch"', "7"), "reported_source must be a text, got 7"),
    ):
        path.write_text(wrong + OWN)
        with pytest.raises(InputFileError, match=str(path)) as caught:
            load_device(path)
        assert says in str(caught.value)


def test_all_memory_that_a_cpu_reports_is_usable_and_the_host_waits_for_it(tmp_path: Path) -> None:
    path = tmp_path / "cpu.toml"
    own = OWN.replace('"Ampere"', '"CPU"')
    path.write_text('reported_gib = 12\nreported_source = "the system"\n' + own)
    device = load_device(path)
    assert not device.asynchronous
    assert device.usable_bytes == 12 * 2**30
    assert device.usable_source == "the system"
