"""Speed-ups that the clock saw: samples of several stages added up pass by pass, then divided."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median, quantiles
from typing import NamedTuple

from omnizip_cost.compare.gap import Stages


class Observed(NamedTuple):
    """Quartiles of a measured speed-up; all three alike where there is one sample."""

    low: float
    ratio: float
    high: float


def observed_speedup(stages: Stages, full: Stages, names: Sequence[str]) -> Observed | None:
    """Full tokens' seconds over a configuration's, in some stages together.

    Interleaved rounds give samples of both taken next to each other: their ratios are free of
    the machine's drift. Otherwise the medians are divided, and the quartiles of one by those of
    the other bound the spread.

    Parameters
    ----------
    stages, full : mapping of stage name to MeasurementRow
    names : sequence of str
        Stages inside the timer, ``prefill`` among them; one that a configuration has not takes no
        time in it.

    Returns
    -------
    Observed or None
        None where either has no samples of its prefill.
    """
    if not all(_samples(side, "prefill") for side in (stages, full)):
        return None
    paired = stages["prefill"].order == full["prefill"].order == "interleaved"
    return _quartiles(_together(full, names), _together(stages, names), paired=paired)


def _together(stages: Stages, names: Sequence[str]) -> tuple[float, ...]:
    """Seconds of some stages together, pass by pass.

    They come from the same passes; of a stage with fewer or more samples than prefill, the median
    is added.
    """
    passes = len(_samples(stages, "prefill"))
    total = (0.0,) * passes
    for name in names:
        added = _samples(stages, name)
        if not added:
            continue
        if len(added) != passes:
            added = (median(added),) * passes
        total = tuple(a + b for a, b in zip(total, added, strict=True))
    return total


def _samples(stages: Stages, name: str) -> tuple[float, ...]:
    return stages[name].samples_s if name in stages else ()


def _quartiles(full: tuple[float, ...], cell: tuple[float, ...], *, paired: bool) -> Observed:
    if paired and len(full) == len(cell) >= 2:
        low, middle, high = quantiles(
            [a / b for a, b in zip(full, cell, strict=True)], n=4, method="inclusive"
        )
        return Observed(low, middle, high)
    if len(full) >= 2 and len(cell) >= 2:
        a = quantiles(full, n=4, method="inclusive")
        b = quantiles(cell, n=4, method="inclusive")
        return Observed(a[0] / b[2], a[1] / b[1], a[2] / b[0])
    ratio = median(full) / median(cell)
    return Observed(ratio, ratio, ratio)
