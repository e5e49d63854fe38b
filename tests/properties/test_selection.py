"""Selection against the loop-by-loop oracle, and what must hold of it on any prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from golden.reference import Reference, reference_select, runs_of
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from tiny_thinker import tiny_spec

from omnizip_cost.compression import make_plan
from omnizip_cost.runtime.selection import Selection, fastv_keep, read_layout, rows, select
from omnizip_cost.workload.workload import Window, Workload

AUDIO, VIDEO, TEXT = 8, 7, 1
IDS = {"audio_id": AUDIO, "video_id": VIDEO}


@dataclass
class Prompt:
    """A random prompt: ids, embeddings, scores and the grid size."""

    ids: np.ndarray
    embeddings: np.ndarray
    scores: np.ndarray
    tokens_per_grid: int

    @property
    def audio(self) -> np.ndarray:
        return self.ids == AUDIO

    @property
    def video(self) -> np.ndarray:
        return self.ids == VIDEO

    def select(self, method: str = "omnizip", dtype: torch.dtype = torch.float64, **asked: Any):
        return select(
            method,
            torch.from_numpy(self.embeddings).to(dtype),
            torch.from_numpy(self.scores),
            torch.from_numpy(self.ids),
            tokens_per_grid=self.tokens_per_grid,
            **IDS,
            **asked,
        )

    def oracle(self, **asked: Any) -> Reference:
        return reference_select(
            self.embeddings,
            self.scores,
            self.ids,
            tokens_per_grid=self.tokens_per_grid,
            **IDS,
            **asked,
        )


def prompt_of(windows: list[tuple[int, int]], size: int, seed: int, width: int = 6) -> Prompt:
    """Interleaved windows between text; rows are small, so the oracle's exp never underflows."""
    parts = [[TEXT] * 3]
    for video, audio in windows:
        parts += [[VIDEO] * video, [AUDIO] * audio]
    parts.append([TEXT] * 2)
    ids = np.array([token for part in parts for token in part], dtype=np.int64)
    random = np.random.default_rng(seed)
    return Prompt(
        ids=ids,
        embeddings=random.normal(scale=0.6, size=(len(ids), width)),
        scores=random.normal(size=int((ids == AUDIO).sum())),
        tokens_per_grid=size,
    )


@st.composite
def prompts(draw: st.DrawFn, whole_grids: bool = False) -> Prompt:
    """Whole windows, then at most one odd end: trailing audio, trailing video, or neither."""
    size = draw(st.integers(1, 9))
    remainder = st.just(0) if whole_grids else st.integers(0, size - 1)
    grids = st.integers(1, 4)
    video = st.builds(lambda n, r: n * size + r, grids, remainder)
    windows = draw(st.lists(st.tuples(video, st.integers(1, 14)), max_size=5))
    tail = draw(st.sampled_from(["none", "video", "audio", "short"]))
    if tail == "video":
        windows.append((draw(video), 0))
    elif tail == "audio" and not windows:
        windows.append((0, draw(st.integers(1, 30))))
    elif tail == "short" and not whole_grids and size > 1:
        windows.append((draw(st.integers(1, size - 1)), draw(st.integers(0, 5))))
    return prompt_of(windows, size, seed=draw(st.integers(0, 2**16)))


@st.composite
def scattered(draw: st.DrawFn) -> Prompt:
    """Any runs in any order, text between some: windows still pair the i-th runs."""
    size = draw(st.integers(1, 6))
    run = st.tuples(st.sampled_from([AUDIO, VIDEO]), st.integers(1, 14), st.booleans())
    ids = [TEXT]
    for token, length, gap in draw(st.lists(run, max_size=8)):
        ids += [token] * length + [TEXT] * gap
    random = np.random.default_rng(draw(st.integers(0, 2**16)))
    return Prompt(
        ids=np.array(ids, dtype=np.int64),
        embeddings=random.normal(scale=0.6, size=(len(ids), 5)),
        scores=random.normal(size=ids.count(AUDIO)),
        tokens_per_grid=size,
    )


ratios = st.one_of(st.sampled_from([0.0, 0.3, 0.45, 0.5, 0.6, 0.7, 1.0]), st.floats(0, 1))
WAYS = st.sampled_from(
    [
        {"mode": "official", "rounding": "floor"},
        {"mode": "paper", "rounding": "floor"},
        {"mode": "paper", "rounding": "largest-remainder"},
    ]
)


ASKED = st.builds(
    lambda way, **asked: {**asked, **way},
    WAYS,
    audio_pruning=ratios,
    video_pruning=ratios,
    merge=st.integers(0, 5),
    anchor_share=st.sampled_from([0.0, 0.05, 0.2, 0.6, 1.0]),
)


@settings(max_examples=150, deadline=None)
@given(st.one_of(prompts(), scattered()), ASKED)
def test_select_equals_the_oracle(prompt: Prompt, asked: dict[str, Any]) -> None:
    found = prompt.select(**asked)
    first = prompt.oracle(**asked)
    if asked["audio_pruning"] or asked["video_pruning"]:
        np.testing.assert_allclose(found.retention, first.retention, rtol=0, atol=1e-15)
        np.testing.assert_allclose(found.initial_rates, first.initial, rtol=0, atol=1e-15)
        np.testing.assert_allclose(found.rates, first.rates, rtol=0, atol=1e-9)
    oracle = prompt.oracle(**asked, given_rates=found.rates.tolist())
    np.testing.assert_array_equal(found.keep.numpy(), oracle.keep)
    np.testing.assert_allclose(found.embeddings.numpy(), oracle.embeddings, rtol=0, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(prompts(), ratios, ratios, WAYS)
def test_blocks_change_nothing(
    prompt: Prompt, rho_a: float, rho_v: float, way: dict[str, str]
) -> None:
    asked = {"audio_pruning": rho_a, "video_pruning": rho_v, **way}
    whole = [prompt.select(**asked), prompt.select("dycoke", **asked)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "BLOCK_ELEMENTS", 20)
        pieces = [prompt.select(**asked), prompt.select("dycoke", **asked)]
    for one, other in zip(whole, pieces, strict=True):
        assert torch.equal(one.keep, other.keep)
        torch.testing.assert_close(one.embeddings, other.embeddings, rtol=0, atol=1e-12)


@settings(max_examples=80, deadline=None)
@given(prompts(), ASKED, st.sampled_from(["full", "random", "dycoke", "omnizip"]))
def test_text_stays_and_only_anchors_change(
    prompt: Prompt, asked: dict[str, Any], method: str
) -> None:
    before = prompt.embeddings.copy()
    found = prompt.select(method, **asked)
    keep = found.keep.numpy()
    assert keep[prompt.ids == TEXT].all()
    np.testing.assert_array_equal(prompt.embeddings, before)
    changed = (found.embeddings.numpy() != before).any(axis=1)
    assert not changed[~prompt.audio].any()
    assert keep[changed].all()
    anchors = round(asked["anchor_share"] * int(prompt.audio.sum()))
    assert changed.sum() <= (anchors if method == "omnizip" and asked["merge"] else 0)
    np.testing.assert_array_equal(found.gather().numpy(), found.embeddings.numpy()[keep])
    if not changed.any():
        np.testing.assert_array_equal(found.gather().numpy(), before[keep])


@settings(max_examples=60, deadline=None)
@given(prompts(), WAYS, st.sampled_from(["full", "random", "dycoke", "omnizip"]))
def test_zero_pruning_is_the_identity(prompt: Prompt, way: dict[str, str], method: str) -> None:
    found = prompt.select(method, audio_pruning=0.0, video_pruning=0.0, **way)
    assert found.keep.all()
    np.testing.assert_array_equal(found.embeddings.numpy(), prompt.embeddings)
    if method == "omnizip":
        heard = len(runs_of(prompt.ids.tolist(), AUDIO))
        assert found.retention.tolist() == [1.0] * heard
        assert found.rates.tolist() == [0.0] * heard


def counts(prompt: Prompt, found: Selection) -> tuple[int, int]:
    keep = found.keep.numpy()
    return int(keep[prompt.audio].sum()), int(keep[prompt.video].sum())


@settings(max_examples=100, deadline=None)
@given(prompts(), ratios, ratios, st.sampled_from(["floor", "largest-remainder"]))
def test_paper_mode_counts(prompt: Prompt, rho_a: float, rho_v: float, rounding: str) -> None:
    """Audio by a hand count; video within its budget, exactly on it by largest remainder."""
    assume(rho_a or rho_v)
    found = prompt.select(audio_pruning=rho_a, video_pruning=rho_v, rounding=rounding)
    audio, video = counts(prompt, found)
    heard, seen = int(prompt.audio.sum()), int(prompt.video.sum())
    salient = round((1 - rho_a) * heard)
    wanted = round(0.05 * heard)
    stride = max(1, (heard - salient) // wanted) if wanted else 1
    anchors = len(range(heard)[: heard - salient : stride][:wanted]) if wanted else 0
    assert audio == salient + anchors
    budget = (1 - rho_v) * seen
    if rounding == "largest-remainder":
        assert abs(video - budget) <= 0.5 + 1e-6
    else:
        grids = sum(
            -(-len(run) // prompt.tokens_per_grid) for run in runs_of(prompt.ids.tolist(), VIDEO)
        )
        assert budget - grids - 1e-6 <= video <= budget + 1e-6


@settings(max_examples=60, deadline=None)
@given(prompts(), ratios, ratios)
def test_paper_mode_order_and_bounds(prompt: Prompt, rho_a: float, rho_v: float) -> None:
    assume(rho_a or rho_v)
    found = prompt.select(audio_pruning=rho_a, video_pruning=rho_v)
    order = np.argsort(found.retention, kind="stable")
    assert (np.diff(found.rates[order]) <= 1e-12).all()
    if len(found.rates):
        assert min(0.35, rho_v) - 1e-12 <= found.rates.min()
        assert found.rates.max() <= max(0.75, rho_v) + 1e-12


@settings(max_examples=60, deadline=None)
@given(prompts(), ratios, ratios, st.integers(0, 3))
def test_random_counts_and_seed(prompt: Prompt, rho_a: float, rho_v: float, seed: int) -> None:
    asked = {"audio_pruning": rho_a, "video_pruning": rho_v, "seed": seed}
    found = prompt.select("random", **asked)
    heard, seen = int(prompt.audio.sum()), int(prompt.video.sum())
    assert counts(prompt, found) == (round((1 - rho_a) * heard), round((1 - rho_v) * seen))
    assert torch.equal(found.keep, prompt.select("random", **asked).keep)


def by_similarity(x: np.ndarray, places: list[int], references: list[int]) -> list[int]:
    """Places from the most to the least similar to their references."""
    unit = x / (np.linalg.norm(x, axis=1, keepdims=True) + 1e-6)
    alike = [-float(unit[i] @ unit[j]) for i, j in zip(places, references, strict=True)]
    return [places[i] for i in sorted(range(len(places)), key=lambda i: alike[i])]


@settings(max_examples=80, deadline=None)
@given(st.one_of(prompts(), scattered()), ratios, ratios)
def test_dycoke_by_hand(prompt: Prompt, rho_a: float, rho_v: float) -> None:
    """Whole grids in groups of four over the clip, losses spread evenly, references untouched."""
    found = prompt.select("dycoke", audio_pruning=rho_a, video_pruning=rho_v).keep.numpy()
    size, x = prompt.tokens_per_grid, prompt.embeddings
    grids = [
        run[start : start + size]
        for run in runs_of(prompt.ids.tolist(), VIDEO)
        for start in range(0, len(run) - size + 1, size)
    ]
    keep = np.ones(len(prompt.ids), dtype=bool)
    others = [g for g in range(len(grids)) if g % 4]
    budget = min(round(rho_v * len(grids) * size), len(others) * size)
    for turn, g in enumerate(others):
        count = budget // len(others) + (turn < budget % len(others))
        keep[by_similarity(x, grids[g], grids[g - g % 4])[:count]] = False
    audio = np.flatnonzero(prompt.audio).tolist()
    moving = [i for i in range(len(audio)) if i % 4]
    dropped = min(round(rho_a * len(audio)), len(moving))
    ranked = by_similarity(x, [audio[i] for i in moving], [audio[i - i % 4] for i in moving])
    keep[ranked[:dropped]] = False
    np.testing.assert_array_equal(found, keep)


@settings(max_examples=60, deadline=None)
@given(prompts(), ratios, st.integers(0, 2**16))
@example(prompt_of([(4, 3)], 2, 0), 0.5, 1)
def test_fastv_keeps_the_most_attended(prompt: Prompt, retained: float, seed: int) -> None:
    weights = np.random.default_rng(seed).random((2, len(prompt.ids)))
    layout = read_layout(
        torch.from_numpy(prompt.ids), tokens_per_grid=prompt.tokens_per_grid, **IDS
    )
    keep = fastv_keep(torch.from_numpy(weights), layout, retained=retained).numpy()
    mixed = prompt.audio | prompt.video
    received = weights.mean(axis=0)
    assert keep[~mixed].all()
    assert keep[mixed].sum() == round(retained * int(mixed.sum()))
    if keep[mixed].any() and not keep[mixed].all():
        assert received[mixed & keep].min() >= received[mixed & ~keep].max() - 1e-7


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(1, 12), min_size=3, max_size=5),
    st.integers(0, 2**16),
    st.randoms(use_true_random=False),
)
def test_windows_may_be_permuted_in_paper_mode(audio: list[int], seed: int, random: Any) -> None:
    """With all audio salient or merged window by window, video survives wherever it stands.

    Anchors are strided over the clip, so the claim is made without them.
    """
    windows = [(8, count) for count in audio]
    prompt = prompt_of(windows, 4, seed)
    asked = {"audio_pruning": 0.4, "video_pruning": 0.6, "merge": 0}
    order = list(range(len(windows)))
    random.shuffle(order)
    ids = prompt.ids.tolist()
    video, sound = runs_of(ids, VIDEO), runs_of(ids, AUDIO)
    places = (
        [0, 1, 2] + [p for i in order for p in video[i] + sound[i]] + [len(ids) - 2, len(ids) - 1]
    )
    number = np.cumsum(prompt.audio) - 1
    moved = Prompt(
        ids=prompt.ids[places],
        embeddings=prompt.embeddings[places],
        scores=prompt.scores[[number[p] for p in places if prompt.audio[p]]],
        tokens_per_grid=4,
    )
    before, after = prompt.select(**asked), moved.select(**asked)
    np.testing.assert_allclose(after.rates, before.rates[order], rtol=0, atol=1e-12)
    np.testing.assert_array_equal(after.keep.numpy(), before.keep.numpy()[places])


def workload_of(prompt: Prompt) -> Workload:
    layout = read_layout(
        torch.from_numpy(prompt.ids), tokens_per_grid=prompt.tokens_per_grid, **IDS
    )
    pairs = zip(layout.video_sizes, layout.audio_sizes, strict=True)
    return Workload(
        name="random",
        windows=tuple(Window(video_tokens=video, audio_tokens=audio) for video, audio in pairs),
        tokens_per_grid=prompt.tokens_per_grid,
        text_before=3,
        text_after=2,
        grid_thw=None,
    )


@settings(max_examples=100, deadline=None)
@given(prompts(whole_grids=True), ASKED, st.sampled_from(["full", "random", "dycoke", "omnizip"]))
def test_realised_counts_equal_the_plan(prompt: Prompt, asked: dict[str, Any], method: str) -> None:
    """Given the audio retention that came out, the plan's counts are the selection's."""
    assume(prompt.audio.any() or prompt.video.any())
    if method == "full":
        asked = asked | {"audio_pruning": 0.0, "video_pruning": 0.0}
    found = prompt.select(method, **asked)
    plan = make_plan(
        method,
        workload_of(prompt),
        tiny_spec(),
        retention=found.retention.tolist() if method == "omnizip" else None,
        **asked,
    )
    audio, video = counts(prompt, found)
    assert (plan.audio_kept, plan.video_kept) == (audio, video)
    assert plan.kept_tokens == int(found.keep.sum())
    if method == "omnizip":
        keep = found.keep.numpy()
        runs = {token: runs_of(prompt.ids.tolist(), token) for token in (AUDIO, VIDEO)}
        for index, window in enumerate(plan.windows):
            for token, promised in ((AUDIO, window.audio_kept), (VIDEO, window.video_kept)):
                run = runs[token][index] if index < len(runs[token]) else []
                assert promised == keep[run].sum()
