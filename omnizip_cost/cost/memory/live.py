"""Tensors that are alive: made, dropped, and the moment at which they took the most bytes.

A pass is told as it runs: each tensor is held when an operator makes it and dropped when the last
name for it goes. The largest sum that ever stood is the peak, with what each part had in it then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from omnizip_cost.units import MEBI

Part = Literal[
    "weights",
    "inputs",
    "cache",
    "activations",
    "logits",
    "attention_weights",
    "audio_scores",
    "selection",
    "allocator",
]

PARTS: tuple[Part, ...] = (
    "weights",
    "inputs",
    "cache",
    "activations",
    "logits",
    "attention_weights",
    "audio_scores",
    "selection",
    "allocator",
)
"""What holds memory: ``weights`` with buffers; ``inputs`` as the processor hands them over (pixels,
log-mel frames, ids); ``cache`` of keys and values; ``logits`` of the prompt's or a step's
positions; ``attention_weights`` written out, masks among them; ``audio_scores`` and ``selection``,
the working tensors of choosing tokens; ``allocator``, what rounding adds; ``activations``, all
else."""

BLOCK = 512
"""Bytes to whose multiples CUDA's caching allocator rounds (``kMinBlockSize`` of PyTorch's
c10/cuda/CUDACachingAllocator)."""

_OWN_SEGMENT, _GRAIN, _LEAST_REST = 10 * MEBI, 2 * MEBI, 1 * MEBI
"""From 10 MiB on a tensor that finds no free block gets a segment of its own, rounded to 2 MiB
(``kMinLargeAlloc``, ``kRoundLarge``); a rest of at most 1 MiB is not split off and counts as the
tensor's (``kSmallSize``)."""


def exact_bytes(size: int) -> int:
    """Bytes of a tensor's own numbers, with no allocator in between."""
    return size


def block_bytes(size: int) -> int:
    """Bytes that PyTorch's caching allocator counts for one tensor that gets fresh memory.

    >>> block_bytes(1), block_bytes(10 * 2**20 + 1) - 10 * 2**20
    (512, 512)
    >>> block_bytes(135_790_592) - 135_790_592  # 129.5 MiB in a segment of 130
    524288
    """
    rounded = -(-size // BLOCK) * BLOCK
    if rounded < _OWN_SEGMENT:
        return rounded
    rest = -rounded % _GRAIN
    return rounded + rest if rest <= _LEAST_REST else rounded


class Live:
    """What is alive in one pass, by name.

    Parameters
    ----------
    counted : callable
        Bytes that a tensor of so many bytes takes: :func:`exact_bytes` or :func:`block_bytes`.
    """

    def __init__(self, counted: Callable[[int], int] = exact_bytes) -> None:
        self._counted = counted
        self._held: dict[str, tuple[Part, int, int]] = {}
        self._now: Counter[Part] = Counter()
        self._total = 0
        self._restart()
        self._stages: dict[str, dict[Part, int]] = {}
        self._stage: str | None = None

    def _restart(self) -> None:
        self._most, self._at_most = self._total, self._now.copy()

    @property
    def peak(self) -> dict[Part, int]:
        """Bytes of each part when all together were the most, in this stage so far."""
        return {part: self._at_most[part] for part in PARTS}

    @property
    def stages(self) -> dict[str, dict[Part, int]]:
        """Peak of each stage that was told."""
        return dict(self._stages)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Tell what follows as this stage; one told in several stretches has the worst of them."""
        outer = self._stage
        self._close()
        self._stage = name
        yield
        self._close()
        self._stage = outer

    def _close(self) -> None:
        """Take down the stage so far, and begin anew with what is alive."""
        if self._stage is not None:
            before, now = self._stages.get(self._stage), self.peak
            worse = before is None or sum(now.values()) > sum(before.values())
            self._stages[self._stage] = now if worse or before is None else before
        self._restart()

    def hold(self, name: str, size: int, part: Part = "activations", count: int = 1) -> None:
        """Make ``count`` tensors of ``size`` bytes each, known by one name until dropped."""
        if name in self._held:
            raise ValueError(f"{name} is alive already")
        own, taken = count * size, count * self._counted(size)
        self._held[name] = part, own, taken
        self._now[part] += own
        self._now["allocator"] += taken - own
        self._total += taken
        if self._total > self._most:
            self._restart()

    def drop(self, *names: str) -> None:
        """Let go of tensors; one that is not alive is a mistake of the story told."""
        for name in names:
            part, own, taken = self._held.pop(name)
            self._now[part] -= own
            self._now["allocator"] -= taken - own
            self._total -= taken

    def drop_all(self, *names: str) -> None:
        """Let go of those of these tensors that are alive."""
        self.drop(*(name for name in names if name in self._held))

    def drop_part(self, part: Part) -> None:
        """Let go of everything that one part holds."""
        self.drop(*[name for name, (own, _, _) in self._held.items() if own == part])

    def rename(self, old: str, new: str) -> None:
        """Go on under another name."""
        if new in self._held:
            raise ValueError(f"{new} is alive already")
        self._held[new] = self._held.pop(old)
