"""VisionZip-style selection against a plain reading of its rules, token by token."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from omnizip_cost.compression.visionzip import split_grid, visionzip_splits
from omnizip_cost.errors import InvalidValueError
from omnizip_cost.runtime.selection import rows
from omnizip_cost.runtime.selection.layout import Layout, read_layout
from omnizip_cost.runtime.selection.result import Selection
from omnizip_cost.runtime.selection.visionzip import visionzip

AUDIO, VIDEO, TEXT = 8, 7, 1
Window = tuple[int, int]


class Prompt:
    """A random prompt; rows and scores are small integers at will, so that ties are common."""

    def __init__(
        self, windows: list[Window], grid: int, seed: int, width: int = 5, ties: bool = False
    ) -> None:
        ids = [TEXT] * 3
        for video, audio in windows:
            ids += [VIDEO] * video + [AUDIO] * audio
        self.ids, self.grid = [*ids, TEXT, TEXT], grid
        random = np.random.default_rng(seed)
        shape = len(self.ids), width
        self.embeddings = random.normal(size=shape)
        if ties:
            self.embeddings = random.integers(-1, 2, size=shape).astype(float)
        self.audio, self.video = (
            random.integers(0, 3, size=count).astype(float) if ties else random.random(count)
            for count in (self.ids.count(AUDIO), self.ids.count(VIDEO))
        )

    @property
    def layout(self) -> Layout:
        return read_layout(
            torch.tensor(self.ids), audio_id=AUDIO, video_id=VIDEO, tokens_per_grid=self.grid
        )

    def select(
        self, rho_a: float, rho_v: float, dtype: torch.dtype = torch.float64, device: str = "cpu"
    ) -> Selection:
        embeddings, audio, video = (
            torch.from_numpy(values).to(device=device, dtype=dtype)
            for values in (self.embeddings, self.audio, self.video)
        )
        return visionzip(
            embeddings, audio, video, self.layout, audio_pruning=rho_a, video_pruning=rho_v
        )


def by_hand(prompt: Prompt, rho_a: float, rho_v: float) -> tuple[list[bool], np.ndarray]:
    """Read the rules literally: one grid, one token, one pair at a time."""
    keep, rows = [True] * len(prompt.ids), prompt.embeddings.copy()
    audio = [place for place, token in enumerate(prompt.ids) if token == AUDIO]
    best = sorted(range(len(audio)), key=lambda i: (-prompt.audio[i], i))
    for i in best[round((1 - rho_a) * len(audio)) :]:
        keep[audio[i]] = False
    video = [place for place, token in enumerate(prompt.ids) if token == VIDEO]
    done = 0
    for grid in grids_of(prompt.ids, prompt.grid):
        kept = round((1 - rho_v) * (done + len(grid))) - round((1 - rho_v) * done)
        done += len(grid)
        if kept == len(grid):
            continue
        dominant = round(54 * kept / 64)
        ranked = sorted(grid, key=lambda place: (-prompt.video[video.index(place)], place))
        rest = sorted(ranked[dominant:])
        wanted = kept - dominant
        targets = [rest[i * (len(rest) // wanted)] for i in range(wanted)]
        groups: dict[int, list[int]] = {target: [target] for target in targets}
        for place in rest:
            keep[place] = place in groups
            if targets and place not in groups:
                nearest = max(targets, key=lambda target: cosine(prompt, place, target))
                groups[nearest].append(place)
        for target, group in groups.items():
            rows[target] = sum(prompt.embeddings[place] for place in group) / len(group)
    return keep, rows


def cosine(prompt: Prompt, i: int, j: int) -> float:
    a, b = prompt.embeddings[i], prompt.embeddings[j]
    return float(a @ b / (math.sqrt(a @ a) + 1e-6) / (math.sqrt(b @ b) + 1e-6))


def grids_of(ids: list[int], size: int) -> list[list[int]]:
    """Positions of each grid: runs of video cut every ``size`` tokens."""
    grids: list[list[int]] = []
    for place, token in enumerate(ids):
        if token != VIDEO:
            continue
        fresh = ids[place - 1] != VIDEO or len(grids[-1]) == size
        grids.append([place]) if fresh else grids[-1].append(place)
    return grids


@st.composite
def prompts(draw: st.DrawFn) -> Prompt:
    grid = draw(st.integers(1, 40))
    windows = []
    for _ in range(draw(st.integers(0, 5))):
        whole = draw(st.integers(0, 3))
        remainder = draw(st.sampled_from([0, 0, grid // 2, grid - 1]))
        windows.append((whole * grid + remainder, draw(st.integers(0, 12))))
    return Prompt(windows, grid, draw(st.integers(0, 2**16)), ties=draw(st.booleans()))


ratios = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1))


@settings(max_examples=300, deadline=None)
@given(prompts(), ratios, ratios)
def test_selection_equals_the_rules_read_literally(
    prompt: Prompt, rho_a: float, rho_v: float
) -> None:
    found = prompt.select(rho_a, rho_v)
    keep, rows = by_hand(prompt, rho_a, rho_v)
    assert found.keep.tolist() == keep
    np.testing.assert_allclose(found.embeddings.numpy(), rows, rtol=1e-12, atol=1e-12)


@settings(max_examples=300, deadline=None)
@given(prompts(), ratios, ratios)
def test_realised_counts_equal_planned_ones(prompt: Prompt, rho_a: float, rho_v: float) -> None:
    keep = prompt.select(rho_a, rho_v).keep.numpy()
    layout, ids = prompt.layout, np.array(prompt.ids)
    splits = visionzip_splits(layout.video_sizes, layout.tokens_per_grid, rho_v)
    planned = [split.kept for window in splits for split in window]
    realised = [int(keep[grid].sum()) for grid in grids_of(prompt.ids, prompt.grid)]
    assert realised == planned
    assert sum(planned) == round((1 - rho_v) * layout.video_tokens)
    assert keep[ids == AUDIO].sum() == round((1 - rho_a) * layout.audio_tokens)
    assert keep[ids == TEXT].all()


@given(st.lists(st.integers(0, 5000), max_size=30), st.integers(1, 800), st.floats(0, 1))
def test_every_grid_is_within_one_token_of_its_share(
    windows: list[int], tokens_per_grid: int, rho_v: float
) -> None:
    splits = visionzip_splits(windows, tokens_per_grid, rho_v)
    for video_tokens, window in zip(windows, splits, strict=True):
        assert sum(split.size for split in window) == video_tokens
        for split in window:
            assert 0 <= split.kept <= split.size
            assert abs(split.kept - (1 - rho_v) * split.size) <= 1 + 1e-6
            assert split.contextual * split.stride <= split.rest
            assert (split.contextual == 0) or split.kept < split.size


@pytest.mark.parametrize(("kept", "dominant"), [(64, 54), (128, 108), (192, 162)])
def test_the_papers_settings(kept: int, dominant: int) -> None:
    """VisionZip: 54 + 10, 108 + 20 and 162 + 30 of the 576 tokens of an image."""
    split = split_grid(576, kept)
    assert (split.dominant, split.contextual) == (dominant, kept - dominant)
    assert split.stride == (576 - dominant) // (kept - dominant)


def test_odd_tokens_are_spread_over_the_clip() -> None:
    """144 tokens at 0.7 leave 43.2: one grid in five keeps 44, not the first fifth."""
    splits = visionzip_splits([288] * 10, 144, 0.7)
    kept = [split.kept for window in splits for split in window]
    assert sum(kept) == 864
    assert [sum(kept[i : i + 5]) for i in range(0, 20, 5)] == [216] * 4


def test_nothing_to_prune_returns_the_callers_own_tensor() -> None:
    prompt = Prompt([(12, 5), (12, 5)], 6, seed=1)
    embeddings = torch.from_numpy(prompt.embeddings)
    found = visionzip(embeddings, None, None, prompt.layout, audio_pruning=0, video_pruning=0)
    assert found.keep.all()
    assert found.embeddings is embeddings


def test_inputs_are_never_changed() -> None:
    prompt = Prompt([(40, 5), (47, 5)], 20, seed=2)
    tensors = [torch.from_numpy(x) for x in (prompt.embeddings, prompt.audio, prompt.video)]
    before = [tensor.clone() for tensor in tensors]
    found = visionzip(*tensors, prompt.layout, audio_pruning=0.5, video_pruning=0.5)
    assert not torch.equal(found.embeddings, before[0])
    assert all(torch.equal(a, b) for a, b in zip(tensors, before, strict=True))


def test_two_calls_give_the_same_bits() -> None:
    prompt = Prompt([(80, 5)] * 4, 40, seed=3, ties=True)
    first, second = (prompt.select(0.4, 0.6, torch.float32) for _ in range(2))
    assert torch.equal(first.keep, second.keep)
    assert torch.equal(first.embeddings, second.embeddings)


def test_half_types_are_averaged_in_float32() -> None:
    """The contextual rows are the float32 result on the rounded inputs, rounded once."""
    prompt = Prompt([(80, 5)] * 4, 40, seed=4, width=64)
    half = torch.from_numpy(prompt.embeddings).bfloat16()
    scores = [torch.from_numpy(values) for values in (prompt.audio, prompt.video)]
    asked: dict[str, Any] = {"audio_pruning": 0.4, "video_pruning": 0.6}
    low = visionzip(half, *scores, prompt.layout, **asked)
    high = visionzip(half.float(), *scores, prompt.layout, **asked)
    assert low.embeddings.dtype == torch.bfloat16
    assert torch.equal(low.keep, high.keep)
    assert torch.equal(low.embeddings, high.embeddings.bfloat16())


def test_bounded_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    prompt = Prompt([(80, 5)] * 6, 40, seed=5)
    whole = prompt.select(0.4, 0.6)
    monkeypatch.setattr(rows, "BLOCK_ELEMENTS", 1)
    pieces = prompt.select(0.4, 0.6)
    assert torch.equal(whole.keep, pieces.keep)
    torch.testing.assert_close(whole.embeddings, pieces.embeddings, rtol=1e-12, atol=0)


def test_shapes_do_not_depend_on_data() -> None:
    """On ``meta`` there are no values to look at: any wait for the device would fail here."""
    found = Prompt([(80, 5), (94, 7), (0, 3)], 40, seed=6).select(
        0.4, 0.6, torch.bfloat16, device="meta"
    )
    assert found.keep.shape == (2 + 3 + 80 + 5 + 94 + 7 + 3,)
    assert found.embeddings.device.type == "meta"


@pytest.mark.parametrize(
    ("audio", "video", "field"),
    [
        (None, torch.rand(12), "scores must be of shape (5,)"),
        (torch.rand(5), None, "video_scores must be of shape (12,)"),
        (torch.rand(5), torch.rand(11), "video_scores must be of shape (12,)"),
        (torch.rand(1, 5), torch.rand(12), "scores must be of shape (5,)"),
    ],
)
def test_scores_that_do_not_fit_are_refused(
    audio: torch.Tensor | None, video: torch.Tensor | None, field: str
) -> None:
    prompt = Prompt([(12, 5)], 6, seed=7)
    with pytest.raises(InvalidValueError) as error:
        visionzip(
            torch.from_numpy(prompt.embeddings),
            audio,
            video,
            prompt.layout,
            audio_pruning=0.5,
            video_pruning=0.5,
        )
    assert field in str(error.value)
    assert "attention received" in str(error.value)


@pytest.mark.parametrize("modality", ["audio", "video"])
def test_scores_that_are_not_finite_are_refused_where_the_host_waits(modality: str) -> None:
    prompt = Prompt([(12, 5)], 6, seed=8)
    getattr(prompt, modality)[3] = np.nan
    row = {"audio": "scores", "video": "video_scores"}[modality]
    with pytest.raises(InvalidValueError, match=f": {row} must be finite, got nan"):
        prompt.select(0.5, 0.5).survivors()
    if modality == "audio":
        assert len(prompt.select(0, 0.5).survivors()) == 5 + 5 + 6


@settings(max_examples=50, deadline=None)
@given(prompts(), ratios, ratios)
def test_gathered_rows_are_the_kept_ones(prompt: Prompt, rho_a: float, rho_v: float) -> None:
    found = prompt.select(rho_a, rho_v)
    assert torch.equal(found.gather(), found.embeddings[found.keep])
