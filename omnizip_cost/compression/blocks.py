"""How work is cut so that no temporary tensor grows with the clip: blocks of even size."""

from __future__ import annotations

DEVICE_BLOCK_ELEMENTS = 2**25
"""Elements of a temporary tensor on an accelerator, where few large kernels are cheap: 128 MB in
float32."""

LEAST_QUERIES = 64
"""Queries of a chunk of attention over a whole clip: with fewer, reading the keys anew costs more
than it saves memory. Heads are taken in turn to leave room for them."""


def block_starts(count: int, elements_each: int, most: int) -> range:
    """First items of even blocks, as few as keep a block within ``most`` elements.

    >>> block_starts(10, 3, 12)
    range(0, 10, 4)
    """
    within = max(1, most // max(1, elements_each))
    pieces = -(-count // within)
    return range(0, count, -(-count // pieces) if pieces else 1)
