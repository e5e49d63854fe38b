"""What was kept of a clip, as tables: each token where it is seen or heard, and as selected."""

from __future__ import annotations

import io
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from omnizip_cost.compression import make_plan
from omnizip_cost.errors import InvalidValueError, MediaError
from omnizip_cost.runtime.clip_selection import Pruning, select_by_proxy
from omnizip_cost.runtime.clip_times import token_times
from omnizip_cost.runtime.kept_tables import even_choice, kept_tokens, kept_windows, shown_grids
from omnizip_cost.specs import load_spec
from omnizip_cost.workload import default_settings
from omnizip_cost.workload.clip import Clip

QWEN25, QWEN3 = load_spec("qwen2.5-omni-7b"), load_spec("qwen3-omni-30b-a3b")
USUAL = Pruning(audio_pruning=0.4, video_pruning=0.7)


def _clip(
    *, seconds: float = 4, sound_s: float | None = None, rows: int = 5, columns: int = 8,
    side: int = 28, spec=QWEN25,
) -> Clip:  # fmt: skip
    """Grey frames at 2 a second, and noise that swells every other second."""
    rng = np.random.default_rng(0)
    sound_s = seconds if sound_s is None else sound_s
    samples = int(16_000 * sound_s)
    swell = 0.02 + 0.4 * (np.arange(samples) // 16_000 % 2)
    frames = np.full((int(2 * seconds), rows * side, columns * side, 3), 90, np.uint8)
    frames[..., 0] += (np.arange(columns * side) // side).astype(np.uint8)  # no two columns alike
    return Clip(
        name="grey.mp4",
        frames=frames if seconds else None,
        waveform=(rng.uniform(-1, 1, samples) * swell).astype(np.float32),
        settings=default_settings(spec),
        source_fps=25.0 if seconds else 0.0,
        source_frames=int(25 * seconds),
    )


def _cells(tokens, grid: int) -> set[tuple[int, int]]:
    return {(row.row, row.column) for row in tokens if row.grid == grid and row.kept}


@pytest.mark.parametrize("place", [(0, 0), (2, 3), (4, 7)])
def test_what_changes_between_two_grids_is_kept_where_it_is_seen(place: tuple[int, int]) -> None:
    """The second grid of a window keeps the tokens that changed: one square is painted there."""
    clip = _clip()
    top, left = 28 * place[0], 28 * place[1]
    clip.frames[2:4, top : top + 28, left : left + 28] = (250, 10, 10)
    tokens = list(kept_tokens(select_by_proxy(clip, QWEN25, replace(USUAL, video_pruning=0.75))))
    kept = _cells(tokens, 1)
    assert place in kept
    assert len(kept) == 10, "a quarter of 5 x 8"


def test_tokens_are_those_of_the_selection_in_prompt_order() -> None:
    case = select_by_proxy(_clip(seconds=5), QWEN25, USUAL)
    tokens = list(kept_tokens(case))
    assert {row.token: row.kept for row in tokens} == {
        place: bool(case.keep[place])
        for place in (*case.layout.video_positions(), *case.layout.audio_positions())
    }
    assert len(tokens) == case.workload.av_tokens
    video = [row for row in tokens if row.modality == "video"]
    assert [(row.grid, row.row, row.column) for row in video] == [
        (grid, row, column) for grid in range(5) for row in range(5) for column in range(8)
    ]
    assert [(row.start_s, row.window) for row in video[::40]] == [
        (0.0, 0), (1.0, 0), (2.0, 1), (3.0, 1), (4.0, 2)
    ]  # fmt: skip
    audio = [row for row in tokens if row.modality == "audio"]
    assert [row.start_s for row in audio] == pytest.approx([i / 25 for i in range(len(audio))])
    assert [row.score for row in audio] == case.audio_scores.tolist()


def test_anchors_are_kept_beside_the_best_scores() -> None:
    """round(0.6 N) best scores are salient; round(0.05 N) anchors lie evenly in what is left."""
    tokens = list(kept_tokens(select_by_proxy(_clip(seconds=8), QWEN25, USUAL)))
    audio = [row for row in tokens if row.modality == "audio"]
    salient = [row.score for row in audio if row.kept and not row.anchor]
    anchors = [place for place, row in enumerate(audio) if row.anchor]
    assert (len(audio), len(salient), len(anchors)) == (200, 120, 10)
    assert min(salient) >= max(row.score for row in audio if not row.kept or row.anchor)
    left = [place for place, row in enumerate(audio) if row.anchor or not row.kept]
    assert [left.index(place) for place in anchors] == list(range(0, 80, 8))
    assert all(row.anchor is None for row in tokens if row.modality == "video")


def test_sound_under_a_token_is_that_of_its_forty_milliseconds() -> None:
    clip = _clip()
    audio = [
        row for row in kept_tokens(select_by_proxy(clip, QWEN25, USUAL)) if row.low is not None
    ]
    for number in (0, 37, len(audio) - 1):
        part = clip.waveform[640 * number : 640 * (number + 1)]
        assert (audio[number].low, audio[number].high) == (
            min(0.0, float(part.min())),
            max(0.0, float(part.max())),
        )


@pytest.mark.parametrize("mode", ["paper", "official"])
@pytest.mark.parametrize("seconds", [2, 5, 11])
def test_windows_count_what_the_plan_counts(mode: str, seconds: int) -> None:
    pruning = replace(USUAL, mode=mode)
    case = select_by_proxy(_clip(seconds=seconds), QWEN25, pruning)
    rows = kept_windows(case)
    plan = make_plan(
        "omnizip", case.workload, QWEN25, audio_pruning=0.4, video_pruning=0.7, mode=mode,
        retention=[row.retention for row in rows],
    )  # fmt: skip
    assert [(row.audio_kept, row.video_kept) for row in rows] == [
        (window.audio_kept, window.video_kept) for window in plan.windows
    ]
    assert rows[0].realised == pytest.approx(plan.realised)
    assert {(row.scores, row.video_features) for row in rows} == {("proxy", "pixels (proxy)")}


def test_audio_rows_have_no_say_in_what_survives() -> None:
    """They are zeros here: the promise on which that rests, for both modes."""
    import torch

    from omnizip_cost.runtime.inputs import token_ids
    from omnizip_cost.runtime.selection import select

    case = select_by_proxy(_clip(), QWEN25, USUAL)
    layout, ids = case.layout, token_ids(QWEN25, case.workload)
    rows = torch.randn(layout.length, 48, generator=torch.Generator().manual_seed(1))
    for mode in ("paper", "official"):
        masks = []
        for factor in (1.0, 0.0, -3.0):
            changed = rows.clone()
            changed[layout.audio_positions()] *= factor
            masks.append(
                select(
                    "omnizip", changed, torch.from_numpy(case.audio_scores), ids,
                    audio_id=QWEN25.tokens.audio, video_id=QWEN25.tokens.video,
                    tokens_per_grid=40, audio_pruning=0.4, video_pruning=0.7, mode=mode,
                ).keep
            )  # fmt: skip
        assert torch.equal(masks[0], masks[1]) and torch.equal(masks[0], masks[2])


def test_pictures_are_the_first_frames_of_their_grids() -> None:
    clip = _clip(seconds=5)
    for number in range(10):
        clip.frames[number] = 20 * number
    shown = shown_grids(select_by_proxy(clip, QWEN25, USUAL))
    assert [(row.pair, row.place, row.grid, row.window) for row in shown] == [
        (0, 0, 0, 0), (0, 1, 1, 0), (1, 0, 2, 1), (1, 1, 3, 1), (2, 0, 4, 2)
    ]  # fmt: skip
    assert {(row.pairs, row.rows, row.columns) for row in shown} == {(3, 5, 8)}
    for row in shown:
        picture = np.asarray(Image.open(io.BytesIO(row.picture)))
        assert picture.shape == (140, 224, 3)
        assert abs(float(picture.mean()) - 40 * row.grid) < 3


def test_capped_frames_tell_when_they_were_taken() -> None:
    """20 s of film in 8 frames: grids lie 5 s apart in it, and 1 s apart in the prompt."""
    clip = replace(_clip(), source_frames=500)
    shown = shown_grids(select_by_proxy(clip, QWEN25, USUAL))
    assert [(row.start_s, row.taken_s) for row in shown] == [
        (0.0, 0.0), (1.0, pytest.approx(5.0, abs=0.04)), (2.0, pytest.approx(10.0, abs=0.04)),
        (3.0, pytest.approx(15.0, abs=0.04)),
    ]  # fmt: skip
    uncapped = shown_grids(select_by_proxy(_clip(), QWEN25, USUAL))
    assert [row.taken_s for row in uncapped] == pytest.approx([0, 1, 2, 3], abs=0.04)


def test_large_frames_become_small_pictures() -> None:
    (first, *_) = shown_grids(select_by_proxy(_clip(seconds=2, rows=20, columns=30), QWEN25, USUAL))
    assert Image.open(io.BytesIO(first.picture)).size == (448, 299)


def test_of_a_long_clip_a_few_pairs_are_pictured() -> None:
    shown = shown_grids(select_by_proxy(_clip(seconds=60, rows=2, columns=3), QWEN25, USUAL))
    pairs = sorted({row.pair for row in shown})
    assert (len(pairs), pairs[0], pairs[-1], shown[0].pairs) == (12, 0, 29, 30)


def test_video_beyond_the_sound_is_one_window_of_many_pairs() -> None:
    case = select_by_proxy(_clip(seconds=9, sound_s=2), QWEN25, USUAL)
    spans = [(row.start_s, row.end_s) for row in kept_windows(case)]
    shown = shown_grids(case)
    assert spans[-1][1] == 9.0
    assert [row.grid for row in shown] == list(range(9))
    assert all(spans[row.window][0] <= row.start_s < spans[row.window][1] for row in shown)
    assert {row.place for row in shown} == {0, 1}


def test_sound_beyond_the_video_draws_its_window_out() -> None:
    rows = kept_windows(select_by_proxy(_clip(seconds=2, sound_s=6), QWEN25, USUAL))
    assert rows[-1].end_s == pytest.approx(6.0, abs=0.05)
    assert sum(row.audio_tokens for row in rows) == 150


def test_sound_alone_has_one_row_without_a_picture() -> None:
    case = select_by_proxy(_clip(seconds=0, sound_s=3), QWEN25, USUAL)
    (shown,) = shown_grids(case)
    assert (shown.picture, shown.pairs) == (None, 0)
    (window,) = kept_windows(case)
    assert (window.video_tokens, window.video_kept, window.start_s, window.end_s) == (0, 0, 0, 3.0)


@pytest.mark.parametrize("seconds", [0, 4])
def test_every_row_says_what_was_scored_and_compared_by(seconds: float) -> None:
    case = select_by_proxy(_clip(seconds=seconds, sound_s=4), QWEN25, USUAL)
    rows = [*kept_windows(case), *kept_tokens(case), *shown_grids(case)]
    features = "pixels (proxy)" if seconds else "none"
    assert {(row.scores, row.video_features) for row in rows} == {("proxy", features)}


def test_qwen3_alternates_grid_by_grid() -> None:
    case = select_by_proxy(_clip(side=32, spec=QWEN3), QWEN3, USUAL)
    shown = shown_grids(case)
    assert [row.grid for row in shown] == [0, 1, 2, 3]
    assert {row.place for row in shown} == {0}, "each window holds one grid"
    times = token_times(QWEN3, case.workload)
    assert times.audio(13) == (1.0, pytest.approx(14 / 13))


def test_silence_ranks_nothing() -> None:
    clip = _clip()
    with pytest.raises(MediaError, match=r"grey\.mp4: is silent throughout: .* all equal"):
        select_by_proxy(replace(clip, waveform=0 * clip.waveform), QWEN25, USUAL)


@pytest.mark.parametrize("mode", ["paper", "official"])
@pytest.mark.parametrize("rho_v", [0.1, 0.7, 0.95])
def test_without_sound_every_window_gets_the_budget(rho_v: float, mode: str) -> None:
    pruning = replace(USUAL, video_pruning=rho_v, mode=mode)
    case = select_by_proxy(replace(_clip(seconds=9), waveform=None), QWEN25, pruning)
    rows, tokens = kept_windows(case), list(kept_tokens(case))
    plan = make_plan("omnizip", case.workload, QWEN25, audio_pruning=0.4, video_pruning=rho_v,
                     mode=mode)  # fmt: skip
    assert {(row.retention, row.initial_rate, row.rate) for row in rows} == {(None, None, rho_v)}
    assert [row.video_kept for row in rows] == [window.video_kept for window in plan.windows]
    assert {row.note for row in rows} == {"no audio: every window gets rho_v"}
    assert (len(tokens), {row.modality for row in tokens}) == (360, {"video"})
    assert {row.scores for row in (*rows, *tokens, *shown_grids(case))} == {"none"}
    assert rows[-1].end_s == 9.0


@pytest.mark.parametrize("field", ["audio_pruning", "video_pruning"])
def test_ratios_are_checked_before_a_clip_is_read(field: str) -> None:
    with pytest.raises(InvalidValueError, match=rf"{field} must be a ratio in \[0, 1\], got 1.5"):
        replace(USUAL, **{field: 1.5})


@given(st.integers(0, 500), st.integers(2, 30))
def test_an_even_choice_is_even(count: int, at_most: int) -> None:
    picks = even_choice(count, at_most)
    assert len(picks) == len(set(picks)) == min(count, at_most)
    gaps = {after - before for before, after in pairwise(picks)}
    assert len(gaps) <= 2 and (not gaps or max(gaps) - min(gaps) <= 1)
    assert not picks or (picks[0], picks[-1]) == (0, count - 1)
