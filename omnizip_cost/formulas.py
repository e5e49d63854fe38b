"""Each cost formula once, in plain arithmetic: ints, NumPy arrays and SymPy symbols all go in.

Letters (OmniZip, supplement C): ``n`` tokens, ``d`` hidden size, ``m`` FFN width, ``T`` layers,
``R`` decoded tokens. ``q`` and ``kv`` are the widths of queries (h * a) and of keys (g * a).
Nothing here divides, so counts of ints are exact ints. Multiply-adds are counted; a convention
says how many FLOPs one multiply-add is.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import add
from typing import Any

Number = Any
"""An int, a float, a NumPy array or a SymPy expression."""


def added(terms: Iterable[Number]) -> Number:
    """Sum of the terms, strictly first to last.

    ``sum`` of floats compensates from Python 3.12 on: the last bit of a real-valued count would
    depend on the interpreter, and differ from that of an array of counts.
    """
    return reduce(add, terms, 0)


def linear(n: Number, d_in: Number, d_out: Number) -> Number:
    """Multiply-adds of a linear layer applied to ``n`` tokens."""
    return n * d_in * d_out


def projections(n: Number, d: Number, q: Number, kv: Number) -> Number:
    """Multiply-adds of the query, key, value and output projections.

    With q = kv = d this is the 4 n d^2 of Eq. 9.
    """
    return linear(n, d, q) + 2 * linear(n, d, kv) + linear(n, q, d)


def full_pairs_doubled(n_q: Number, n_kv: Number) -> Number:
    """Twice the (query, key) pairs when every query sees every key.

    Attention multiplies each pair's vectors twice (scores, then values), so the doubled count is
    what cost formulas need; it also keeps causal counts free of division.
    """
    return 2 * n_q * n_kv


def causal_pairs_doubled(n: Number, past: Number = 0, window: Number | None = None) -> Number:
    """Twice the pairs when query ``i`` of ``n`` sees ``past + i`` keys: 2 n past + n (n + 1).

    Behind a sliding ``window`` of W keys, its own among them, it sees min(past + i, W): numbers and
    arrays go in, letters where no window is given.
    """
    pairs = 2 * n * past + n * (n + 1)
    if window is None:
        return pairs
    return pairs - _out_of_reach_doubled(past + n, window) + _out_of_reach_doubled(past, window)


def _out_of_reach_doubled(n: Number, window: Number) -> Number:
    """Twice the keys that a window hides from queries 1 to n together: x (x + 1), x = n - W > 0."""
    hidden = (n - window) * (n > window)
    return hidden * (hidden + 1)


def decode_pairs_doubled(n: Number, steps: Number, window: Number | None = None) -> Number:
    """Twice the pairs of ``steps`` decode steps after ``n`` cached tokens: step i sees n + i.

    Behind a sliding ``window``, min(n + i, W).
    """
    return causal_pairs_doubled(steps, n, window)


def attention(pairs_doubled: Number, q: Number) -> Number:
    """Multiply-adds of both attention products: 2 * pairs * q."""
    return pairs_doubled * q


def feed_forward(n: Number, d: Number, m: Number, matrices: Number) -> Number:
    """Multiply-adds of an FFN of ``matrices`` d x m products (2 plain, 3 gated)."""
    return matrices * n * d * m


def decoder_layer(
    n: Number,
    pairs_doubled: Number,
    *,
    d: Number,
    q: Number,
    kv: Number,
    m: Number,
    ffn_matrices: Number,
) -> Number:
    """Multiply-adds of one decoder layer: projections, attention, FFN.

    The general form of Eq. 9: it meets the paper's prefill term for q = kv = d, two FFN matrices
    and every query seeing every key, one FLOP per multiply-add.
    """
    return (
        projections(n, d, q, kv) + attention(pairs_doubled, q) + feed_forward(n, d, m, ffn_matrices)
    )


def eq9_prefill_layer(n: Number, d: Number, m: Number) -> Number:
    """Eq. 9, prefill of one layer, as printed: 4 n d^2 + 2 n^2 d + 2 n d m."""
    return 4 * n * d**2 + 2 * n**2 * d + 2 * n * d * m


def eq9_decode_layer(n: Number, d: Number, m: Number, R: Number) -> Number:
    """Eq. 9, decode of one layer: R (4 d^2 + 2 d m) + 2 sum_{i=1..R} d (n + i).

    The printed R * 2 (d n + d (R + 1) / 2) is written without its division, so ints stay exact.
    """
    return R * (4 * d**2 + 2 * d * m) + 2 * R * d * n + d * R * (R + 1)


def eq9(n: Number, d: Number, m: Number, T: Number, R: Number) -> Number:
    """Eq. 9: total FLOPs of T layers for n audio+video tokens and R decoded tokens."""
    return T * (eq9_prefill_layer(n, d, m) + eq9_decode_layer(n, d, m, R))


def similarities(n: Number, m: Number, d: Number) -> Number:
    """Multiply-adds of the products of ``n`` rows with ``m`` rows of width ``d``, all pairs."""
    return n * m * d
