"""Fitting the physics of products to measured times: least squares in logarithms, many starts.

Unknowns are logarithms of what must be positive and log-odds of what must be a share, each held
weakly to the middle it starts from. Errors count by their size, not its square, beyond 3%: times
of neighbours differ by more wherever the library changes its mind about a kernel.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from omnizip_cost.latency.kernels.gemm_physics import GemmPhysics, Tile

Floats = NDArray[np.float64]

SCALE = 0.03
"""Relative error beyond which errors count linearly."""
HELD = 0.2
"""Weight of the pull to the middle: 5 units of an unknown weigh as one error of 3%."""
REACH = 6.0
"""Units (of logarithm or log-odds) that an unknown may go from its middle."""
SPREAD = 0.4
"""Standard deviation of the other starts about the middle."""

POSITIVE = {
    "launch_s": 2.5e-6,
    "resident_share": 0.6,
    "resident_sharpness": 2.7,
    "overlap": 2.7,
    "tile_start_s": 1e-6,
    "tile_store_s": 0.4e-6,
    "split_s": 1.6e-6,
    "spill": 0.14,
    "spill_share": 1.6,
    "spill_sharpness": 2.0,
    "throttle": 0.05,
    "throttle_s": 150e-6,
}
"""Middles of what must be positive; two more follow from the device's bandwidth."""
SHARES = {"wave_rounding": 0.6, "row_rounding": 0.7, "column_rounding": 0.7, "idle_gain": 0.3}
"""Middles of what lies between 0 and 1."""
TILES = (
    (16, 64),
    (32, 64),
    (64, 64),
    (64, 128),
    (128, 64),
    (96, 128),
    (128, 128),
    (64, 256),
    (256, 64),
    (192, 128),
    (128, 192),
    (128, 256),
    (256, 128),
    (256, 256),
)
SLICES = (1, 2, 3, 4, 6, 8, 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """What a fit takes as given of a device."""

    sms: int
    cache_bytes: int
    peak_flop_per_s: int
    bandwidth_bytes_per_s: int


@dataclass(frozen=True, kw_only=True)
class Unknowns:
    """The order in which a vector holds the numbers of a :class:`GemmPhysics`."""

    chip: Chip
    tiles: tuple[tuple[int, int], ...] = TILES
    middle: dict[str, float] = field(init=False)

    def __post_init__(self) -> None:
        rate = self.chip.bandwidth_bytes_per_s
        middle = POSITIVE | {
            "memory_bytes_per_s": 0.9 * rate,
            "cache_bytes_per_s": 2.7 * rate,
            "split_output_s": 0.3 / rate,
        }
        object.__setattr__(self, "middle", middle)

    def physics(self, vector: Floats) -> GemmPhysics:
        """Turn a vector of zeros-at-the-middle into the numbers of a device."""
        names = [*self.middle, *SHARES]
        values: dict[str, float] = {}
        for name, unit in zip(names, vector, strict=False):
            if name in SHARES:
                odds = SHARES[name] / (1 - SHARES[name]) * np.exp(unit)
                values[name] = float(odds / (1 + odds))
            else:
                values[name] = float(self.middle[name] * np.exp(unit))
        # cached operands are never slower than those in memory
        values["cache_bytes_per_s"] += values["memory_bytes_per_s"]
        shares = 0.9 * np.exp(vector[len(names) :])
        tiles = tuple(
            Tile(rows=a, columns=b, share_of_peak=float(share * (a * b / 2**16) ** 0.15))
            for (a, b), share in zip(self.tiles, shares, strict=True)
        )
        return GemmPhysics(
            sms=self.chip.sms,
            peak_flop_per_s=self.chip.peak_flop_per_s,
            cache_bytes=self.chip.cache_bytes,
            tiles=tiles,
            slices=SLICES,
            **values,
        )

    @property
    def count(self) -> int:
        """How many numbers are unknown."""
        return len(self.middle) + len(SHARES) + len(self.tiles)


def weights(m: Floats, n: Floats, k: Floats) -> Floats:
    """What matters: the sizes of language models most, slivers of matrices least."""
    large = (m >= 64) & (n >= 512) & (k >= 512)
    return np.where(large, 3.0, np.where((n >= 256) & (k >= 256), 1.0, 0.3))


def fit_physics(
    shapes: Floats, seconds: Floats, chip: Chip, *, starts: int, records: int = 8000
) -> GemmPhysics:
    """Return the best of several fits.

    Parameters
    ----------
    shapes : float64 array (3, N)
        m, n and k.
    seconds : float64 array (N,)
    chip
        What is taken as given.
    starts
        How often to start; the first from the middle, each other from a place beside it.
    records
        How many records the search sees, drawn by weight; the last steps see all.
    """
    unknowns = Unknowns(chip=chip)
    heavy = weights(*shapes)
    draw = np.random.default_rng(0)
    few = draw.choice(
        len(seconds), min(records, len(seconds)), replace=False, p=heavy / heavy.sum()
    )
    found = []
    for start in range(starts):
        at = np.random.default_rng(start).normal(0, SPREAD if start else 0, unknowns.count)
        found.append(_search(unknowns, at, shapes[:, few], seconds[few], np.ones(len(few)), 100))
    best = min(found, key=lambda pair: pair[1])[0]
    even = np.sqrt(heavy / heavy.mean())
    return unknowns.physics(_search(unknowns, best, shapes, seconds, even, 30)[0])


def _search(
    unknowns: Unknowns, at: Floats, shapes: Floats, seconds: Floats, heavy: Floats, most: int
) -> tuple[Floats, float]:
    def errors(vector: Floats) -> Floats:
        modelled = unknowns.physics(vector).latency_s(*shapes)
        return np.concatenate([np.log(modelled / seconds) / SCALE * heavy, HELD * vector])

    result = least_squares(
        errors,
        at,
        loss="soft_l1",
        bounds=(-REACH, REACH),
        x_scale=0.3,
        diff_step=1e-4,
        max_nfev=most,
    )
    return result.x, float(result.cost)
