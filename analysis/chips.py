"""What the fits of kernel times take as given of the measured devices."""

from __future__ import annotations

from dataclasses import dataclass

from omnizip_cost.hardware import load_device
from omnizip_cost.units import MEBI

CHIPS = {
    "h100-sxm": (132, 50, "NVIDIA H100 Tensor Core GPU Architecture whitepaper: SXM5"),
    "h200-sxm": (132, 50, "NVIDIA H200: the GH100 of the H100 SXM5, whose whitepaper states both"),
    "a100-sxm": (108, 40, "NVIDIA A100 Tensor Core GPU Architecture whitepaper"),
    "l40s": (142, 96, "NVIDIA Ada GPU Architecture whitepaper: AD102; 142 of its 144 SMs"),
    "rtx-pro-6000": (188, 128, "NVIDIA RTX Blackwell PRO GPU Architecture whitepaper: GB202"),
}
"""SMs, second-level cache in MiB, and who says so. Peaks and bandwidths are the devices' own."""


@dataclass(frozen=True, kw_only=True)
class Chip:
    """One device."""

    sms: int
    """Streaming multiprocessors."""
    cache_bytes: int
    """Of the second level, which all of them share."""
    peak_flop_per_s: int
    """Dense, bf16."""
    bandwidth_bytes_per_s: int


def chip_of(device: str) -> Chip:
    """Return the chip of a measured device."""
    sms, cache_mib, _ = CHIPS[device]
    known = load_device(device)
    return Chip(
        sms=sms,
        cache_bytes=cache_mib * MEBI,
        peak_flop_per_s=known.peak("bf16"),
        bandwidth_bytes_per_s=known.bandwidth_bytes_per_s,
    )
