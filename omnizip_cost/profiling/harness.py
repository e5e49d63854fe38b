"""Repeats a measurement until its median is known well enough, and says when it is not."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import sqrt

import numpy as np

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.profiling.clock import Clock

FEW_SAMPLES = 5
"""Fewer samples than this say little about quartiles (two lie outside them at most)."""

WIDE_SPREAD = 0.10
"""Half the interquartile range over the median, from which a row carries a doubt (our choice)."""

DRIFT = 0.10
"""Change of the median from the first to the last half that raises a doubt (our choice)."""

MEDIAN_ERROR = 0.929
"""Standard error of a median in units of IQR / sqrt(n): 1.2533 sigma / sqrt(n) for a normal
distribution (Kendall & Stuart, vol. 1), whose interquartile range is 1.349 sigma."""

SHARE_THAT_MATTERS = 0.1
"""Parts below a tenth of the whole are measured along; they do not ask for more repeats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Seconds measured, warm-ups apart, with what they say and why to doubt them."""

    samples_s: tuple[float, ...]
    warmup_s: tuple[float, ...] = ()
    doubts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.samples_s:
            raise InvalidValueError("samples", "samples_s", "at least one", self.samples_s)

    @property
    def median_s(self) -> float:
        """Median of the samples."""
        return float(np.median(self.samples_s))

    @property
    def low_s(self) -> float:
        """First quartile (linear interpolation)."""
        return float(np.quantile(self.samples_s, 0.25))

    @property
    def high_s(self) -> float:
        """Third quartile (linear interpolation)."""
        return float(np.quantile(self.samples_s, 0.75))

    @property
    def spread(self) -> float:
        """Half the interquartile range over the median: how far samples lie apart."""
        return _ratio((self.high_s - self.low_s) / 2, self.median_s)

    @property
    def median_error(self) -> float:
        """Standard error of the median over the median: how well the median is known.

        0.929 IQR / sqrt(n), which shrinks with more samples; infinite for a single one.
        """
        if len(self.samples_s) == 1:
            return float("inf")
        error = MEDIAN_ERROR * (self.high_s - self.low_s) / sqrt(len(self.samples_s))
        return _ratio(error, self.median_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeats:
    """How often to measure: until each median is known to ``target_spread``, within limits."""

    warmup: int = 1
    min_repeats: int = 3
    max_repeats: int = 20
    target_spread: float = 0.03
    """Relative standard error of the median at which measuring stops."""
    budget_s: float | None = None
    """Stop after this many seconds of samples, warm-ups included; at least one is taken."""

    def __post_init__(self) -> None:
        if self.warmup < 0:
            raise InvalidValueError("repeats", "warmup", "0 or more", self.warmup)
        if not 1 <= self.min_repeats <= self.max_repeats:
            raise InvalidValueError(
                "repeats",
                "min_repeats",
                f"between 1 and max_repeats ({self.max_repeats})",
                self.min_repeats,
            )
        if not self.target_spread > 0:
            raise InvalidValueError("repeats", "target_spread", "above 0", self.target_spread)
        if self.budget_s is not None and not self.budget_s > 0:
            raise InvalidValueError("repeats", "budget_s", "above 0, or None", self.budget_s)


def measure(
    run: Callable[[], object],
    *,
    clock: Clock,
    warmup: int = 1,
    min_repeats: int = 3,
    max_repeats: int = 20,
    target_spread: float = 0.03,
    budget_s: float | None = None,
) -> Samples:
    """Time ``run()`` as a whole, again and again, until its median is known.

    Returns
    -------
    Samples
        Raw seconds; garbage collection is off within each sample.

    Raises
    ------
    InvalidValueError
        Limits that contradict each other.
    """
    repeats = Repeats(
        warmup=warmup,
        min_repeats=min_repeats,
        max_repeats=max_repeats,
        target_spread=target_spread,
        budget_s=budget_s,
    )

    def once() -> dict[str, float]:
        clock.synchronise()
        start = clock.mark()
        run()
        stop = clock.mark()
        clock.synchronise()
        return {"whole": clock.elapsed_s(start, stop)}

    return measure_parts(once, repeats)["whole"]


def measure_parts(once: Callable[[], Mapping[str, float]], repeats: Repeats) -> dict[str, Samples]:
    """Repeat ``once``, which times itself part by part, until every part's median is known.

    Parts that are never a tenth of the whole do not prolong the measurement.

    Parameters
    ----------
    once
        Runs the work and returns seconds per part; every call must return the same parts.
    """
    warmups = [_sample(once) for _ in range(repeats.warmup)]
    samples: list[Mapping[str, float]] = []
    while not samples or not _enough(warmups, samples, repeats):
        samples.append(_sample(once))
    return {name: judged(column(samples, name), column(warmups, name)) for name in samples[0]}


def judged(samples_s: Sequence[float], warmup_s: Sequence[float] = ()) -> Samples:
    """Return the samples with the doubts that their numbers raise."""
    plain = Samples(samples_s=tuple(samples_s), warmup_s=tuple(warmup_s))
    return Samples(samples_s=plain.samples_s, warmup_s=plain.warmup_s, doubts=tuple(_doubts(plain)))


def column(rounds: Sequence[Mapping[str, float]], name: str) -> list[float]:
    """Return one part's seconds over all rounds that have it."""
    return [values[name] for values in rounds if name in values]


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Collect what is young now, then nothing until the block ends.

    All that the last sample left behind is young, since nothing aged it meanwhile; a full
    collection takes some 0.2 s with torch loaded and would empty the caches before each sample.
    """
    was_enabled = gc.isenabled()
    gc.collect(1)
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _sample(once: Callable[[], Mapping[str, float]]) -> Mapping[str, float]:
    with no_garbage_collection():
        return once()


def _enough(
    warmups: Sequence[Mapping[str, float]],
    samples: Sequence[Mapping[str, float]],
    repeats: Repeats,
) -> bool:
    if len(samples) >= repeats.max_repeats:
        return True
    spent_s = sum(sum(values.values()) for values in (*warmups, *samples))
    if repeats.budget_s is not None and spent_s >= repeats.budget_s:
        return True
    if len(samples) < repeats.min_repeats:
        return False
    parts = [Samples(samples_s=tuple(column(samples, name))) for name in samples[0]]
    whole_s = sum(part.median_s for part in parts)
    heavy = [part for part in parts if part.median_s >= SHARE_THAT_MATTERS * whole_s]
    return all(part.median_error <= repeats.target_spread for part in heavy)


def _doubts(samples: Samples) -> Iterator[str]:
    number = len(samples.samples_s)
    if number < FEW_SAMPLES:
        yield f"only {number} sample{'s' if number > 1 else ''}"
    if samples.spread > WIDE_SPREAD:
        yield f"samples spread by {samples.spread:.0%} around their median"
    if number >= 2 * FEW_SAMPLES:
        half = number // 2
        first, last = np.median(samples.samples_s[:half]), np.median(samples.samples_s[-half:])
        if first > 0 and abs(last / first - 1) > DRIFT:
            yield f"times drifted by {last / first - 1:+.0%} from the first half to the last"


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0
