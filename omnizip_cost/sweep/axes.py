"""The axes of a grid: checked lists of numbers, and boxes cut out of them in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from omnizip_cost.errors import InvalidValueError, require_ratio

Numbers = Sequence[Any] | NDArray[Any]

LONGEST_AXIS = {"tokens": 10**7, "retained": 10**5, "decode": 10**5}
"""Values of an axis are held in memory, and each ratio is read on its own."""

LARGEST_COUNT = 2**53
"""Token counts below it are float64 numbers."""


def whole_axis(field: str, given: Numbers, *, least: int) -> NDArray[np.int64]:
    """Whole numbers, each once, in the order given.

    Raises
    ------
    InvalidValueError
    """
    expected = f"whole numbers from {least} on and below 2^53"
    _require_length(field, given)
    if not isinstance(given, np.ndarray) or not np.issubdtype(given.dtype, np.integer):
        for number in given:
            integral = isinstance(number, int | np.integer) and not isinstance(number, bool)
            if not integral or not least <= number < LARGEST_COUNT:
                raise InvalidValueError("grid", field, expected, number)
    numbers = np.asarray(given)
    if numbers.ndim != 1 or numbers.min() < least or numbers.max() >= LARGEST_COUNT:
        raise InvalidValueError("grid", field, expected, numbers.ravel()[:3].tolist())
    numbers = numbers.astype(np.int64)
    if (np.diff(numbers) > 0).all():
        return numbers
    _, first = np.unique(numbers, return_index=True)
    return numbers[np.sort(first)]


def ratio_axis(given: Numbers) -> NDArray[np.float64]:
    """Ratios in [0, 1], each once, in the order given.

    Raises
    ------
    InvalidValueError
    """
    _require_length("retained", given)
    ratios = [require_ratio("grid", "retained", ratio) for ratio in given]
    return np.array(list(dict.fromkeys(ratios)), dtype=np.float64)


def _require_length(field: str, given: Numbers) -> None:
    most = LONGEST_AXIS[field]
    if isinstance(given, str) or not hasattr(given, "__len__"):
        raise InvalidValueError("grid", field, "a list of numbers", given)
    if not 1 <= len(given) <= most:
        raise InvalidValueError("grid", field, f"1 to {most:,} values", f"{len(given):,} values")


def cut(lengths: Sequence[int], most: int) -> Iterator[tuple[slice, ...]]:
    """Cut a box into boxes of at most ``most`` cells, in the order of its cells.

    The last axes that fit stay whole, the one before them is cut, all others go one by one.

    >>> [tuple((s.start, s.stop) for s in box) for box in cut((2, 3), 2)]
    [((0, 1), (0, 2)), ((0, 1), (2, 3)), ((1, 2), (0, 2)), ((1, 2), (2, 3))]
    """
    if not lengths:
        yield ()
        return
    step = max(most // prod(lengths[1:]), 1)
    for start in range(0, lengths[0], step):
        for rest in cut(lengths[1:], most):
            yield (slice(start, min(start + step, lengths[0])), *rest)


def boxes_of(lengths: Sequence[int], most: int) -> int:
    """How many boxes :func:`cut` makes.

    >>> boxes_of((2, 3), 2)
    4
    """
    count = 1
    for place, length in enumerate(lengths):
        count *= -(-length // max(most // prod(lengths[place + 1 :]), 1))
    return count
