"""Which measured cells a fit must not see: whole lengths and whole ratios, never repeats.

Repeats of one cell say how steady the machine is; only lengths and ratios that were never fitted
say whether the model holds between them and beyond.
"""

from __future__ import annotations

from collections.abc import Sequence

RULE = (
    "every second length (of the prompt before compression) and every second share of tokens kept "
    "below 1, in rising order, beginning with the second; a row is held out if its length or its "
    "share is"
)
"""Said in every record. Beginning with the second leaves the shortest and the longest of an odd
number to the fit: what is held out lies between what is fitted."""


def held_out(lengths: Sequence[int], retained: Sequence[float]) -> list[bool]:
    """Say of each row whether it is held out.

    Parameters
    ----------
    lengths : sequence of int
        Tokens of each row's prompt before compression.
    retained : sequence of float
        Nominal share that each row keeps.

    Examples
    --------
    >>> held_out([100, 100, 200, 300], [1.0, 0.5, 1.0, 1.0])
    [False, False, True, False]
    >>> held_out([100, 100, 100], [1.0, 0.35, 0.5])
    [False, False, True]
    """
    away = set(sorted(set(lengths))[1::2])
    shares = sorted({round(share, 6) for share in retained if share < 1})
    unseen = set(shares[1::2])
    return [
        length in away or round(share, 6) in unseen
        for length, share in zip(lengths, retained, strict=True)
    ]
