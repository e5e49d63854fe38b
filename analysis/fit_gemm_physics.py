"""Fitting the physics of products to measured times: least squares in logarithms, many starts.

Unknowns are logarithms of what must be positive and log-odds of what must be a share, each held
weakly to the middle it starts from. Errors count by their size, not its square, beyond 3%: times
of neighbours differ by more wherever the library changes its mind about a kernel.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import numpy as np
from chips import Chip
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

SEARCHED = 80
"""Most steps of one search."""

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
    *((16, 64), (32, 64), (64, 64), (32, 128), (64, 96), (64, 128), (128, 64)),
    *((96, 128), (128, 128), (64, 192), (64, 256), (256, 64), (160, 128), (128, 160)),
    *((192, 128), (128, 192), (96, 256), (128, 256), (256, 128), (192, 256), (256, 192)),
    (256, 256),
)
"""Rows and columns of the tiles that a library may choose from."""
SLICES = (1, 2, 3, 4, 6, 8, 16)


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
        """Turn a vector, zero at every middle, into the numbers of a device."""
        names = [*self.middle, *SHARES]
        units, shares = vector[: len(names)], np.exp(vector[len(names) :])
        values: dict[str, float] = {}
        for name, unit in zip(names, units, strict=True):
            if name in SHARES:
                values[name] = float(1 / (1 + np.exp(-unit - _log_odds(SHARES[name]))))
            else:
                values[name] = float(self.middle[name] * np.exp(unit))
        # what the cache gives on top: never slower than memory
        values["cache_bytes_per_s"] += values["memory_bytes_per_s"]
        tiles = tuple(
            Tile(
                rows=rows,
                columns=columns,
                share_of_peak=float(share * _middle_share(rows, columns)),
            )
            for (rows, columns), share in zip(self.tiles, shares, strict=True)
        )
        return GemmPhysics(
            sms=self.chip.sms,
            peak_flop_per_s=self.chip.peak_flop_per_s,
            cache_bytes=self.chip.cache_bytes,
            tiles=tiles,
            slices=SLICES,
            **values,
        )

    def vector(self, physics: GemmPhysics) -> Floats:
        """The vector from which :meth:`physics` makes these numbers again."""
        values = asdict(physics) | {
            "cache_bytes_per_s": physics.cache_bytes_per_s - physics.memory_bytes_per_s
        }
        units = [np.log(values[name] / middle) for name, middle in self.middle.items()]
        units += [_log_odds(values[name]) - _log_odds(share) for name, share in SHARES.items()]
        units += [
            np.log(tile.share_of_peak / _middle_share(tile.rows, tile.columns))
            for tile in physics.tiles
        ]
        return np.array(units)

    @property
    def count(self) -> int:
        """How many numbers are unknown."""
        return len(self.middle) + len(SHARES) + len(self.tiles)


def _log_odds(share: float) -> float:
    return float(np.log(share / (1 - share)))


def _middle_share(rows: int, columns: int) -> float:
    """Share of peak that a tile starts from: larger ones reuse more of what they load."""
    return 0.9 * float(rows * columns / 2**16) ** 0.15


def weights(m: Floats, n: Floats, k: Floats) -> Floats:
    """What matters: the sizes of language models most, slivers of matrices least."""
    large = (m >= 64) & (n >= 512) & (k >= 512)
    return np.where(large, 3.0, np.where((n >= 256) & (k >= 256), 1.0, 0.3))


def fit_physics(
    shapes: Floats, seconds: Floats, chip: Chip, *, starts: int, records: int = 5000
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
    few = _drawn(shapes, records)
    found = []
    for start in range(starts):
        at = np.random.default_rng(start).normal(0, SPREAD if start else 0, unknowns.count)
        found.append(
            _search(unknowns, at, shapes[:, few], seconds[few], np.ones(len(few)), SEARCHED)
        )
    rough = unknowns.physics(min(found, key=lambda pair: pair[1])[0])
    return refit_physics(rough, shapes, seconds, chip, steps=20)


def refit_physics(
    physics: GemmPhysics,
    shapes: Floats,
    seconds: Floats,
    chip: Chip,
    *,
    steps: int,
    records: int | None = None,
) -> GemmPhysics:
    """Go on from a fit, with all records (or ``records`` of them), each by its weight."""
    unknowns = Unknowns(chip=chip, tiles=tuple((t.rows, t.columns) for t in physics.tiles))
    at = np.clip(unknowns.vector(physics), -REACH, REACH)
    if records is None:
        heavy = weights(*shapes)
        even = np.sqrt(heavy / heavy.mean())
        return unknowns.physics(_search(unknowns, at, shapes, seconds, even, steps)[0])
    few = _drawn(shapes, records)
    even = np.ones(len(few))
    return unknowns.physics(_search(unknowns, at, shapes[:, few], seconds[few], even, steps)[0])


def _drawn(shapes: Floats, records: int) -> NDArray[np.intp]:
    """Numbers of some records, drawn by weight, the same ones every time."""
    heavy = weights(*shapes)
    count = min(records, len(heavy))
    draw = np.random.default_rng(0)
    return draw.choice(len(heavy), count, replace=False, p=heavy / heavy.sum())


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
