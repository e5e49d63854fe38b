"""Workloads of any layout that the processor can make, drawn by Hypothesis, and their prompts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from hypothesis import strategies as st
from tiny_thinker import TOKENS

from omnizip_cost.cost.encoders import attention_blocks
from omnizip_cost.specs import ThinkerSpec
from omnizip_cost.workload.workload import Window, Workload


def windowed(windows: Sequence[tuple[int, int]], grid: int, mel_frames: int) -> Workload:
    """Return a workload of these windows (video, audio tokens), text on both sides."""
    return Workload(
        name="drawn",
        windows=tuple(Window(video_tokens=video, audio_tokens=audio) for video, audio in windows),
        tokens_per_grid=grid,
        text_before=3,
        text_after=4,
        grid_thw=None,
        mel_frames=mel_frames,
    )


def token_ids(work: Workload) -> torch.Tensor:
    """Token ids of the workload's prompt: text, windows of video then audio, text."""
    body = [
        token
        for window in work.windows
        for token in [TOKENS.video] * window.video_tokens + [TOKENS.audio] * window.audio_tokens
    ]
    return torch.tensor([20] * work.text_before + body + [21] * work.text_after)


@st.composite
def layouts(draw: st.DrawFn, spec: ThinkerSpec) -> Workload:
    """Windows of whole grids, a short or missing last one, any tail of either modality."""
    grid = draw(st.integers(1, 9))
    mel_frames = draw(st.integers(0, 620))
    audio = sum(attention_blocks(spec.audio, mel_frames)) // 2
    share = draw(st.integers(1, 50))
    heard = [share] * (audio // share) + [audio % share] * bool(audio % share)
    grids = st.integers(1, 4).map(lambda count: count * grid)
    even = st.tuples(grids, st.integers(1, 5)).map(lambda pair: [pair[0]] * pair[1])
    seen = draw(st.one_of(st.lists(grids, max_size=5), even))
    if not seen and not audio:
        seen = [grid]
    if seen and draw(st.booleans()):
        seen[-1] = draw(st.integers(1, 3 * grid))
    if not seen:
        windows = [(0, audio)]
    elif len(heard) > len(seen):  # sound that no video parts is one run
        windows = [*zip(seen[:-1], heard, strict=False), (seen[-1], sum(heard[len(seen) - 1 :]))]
    else:
        rest = seen[len(heard) :]
        windows = [*zip(seen, heard, strict=False)] + [(sum(rest), 0)] * bool(rest)
    return windowed(windows, grid if seen else 0, mel_frames if audio else 0)
