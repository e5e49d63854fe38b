"""Realised counts equal the plan's, given the realised audio retention, on random workloads."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import omnizip_cost as oz
from omnizip_cost.compression import Plan
from omnizip_cost.runtime.selection import Selection, read_layout
from omnizip_cost.specs import ThinkerSpec
from omnizip_cost.workload import Window, Workload

TEXT, VIDEO, AUDIO = 1, 2, 3
WIDTH = 8

ratios = st.floats(0, 1).map(lambda x: round(x, 3))


@st.composite
def workloads(draw: st.DrawFn) -> Workload:
    """Windows of whole grids and up to 60 audio tokens; the last may lack one modality."""
    per_grid = draw(st.sampled_from([1, 4, 6, 16, 35]))
    count = draw(st.integers(1, 6))
    windows = [
        Window(
            video_tokens=per_grid * draw(st.integers(1, 4)), audio_tokens=draw(st.integers(1, 60))
        )
        for _ in range(count)
    ]
    lacking = draw(st.sampled_from(["nothing", "audio", "video", "all audio"]))
    if lacking == "all audio":
        windows = [Window(video_tokens=sum(w.video_tokens for w in windows), audio_tokens=0)]
    elif lacking != "nothing" and count > 1:
        last = windows[-1]
        windows[-1] = Window(
            video_tokens=0 if lacking == "video" else last.video_tokens,
            audio_tokens=0 if lacking == "audio" else last.audio_tokens,
        )
        if lacking == "video":
            tail = windows.pop()
            kept = windows[-1]
            windows[-1] = Window(
                video_tokens=kept.video_tokens, audio_tokens=kept.audio_tokens + tail.audio_tokens
            )
    return Workload(
        name="random",
        windows=tuple(windows),
        tokens_per_grid=per_grid,
        text_before=5,
        text_after=4,
        grid_thw=None,
    )


def _ids(work: Workload) -> torch.Tensor:
    ids = [TEXT] * work.text_before
    for window in work.windows:
        ids += [VIDEO] * window.video_tokens + [AUDIO] * window.audio_tokens
    return torch.tensor(ids + [TEXT] * work.text_after)


def _select(method: str, work: Workload, rho_a: float, rho_v: float, **more: object) -> Selection:
    generator = torch.Generator().manual_seed(work.tokens)
    ids = _ids(work)
    return oz.select(
        method,
        torch.randn(len(ids), WIDTH, generator=generator),
        torch.rand(work.audio_tokens, generator=generator),
        ids,
        audio_id=AUDIO,
        video_id=VIDEO,
        tokens_per_grid=work.tokens_per_grid,
        audio_pruning=rho_a,
        video_pruning=rho_v,
        **more,
    )


def _counts(selection: Selection, work: Workload) -> tuple[int, int, list[tuple[int, int]]]:
    ids = _ids(work)
    layout = read_layout(ids, audio_id=AUDIO, video_id=VIDEO, tokens_per_grid=work.tokens_per_grid)
    keep = selection.keep

    def inside(runs: tuple[object, ...], place: int) -> int:
        if place >= len(runs):
            return 0
        start, length = runs[place]  # type: ignore[misc]
        return int(keep[start : start + length].sum())

    windows = [
        (inside(layout.video_runs, place), inside(layout.audio_runs, place))
        for place in range(layout.windows)
    ]
    return int(keep[ids == VIDEO].sum()), int(keep[ids == AUDIO].sum()), windows


def _spec() -> ThinkerSpec:
    return oz.load_spec("omni-tiny")


def _agree(plan: Plan, seen: tuple[int, int, list[tuple[int, int]]], work: Workload) -> None:
    video, audio, _ = seen
    assert (plan.video_kept, plan.audio_kept) == (video, audio)
    assert plan.kept_tokens == video + audio + work.text_tokens


@settings(deadline=None, max_examples=60)
@given(
    workloads(),
    ratios,
    ratios,
    st.sampled_from(["paper floor", "official floor", "paper largest-remainder"]),
    st.sampled_from([0, 3, 15]),
)
def test_omnizip(work: Workload, rho_a: float, rho_v: float, variant: str, merge: int) -> None:
    mode, rounding = variant.split()
    more = {"mode": mode, "merge": merge, "rounding": rounding}
    selection = _select("omnizip", work, rho_a, rho_v, **more)
    pair = {"audio_pruning": rho_a, "video_pruning": rho_v}
    retention = list(selection.retention) if rho_a or rho_v else None
    plan = oz.plan("omnizip", work, _spec(), retention=retention, **pair, **more)
    seen = _counts(selection, work)
    _agree(plan, seen, work)
    assert plan.exact
    assert [(w.video_kept, w.audio_kept) for w in plan.windows] == seen[2]
    expected = oz.plan("omnizip", work, _spec(), **pair, **more)
    assert expected.audio_kept == seen[1]


@settings(deadline=None, max_examples=40)
@given(workloads(), ratios, ratios)
def test_random_and_dycoke(work: Workload, rho_a: float, rho_v: float) -> None:
    pair = {"audio_pruning": rho_a, "video_pruning": rho_v}
    for method in ("random", "dycoke"):
        plan = oz.plan(method, work, _spec(), **pair)
        seen = _counts(_select(method, work, rho_a, rho_v), work)
        _agree(plan, seen, work)
        if method == "dycoke":
            assert [w.video_kept for w in plan.windows] == [video for video, _ in seen[2]]


@settings(deadline=None, max_examples=40)
@given(workloads(), st.floats(0.35, 0.75), ratios)
def test_largest_remainder_meets_the_whole_budget(
    work: Workload, rho_v: float, rho_a: float
) -> None:
    plan = oz.plan(
        "omnizip",
        work,
        _spec(),
        audio_pruning=rho_a,
        video_pruning=rho_v,
        rounding="largest-remainder",
    )
    assert abs(plan.video_kept - (1 - rho_v) * work.video_tokens) <= 0.5 + 1e-6
