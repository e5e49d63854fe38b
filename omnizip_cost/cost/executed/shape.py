"""Shapes of products: what one dispatched call multiplies, for those who time it.

A count needs products alone; a time needs their sides as well, since a kernel of the same work
runs at another rate where it is thin. Elementwise operators and copies have no shape: they are
bound by their bytes. The fields are whole where one call is like the next. Where a phase's calls
differ, they are means that keep the work exact: the decode steps see n + 1 to n + R keys, and time
is close to linear in keys over so short a range, so R calls at the mean take what the R steps
take; blocks of an encoder that differ in size are taken as equal ones with the same queries and
pairs; rows that fall to experts unevenly, as evenly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ShapeKind = Literal["prefill", "decode", "encoder"]
"""Attention of causal queries, of one query on cached keys, or of queries that see every key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gemm:
    """One product x[m, k] times W[k, n], or ``batch`` of them in one call."""

    m: float
    n: float
    k: float
    batch: float = 1
    weights: bool = True
    """Whether W is a parameter, which may be stored in fewer bits; else both sides are computed."""

    @property
    def multiply_adds(self) -> float:
        """Of one call."""
        return self.m * self.n * self.k * self.batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """One fused attention: scores, softmax and weighted values, nothing of it written down."""

    kind: ShapeKind
    batch: float
    queries: float
    keys: float
    heads: int
    kv_heads: int
    head_dim: int
    window: int | None = None
    """Keys that a query of prefill sees at most, its own among them; None: all before it."""

    @property
    def pairs(self) -> float:
        """Queries times keys of one head that are not masked."""
        if self.kind != "prefill":
            return self.queries * self.keys
        hidden = max(self.queries - self.window, 0) if self.window else 0
        return (self.queries * (self.queries + 1) - hidden * (hidden + 1)) / 2

    @property
    def multiply_adds(self) -> float:
        """Of one call: each pair of every head is multiplied twice."""
        return 2 * self.batch * self.heads * self.head_dim * self.pairs


Shape = Gemm | Attention


def mean(total: int, count: int) -> float:
    """Return a mean, as a whole number where it is one; that of nothing is 0.

    >>> mean(6, 3), mean(7, 2), mean(0, 0)
    (2, 3.5, 0)
    """
    if not count:
        return 0
    return total // count if total % count == 0 else total / count
