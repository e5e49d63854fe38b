"""Witness: dense peaks are multiprocessors x FLOPs per clock x clock, from the chips' own tables.

Products summed in fp32, per multiprocessor and clock: 4,096 FLOPs in bf16 on GH100, 2,048 on
GA100, 1,024 on GA102, AD10x (half of it on GeForce) and GB202; 128 fused multiply-adds in fp32
(64 on GA100). Counts and boost clocks: NVIDIA's architecture whitepapers and product tables.
"""

from __future__ import annotations

import pytest

from omnizip_cost.audit.times import MOST_CLOCK
from omnizip_cost.hardware import bundled_devices

CHIPS = {
    "h100-sxm": (132, 4096, 1830, 1e-3),
    "h100-pcie": (114, 4096, 1620, 1e-3),
    "h200-sxm": (132, 4096, 1830, 1e-3),
    "a100-sxm": (108, 2048, 1410, 1e-3),
    "a100-sxm-40gb": (108, 2048, 1410, 1e-3),
    "a100-pcie-80gb": (108, 2048, 1410, 1e-3),
    "l40s": (142, 1024, 2520, 1.3e-2),
    "l4": (58, 1024, 2040, 2e-3),
    "rtx-a6000": (84, 1024, 1800, 1e-3),
    "rtx-6000-ada": (142, 1024, 2505, 1e-3),
    "rtx-a5000": (64, 1024, 1695, 1e-3),
    "rtx-4090": (128, 512, 2520, 1e-3),
    "rtx-pro-6000": (188, 1024, 2617, 1e-3),
}
"""Multiprocessors, bf16 FLOPs per clock in each, boost clock in MHz, how near it must come. Not
here: l20 and h20, capped below this product, and b200, whose clock NVIDIA does not print."""

FP32 = {  # multiprocessors, fp32 lanes of each, boost clock in MHz where it is another one
    "h100-sxm": (132, 128, 1980),
    "a100-sxm": (108, 64, 1410),
    "rtx-a6000": (84, 128, 1800),
    "rtx-a5000": (64, 128, 1695),
    "rtx-4090": (128, 128, 2520),
    "l4": (58, 128, 2040),
    "rtx-pro-6000": (188, 128, 2617),
}


@pytest.mark.parametrize("name", CHIPS)
def test_bf16_peak_follows_from_the_clock(name: str) -> None:
    units, flop_per_clock, clock_mhz, tolerance = CHIPS[name]
    peak = bundled_devices()[name].peak("bf16")
    assert peak == pytest.approx(units * flop_per_clock * clock_mhz * 10**6, rel=tolerance)


@pytest.mark.parametrize("name", FP32)
def test_fp32_peak_follows_from_the_clock(name: str) -> None:
    units, lanes, clock_mhz = FP32[name]
    peak = bundled_devices()[name].peak("fp32")
    assert peak == pytest.approx(units * lanes * 2 * clock_mhz * 10**6, rel=3e-3)


def test_what_the_highest_listed_clock_would_make() -> None:
    """RTX A6000 at 2.10 GHz: 180.6, inside the allowance that the audit speaks of."""
    card = bundled_devices()["rtx-a6000"]
    listed = 84 * 1024 * 2100 * 10**6
    assert any("would make 180.6" in note for note in card.notes)
    assert round(listed / 1e12, 1) == 180.6
    assert 1.15 < listed / card.peak("bf16") < MOST_CLOCK


def test_an_unconfirmed_card_says_so_and_what_follows_from_public_counts() -> None:
    l20 = bundled_devices()["l20"]
    assert l20.peak("fp32") == pytest.approx(92 * 128 * 2 * 2520 * 10**6, rel=8e-3)
    assert l20.peak("bf16") == pytest.approx(2 * l20.peak("fp32"), rel=2e-3)
    for name in ("l20", "h20"):
        assert any("onfirmed" in note for note in bundled_devices()[name].notes)


def test_a_board_of_eight_is_eight_cards() -> None:
    """HGX and DGX B200: 72 PFLOP/s fp8 with sparsity, 1,440 GB and 64 TB/s for the board."""
    card = bundled_devices()["b200"]
    assert 8 * 2 * card.peak("fp8") == 72 * 10**15
    assert 8 * card.bandwidth_bytes_per_s == 64 * 10**12
    assert 8 * card.memory_bytes == 1440 * 2**30


SPARSE = {"h100-sxm": 1979, "h200-sxm": 1979, "h100-pcie": 1513, "a100-sxm": 624, "l40s": 733,
          "l4": 242, "rtx-a6000": 309.7, "rtx-a5000": 222.2, "b200": 4500}  # fmt: skip
"""What the datasheets print for bf16 with 2:4 sparsity, in 10^12 FLOP/s."""


@pytest.mark.parametrize("name", SPARSE)
def test_no_peak_is_the_sparse_one(name: str) -> None:
    dense = bundled_devices()[name].peak("bf16")
    assert 2 * dense == pytest.approx(SPARSE[name] * 10**12, rel=1.3e-2)


def test_types_keep_their_order() -> None:
    for device in bundled_devices().values():
        peaks = device.peak_flop_per_s
        assert peaks["bf16"] == peaks["fp16"]
        assert peaks["tf32"] == pytest.approx(peaks["bf16"] / 2, rel=0.02)
        assert peaks["int8"] >= 1.9 * peaks["bf16"]
        assert peaks["fp32"] <= peaks["bf16"]
