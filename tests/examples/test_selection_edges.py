"""Prompts at the edges: each has a defined answer, or a sentence that says what is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from omnizip_cost.errors import (
    InvalidValueError,
    OmnizipCostError,
    UnknownNameError,
    UnsupportedModelError,
)
from omnizip_cost.runtime.selection import fastv_keep, read_layout, rows, select
from omnizip_cost.runtime.selection.istc import density_peaks

AUDIO, VIDEO, TEXT = 8, 7, 1


def prompt(*runs: tuple[int, int]) -> torch.Tensor:
    ids = [token for token, length in runs for _ in range(length)]
    return torch.tensor(ids, dtype=torch.int64)


def rows_for(ids: torch.Tensor, width: int = 6, seed: int = 0) -> torch.Tensor:
    return torch.randn(len(ids), width, generator=torch.Generator().manual_seed(seed))


def run(ids: torch.Tensor, method: str = "omnizip", **asked: Any):
    heard = int((ids == AUDIO).sum())
    arguments: dict[str, Any] = {
        "audio_id": AUDIO,
        "video_id": VIDEO,
        "tokens_per_grid": 4,
        "audio_pruning": 0.5,
        "video_pruning": 0.5,
    }
    embeddings = asked.pop("embeddings") if "embeddings" in asked else rows_for(ids)
    scores = asked.pop("scores", torch.arange(float(heard)))
    return select(method, embeddings, scores, ids, **{**arguments, **asked})


def kept(found: Any, ids: torch.Tensor, token: int) -> int:
    return int(found.keep[ids == token].sum())


MODES = pytest.mark.parametrize("mode", ["paper", "official"])
METHODS = pytest.mark.parametrize("method", ["full", "random", "dycoke", "omnizip"])


@MODES
@METHODS
@pytest.mark.parametrize("ids", [prompt((TEXT, 5)), prompt((TEXT, 0))], ids=["text", "empty"])
def test_without_audio_and_video_nothing_happens(method: str, mode: str, ids: torch.Tensor) -> None:
    found = run(ids, method, mode=mode, tokens_per_grid=0)
    assert found.keep.all()
    assert len(found.keep) == len(ids)
    assert found.retention.size == found.rates.size == found.initial_rates.size == 0


@MODES
def test_without_audio_every_window_gets_the_video_ratio(mode: str) -> None:
    ids = prompt((TEXT, 2), (VIDEO, 8), (TEXT, 1), (VIDEO, 8))
    found = run(ids, mode=mode, scores=None, video_pruning=0.75)
    assert kept(found, ids, VIDEO) == 4
    assert found.rates.size == 0


@MODES
def test_without_video_anchors_merge_by_their_own_cosine(mode: str) -> None:
    ids = prompt((TEXT, 1), (AUDIO, 20), (TEXT, 1))
    found = run(ids, mode=mode, tokens_per_grid=0, anchor_share=0.1)
    assert kept(found, ids, AUDIO) == 10 + 2
    assert found.retention.tolist() == pytest.approx([0.6])
    assert ((found.embeddings != rows_for(ids)).any(dim=1)).sum() == 2


@MODES
def test_trailing_video_without_audio_gets_the_video_ratio(mode: str) -> None:
    ids = prompt((VIDEO, 8), (AUDIO, 6), (VIDEO, 12))
    found = run(ids, mode=mode, audio_pruning=0.0, video_pruning=0.5)
    assert len(found.rates) == 1
    assert int(found.keep[14:].sum()) == 6


@MODES
def test_one_token_of_each(mode: str) -> None:
    ids = prompt((VIDEO, 1), (AUDIO, 1))
    found = run(ids, mode=mode, tokens_per_grid=1, audio_pruning=0.4, video_pruning=0.5)
    assert found.keep.tolist() == [False, True]
    found = run(ids, mode=mode, tokens_per_grid=1, audio_pruning=0.4, video_pruning=0.0)
    assert found.keep.tolist() == [mode == "paper", True]  # official never prunes below 35%


def test_a_lone_token_is_its_own_densest() -> None:
    for mode in ("paper", "official"):
        assert (
            density_peaks(torch.randn(3, 1, 5), torch.ones(3, 1), mode=mode).tolist() == [[0.0]] * 3
        )


@MODES
def test_pruning_everything_leaves_text_and_anchors(mode: str) -> None:
    ids = prompt((TEXT, 3), (VIDEO, 8), (AUDIO, 40), (TEXT, 2))
    wide = {"rho_min": 1.0, "rho_max": 1.0}
    found = run(ids, mode=mode, audio_pruning=1.0, video_pruning=1.0, **wide)
    assert kept(found, ids, VIDEO) == 0
    assert kept(found, ids, AUDIO) == 2
    assert kept(found, ids, TEXT) == 5
    bare = run(ids, mode=mode, audio_pruning=1.0, video_pruning=1.0, merge=0, **wide)
    assert kept(bare, ids, AUDIO) == 0
    for method in ("random",):
        found = run(ids, method, audio_pruning=1.0, video_pruning=1.0)
        assert found.keep.tolist() == (ids == TEXT).tolist()


def test_dycoke_never_drops_its_references() -> None:
    ids = prompt((VIDEO, 24), (AUDIO, 9))
    found = run(ids, "dycoke", audio_pruning=1.0, video_pruning=1.0)
    assert found.keep[:24].reshape(6, 4).all(dim=1).tolist() == [
        True,
        False,
        False,
        False,
        True,
        False,
    ]
    assert kept(found, ids, VIDEO) == 8
    assert found.keep[24:].nonzero()[:, 0].tolist() == [0, 4, 8]


def test_dycoke_drops_what_repeats_the_reference() -> None:
    """Four grids of four tokens: the second grid copies the first, the others are new."""
    ids = prompt((VIDEO, 16))
    embeddings = rows_for(ids)
    embeddings[4:8] = embeddings[:4] + 0.01 * rows_for(ids, seed=1)[:4]
    embeddings[[9, 14]] = embeddings[[1, 2]]
    found = run(ids, "dycoke", embeddings=embeddings, audio_pruning=0.0, video_pruning=3 / 16)
    assert (~found.keep).nonzero()[:, 0].tolist()[1:] == [9, 14]
    assert int((~found.keep[4:8]).sum()) == 1


@MODES
@pytest.mark.parametrize("off", [{"merge": 0}, {"anchor_share": 0.0}])
def test_no_anchors(mode: str, off: dict[str, Any]) -> None:
    ids = prompt((VIDEO, 8), (AUDIO, 40))
    found = run(ids, mode=mode, **off)
    assert found.keep[8:].tolist() == [False] * 20 + [True] * 20
    assert torch.equal(found.embeddings, rows_for(ids))


def test_a_window_below_one_grid() -> None:
    ids = prompt((VIDEO, 3), (AUDIO, 4), (VIDEO, 11), (AUDIO, 4))
    official = run(ids, mode="official", audio_pruning=0.0, video_pruning=0.5)
    assert official.keep[:3].all()
    assert not official.keep[7 + 8 : 18].any()
    paper = run(ids, mode="paper", audio_pruning=0.0, rounding="largest-remainder")
    assert kept(paper, ids, VIDEO) == 7


def test_anchors_by_hand() -> None:
    """Ten audio tokens, four salient; anchors 0 and 3 of the rest; G = 1 picks the best."""
    ids = prompt((VIDEO, 2), (AUDIO, 10))
    scores = torch.tensor([0.0, 9.0, 0.0, 9.0, 0.0, 9.0, 0.0, 9.0, 0.0, 0.0])
    x = torch.eye(12, 12)
    x[2 + 0] = torch.eye(12)[0]  # anchor, like video token 0
    x[2 + 6] = torch.eye(12)[11]  # anchor (rest is 0, 2, 4, 6, 8, 9; stride 3)
    x[2 + 2] = torch.eye(12)[0] * 0.5 + torch.eye(12)[5]  # nearest to anchor 0, cosine 0.45
    x[2 + 4] = torch.eye(12)[0] * 2.0  # nearest to anchor 0, cosine 1: merged
    x[2 + 8] = torch.eye(12)[11] * 3.0  # the only ones near anchor 6
    x[2 + 9] = torch.eye(12)[11] + 2 * torch.eye(12)[1]  # ... and more like video token 1
    found = run(
        ids,
        embeddings=x,
        scores=scores,
        audio_pruning=0.6,
        anchor_share=0.2,
        merge=1,
        tokens_per_grid=2,
    )
    assert found.keep[2:].nonzero()[:, 0].tolist() == [0, 1, 3, 5, 6, 7]
    torch.testing.assert_close(found.embeddings[2 + 0], (x[2 + 0] + x[2 + 4]) / 2)
    torch.testing.assert_close(found.embeddings[2 + 6], (x[2 + 6] + x[2 + 9]) / 2)
    assert found.retention.tolist() == [0.6]


def test_paper_looks_at_the_paired_window_and_official_at_the_clip() -> None:
    """Token 2 matches the other window's video, token 3 its own: the modes merge different ones."""
    ids = prompt((VIDEO, 1), (AUDIO, 4), (VIDEO, 1), (AUDIO, 4))
    e = torch.eye(10)
    x = torch.stack([e[0], e[9], e[2], e[1], e[0] * 0.5 + e[3], e[1], e[4], e[5], e[6], e[7]])
    scores = torch.tensor([0.0, 9, 0, 0, 9, 9, 9, 9])
    asked = {"embeddings": x, "scores": scores, "tokens_per_grid": 1, "merge": 1}
    asked |= {"audio_pruning": 0.375, "anchor_share": 0.125}
    paper, official = run(ids, **asked, mode="paper"), run(ids, **asked, mode="official")
    torch.testing.assert_close(paper.embeddings[1], (x[1] + x[4]) / 2)
    torch.testing.assert_close(official.embeddings[1], (x[1] + x[3]) / 2)


def test_odd_grids_keep_what_changed() -> None:
    """Windows start afresh: the third grid is even again, the fourth compares with it."""
    ids = prompt((VIDEO, 16), (AUDIO, 1))
    x = rows_for(ids)
    x[4:8] = x[:4]
    x[6] = -x[2]
    x[12:16] = x[8:12]
    x[13] = -x[9]
    for mode in ("paper", "official"):
        wide = {"rho_min": 0.75, "rho_max": 0.75} if mode == "official" else {}
        found = run(ids, embeddings=x, audio_pruning=0.0, video_pruning=0.75, mode=mode, **wide)
        assert found.keep[4:8].tolist() == [False, False, True, False]
        assert found.keep[12:16].tolist() == [False, True, False, False]


def test_wide_rows_do_not_underflow_in_paper_mode() -> None:
    """At the model's width exp(-dist^2) is 0 for every token; the order must survive it."""
    far = torch.randn(1, 8, 3584, generator=torch.Generator().manual_seed(1)) * 3
    scores = density_peaks(far, far.norm(dim=2), mode="paper")
    assert scores.isfinite().all()
    assert len(set(scores[0].tolist())) == 8
    narrow = (far * 0.01).double()
    gaps = torch.cdist(narrow, narrow)[0]
    spread = gaps.square().sort(dim=1).values[:, 1:6].mean(dim=1)
    delta = [
        min((gaps[i, j] for j in range(8) if spread[j] < spread[i]), default=gaps[i].max())
        for i in range(8)
    ]
    by_hand = (-spread).exp() * torch.stack(delta)
    found = density_peaks(narrow, narrow.norm(dim=2), mode="paper")[0]
    torch.testing.assert_close(found.exp(), by_hand)


def test_equal_tokens_keep_the_earliest() -> None:
    ids = prompt((VIDEO, 16), (AUDIO, 8))
    still = torch.ones(24, 6)
    for mode in ("paper", "official"):
        found = run(ids, embeddings=still, scores=torch.ones(8), mode=mode, audio_pruning=0.5)
        grids = found.keep[:16].reshape(4, 4)
        assert grids.int().diff(dim=1).max() <= 0, "survivors of equal tokens come first"
        assert found.keep[16:20].all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_any_dtype(dtype: torch.dtype) -> None:
    """Half types are compared in float32: the choice is that of the same numbers in float64."""
    ids = prompt((TEXT, 2), (VIDEO, 32), (AUDIO, 40), (VIDEO, 32), (AUDIO, 40))
    x = rows_for(ids, 16).to(dtype)
    scores = torch.randn(80, generator=torch.Generator().manual_seed(3)).to(dtype)
    for mode in ("paper", "official"):
        found = run(ids, embeddings=x, scores=scores, tokens_per_grid=16, mode=mode)
        exact = run(
            ids, embeddings=x.double(), scores=scores.double(), tokens_per_grid=16, mode=mode
        )
        assert found.embeddings.dtype == dtype
        assert torch.equal(found.keep, exact.keep)
        torch.testing.assert_close(found.embeddings.double(), exact.embeddings, rtol=0, atol=1e-2)


def test_embeddings_that_need_gradients_are_left_alone() -> None:
    ids = prompt((VIDEO, 8), (AUDIO, 40))
    found = run(ids, embeddings=rows_for(ids).requires_grad_())
    assert not found.embeddings.requires_grad


def test_layout_of_a_real_prompt() -> None:
    ids = prompt((TEXT, 3), (VIDEO, 8), (AUDIO, 5), (VIDEO, 6), (AUDIO, 7), (TEXT, 1), (VIDEO, 4))
    layout = read_layout(ids, audio_id=AUDIO, video_id=VIDEO, tokens_per_grid=4)
    assert layout.windows == 3
    assert layout.video_sizes == (8, 6, 4)
    assert layout.audio_sizes == (5, 7, 0)
    assert [tuple(grid) for grid in layout.grids()] == [
        (3, 4, 0, 0),
        (7, 4, 0, 1),
        (16, 4, 1, 0),
        (20, 2, 1, 1),
        (30, 4, 2, 0),
    ]
    np.testing.assert_array_equal(layout.audio_positions(), [*range(11, 16), *range(22, 29)])


LONG = 400


def test_memory_is_linear_in_the_clip() -> None:
    """The largest temporary tensor holds to the block size, whatever the prompt's length."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Largest(TorchDispatchMode):
        elements = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None):
            out = func(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor):
                self.elements = max(self.elements, out.numel())
            return out

    ids = prompt((VIDEO, 8 * LONG), (AUDIO, 2 * LONG))  # one run each: nothing to pair by window
    width = 4
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "BLOCK_ELEMENTS", 4 * LONG)
        for mode in ("paper", "official"):
            with Largest() as seen:
                run(ids, embeddings=rows_for(ids, width), mode=mode, tokens_per_grid=8)
            assert seen.elements <= width * len(ids)


BAD = [
    ({"scores": None}, "scores must be one score for each of the 6 audio tokens"),
    ({"scores": torch.zeros(5)}, "scores must be of shape (6,)"),
    ({"scores": torch.tensor([0.0, 1, 2, 3, 4, torch.nan])}, "scores must be finite"),
    ({"embeddings": torch.zeros(3, 4)}, "embeddings must be floating point of shape (14, d)"),
    ({"embeddings": torch.zeros(14, 4, dtype=torch.int64)}, "embeddings must be floating point"),
    ({"embeddings": torch.zeros(14)}, "embeddings must be floating point of shape (14, d)"),
    ({"audio_pruning": 1.5}, "audio_pruning must be a ratio in [0, 1], got 1.5"),
    ({"video_pruning": -0.1}, "video_pruning must be a ratio in [0, 1], got -0.1"),
    ({"video_pruning": float("nan")}, "video_pruning must be a ratio in [0, 1], got nan"),
    ({"audio_pruning": None}, "audio_pruning must be a ratio in [0, 1], got None"),
    ({"anchor_share": 2}, "anchor_share must be a ratio"),
    ({"merge": -1}, "merge must be a whole number, zero or more, got -1"),
    ({"merge": 1.5}, "merge must be a whole number"),
    ({"rho_min": 0.8}, "rho_min must be at most rho_max (0.75), got 0.8"),
    ({"mode": "Paper"}, "unknown mode 'Paper': did you mean paper?"),
    ({"rounding": "floored"}, "unknown rounding 'floored': did you mean floor?"),
    ({"mode": "official", "rounding": "largest-remainder"}, "rounding must be 'floor' in official"),
    ({"tokens_per_grid": 0}, "tokens_per_grid must be a positive whole number, got 0"),
    ({"tokens_per_grid": 2.0}, "tokens_per_grid must be a positive whole number"),
    ({"audio_id": VIDEO}, "audio_id must be different from video_id"),
    ({"method": "omni"}, "unknown method 'omni'"),
    ({"method": "fastv"}, "FastV ranks by the attention of a decoder layer"),
]


@pytest.mark.parametrize(("bad", "sentence"), BAD, ids=lambda item: str(item)[:40])
def test_bad_arguments_say_what_is_wrong(bad: dict[str, Any], sentence: str) -> None:
    ids = prompt((VIDEO, 8), (AUDIO, 6))
    with pytest.raises(OmnizipCostError) as caught:
        run(ids, **{"audio_pruning": 0.5, **bad})
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ids", [torch.zeros(1, 4, dtype=torch.int64), torch.zeros(4)])
def test_token_ids_are_one_row_of_integers(ids: torch.Tensor) -> None:
    with pytest.raises(InvalidValueError, match="one row of integer ids"):
        read_layout(ids, audio_id=AUDIO, video_id=VIDEO, tokens_per_grid=4)


def test_errors_are_of_the_right_kind() -> None:
    ids = prompt((VIDEO, 8), (AUDIO, 6))
    with pytest.raises(UnknownNameError):
        run(ids, "omni")
    with pytest.raises(UnsupportedModelError):
        run(ids, "fastv")


def test_scores_may_be_missing_where_nothing_is_ranked() -> None:
    ids = prompt((VIDEO, 8), (AUDIO, 6))
    assert run(ids, scores=None, audio_pruning=0.0, video_pruning=0.0).keep.all()
    for method in ("random", "dycoke", "full"):
        assert len(run(ids, method, scores=None).keep) == 14


def test_fastv_refuses_attention_of_another_length() -> None:
    layout = read_layout(
        prompt((VIDEO, 8), (AUDIO, 6)), audio_id=AUDIO, video_id=VIDEO, tokens_per_grid=4
    )
    with pytest.raises(InvalidValueError, match="one row of 14 weights per head"):
        fastv_keep(torch.zeros(2, 13), layout, retained=0.5)
    with pytest.raises(InvalidValueError, match=r"retained must be a ratio in \[0, 1\]"):
        fastv_keep(torch.zeros(2, 14), layout, retained=1.5)


def test_numpy_arrays_are_as_good_as_tensors() -> None:
    rng = np.random.default_rng(0)
    ids = np.array([1] * 3 + [7] * 32 + [8] * 20 + [1] * 2)
    given = rng.standard_normal((len(ids), 16)).astype(np.float32), rng.random(20), ids
    settings = {
        "audio_id": 8,
        "video_id": 7,
        "tokens_per_grid": 16,
        "audio_pruning": 0.3,
        "video_pruning": 0.6,
    }
    from_arrays = select("omnizip", *given, **settings)
    from_tensors = select("omnizip", *(torch.from_numpy(part) for part in given), **settings)
    assert torch.equal(from_arrays.keep, from_tensors.keep)
    assert torch.equal(from_arrays.embeddings, from_tensors.embeddings)
