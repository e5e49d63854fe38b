"""The door of selection: layouts already read, scores of both encoders, answers of a method."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from attended_method import MostAttended
from broken_methods import First

import omnizip_cost as oz
from omnizip_cost.compression import METHODS
from omnizip_cost.errors import InvalidValueError, PluginError
from omnizip_cost.runtime.selection import Layout, SelectionRequest, read_layout, select

VIDEO, AUDIO, WIDTH = 7, 8, 12
IDS = torch.tensor([1, 1] + ([VIDEO] * 12 + [AUDIO] * 10) * 3 + [1])
PLACES = {"audio_id": AUDIO, "video_id": VIDEO, "tokens_per_grid": 6}
PAIR = {"audio_pruning": 0.4, "video_pruning": 0.6}
BEFORE_LAYER_ONE = [name for name, method in METHODS.items() if method.prunes == "before layer 1"]


@pytest.fixture
def layout() -> Layout:
    return read_layout(IDS, **PLACES)


def rows(seed: int = 0) -> torch.Tensor:
    return torch.randn(len(IDS), WIDTH, generator=torch.Generator().manual_seed(seed))


def scores(tokens: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(tokens, generator=torch.Generator().manual_seed(seed))


def both(layout: Layout) -> dict[str, Any]:
    return {"scores": scores(layout.audio_tokens), "video_scores": scores(layout.video_tokens, 2)}


@pytest.mark.parametrize("name", BEFORE_LAYER_ONE)
def test_a_layout_is_as_good_as_token_ids(name: str, layout: Layout) -> None:
    given = both(layout)
    audio, video = given["scores"], given["video_scores"]
    by_ids = select(name, rows(), audio, IDS, video_scores=video, **PLACES, **PAIR)
    by_layout = select(name, rows(), audio, layout, video_scores=video, **PAIR)
    assert torch.equal(by_ids.keep, by_layout.keep)
    assert torch.equal(by_ids.gather(), by_layout.gather())
    assert not by_ids.keep.all()


@pytest.mark.parametrize("missing", PLACES)
def test_token_ids_need_the_places(missing: str) -> None:
    places = {name: value for name, value in PLACES.items() if name != missing}
    with pytest.raises(InvalidValueError, match=f"{missing} must be given with token ids"):
        select("random", rows(), None, IDS, **places, **PAIR)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("which", ["scores", "video_scores"])
def test_unsound_scores_are_refused_at_once_or_with_the_survivors(
    which: str, bad: float, layout: Layout
) -> None:
    given = both(layout)
    given[which][3] = bad
    for method in ("visionzip", MostAttended()):
        with pytest.raises(InvalidValueError, match=f": {which} must be finite, got {bad}"):
            select(method, rows(), given["scores"], IDS, video_scores=given["video_scores"],
                   **PLACES, **PAIR)  # fmt: skip
        chosen = select(
            method, rows(), given["scores"], layout, video_scores=given["video_scores"], **PAIR
        )
        with pytest.raises(InvalidValueError, match=f": {which} must be finite, got {bad}"):
            chosen.survivors()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scores": None}, "scores must be one score for each of the 30 audio tokens, got None; "),
        ({"video_scores": None}, "ranks video by the attention of the vision encoder's last layer"),
        ({"scores": torch.rand(29)}, "scores must be of shape (30,), one score per audio token"),
        ({"video_scores": torch.rand(36, 1)}, "of shape (36,), one score per video token"),
    ],
    ids=["no audio scores", "no video scores", "too few", "two axes"],
)
def test_scores_must_be_there_one_per_token(
    change: dict[str, Any], words: str, layout: Layout
) -> None:
    given = {**both(layout), **change}
    with pytest.raises(InvalidValueError) as caught:
        select("visionzip", rows(), given["scores"], layout,
               video_scores=given["video_scores"], **PAIR)  # fmt: skip
    assert words in str(caught.value)


def test_what_nobody_ranks_by_may_be_missing(layout: Layout) -> None:
    for name in ("random", "dycoke"):
        assert not select(name, rows(), None, layout, **PAIR).keep.all()
    for name in BEFORE_LAYER_ONE:
        zero = {"audio_pruning": 0.0, "video_pruning": 0.0}
        assert select(name, rows(), None, layout, **zero).keep.all()


def test_a_method_is_not_asked_for_nothing(layout: Layout) -> None:
    class Stubborn(First):
        def select(self, request: SelectionRequest) -> Any:
            raise AssertionError("asked")

    given = rows()
    chosen = select(Stubborn(), given, None, layout, audio_pruning=0.0, video_pruning=0.0)
    assert chosen.keep.all() and torch.equal(chosen.embeddings, given)
    with pytest.raises(PluginError, match=r"method 'first' of module .*: select\(\) fails with"):
        select(Stubborn(), given, None, layout, **PAIR)


def request_of(layout: Layout) -> SelectionRequest:
    return SelectionRequest(embeddings=rows(), layout=layout, rho_a=0.5, rho_v=0.5)


@pytest.mark.parametrize(
    "as_given",
    [list, np.array, torch.tensor, lambda numbers: torch.tensor(numbers).flip(0).int(),
     lambda numbers: np.isin(np.arange(36), numbers),
     lambda numbers: torch.isin(torch.arange(36), torch.tensor(numbers))],
    ids=["list", "array", "tensor", "backwards int32", "bool array", "bool tensor"],
)  # fmt: skip
def test_survivors_are_named_by_number_or_mask(as_given: Any, layout: Layout) -> None:
    numbers = [0, 5, 17, 35]
    chosen = request_of(layout).keep(video=as_given(numbers), audio=[])
    expected = torch.ones(len(IDS), dtype=torch.bool)
    expected[(IDS == VIDEO) | (IDS == AUDIO)] = False
    expected[(IDS == VIDEO).nonzero()[numbers, 0]] = True
    assert torch.equal(chosen.keep, expected)
    assert chosen.keep.sum() == 3 + 4


@pytest.mark.parametrize(
    ("video", "words"),
    [
        ([36], "video must be numbers of tokens from 0 to 35, got '36 to 36'"),
        ([-1, 2], "video must be numbers of tokens from 0 to 35, got '-1 to 2'"),
        ([True], "video must be a row of token numbers, or 36 bools"),
        ([[1, 2]], "video must be a row of token numbers, or 36 bools"),
        ([0.5], "video must be a row of token numbers, or 36 bools"),
    ],
    ids=str,
)
def test_strangers_are_refused(video: Any, words: str, layout: Layout) -> None:
    with pytest.raises(InvalidValueError) as caught:
        request_of(layout).keep(video=video, audio=[])
    assert words in str(caught.value)


def test_rows_of_one_modality(layout: Layout) -> None:
    request = request_of(layout)
    assert torch.equal(request.video(), request.embeddings[IDS == VIDEO])
    assert torch.equal(request.audio(), request.embeddings[IDS == AUDIO])


def test_merged_rows_reach_the_selection(layout: Layout) -> None:
    class Doubling(First):
        def select(self, request: SelectionRequest) -> Any:
            merged = request.embeddings.clone()
            merged[request.layout.video_positions()[0]] *= 2
            return request.keep(video=[0], audio=[0], embeddings=merged)

    given = rows()
    chosen = oz.select(Doubling(), given, None, layout, **PAIR)
    assert torch.equal(chosen.gather()[2], given[2] * 2)
    assert torch.equal(given, rows())
