"""A measured row's own name for its device, and the device that is known here."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from planted_rows import planted

import omnizip_cost as oz
from omnizip_cost.compare import reported_device
from omnizip_cost.compare.reported_devices import REPORTED
from omnizip_cost.errors import InvalidValueError, OptionsError, UnknownNameError
from omnizip_cost.hardware import bundled_devices
from omnizip_cost.results import MeasurementRow

SPEC = oz.load_spec("omni-tiny")
WORK = oz.workload(SPEC, seconds=2, pixels=(112, 112))


@pytest.fixture(scope="module")
def row() -> MeasurementRow:
    prediction = oz.predict(SPEC, oz.plan("full", WORK, SPEC), "h100-sxm", decode=0)
    return planted(prediction, WORK)[0]


def test_every_bundled_device_has_a_name_that_drivers_report() -> None:
    assert set(REPORTED.values()) == set(bundled_devices())


@pytest.mark.parametrize(
    ("reported", "name"),
    [("NVIDIA H100 80GB HBM3", "h100-sxm"), ("NVIDIA RTX A6000", "rtx-a6000"),
     ("NVIDIA A100-SXM4-80GB", "a100-sxm"), ("NVIDIA A100-SXM4-40GB", "a100-sxm-40gb"),
     ("NVIDIA GeForce RTX 4090", "rtx-4090")],
)  # fmt: skip
def test_a_reported_name_is_matched_whole(row: MeasurementRow, reported: str, name: str) -> None:
    assert reported_device([replace(row, device=reported)]).name == name


def test_an_unknown_name_is_never_guessed(row: MeasurementRow) -> None:
    for unknown in ("NVIDIA H100", "Tesla T4", "NVIDIA H100 80GB HBM3 MIG 1g.10gb"):
        with pytest.raises(OptionsError, match=r"name no device .* give --device"):
            reported_device([replace(row, device=unknown)])
    with pytest.raises(OptionsError, match="devices cpu --measure"):
        reported_device([replace(row, device="cpu")])
    assert reported_device([replace(row, device="Tesla T4")], "l4").name == "l4"
    with pytest.raises(UnknownNameError, match="did you mean"):
        reported_device([row], "l40")


@pytest.mark.parametrize("measured", ["cpu", "NVIDIA H100 80GB HBM3"])
def test_rows_are_not_predicted_on_what_they_were_not_measured_on(
    row: MeasurementRow, measured: str
) -> None:
    refused = re.escape(f"the one the rows were measured on ({measured}), got 'l40s'")
    with pytest.raises(InvalidValueError, match=refused):
        reported_device([replace(row, device=measured)], "l40s")


def test_rows_of_two_devices_are_not_predicted_together(row: MeasurementRow) -> None:
    two = [replace(row, device="NVIDIA L4"), replace(row, device="NVIDIA L40S")]
    with pytest.raises(OptionsError, match="one device at a time, these are of NVIDIA L4, NVIDIA"):
        reported_device(two)
