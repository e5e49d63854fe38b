"""Operators that torch dispatches in a real module, summed up by name: a witness for our list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import torch
import transformers
from dispatched import _NO_KERNEL
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from omnizip_cost.cost.executed import ExecutedOp

_LOOKUPS = {"embedding", "index", "index_select", "gather"}
"""Operators that read of their source what they write, and the places where."""

_OVERWRITES = {"copy_", "index_put_", "index_copy_", "fill_", "zero_"}
"""Operators that overwrite without reading what was there."""

_ARITHMETIC = {"add", "sub", "rsub", "mul", "div", "neg", "pow", "rsqrt", "cos", "sin"}
"""One FLOP for each number written."""

_HEAVIER = {"silu": 4, "gelu": 5, "addmm": 1}
"""x / (1 + exp(-x)); x / 2 (1 + erf(x / sqrt 2)); the bias. For each number written."""

_READERS = {"mean": 1, "sum": 1, "_softmax": 4, "_safe_softmax": 4, "native_layer_norm": 7}
"""For each number read."""


class Sum(NamedTuple):
    """Everything that operators of one name do."""

    kernels: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    flops: int = 0
    """What torch's own formulas count of them."""
    unseen_flops: int = 0

    def plus(self, other: Sum) -> Sum:
        return Sum(*(a + b for a, b in zip(self, other, strict=True)))


class Executed(TorchDispatchMode):
    """Records every operator that runs, by name; views and allocations run nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.sums: dict[str, Sum] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        name = func._overloadpacket.__name__
        if not func.is_view and name not in _NO_KERNEL:
            read, written = list(_tensors((args, kwargs))), list(_tensors(out))
            counted = flop_registry.get(func._overloadpacket)
            flops = counted(*args, **kwargs, out_val=out) if counted else 0
            self.add(name.removesuffix("_for_cpu"), read, written, int(flops))
        return out

    def add(
        self, name: str, read: list[torch.Tensor], written: list[torch.Tensor], flops: int
    ) -> None:
        """Add one operator to the sums of its name."""
        placed = name in {"index_put_", "index_copy_"}
        wrote = sum(map(_bytes, read[-1:] if placed else written))
        seen = Sum(1, _read(name, read, written), wrote, flops)
        seen = seen._replace(unseen_flops=_unseen(name, read, written))
        self.sums[name] = self.sums.get(name, Sum()).plus(seen)


def listed(ops: Iterable[ExecutedOp]) -> dict[str, Sum]:
    """The same sums of our list."""
    sums: dict[str, Sum] = {}
    for op in ops:
        assert op.unseen_flops is not None
        one = Sum(
            op.kernels, op.bytes_read, op.bytes_written, 2 * op.multiply_adds, op.unseen_flops
        )
        sums[op.aten] = sums.get(op.aten, Sum()).plus(one)
    return sums


def differences(ours: dict[str, Sum], seen: dict[str, Sum]) -> dict[str, tuple[Sum, Sum]]:
    """Names on which the two disagree: ours, then what was seen."""
    return {
        name: (ours.get(name, Sum()), seen.get(name, Sum()))
        for name in sorted({*ours, *seen})
        if ours.get(name) != seen.get(name)
    }


def of_this_release(
    ours: dict[str, Sum], *, axes: int, head_dim: int, calls: int, rows: int
) -> dict[str, Sum]:
    """Release 5.17 makes the rotary table by a product, and the eager mask without a zero."""
    if tuple(map(int, transformers.__version__.split(".")[:2])) >= (5, 23):
        return ours
    half = head_dim // 2
    numbers, moved = axes * rows * half, 4 * (axes * rows + calls * half)
    less = Sum(-calls, -moved, -4 * numbers, 0, -numbers)
    more = Sum(calls, moved, 4 * numbers, 2 * numbers, 0)
    changed = {"mul": ours["mul"].plus(less), "bmm": ours.get("bmm", Sum()).plus(more)}
    return {name: one for name, one in {**ours, **changed}.items() if name != "zeros"}


def _tensors(tree: Any) -> Iterator[torch.Tensor]:
    return (leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor))


def _read(name: str, read: list[torch.Tensor], written: list[torch.Tensor]) -> int:
    if name in _LOOKUPS:
        return sum(map(_bytes, written)) + sum(map(_bytes, read[1:]))
    if name in _OVERWRITES:
        return sum(map(_bytes, read[1:]))
    if name == "_grouped_mm":
        rows, weights, bounds = read
        touched = min(len(rows), len(weights))
        return _bytes(rows) + _bytes(weights) // len(weights) * touched + _bytes(bounds)
    return sum(map(_bytes, read))


def _unseen(name: str, read: list[torch.Tensor], written: list[torch.Tensor]) -> int:
    if not written or not written[0].is_floating_point():
        return 0
    if name == "_scaled_dot_product_flash_attention":
        (_, heads, queries, _), keys = read[0].shape, read[1].shape[-2]
        return 5 * heads * queries * keys
    if name == "convolution":
        return written[0].numel() * (len(read) == len(("frames", "weights", "bias")))
    if name.rstrip("_") in _ARITHMETIC:
        return written[0].numel()
    return _HEAVIER.get(name, 0) * written[0].numel() + _READERS.get(name, 0) * (
        read[0].numel() if read else 0
    )


def _bytes(tensor: torch.Tensor) -> int:
    """Bytes of a tensor's own numbers; one that is repeated along an axis counts once."""
    numbers = 1
    for length, step in zip(tensor.shape, tensor.stride(), strict=True):
        numbers *= length if step else min(length, 1)
    return numbers * tensor.element_size()
