"""Break-even: from which length on a method saves more than choosing its tokens costs.

What is saved and what is spent are functions of the length, in FLOPs or in seconds alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import cycle, islice, pairwise
from typing import Any

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.workload.workload import Window, Workload

Amount = Callable[[int], Any]
"""FLOPs or seconds at a length."""

MOST_TOKENS = 250_000
"""Longest clip looked at, unless a longer one is asked about: audio and video tokens, eight times
the context of Qwen2.5-Omni."""

SECOND_TOKENS = 25
"""Step of a clip of sound alone: one second of audio tokens in Qwen2.5-Omni."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEven:
    """The lengths at which a method saves more than it costs, among those looked at."""

    least: int
    """Shortest length looked at."""
    most: int
    """Longest length looked at."""
    first: int | None
    """Shortest length that saves; None where none does."""
    last: int | None
    """Longest length that saves."""

    @property
    def always(self) -> bool:
        """Whether every length saves."""
        return (self.first, self.last) == (self.least, self.most)

    def worded(self, tokens: Callable[[int], int]) -> str:
        """Say it in a phrase, lengths turned into audio and video tokens.

        >>> BreakEven(least=1, most=9, first=3, last=9).worded(lambda windows: 338 * windows)
        'from 1,014 tokens'
        """
        if self.first is None or self.last is None:
            return "never saves"
        if self.always:
            return "at any length"
        begin, end = f"from {tokens(self.first):,}", f"up to {tokens(self.last):,}"
        named = [begin] * (self.first > self.least) + [end] * (self.last < self.most)
        return f"{' '.join(named)} tokens"


def break_even(saved: Amount, spent: Amount, *, least: int, most: int) -> BreakEven:
    """Find the lengths at which ``saved`` exceeds ``spent``.

    Ever doubled lengths are looked at, and the change between two of them is found by halving:
    exact where the sign changes at most once between neighbours, as it does for differences of
    quadratics, which costs in prefill are. Where whole tokens are kept, rounding can make the sign
    flip back and forth over a few neighbouring lengths: one of these changes is found.

    Parameters
    ----------
    saved, spent : callable
        Of a length, in one unit.
    least, most : int
        Shortest and longest length to look at.

    Raises
    ------
    InvalidValueError
        Lengths that are not positive or out of order.
    """
    if not 0 < least <= most:
        raise InvalidValueError("break-even", "least", f"between 1 and most ({most})", least)

    def saves(length: int) -> bool:
        return bool(saved(length) > spent(length))

    seen = [(length, saves(length)) for length in _lengths(least, most)]
    paid = [length for length, good in seen if good]
    if not paid:
        return BreakEven(least=least, most=most, first=None, last=None)
    first, last = paid[0], paid[-1]
    for (below, low), (above, high) in pairwise(seen):
        if above == first and not low:
            first = _halved(saves, below, above)
        if below == last and not high:
            last = _halved(lambda length: not saves(length), below, above) - 1
    return BreakEven(least=least, most=most, first=first, last=last)


def _lengths(least: int, most: int) -> Iterator[int]:
    length = least
    while length < most:
        yield length
        length *= 2
    yield most


def _halved(wanted: Callable[[int], bool], below: int, above: int) -> int:
    """Return the first length after ``below`` that is wanted, knowing that ``above`` is."""
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (below, middle) if wanted(middle) else (middle, above)
    return above


def same_mix(work: Workload, length: int) -> Workload:
    """Return a clip of ``length`` windows that goes on as this one does: same mix, same text.

    Windows follow each other as in the clip, over and over. A clip of one modality is a single
    run, whose length is counted in grids, or in seconds of sound.
    """
    if work.video_tokens and work.audio_tokens:
        windows = tuple(islice(cycle(work.windows), length))
    elif work.video_tokens:
        windows = (Window(video_tokens=length * work.tokens_per_grid, audio_tokens=0),)
    else:
        windows = (Window(video_tokens=0, audio_tokens=length * SECOND_TOKENS),)
    heard = sum(window.audio_tokens for window in windows)
    mel_frames = -(-work.mel_frames * heard // work.audio_tokens) if work.audio_tokens else 0
    return replace(work, windows=windows, mel_frames=mel_frames)


def longest(work: Workload, tokens: int = MOST_TOKENS) -> int:
    """Length up to which :func:`same_mix` stays within ``tokens`` audio and video tokens."""
    return max(1, tokens * 8 // same_mix(work, 8).av_tokens)
