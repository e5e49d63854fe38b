"""Which measured records are left out together: single ones, or all that share some sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

FOLDS = 5
SEED = 0


def folds(
    columns: Mapping[str, NDArray[np.float64]], together: Sequence[str], count: int = FOLDS
) -> NDArray[np.intp]:
    """Number the part in which each record is left out.

    Parameters
    ----------
    columns
        Arrays of one length by name, one entry per record.
    together
        Names of columns: records that agree in all of them are left out together; none of them:
        each record by itself.
    count
        How many parts.

    Returns
    -------
    integer array
        From 0 to ``count - 1``, drawn at random, the same way every time.

    Examples
    --------
    >>> n, k = np.array([8.0, 8, 9, 9, 8]), np.array([4.0, 4, 4, 4, 5])
    >>> parts = folds({"n": n, "k": k}, ("n", "k"), 3)
    >>> bool(parts[0] == parts[1] and parts[2] == parts[3]), len(set(parts.tolist()))
    (True, 3)
    """
    draw = np.random.default_rng(SEED)
    if not together:
        return draw.permutation(len(next(iter(columns.values())))) % count
    keys = np.stack([columns[name] for name in together], axis=1)
    _, group = np.unique(keys, axis=0, return_inverse=True)
    return (draw.permutation(group.max() + 1) % count)[group.ravel()]
