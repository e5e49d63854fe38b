"""What `paper` mode promises, tried on 20,000 made clips and through every public door.

The budget is kept to 1e-12, the bounds and the order hold exactly, more audio in a window never
costs that window video, and tokens follow the rates: within one token per grid, or exactly.
`test_allocation.py` holds the same rates to random windows; here weights are zero or far apart,
budgets touch the bounds, shares tie, and the promises go on to tensors and plans.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from golden.layouts import AUDIO, LEVELS, TEXT, VIDEO, Case
from golden.plain import runs
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_thinker import tiny_spec

import omnizip_cost as oz
from omnizip_cost.workload.workload import Window, Workload

CLIPS = 20_000


@dataclass(frozen=True, kw_only=True)
class Clip:
    """Arguments of one allocation."""

    shares: np.ndarray
    weights: np.ndarray
    rho_v: float
    rho_min: float
    rho_max: float

    def rates(self, shares: np.ndarray | None = None) -> np.ndarray:
        return oz.allocate(
            self.shares if shares is None else shares,
            video_pruning=self.rho_v,
            video_tokens=self.weights,
            rho_min=self.rho_min,
            rho_max=self.rho_max,
        )

    @property
    def counted(self) -> np.ndarray:
        """Weights of the windows with audio; equal where none of them has video."""
        weights = np.where(np.isnan(self.shares), 0.0, self.weights)
        return weights if weights.any() else np.where(np.isnan(self.shares), 0.0, 1.0)


def made_shares(random: np.random.Generator, windows: int) -> np.ndarray:
    """Shares at will, in fiftieths, all or nothing, all equal, or equal but for the last bits."""
    shares = random.random(windows)
    shares = (
        shares,
        np.round(shares * 50) / 50,
        np.round(shares),
        np.full(windows, shares[0]),
        np.clip(shares[0] + 1e-15 * random.integers(-3, 4, windows), 0, 1),
    )[random.integers(5)]
    if random.random() < 0.2:
        shares[random.random(windows) < 0.3] = np.nan
    return shares


def made_weights(random: np.random.Generator, windows: int) -> np.ndarray:
    """Video tokens: even, uneven, some zero, far apart, or no whole numbers."""
    even = np.full(windows, 288.0)
    return (
        even,
        random.integers(1, 2_000, windows).astype(float),
        even * (random.random(windows) > 0.4),
        np.round(10.0 ** random.uniform(0, 7, windows)),
        random.random(windows),
    )[random.integers(5)]


def made_clips(count: int, seed: int) -> Iterator[Clip]:
    """Clips of few windows and many; budgets anywhere, on a bound, or one step beside it."""
    random = np.random.default_rng(seed)
    for _ in range(count):
        windows = int(random.integers(1, 6 if random.random() < 0.5 else 60))
        low, high = (
            (0.35, 0.75),
            (0.35, 0.75),
            (0.0, 1.0),
            np.sort(random.random(2)).tolist(),
        )[random.integers(4)]
        bound = random.choice([low, high])
        rho_v = (
            bound,
            np.nextafter(bound, random.choice([0.0, 1.0])),
            random.uniform(low, high),
            round(random.random(), 2),
        )[random.integers(4)]
        yield Clip(
            shares=made_shares(random, windows),
            weights=made_weights(random, windows),
            rho_v=float(rho_v),
            rho_min=low,
            rho_max=high,
        )


@pytest.fixture(scope="module")
def clips() -> list[tuple[Clip, np.ndarray]]:
    return [(clip, clip.rates()) for clip in made_clips(CLIPS, seed=3)]


def test_the_made_clips_are_of_every_kind(clips: list[tuple[Clip, np.ndarray]]) -> None:
    """Else the tests below would say less than they seem to."""
    inside = sum(clip.rho_min < clip.rho_v < clip.rho_max for clip, _ in clips)
    assert inside > CLIPS / 3
    assert sum(clip.rho_v in (clip.rho_min, clip.rho_max) for clip, _ in clips) > CLIPS / 20
    assert sum(not clip.rho_min <= clip.rho_v <= clip.rho_max for clip, _ in clips) > CLIPS / 10
    assert sum(np.isnan(clip.shares).any() for clip, _ in clips) > CLIPS / 20
    assert sum((clip.weights == 0).any() for clip, _ in clips) > CLIPS / 20
    assert sum(len(clip.shares) == 1 for clip, _ in clips) > CLIPS / 20
    bound = [np.isin(rates, (clip.rho_min, clip.rho_max)) for clip, rates in clips]
    assert sum(bool(held.any() and not held.all()) for held in bound) > CLIPS / 10


def test_the_budget_is_kept(clips: list[tuple[Clip, np.ndarray]]) -> None:
    for clip, rates in clips:
        heard = ~np.isnan(clip.shares)
        assert np.all(rates[~heard] == clip.rho_v)
        if heard.any():
            mean = math.fsum(clip.counted * rates) / math.fsum(clip.counted)
            assert abs(mean - clip.rho_v) <= 1e-12, clip


def test_the_bounds_hold_exactly(clips: list[tuple[Clip, np.ndarray]]) -> None:
    for clip, rates in clips:
        heard = rates[~np.isnan(clip.shares)]
        if clip.rho_min <= clip.rho_v <= clip.rho_max:
            assert np.all((heard >= clip.rho_min) & (heard <= clip.rho_max)), clip
        else:
            assert np.all(heard == clip.rho_v), clip


def test_the_order_holds_exactly(clips: list[tuple[Clip, np.ndarray]]) -> None:
    """More audio, no higher rate; as much audio, the same rate."""
    for clip, rates in clips:
        heard = ~np.isnan(clip.shares)
        order = np.argsort(-clip.shares[heard], kind="stable")
        shares, sorted_rates = clip.shares[heard][order], rates[heard][order]
        assert np.all(np.diff(sorted_rates) >= 0), clip
        assert np.all(np.diff(sorted_rates)[np.diff(shares) == 0] == 0), clip


def test_the_rates_differ_where_the_audio_does(clips: list[tuple[Clip, np.ndarray]]) -> None:
    """The order is not kept by giving up: inside the bounds one shift keeps every difference."""
    met = 0
    for clip, rates in clips:
        inside = (rates > clip.rho_min) & (rates < clip.rho_max) & ~np.isnan(clip.shares)
        if clip.rho_min < clip.rho_v < clip.rho_max and inside.sum() > 1:
            initial = clip.rho_max - (clip.rho_max - clip.rho_min) * clip.shares[inside]
            assert np.ptp(rates[inside] - initial) <= 1e-14
            met += 1
    assert met > CLIPS / 5


def test_more_audio_in_a_window_never_costs_it_video(
    clips: list[tuple[Clip, np.ndarray]],
) -> None:
    random = np.random.default_rng(8)
    lower = 0
    for clip, rates in clips[::4]:
        heard = np.flatnonzero(~np.isnan(clip.shares))
        if len(heard) == 0:
            continue
        place = int(random.choice(heard))
        more = clip.shares.copy()
        more[place] += (1 - more[place]) * random.random()
        after = clip.rates(more)
        assert after[place] <= rates[place] + 1e-12, clip
        lower += after[place] < rates[place]
    assert lower > CLIPS / 20


def test_twice_the_weights_are_the_same_clip(clips: list[tuple[Clip, np.ndarray]]) -> None:
    """Only shares of the weights count: scaling them by a power of two changes no bit."""
    for clip, rates in clips[::8]:
        doubled = oz.allocate(
            clip.shares,
            video_pruning=clip.rho_v,
            video_tokens=4 * clip.weights,
            rho_min=clip.rho_min,
            rho_max=clip.rho_max,
        )
        np.testing.assert_array_equal(doubled, rates)


# -- through select and plan ---------------------------------------------------------------------


def chosen(case: Case, method: str = "omnizip", **way: Any) -> Any:
    return oz.select(method, case.embeddings(), case.audio_scores(), case.ids, **case.asked, **way)


def kept_in(keep: torch.Tensor, places: list[list[int]]) -> list[int]:
    return [int(keep[run].sum()) for run in places]


def grids_of(case: Case) -> int:
    video = runs(case.ids.tolist(), VIDEO)
    return sum(-(-len(run) // case.tokens_per_grid) for run in video)


def workload_of(case: Case) -> Workload:
    ids = case.ids.tolist()
    video = [len(run) for run in runs(ids, VIDEO)]
    audio = [len(run) for run in runs(ids, AUDIO)]
    count = max(len(video), len(audio))
    video += [0] * (count - len(video))
    audio += [0] * (count - len(audio))
    return Workload(
        name="made",
        windows=tuple(
            Window(video_tokens=seen, audio_tokens=heard)
            for seen, heard in zip(video, audio, strict=True)
        ),
        tokens_per_grid=case.tokens_per_grid,
        text_before=2,
        text_after=3,
        grid_thw=None,
    )


def plan_of(case: Case, retention: Any, **way: Any) -> Any:
    return oz.plan(
        "omnizip",
        workload_of(case),
        tiny_spec(),
        audio_pruning=case.rho_a,
        video_pruning=case.rho_v,
        anchor_share=case.anchor_share,
        merge=case.merge,
        retention=retention,
        **way,
    )


def assert_promises(case: Case, **way: Any) -> None:
    """Everything that is promised of one prompt, on tensors and in plans."""
    found = chosen(case, **way)
    video, audio = (runs(case.ids.tolist(), token) for token in (VIDEO, AUDIO))
    total = sum(map(len, video))
    budget = (1 - case.rho_v) * total
    kept = kept_in(found.keep, video)
    if way.get("rounding") == "largest-remainder":
        assert sum(kept) == round(budget)
    else:
        assert -1e-6 <= budget - sum(kept) < max(grids_of(case), 1e-6)
    assert found.keep[case.ids == TEXT].all()

    assert len(found.rates) == len(found.retention) == len(audio)
    if len(found.rates):
        sizes = [len(run) for run in video[: len(audio)]]
        sizes += [0] * (len(audio) - len(sizes))
        again = oz.allocate(found.retention, video_pruning=case.rho_v, video_tokens=sizes)
        np.testing.assert_allclose(found.rates, again, rtol=0, atol=1e-14)
        weights = sizes if sum(sizes) else [1] * len(sizes)
        assert np.average(found.rates, weights=weights) == pytest.approx(case.rho_v, abs=1e-12)
        order = np.argsort(-found.retention, kind="stable")
        assert np.all(np.diff(found.rates[order]) >= 0)
        shares = [int(found.keep[run].sum()) / len(run) for run in audio]
        np.testing.assert_allclose(found.retention, shares, rtol=0, atol=1e-15)

    exact = plan_of(case, found.retention.tolist(), **way)
    assert [window.video_kept for window in exact.windows][: len(kept)] == kept
    assert exact.video_kept == sum(kept)
    assert exact.audio_kept == sum(kept_in(found.keep, audio))
    expected = plan_of(case, None, **way)
    assert expected.audio_kept == exact.audio_kept
    if way.get("rounding") == "largest-remainder":
        assert expected.video_kept == exact.video_kept == round(budget)


ROUNDINGS = [{"rounding": "floor"}, {"rounding": "largest-remainder"}]
roundings = pytest.mark.parametrize("way", ROUNDINGS, ids=["floor", "exact"])

EDGES = {
    "one window": Case(windows=1),
    "one window, one grid of one token": Case(windows=1, grids=1, tokens_per_grid=1),
    "silence": Case(windows=5, scores="flat"),
    "silence in two windows": Case(windows=2, scores="flat", rho_a=0.5),
    "one level of audio everywhere": Case(windows=4, rho_a=0.0, rho_v=0.5),
    "no video pruned": Case(rho_v=0.0),
    "all video pruned": Case(rho_v=1.0),
    "all audio pruned": Case(rho_a=1.0),
    "all pruned": Case(rho_a=1.0, rho_v=1.0),
    "all pruned, no anchors": Case(rho_a=1.0, rho_v=1.0, merge=0),
    "nothing pruned": Case(rho_a=0.0, rho_v=0.0),
    "second half without audio": Case(windows=6, end="silent half"),
    "audio beyond the video": Case(windows=2, end="trailing audio"),
    "audio alone": Case(windows=0, end="trailing audio"),
    "video alone": Case(windows=4, audio=0),
    "budget on the lower bound": Case(windows=4, rho_v=0.35),
    "budget on the upper bound": Case(windows=4, rho_v=0.75),
    "the model's window": Case(windows=3, tokens_per_grid=144, audio=50, width=4, rho_v=0.7),
    "half a token over": Case(windows=1, grids=1, tokens_per_grid=25, rho_v=0.5),
}


@roundings
@pytest.mark.parametrize("case", EDGES.values(), ids=EDGES.keys())
def test_edges_keep_the_promises(case: Case, way: dict[str, str]) -> None:
    assert_promises(case, **way)


percent = st.integers(0, 100).map(lambda whole: whole / 100)
prompts = st.builds(
    Case,
    windows=st.integers(1, 7),
    grids=st.integers(1, 4),
    audio=st.integers(1, 50),
    tokens_per_grid=st.integers(1, 40),
    end=st.sampled_from(LEVELS["end"]),
    scores=st.sampled_from(LEVELS["scores"]),
    width=st.just(3),
    rho_a=st.one_of(percent, st.floats(0, 1)),
    rho_v=st.one_of(percent, st.floats(0, 1)),
    anchor_share=st.floats(0, 0.3),
    merge=st.integers(0, 4),
    seed=st.integers(0, 99),
)


@settings(max_examples=400, deadline=None)
@given(prompts, st.sampled_from(ROUNDINGS))
def test_any_prompt_keeps_the_promises(case: Case, way: dict[str, str]) -> None:
    assert_promises(case, **way)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(1, 200), st.integers(1, 99))
def test_plans_are_exact_at_real_sizes(windows: int, per_grid: int, pruned: int) -> None:
    """No tensor needed: 1 to 300 windows of two grids, budgets in whole percent."""
    case = Case(windows=1, grids=2, tokens_per_grid=per_grid, rho_v=pruned / 100)
    work = Workload(
        name="long",
        windows=(Window(video_tokens=2 * per_grid, audio_tokens=50),) * windows,
        tokens_per_grid=per_grid,
        text_before=0,
        text_after=0,
        grid_thw=None,
    )
    retention = np.random.default_rng(windows).integers(0, 51, windows) / 50
    for way in ROUNDINGS:
        plan = oz.plan(
            "omnizip",
            work,
            tiny_spec(),
            audio_pruning=0.4,
            video_pruning=case.rho_v,
            retention=retention.tolist(),
            **way,
        )
        budget = (1 - case.rho_v) * work.video_tokens
        if way["rounding"] == "largest-remainder":
            assert plan.video_kept == round(budget)
        else:
            assert budget - 2 * windows < plan.video_kept <= budget + 1e-6


@roundings
def test_silence_treats_no_window_by_its_sound(way: dict[str, str]) -> None:
    """All scores equal: the earliest tokens are salient, so the end is pruned most."""
    case = Case(windows=4, scores="flat", anchor_share=0.0, rho_a=0.5)
    found = chosen(case, **way)
    assert found.retention.tolist() == [1.0, 1.0, 0.0, 0.0]
    assert found.rates.tolist() == pytest.approx([0.45, 0.45, 0.75, 0.75], abs=1e-12)
