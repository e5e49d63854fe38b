"""What a selection works on: the prompt's rows, and the blocks in which they are worked on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from omnizip_cost.compression.blocks import DEVICE_BLOCK_ELEMENTS, block_starts
from omnizip_cost.compression.layout import Layout, Run
from omnizip_cost.compression.plan import Plan
from omnizip_cost.specs.spec import ThinkerSpec
from omnizip_cost.units import BYTES_PER_ELEMENT

WORKING = 4
"""Bytes of a number in float32, in which similarities are computed."""

INDEX = 8
"""Bytes of a token's number."""


@dataclass(frozen=True, kw_only=True)
class PlannedPrompt:
    """A plan's prompt as its selection meets it: rows of d numbers in one dtype."""

    spec: ThinkerSpec
    plan: Plan
    dtype: str

    @property
    def d(self) -> int:
        """Width of a row."""
        return self.spec.text.hidden_size

    @property
    def rows(self) -> int:
        """Rows of the whole prompt, text included."""
        return self.plan.av_tokens + self.plan.text_tokens

    @property
    def width(self) -> int:
        """Bytes of one number of a row."""
        return BYTES_PER_ELEMENT[self.dtype]

    @property
    def half(self) -> int:
        """1 where rows are copied to float32 before anything is computed of them, else 0."""
        return int(self.dtype != "float32")

    def raised(self, numbers: int) -> int:
        """Bytes read and written to copy that many numbers to float32, if they are."""
        return self.half * numbers * (self.width + WORKING)

    def gathered(self, rows: int) -> int:
        """Bytes read and written to gather that many rows and to raise them."""
        return 2 * rows * self.d * self.width + self.raised(rows * self.d)

    @cached_property
    def layout(self) -> Layout:
        """Where video and audio are; text, of no account here, is all put behind them."""
        video, audio, start = [], [], 0
        for window in self.plan.windows:
            video.append(Run(start, window.video_tokens))
            audio.append(Run(start + window.video_tokens, window.audio_tokens))
            start += window.video_tokens + window.audio_tokens
        return Layout(
            length=self.rows,
            tokens_per_grid=self.plan.tokens_per_grid or 0,
            video_runs=tuple(run for run in video if run.length),
            audio_runs=tuple(run for run in audio if run.length),
        )


def block_lengths(count: int, elements_each: int) -> list[int]:
    """Items of each block into which ``count`` items are cut on an accelerator."""
    starts = block_starts(count, elements_each, DEVICE_BLOCK_ELEMENTS)
    return [min(starts.step, count - first) for first in starts]


def pieces(count: int, elements_each: int) -> int:
    """How many blocks ``count`` items make on an accelerator."""
    return len(block_starts(count, elements_each, DEVICE_BLOCK_ELEMENTS))
