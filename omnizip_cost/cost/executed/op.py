"""One operator as torch dispatches it: what it reads, writes and computes.

Operators are listed per module, by their aten names. What they move follows one rule: each
tensor is read or written once, numbers that are repeated along an axis count once, a lookup
reads the rows that it writes. Arithmetic outside products follows ``_PER_RESULT`` and
``_PER_OPERAND``; comparisons, copies, casts and whole numbers are none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from omnizip_cost.cost.decoder import Phase
from omnizip_cost.cost.executed.shape import Shape
from omnizip_cost.units import BYTES_PER_ELEMENT

FLOAT32 = BYTES_PER_ELEMENT["float32"]
"""Bytes of a number in which norms, rotary tables and softmax are computed."""

INT64 = 8
"""Bytes of a token id, a position or an index."""

INT32 = 4
"""Bytes of a bound of a block."""

BOOL = 1
"""Bytes of one place of a mask."""

AttentionKind = Literal["sdpa", "math", "eager"]
"""``sdpa``: one fused operator; ``math``: what it falls back to where no fused one exists, as on
the meta device; ``eager``: transformers' own products and softmax."""

ATTENTION_KINDS: tuple[AttentionKind, ...] = ("sdpa", "math", "eager")

_PER_RESULT = {
    "add": 1,
    "sub": 1,
    "rsub": 1,
    "mul": 1,
    "div": 1,
    "neg": 1,
    "pow": 1,
    "rsqrt": 1,
    "cos": 1,
    "sin": 1,
    "silu": 4,
    "gelu": 5,
    "addmm": 1,
}
"""FLOPs for each number written, beside those of products: ``silu`` negates, takes an
exponential, adds and divides; ``gelu`` scales, takes an error function, adds and multiplies
twice; ``addmm`` adds a bias, as does a convolution that has one."""

_PER_OPERAND = {"mean": 1, "sum": 1, "_softmax": 4, "_safe_softmax": 4, "native_layer_norm": 7}
"""FLOPs for each number read: a softmax subtracts, takes an exponential, sums and divides; a
layer norm sums, subtracts, squares, sums, and scales twice and shifts."""

_WITH_BIAS = 3
"""Tensors that a convolution with a bias reads."""

PER_FUSED_PAIR = 5
"""FLOPs of fused attention for each query, key and head: its score is scaled, then a softmax."""


class Tensor(NamedTuple):
    """Numbers of one width, over all calls of a phase."""

    numbers: int
    width: int
    """Bytes of one."""

    @property
    def bytes(self) -> int:
        """Bytes of all of them."""
        return self.numbers * self.width


class Kernel(NamedTuple):
    """One operator of a module in one layer, over all calls of a phase."""

    aten: str
    operator: str
    """Operator class: that of an ``Op`` for products, else what it is for (norm, rotary, ...)."""
    bytes_read: int
    bytes_written: int
    multiply_adds: int = 0
    unseen_flops: int = 0
    times: int = 1
    """How often each call dispatches it."""
    shape: Shape | None = None
    """Of one of them; None where it is bound by bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutedOp:
    """One operator over a group of equal layers, all calls of a phase together."""

    component: str
    phase: Phase
    module: str
    """Kind of module that dispatches it: rms_norm, attention, ffn, ..."""
    operator: str
    """Operator class: projection, attention, ffn, ... for products; norm, softmax, ... else."""
    aten: str
    """Name of the operator in torch; empty for an ideal engine's product."""
    first_layer: int | None
    """Number of the first layer; None outside the layers."""
    layers: int
    kernels: int
    """How often it is dispatched."""
    multiply_adds: int
    """Of products, as the convention counts them."""
    unseen_flops: int | None
    """Arithmetic that no counter of products sees; None where it is not counted."""
    bytes_read: int
    bytes_written: int
    shape: Shape | None = None
    """What one of the ``kernels`` multiplies; None of elementwise operators and copies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """All calls of one phase through a group of layers: every cost is linear in these sums.

    Prefill is one call of n queries on n keys; decode is R calls of one query, the i-th on n + i
    keys.
    """

    phase: Phase
    calls: int
    rows: int
    """Queries of all calls."""
    keys: int
    """Keys of all calls."""
    pairs: int
    """Queries times keys, summed over the calls."""
    counted_pairs_doubled: int
    """Twice the pairs that the convention counts."""
    width: int
    """Bytes of a number of the model's dtype."""

    @property
    def several_queries(self) -> bool:
        """Whether a call has more than one query, so that a causal mask hides something."""
        return self.rows > self.calls

    @property
    def half(self) -> bool:
        """Whether the model's numbers are narrower than float32."""
        return self.width < FLOAT32

    def numbers(self, count: int) -> Tensor:
        """That many numbers in the model's dtype."""
        return Tensor(count, self.width)

    def weights(self, count: int) -> Tensor:
        """Weights, which every call reads again."""
        return Tensor(self.calls * count, self.width)


def single_call(n: int, width: int) -> Pass:
    """Return the one call of an encoder: n queries that see n keys, in numbers of ``width``."""
    return Pass(
        phase="prefill",
        calls=1,
        rows=n,
        keys=n,
        pairs=n * n,
        counted_pairs_doubled=2 * n * n,
        width=width,
    )


def kernel(
    aten: str,
    operator: str,
    reads: Iterable[Tensor],
    *writes: Tensor,
    multiply_adds: int = 0,
    times: int = 1,
    whole: bool = False,
    shape: Shape | None = None,
) -> Kernel:
    """Return one operator; its arithmetic follows from its name and its tensors.

    Parameters
    ----------
    aten : str
    operator : str
    reads, writes : Tensor
        The first one read and the first one written are what the arithmetic goes by.
    multiply_adds : int
    times : int
    whole : bool
        Whole numbers are added or multiplied: no FLOPs.
    shape : Shape, optional
        What one of them multiplies.
    """
    read = tuple(reads)
    unseen = 0
    if not whole:
        unseen = _PER_RESULT.get(aten.rstrip("_"), 0) * (writes[0].numbers if writes else 0)
        unseen += _PER_OPERAND.get(aten, 0) * (read[0].numbers if read else 0)
        if aten == "convolution" and len(read) == _WITH_BIAS:
            unseen += writes[0].numbers
    return Kernel(
        aten=aten,
        operator=operator,
        bytes_read=sum(tensor.bytes for tensor in read),
        bytes_written=sum(tensor.bytes for tensor in writes),
        multiply_adds=multiply_adds,
        unseen_flops=unseen,
        times=times,
        shape=shape,
    )


def integers(aten: str, reads: Iterable[int], *writes: int, operator: str = "indexing") -> Kernel:
    """Return one operator on whole numbers of 8 bytes: lengths, places, indices."""
    read = (Tensor(count, INT64) for count in reads)
    return kernel(aten, operator, read, *(Tensor(count, INT64) for count in writes), whole=True)


def repeated(one: Kernel, times: int) -> Kernel:
    """Return the sum of ``times`` equal operators of one call."""
    return one._replace(
        bytes_read=times * one.bytes_read,
        bytes_written=times * one.bytes_written,
        multiply_adds=times * one.multiply_adds,
        unseen_flops=times * one.unseen_flops,
        times=times * one.times,
    )


def placed(
    kernels: Iterable[Kernel],
    component: str,
    run: Pass,
    module: str,
    first_layer: int | None = None,
    layers: int = 1,
) -> Iterator[ExecutedOp]:
    """Put one layer's operators into a group of ``layers`` layers."""
    for one in kernels:
        yield ExecutedOp(
            component=component,
            phase=run.phase,
            module=module,
            operator=one.operator,
            aten=one.aten,
            first_layer=first_layer,
            layers=layers,
            kernels=layers * run.calls * one.times,
            multiply_adds=layers * one.multiply_adds,
            unseen_flops=layers * one.unseen_flops,
            bytes_read=layers * one.bytes_read,
            bytes_written=layers * one.bytes_written,
            shape=one.shape,
        )
