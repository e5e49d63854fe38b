"""The order of audio and video tokens in the prompt: unbroken runs, paired into windows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import Literal, NamedTuple

from omnizip_cost.specs.spec import ThinkerSpec
from omnizip_cost.workload.workload import Window

Modality = Literal["video", "audio"]


class Run(NamedTuple):
    """Tokens of one modality with no token of the other between them."""

    modality: Modality
    tokens: int


def runs(
    spec: ThinkerSpec,
    *,
    grids: int,
    tokens_per_grid: int,
    audio_tokens: int,
    seconds_per_grid: float,
) -> tuple[Run, ...]:
    """Unbroken runs in prompt order for one video with its sound (either may be absent).

    Time is counted in position ids (25 per second in Qwen2.5-Omni, 13 in Qwen3-Omni); one audio
    token is one id, a grid starts at its number times ``seconds_per_grid``.

    Source: ``replace_video_with_audio_token`` of both omni processors, which ``get_rope_index`` of
    the thinkers repeats.
    """
    if not grids or not audio_tokens:
        return _merged([Run("video", grids * tokens_per_grid), Run("audio", audio_tokens)])
    starts = [grid * seconds_per_grid * spec.position_ids_per_second for grid in range(grids)]
    if spec.seconds_per_window is None:
        return _merged(_audio_after_each_grid(starts, tokens_per_grid, audio_tokens))
    window_ids = spec.position_ids_per_second * spec.seconds_per_window
    return _merged(_chunk_by_chunk(starts, tokens_per_grid, audio_tokens, window_ids))


def windows(order: tuple[Run, ...]) -> tuple[Window, ...]:
    """Pair the i-th unbroken run of video with the i-th unbroken run of audio.

    The runs alternate and video comes first wherever it exists, so that writing the windows one
    after the other, each video first, gives the prompt's order back.
    """
    video = [run.tokens for run in order if run.modality == "video"]
    audio = [run.tokens for run in order if run.modality == "audio"]
    return tuple(
        Window(video_tokens=video_tokens, audio_tokens=audio_tokens)
        for video_tokens, audio_tokens in zip_longest(video, audio, fillvalue=0)
    )


def _merged(pieces: Iterable[Run]) -> tuple[Run, ...]:
    """Drop empty pieces and join neighbours of one modality."""
    order: list[Run] = []
    for piece in pieces:
        if not piece.tokens:
            continue
        if order and order[-1].modality == piece.modality:
            order[-1] = Run(piece.modality, order[-1].tokens + piece.tokens)
        else:
            order.append(piece)
    return tuple(order)


def _chunk_by_chunk(
    starts: list[float], tokens_per_grid: int, audio_tokens: int, window_ids: int
) -> Iterator[Run]:
    """Qwen2.5-Omni: the video tokens of each 2 s chunk, then its audio tokens."""
    video = list(_video_chunks(starts, tokens_per_grid, window_ids))
    whole, rest = divmod(audio_tokens, window_ids)
    audio = [window_ids] * whole + [rest]
    for video_tokens, sound_tokens in zip_longest(video, audio, fillvalue=0):
        yield Run("video", video_tokens)
        yield Run("audio", sound_tokens)


def _video_chunks(starts: list[float], tokens_per_grid: int, window_ids: int) -> Iterator[int]:
    """Sizes of the video chunks, by the published rule: at most one new chunk per *token*.

    Where grids lie more than a chunk apart (fps below 1), a grid therefore loses its first tokens,
    one by one, to the chunks that time has skipped.
    """
    begun, border = 0, window_ids
    for grid, start in enumerate(starts):
        first = grid * tokens_per_grid
        for token in range(first, first + tokens_per_grid):
            if start < border:
                break
            yield token - begun
            begun, border = token, border + window_ids
    yield len(starts) * tokens_per_grid - begun


def _audio_after_each_grid(
    starts: list[float], tokens_per_grid: int, audio_tokens: int
) -> Iterator[Run]:
    """Qwen3-Omni: before each grid, the audio tokens whose id lies before the grid's start."""
    written = 0
    for start in starts:
        due = min(audio_tokens, math.ceil(start))
        yield Run("audio", due - written)
        yield Run("video", tokens_per_grid)
        written = due
    yield Run("audio", audio_tokens - written)
