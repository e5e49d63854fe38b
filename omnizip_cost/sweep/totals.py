"""Totals of whole arrays of configurations, equal to the scalar count as long as floats can be.

The same formulas as :func:`omnizip_cost.cost.count` run in the same order, on arrays: one axis of
token counts, one of retained ratios, one of decode lengths. What depends on the tokens alone is
computed once for all decode lengths.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from omnizip_cost.compression.method import Prunes
from omnizip_cost.cost import Convention
from omnizip_cost.cost.decoder import decode_work, head_work, layer_groups, prefill_work
from omnizip_cost.formulas import Number, added
from omnizip_cost.specs.spec import TextSpec

Floats = NDArray[np.float64]

EXACT_BELOW = 2**53
"""Whole numbers below it are float64 numbers, and so are all the sums that lead to them."""

_SQUARES_BELOW = 2**26
"""Tokens whose pairs are float64 numbers, which is more than their FLOPs being so where a sliding
window takes most pairs away again."""

_FULL, _KEPT = "full", "kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """FLOPs over an axis of N token counts, one of r retained ratios and one of R decode lengths.

    Whole numbers held as float64. Where :attr:`exact` says so they are the very integers that
    :func:`omnizip_cost.cost.total_flops` adds up to. Beyond 2^53 every operation may round once:
    the relative error stays below 2^-53 times the number of operations, four for each group of
    equal layers and eight more. Behind a sliding window that holds up to 2^26 tokens; past them
    the pairs taken away are rounded, too.
    """

    kept_tokens: Floats
    """Tokens in the last layer; shape (N, r, 1)."""
    prefill_flops: Floats
    """Shape (N, r, 1)."""
    decode_flops: Floats
    """All steps together; shape (N, r, R)."""
    full_flops: Floats
    """Prefill and decode with all tokens kept; shape (N, 1, R)."""
    squarable: NDArray[np.bool_]
    """Whether the pairs of all tokens are float64 numbers; shape (N, 1, R)."""

    @property
    def flops(self) -> Floats:
        """Prefill and decode; shape (N, r, R)."""
        return self.prefill_flops + self.decode_flops

    @property
    def share_left(self) -> Floats:
        """Share of the full tokens' FLOPs; 1 where the convention counts nothing."""
        flops = self.flops
        ones = np.ones_like(flops)
        return np.divide(flops, self.full_flops, out=ones, where=self.full_flops > 0)

    @property
    def exact(self) -> NDArray[np.bool_]:
        """Whether the total is the exact integer: it is below 2^53; shape (N, r, R)."""
        return (self.flops < EXACT_BELOW) & self.squarable


def totals(
    text: TextSpec,
    convention: Convention,
    prunes: Prunes,
    *,
    tokens: NDArray[np.int64],
    retained: Floats,
    decode: NDArray[np.int64],
    whole_layers: int,
) -> Totals:
    """FLOPs of bare token counts: n = r N, as ``flops --tokens N`` counts them.

    Parameters
    ----------
    text : TextSpec
    convention : Convention
    prunes : {"nothing", "before layer 1", "inside the decoder"}
        Where the method's tokens leave; no more of a method matters to a bare count. With
        "nothing" the ratios must be 1.
    tokens : array of int64, shape (N,)
        Audio and video tokens, from 1 on and below 2^53.
    retained : array of float64, shape (r,)
        In [0, 1].
    decode : array of int64, shape (R,)
        Decoded tokens.
    whole_layers : int
        K: layers that see all tokens, where they leave inside the decoder.

    Returns
    -------
    Totals
    """
    everything = tokens.astype(np.float64)[:, None, None]
    asked = retained[None, :, None] * everything
    steps = decode.astype(np.float64)[None, None, :]
    whole = whole_layers if prunes == "inside the decoder" else 0
    prefill, decoded = _phases(text, convention, (everything, asked), whole, steps)
    if prunes == "nothing":
        full = prefill + decoded
    else:
        full = np.add(*_phases(text, convention, (everything, everything), 0, steps))
    return Totals(
        kept_tokens=np.rint(asked),
        prefill_flops=prefill,
        decode_flops=decoded,
        full_flops=full,
        squarable=everything + steps < _SQUARES_BELOW,
    )


def _phases(
    text: TextSpec,
    convention: Convention,
    tokens: tuple[Floats, Floats],
    whole_layers: int,
    steps: Floats,
) -> tuple[Floats, Floats]:
    """FLOPs of prefill, shape (N, r, 1), and of decode, shape (N, r, R).

    ``tokens`` are those of the first ``whole_layers`` layers and those of the rest.
    """
    full, kept = (_counted(convention, n) for n in tokens)
    seen = {_FULL: full, _KEPT: kept}
    names = (_FULL,) * whole_layers + (_KEPT,) * (text.layers - whole_layers)
    groups = tuple(layer_groups(text, convention, names))
    heads = head_work(text, convention, kept, steps)
    prefill = _flops(
        convention,
        added(
            group.layers * work
            for group in groups
            for work in prefill_work(group.widths, convention, seen[group.tokens]).values()
        ),
        heads.get("prefill", 0),
    )
    if not convention.decode:
        return prefill, np.zeros(np.broadcast_shapes(prefill.shape, steps.shape))
    decoded = _flops(
        convention,
        added(
            group.layers * work
            for group in groups
            for work in decode_work(group.widths, seen[group.tokens], steps).values()
        ),
        heads.get("decode", 0),
    )
    return prefill, decoded


def _flops(convention: Convention, decoder: Number, head: Number) -> Floats:
    """FLOPs of decoder and head, each rounded once, as a row of the count is."""
    each = convention.flop_per_multiply_add
    found: Floats = np.rint(each * decoder) + np.rint(each * head)
    return found


def _counted(convention: Convention, n: Floats) -> Floats:
    """Tokens that a convention counts: whole, or real-valued where it leaves text out."""
    return np.rint(n) if convention.tokens == "all" else n
