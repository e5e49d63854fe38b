"""Which measured device lends its efficiency to a device without tables."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from omnizip_cost.hardware.device import Device
from omnizip_cost.hardware.load import bundled_devices
from omnizip_cost.latency.kernels.gemm import MEASURED

_DATA = Path(__file__).with_name("data") / "lenders.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lender:
    """A measured device, and how near it is to the one that borrows."""

    device: str
    kin: str
    """``neighbour`` or ``generation``: which measured lendings tell the error."""
    why: str


def is_measured(device: Device) -> bool:
    """Whether this very record is a bundled device with tables."""
    return device.name in MEASURED and bundled_devices().get(device.name) == device


def lender_of(device: Device) -> Lender | None:
    """Return who lends to a device; None where it was measured, or where nobody is near.

    A record that has a measured device's name and other figures counts as one of its architecture.
    """
    if is_measured(device):
        return None
    known = _lenders()
    own = known["device"] if bundled_devices().get(device.name) == device else {}
    found = own.get(device.name) or known["architecture"].get(
        device.architecture.strip().capitalize()
    )
    if found is None:
        return None
    return Lender(device=found["lender"], kin=found["kin"], why=found["why"])


@cache
def _lenders() -> Mapping[str, Mapping[str, Any]]:
    return tomllib.loads(_DATA.read_text())
