"""Why a matrix product takes as long as it does: tiles in waves, bytes, and fixed costs.

The model follows how such kernels are built (NVIDIA, *Matrix Multiplication Background User's
Guide*, tile and wave quantization): the output is cut into tiles, each streaming multiprocessor
(SM) works on one tile at a time, and the library picks the tile, and in how many slices the inner
sum is cut, so that the kernel ends early. Its numbers are fitted to measured times, none is taken
from a datasheet but SMs, peak, bandwidth and cache size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from omnizip_cost.latency.kernels.shapes import Floats
from omnizip_cost.units import BYTES_PER_ELEMENT

WIDTH = BYTES_PER_ELEMENT["bfloat16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One tile of the output, as one SM computes it."""

    rows: int
    """Along m."""
    columns: int
    """Along n."""
    share_of_peak: float
    """Rate of its inner loop, as a share of the SM's part of the device's peak."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GemmPhysics:
    """Numbers of one device from which the time of a product follows, before correction.

    Everything is positive and every term grows with m, n and k, or stays: so does the time.
    """

    sms: int
    peak_flop_per_s: float
    """Dense bf16 peak of the datasheet."""
    cache_bytes: float
    """Second-level cache (L2) of the datasheet."""

    launch_s: float
    """From start to end of a kernel that has nothing to do."""
    memory_bytes_per_s: float
    """What device memory delivers in a long stream."""
    cache_bytes_per_s: float
    """What the cache delivers where all operands stay in it between calls."""
    resident_share: float
    """Operands of this share of the cache come half from it, half from device memory."""
    resident_sharpness: float
    """Exponent of that transition."""
    overlap: float
    """Power of the mean that joins arithmetic and transfer: 1 adds them, infinity hides one."""

    wave_rounding: float
    """Share of the idle SMs of a last wave that is lost: 1 rounds waves up, 0 not at all."""
    row_rounding: float
    """The same for the last tile along m."""
    column_rounding: float
    """The same for the last tile along n."""
    idle_gain: float
    """How much sooner a tile ends where all other SMs are idle, as a share of its time."""
    tile_start_s: float
    """Filling a tile's pipeline."""
    tile_store_s: float
    """Writing 2^14 sums of a tile."""
    split_s: float
    """Cutting the inner sum into slices: joining them afterwards, at the least."""
    split_output_s: float
    """Joining, per slice and element of the output."""

    spill: float
    """Extra arithmetic time, as a share, where operands are far larger than the cache."""
    spill_share: float
    """Operands of this multiple of the cache cost half of it."""
    spill_sharpness: float
    """Exponent of that transition."""
    throttle: float
    """Extra arithmetic time, as a share, of kernels that run long: power lowers the clock."""
    throttle_s: float
    """Kernels of this length lose half of it."""

    tiles: tuple[Tile, ...]
    slices: tuple[int, ...]
    """In how many parts the inner sum may be cut."""

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> GemmPhysics:
        """Build it from the record of a data file."""
        tiles = tuple(Tile(**tile) for tile in record["tiles"])
        return cls(**{**record, "tiles": tiles, "slices": tuple(record["slices"])})

    def latency_s(self, m: Floats, n: Floats, k: Floats) -> Floats:
        """Seconds of ``x[m, k]`` times ``W[n, k]`` transposed, float64 arrays (N,)."""
        arithmetic = self._arithmetic_s(m, n, k)
        arithmetic = arithmetic * (1 + self.throttle * arithmetic / (arithmetic + self.throttle_s))
        transfer = self._transfer_s(m, n, k)
        longer = np.maximum(arithmetic, transfer)
        ratio = np.minimum(arithmetic, transfer) / longer
        joined = longer * (1 + ratio**self.overlap) ** (1 / self.overlap)
        return self.launch_s + joined

    def _transfer_s(self, m: Floats, n: Floats, k: Floats) -> Floats:
        """Each operand once: from the cache as far as it fits there, else from memory."""
        moved = WIDTH * (m * k + n * k + m * n)
        reach = self.resident_share * self.cache_bytes
        missed = _beyond(moved, reach, self.resident_sharpness)
        return moved * (missed / self.memory_bytes_per_s + (1 - missed) / self.cache_bytes_per_s)

    def _spill_factor(self, m: Floats, n: Floats, k: Floats) -> Floats:
        """Rows and columns that many tiles read stay in the cache only if they fit."""
        operands = WIDTH * (m * k + n * k)
        reach = self.spill_share * self.cache_bytes
        return 1 + self.spill * _beyond(operands, reach, self.spill_sharpness)

    def _arithmetic_s(self, m: Floats, n: Floats, k: Floats) -> Floats:
        """Tiles in waves over the SMs, for the tile and slicing that end first."""
        sm_flop_per_s = self.peak_flop_per_s / self.sms
        flop_per_s = sm_flop_per_s / self._spill_factor(m, n, k)
        joining = self.split_output_s * m * n
        tile_rows, tile_columns, share = self._tile_columns()
        rows = _rounded_up(m / tile_rows, self.row_rounding)
        columns = _rounded_up(n / tile_columns, self.column_rounding)
        per_sm = rows * columns / self.sms
        area = tile_rows * tile_columns
        inner = (2 * area / share) * (k / flop_per_s)
        fixed = self.tile_start_s + self.tile_store_s * (area / 2**14)
        least = np.full(np.shape(m), np.inf)
        for parts in self.slices:
            seconds = (self._waves(per_sm * parts) * (inner / parts + fixed)).min(axis=0)
            if parts > 1:
                seconds += self.split_s + parts * joining
            np.minimum(least, seconds, out=least)
        return least

    def _tile_columns(self) -> tuple[Floats, Floats, Floats]:
        """Rows, columns and share of peak of all tiles, each of shape (tiles, 1)."""
        facts = [(tile.rows, tile.columns, tile.share_of_peak) for tile in self.tiles]
        rows, columns, share = np.array(facts, dtype=np.float64).T[:, :, None]
        return rows, columns, share

    def _waves(self, per_sm: Floats) -> Floats:
        """Tiles one after another on an SM; below one wave, idle SMs leave a tile more power."""
        started = per_sm + self.wave_rounding * (np.ceil(per_sm) - per_sm)
        return np.where(per_sm < 1, 1 - self.idle_gain * (1 - per_sm), started)


def _beyond(amount: Floats, reach: float, sharpness: float) -> Floats:
    """From 0 to 1, half at ``reach``: ``a^s / (a^s + reach^s)`` without its overflow."""
    return 0.5 + 0.5 * np.tanh(0.5 * sharpness * np.log(amount / reach))


def _rounded_up(tiles: Floats, rounding: float) -> Floats:
    """Round up, in part; at least one tile."""
    return np.maximum(tiles + rounding * (np.ceil(tiles) - tiles), 1)
