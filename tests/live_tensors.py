"""Bytes of the tensors that are alive while a real module runs: a witness for memory.

Nothing is computed: under fake tensors torch works out shapes, layouts and lifetimes alone, as if
on a CUDA device. Fused attention, which torch picks on a real one only, is put in its place.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary


class LiveTensors(TorchDispatchMode):
    """Counts storages from the operator that makes them until nothing refers to them."""

    def __init__(self, device: str = "meta") -> None:
        super().__init__()
        self.device = device
        self.live = 0
        self.peak = 0
        self.at_peak: Counter[tuple[str, int]] = Counter()
        """What was alive at the peak: how many storages of one operator and size."""
        self._known = WeakIdKeyDictionary()
        self._alive: Counter[tuple[str, int]] = Counter()

    def restart(self) -> None:
        """Forget the peak, as ``reset_peak_memory_stats`` does."""
        self.peak, self.at_peak = self.live, self._alive.copy()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        for leaf in () if func.is_view else tree_leaves(out):
            if isinstance(leaf, torch.Tensor) and leaf.device.type == self.device:
                self._hold(func._overloadpacket.__name__, leaf.untyped_storage())
        if self.live > self.peak:
            self.restart()
        return out

    def _hold(self, name: str, storage: torch.UntypedStorage) -> None:
        if storage in self._known:
            return
        key = name, storage.nbytes()
        self._known[storage] = key
        self.live += key[1]
        self._alive[key] += 1
        weakref.finalize(storage, self._drop, key)

    def _drop(self, key: tuple[str, int]) -> None:
        self.live -= key[1]
        self._alive[key] -= 1


class FusedAttention(TorchFunctionMode):
    """Flash attention wherever fused attention is asked for without a mask, as on CUDA."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is not torch.nn.functional.scaled_dot_product_attention:
            return func(*args, **kwargs)
        assert kwargs.get("attn_mask") is None
        flash = torch.ops.aten._scaled_dot_product_flash_attention
        return flash(*args[:3], 0.0, kwargs["is_causal"], scale=kwargs["scale"])[0]


@contextmanager
def live_tensors() -> Iterator[LiveTensors]:
    """Follow what comes to life in the block; what lives before it is not counted."""
    live = LiveTensors()
    with torch.no_grad(), FusedAttention(), live:
        yield live
