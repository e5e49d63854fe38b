"""A layout made by hand is refused where it cannot be that of a prompt."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from omnizip_cost.compression.blocks import block_starts
from omnizip_cost.errors import InvalidValueError
from omnizip_cost.runtime.selection import Layout, read_layout, select
from omnizip_cost.runtime.selection.layout import Run

GOOD: dict[str, Any] = {
    "length": 12,
    "tokens_per_grid": 2,
    "video_runs": (Run(1, 4), Run(7, 2)),
    "audio_runs": (Run(5, 2), Run(9, 3)),
}


def test_runs_may_touch_and_reach_the_end() -> None:
    layout = Layout(**GOOD)
    assert layout.video_sizes == (4, 2) and layout.audio_sizes == (2, 3)
    assert layout.audio_positions().tolist() == [5, 6, 9, 10, 11]
    assert Layout(**{**GOOD, "video_runs": (), "tokens_per_grid": 0}).windows == 2


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"length": -1}, "length must be a whole number, 0 or more, got -1"),
        ({"length": 12.0}, "length must be a whole number, 0 or more, got 12.0"),
        ({"length": 11}, "audio_runs must be inside the prompt of 11 tokens, got Run"),
        ({"video_runs": [Run(1, 4)]}, "video_runs must be a tuple of runs, got"),
        ({"video_runs": ((1, 4),)}, "video_runs must be runs of whole numbers"),
        ({"video_runs": (Run(1, 2.5),)}, "video_runs must be runs of whole numbers"),
        ({"audio_runs": (Run(5, True),)}, "audio_runs must be runs of whole numbers"),
        ({"audio_runs": (Run(5, 0),)}, "audio_runs must be runs of one token or more"),
        ({"audio_runs": (Run(-1, 1),)}, "audio_runs must be in order and apart"),
        ({"video_runs": (Run(7, 2), Run(1, 4))}, "video_runs must be in order and apart"),
        ({"video_runs": (Run(1, 4), Run(4, 1))}, "video_runs must be in order and apart"),
        ({"audio_runs": (Run(4, 2),)}, "video_runs and audio_runs must be apart from each other"),
        ({"tokens_per_grid": 0}, "tokens_per_grid must be a positive whole number, got 0"),
        ({"tokens_per_grid": True}, "tokens_per_grid must be a positive whole number, got True"),
    ],
)
def test_what_is_no_prompt_is_refused(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        Layout(**{**GOOD, **changed})
    assert str(refused.value).startswith(f"layout: {told}"), refused.value


def test_numbers_of_numpy_are_whole_numbers() -> None:
    rows, scores = torch.randn(12, 8), torch.rand(5)
    asked = {"audio_pruning": 0.4, "video_pruning": 0.5}
    plain = select("omnizip", rows, scores, Layout(**GOOD), **asked)
    ids = torch.tensor([0, 1, 1, 1, 1, 2, 2, 1, 1, 2, 2, 2])
    read = read_layout(ids, audio_id=2, video_id=1, tokens_per_grid=np.int64(2))
    assert read == Layout(**GOOD)
    assert torch.equal(select("omnizip", rows, scores, read, **asked).keep, plain.keep)


@pytest.mark.parametrize("count", [0, 1, 7, 30, 999])
@pytest.mark.parametrize("each", [0, 1, 10, 64, 65])
def test_blocks_are_even_whole_and_small(count: int, each: int) -> None:
    starts = block_starts(count, each, 64)
    sizes = [min(starts.step, count - first) for first in starts]
    assert sum(sizes) == count
    assert all(size == starts.step for size in sizes[:-1])
    assert all(size > 0 and (size * each <= 64 or size == 1) for size in sizes)
    fewest = -(-count // max(1, 64 // max(1, each)))
    assert len(sizes) <= fewest
