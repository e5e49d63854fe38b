"""How far kernel times are off: relative errors on records that were left out of the fit."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from omnizip_cost.errors import UnknownNameError
from omnizip_cost.hardware.device import Device
from omnizip_cost.hardware.load import load_device
from omnizip_cost.latency.kernels.gemm import gemm_model
from omnizip_cost.latency.kernels.lender import is_measured, lender_of
from omnizip_cost.latency.kernels.shapes import DIMENSIONS

_DATA = Path(__file__).with_name("data") / "accuracy.csv"

CARRIED_FROM = "l40s"
"""Lends the A100 its encoder tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncertainty:
    """Relative error of one device's times of one operator."""

    median: float
    """Half of the records are nearer than this."""
    p90: float
    """Nine in ten are."""
    borrowed_from: str | None
    """The measured device whose efficiency is lent; None where this one was measured."""
    source: str
    """Which records, and how they were left out."""


def kernel_uncertainty(device: str | Device, op: str) -> Uncertainty:
    """Return how far :func:`~omnizip_cost.latency.kernels.kernel_latency_s` is off.

    Of a measured device: on records that were left out of the fit. Of one that borrows: the
    errors that came out where measured devices were timed by each other's efficiency, near kin
    and far. Where nobody lends (a processor, say) times are the plain roofline's, and their error
    is that of the plain roofline on the measured devices: not an upper bound of anything.

    Raises
    ------
    UnknownNameError
        No such device or operator.
    """
    if op not in DIMENSIONS:
        raise UnknownNameError("kernel", str(op), DIMENSIONS)
    known = load_device(device) if not isinstance(device, Device) else device
    if is_measured(known):
        return _measured(known.name, op)
    lender = lender_of(known)
    if lender is None:
        return _record(
            "roofline",
            "all",
            op,
            f"plain roofline: no measured device is like {known.name}; errors are those of the "
            "plain roofline on measured devices",
        )
    return _record(
        "lent",
        lender.kin,
        op,
        f"efficiency of {lender.device} ({lender.why}); errors as measured devices timed by each "
        f"other's efficiency, {lender.kin}s",
        lender.device,
    )


def _measured(name: str, op: str) -> Uncertainty:
    if op == "gemm":
        model = gemm_model(name)
        off = model.errors["pairs"]
        return Uncertainty(
            median=off["median"],
            p90=off["p90"],
            borrowed_from=None,
            source=f"{model.source}; errors on whole (n, k) pairs left out",
        )
    if ("left out", name, op) not in _accuracy():
        return _record(
            "carried",
            name,
            op,
            f"tables of {CARRIED_FROM}, carried over as the two devices' prefill compares; errors "
            "of the same on rtx-pro-6000",
            CARRIED_FROM,
        )
    return _record("left out", name, op, "errors on whole counts of heads left out of the fit")


def _record(
    kind: str, of: str, op: str, source: str, borrowed_from: str | None = None
) -> Uncertainty:
    median, p90 = _accuracy()[kind, of, op]
    return Uncertainty(median=median, p90=p90, borrowed_from=borrowed_from, source=source)


@cache
def _accuracy() -> Mapping[tuple[str, str, str], tuple[float, float]]:
    """Median and ninth decile by kind, device or kinship, and operator."""
    with _DATA.open(newline="") as file:
        return {
            (row["kind"], row["of"], row["op"]): (float(row["median"]), float(row["p90"]))
            for row in csv.DictReader(file)
        }
