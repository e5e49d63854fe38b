"""What taps on encoders share: hooks for the length of a block, and a record to forget."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from torch.utils.hooks import RemovableHandle


class Tap(ABC):
    """Record what a module computes inside a ``with`` block; leaving it removes every hook."""

    def __init__(self) -> None:
        self._handles: list[RemovableHandle] = []
        self.clear()

    @abstractmethod
    def clear(self) -> None:
        """Forget what was recorded."""

    @abstractmethod
    def _hooks(self) -> list[RemovableHandle]:
        """Register every hook."""

    def __enter__(self) -> Self:
        self._handles = self._hooks()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []
