"""Operators that torch dispatches, with what they read and write: a witness for op counts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_NO_KERNEL = {
    "empty",
    "new_empty",
    "empty_like",
    "empty_strided",
    "new_empty_strided",
    "detach",
    "lift_fresh",
    "_unsafe_view",
}
"""Operators that allocate or rename and run nothing on the device."""

_SHAPE_ONLY = {"new_zeros", "new_full", "zeros_like", "ones_like"}
"""Operators whose argument lends its shape or dtype and is not read."""

_PARTLY_READ = {"index", "index_select"}
"""Operators that read of their source what they write."""

_PARTLY_WRITTEN = {"index_fill_", "index_put_", "index_copy_", "copy_", "scatter_"}
"""Operators that overwrite in place without reading what was there: their first argument."""


_PER_RESULT = {"add", "sub", "rsub", "mul", "div", "exp", "log", "sqrt", "neg"}
"""Arithmetic of one FLOP for each number written, in place or not."""

_PER_OPERAND = {"sum": 1, "mean": 1, "linalg_vector_norm": 2, "_softmax": 4}
"""Arithmetic for each number read: a softmax subtracts, takes an exponential, sums and divides."""


class Dispatched(TorchDispatchMode):
    """Records every operator on one device type: name, bytes read and written, arithmetic."""

    def __init__(self, device: str = "meta") -> None:
        super().__init__()
        self.device = device
        self.ops: list[tuple[str, int]] = []
        self.unseen_flops = 0

    @property
    def kernels(self) -> int:
        """Operators that do something on the device, views apart."""
        return len(self.ops)

    @property
    def bytes_moved(self) -> int:
        """Bytes that they read and write."""
        return sum(moved for _, moved in self.ops)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func._overloadpacket.__name__
        read = list(_tensors((args, kwargs)))
        written = list(_tensors(out))
        here = any(tensor.device.type == self.device for tensor in (*read, *written))
        if here and not func.is_view and name not in _NO_KERNEL:
            self.ops.append((name, _bytes(name, read, written)))
            self.unseen_flops += _arithmetic(name, read, written)
        return out


def _tensors(tree: Any) -> Iterator[torch.Tensor]:
    return (leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor))


def _bytes(name: str, read: list[torch.Tensor], written: list[torch.Tensor]) -> int:
    wrote = sum(map(_size, written))
    if name in _SHAPE_ONLY:
        return wrote
    if name in _PARTLY_READ:
        return 2 * wrote + sum(map(_size, read[1:]))
    if name in _PARTLY_WRITTEN:
        given = sum(map(_size, read[1:]))
        return 2 * given if given else wrote
    return wrote + sum(map(_size, read))


def _arithmetic(name: str, read: list[torch.Tensor], written: list[torch.Tensor]) -> int:
    """FLOPs outside products; the counter of products sees none of them."""
    if name.rstrip("_") in _PER_RESULT and written[0].is_floating_point():
        return written[0].numel()
    return _PER_OPERAND.get(name, 0) * (read[0].numel() if read else 0)


def _size(tensor: torch.Tensor) -> int:
    """Bytes of a tensor's own numbers; one that is repeated along an axis counts once."""
    numbers = 1
    for length, step in zip(tensor.shape, tensor.stride(), strict=True):
        numbers *= length if step else min(length, 1)
    return numbers * tensor.element_size()
