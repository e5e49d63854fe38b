"""``official`` equals the published algorithm on any layout; ``paper`` equals its description.

Two readings are compared with: the NumPy oracle, loop by loop in float64, and the plain reading in
torch, both held to the published results first. Masks must be identical, except where float64
shows that scores tie within the rounding of the dtype (``golden/margins.py``); the tests count
such tokens and the systematic cases have none in float32.
"""

from __future__ import annotations

import json
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from golden.layouts import AUDIO, CASES, LEVELS, VIDEO, Case, pairs, pairwise
from golden.margins import grid_interval, possible_choice, settled_anchors
from golden.plain import Plain, cosine, official_rates, plain_select, runs
from golden.reference import reference_select
from hypothesis import given, settings
from hypothesis import strategies as st

from omnizip_cost.compression import allocate
from omnizip_cost.runtime.selection import Selection, select

WAYS = [
    {"mode": "official"},
    {"mode": "paper"},
    {"mode": "paper", "rounding": "largest-remainder"},
]
WIDE = [
    Case(windows=3, grids=2, audio=50, tokens_per_grid=36, width=3584, rho_a=0.4, rho_v=0.7),
    Case(windows=2, grids=4, audio=25, tokens_per_grid=16, width=3584, merge=15, end="no audio"),
    Case(windows=5, grids=1, audio=25, tokens_per_grid=16, width=3584, end="trailing audio"),
]


label = attrgetter("label")
systematic = pytest.mark.parametrize("case", CASES, ids=label)
modes = pytest.mark.parametrize("way", WAYS, ids=["official", "paper", "paper-exact"])


def ours(case: Case, x: torch.Tensor, **way: Any) -> Selection:
    return select("omnizip", x, case.audio_scores(), case.ids, **case.asked, **way)


def plainly(case: Case, x: torch.Tensor, **way: Any) -> Plain:
    return plain_select(x, case.audio_scores(), case.ids, **case.asked, dtype=torch.float64, **way)


def relevance(case: Case, x: torch.Tensor, others: list[int], mode: str) -> torch.Tensor | None:
    """Audio-video cosine of each left-over token, in float64."""
    ids = case.ids.tolist()
    heard, seen = runs(ids, AUDIO), runs(ids, VIDEO)
    if not seen or not others:
        return None
    audio = [place for run in heard for place in run]
    if mode == "official":
        rows = x[[audio[i] for i in others]]
        return cosine(rows, x[[place for run in seen for place in run]]).amax(dim=1)
    window = [index for index, run in enumerate(heard) for _ in run]
    return torch.stack(
        [
            cosine(x[[audio[i]]], x[seen[window[i]]]).max()
            if window[i] < len(seen)
            else x.new_tensor(torch.nan)
            for i in others
        ]
    )


def differing(found: Selection, plain: Plain) -> int:
    return int((found.keep != plain.keep).sum())


def assert_agree(
    case: Case, x: torch.Tensor, found: Selection, plain: Plain, mode: str, dtype: torch.dtype
) -> None:
    """Rates to 1e-12; masks but for ties within ``dtype``; anchors to 1e-5; all else untouched."""
    np.testing.assert_array_equal(found.retention, plain.retention)
    np.testing.assert_allclose(found.initial_rates, plain.initial, rtol=0, atol=1e-15)
    np.testing.assert_allclose(found.rates, plain.rates, rtol=0, atol=1e-12)

    exact = x.double()
    video = case.ids == VIDEO
    assert torch.equal(found.keep[~video], plain.keep[~video]), "audio and text leave no doubt"
    for grid in plain.cuts:
        inside = slice(grid.start, grid.start + grid.size)
        low, high = grid_interval(exact, grid, case.tokens_per_grid, mode=mode, dtype=dtype)
        assert possible_choice(plain.keep[inside], low, high, count=grid.kept)
        assert possible_choice(found.keep[inside], low, high, count=grid.kept)

    audio = torch.nonzero(case.ids == AUDIO)[:, 0]
    certain = settled_anchors(
        exact,
        audio.tolist(),
        relevance(case, exact, plain.others, mode),
        plain.anchors,
        plain.others,
        merge=case.merge,
        dtype=dtype,
    )
    assert len(certain) >= 0.9 * len(plain.anchors)
    untouched = torch.ones(len(x), dtype=torch.bool)
    untouched[audio[plain.anchors]] = False
    assert torch.equal(found.embeddings[untouched], x[untouched])
    assert torch.equal(found.gather(), found.embeddings[found.keep])
    places = audio[certain]
    one_step = 0.0 if x.dtype == torch.float32 else torch.finfo(x.dtype).eps  # both were rounded
    torch.testing.assert_close(
        found.embeddings[places].double(),
        plain.embeddings[places].double(),
        rtol=one_step,
        atol=1e-5,
    )


# -- the two readings ----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [None, torch.float64], ids=["own dtype", "float64"])
def test_the_plain_reading_equals_the_published_code(
    shared: Path, dtype: torch.dtype | None
) -> None:
    with np.load(shared / "golden" / "official_parity.npz") as archive:
        golden = dict(archive)
    metas = json.loads(str(golden["meta"]))
    assert len(metas) == 5
    for index, meta in enumerate(metas):
        ids = golden[f"case{index}_ids"]
        found = plain_select(
            torch.from_numpy(golden[f"case{index}_embeddings"]),
            torch.from_numpy(golden[f"case{index}_scores"]),
            torch.from_numpy(ids),
            audio_id=AUDIO,
            video_id=VIDEO,
            tokens_per_grid=meta["tokens_per_grid"],
            audio_pruning=meta["rho_a"],
            video_pruning=meta["rho_v"],
            anchor_share=meta["anchor_share"],
            merge=meta["merge"],
            mode="official",
            dtype=dtype,
        )
        np.testing.assert_array_equal(found.keep.numpy(), golden[f"case{index}_keep"])
        np.testing.assert_array_equal(found.retention, golden[f"case{index}_retention"])
        np.testing.assert_array_equal(found.initial, golden[f"case{index}_initial"])
        np.testing.assert_array_equal(found.rates, golden[f"case{index}_rates"])
        np.testing.assert_allclose(
            found.embeddings.numpy()[ids == AUDIO],
            golden[f"case{index}_merged"],
            rtol=0,
            atol=1e-5,
        )


SMALL = [case for case in CASES if len(case.ids) <= 100]


@modes
@pytest.mark.parametrize("case", SMALL, ids=label)
def test_the_two_readings_equal_each_other(case: Case, way: dict[str, str]) -> None:
    x = case.embeddings().double()
    plain = plainly(case, x, **way)
    oracle = reference_select(
        x.numpy(), case.audio_scores().numpy(), case.ids.numpy(), **case.asked, **way
    )
    np.testing.assert_array_equal(plain.keep.numpy(), oracle.keep)
    np.testing.assert_array_equal(plain.retention, oracle.retention)
    np.testing.assert_allclose(plain.rates, oracle.rates, rtol=0, atol=1e-12)
    np.testing.assert_allclose(plain.embeddings.numpy(), oracle.embeddings, rtol=0, atol=1e-12)


def test_the_systematic_cases_hold_every_pair_of_levels() -> None:
    wanted = set()
    for first in LEVELS:
        for second in LEVELS:
            if first < second:
                wanted |= {(first, x, second, y) for x in LEVELS[first] for y in LEVELS[second]}
    met = [pairs({level: getattr(case, level) for level in LEVELS}) for case in CASES]
    assert set().union(*met) == wanted
    assert len(list(pairwise({"a": (0, 1), "b": (0, 1), "c": (0, 1)}))) == 4
    assert len(SMALL) >= 8
    assert max(len(case.ids) for case in CASES) > 500


# -- ours ----------------------------------------------------------------------------------------


@modes
@systematic
def test_float32_equals_the_plain_reading(case: Case, way: dict[str, str]) -> None:
    x = case.embeddings()
    found, plain = ours(case, x, **way), plainly(case, x, **way)
    assert_agree(case, x, found, plain, way["mode"], torch.float32)
    assert differing(found, plain) == 0


@pytest.mark.parametrize("way", WAYS[:2], ids=["official", "paper"])
@pytest.mark.parametrize("case", WIDE, ids=label)
def test_float32_at_the_width_of_the_model(case: Case, way: dict[str, str]) -> None:
    x = case.embeddings() * case.width**0.5
    found, plain = ours(case, x, **way), plainly(case, x, **way)
    assert_agree(case, x, found, plain, way["mode"], torch.float32)
    assert differing(found, plain) == 0


@modes
@pytest.mark.parametrize("case", CASES[::3], ids=label)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bf16", "fp16"])
def test_half_types_choose_as_the_same_numbers_in_float32_would(
    case: Case, way: dict[str, str], dtype: torch.dtype
) -> None:
    """Half types are raised before they are compared: ties are those of float32, not of bf16."""
    x = case.embeddings().to(dtype)
    found, plain = ours(case, x, **way), plainly(case, x, **way)
    assert found.embeddings.dtype == dtype
    assert_agree(case, x, found, plain, way["mode"], torch.float32)


drawn = st.builds(
    Case,
    windows=st.integers(1, 6),
    grids=st.integers(1, 4),
    audio=st.integers(1, 50),
    tokens_per_grid=st.integers(1, 12),
    end=st.sampled_from(LEVELS["end"]),
    scores=st.sampled_from(LEVELS["scores"]),
    width=st.integers(4, 64),
    rho_a=st.floats(0, 1),
    rho_v=st.floats(0.001, 1),
    anchor_share=st.floats(0, 0.3),
    merge=st.integers(0, 15),
    seed=st.integers(0, 2**16),
)


@settings(max_examples=200, deadline=None)
@given(drawn, st.sampled_from(WAYS))
def test_any_layout_equals_the_plain_reading(case: Case, way: dict[str, str]) -> None:
    x = case.embeddings()
    found, plain = ours(case, x, **way), plainly(case, x, **way)
    assert_agree(case, x, found, plain, way["mode"], torch.float32)


@pytest.mark.parametrize("way", WAYS[:2], ids=["official", "paper"])
@pytest.mark.parametrize("lying", ["every other column", "columns first", "inside a batch"])
def test_rows_may_lie_in_memory_as_they_like(way: dict[str, str], lying: str) -> None:
    case = Case(windows=3, grids=2, audio=25, tokens_per_grid=16, end="short audio")
    x = case.embeddings()
    laid = {
        "every other column": torch.stack([x, -x], dim=2).flatten(1)[:, ::2],
        "columns first": x.T.contiguous().T,
        "inside a batch": torch.stack([-x, x, -x])[1],
    }[lying]
    assert torch.equal(laid, x)
    found, plain = ours(case, laid, **way), plainly(case, x, **way)
    assert_agree(case, x, found, plain, way["mode"], torch.float32)
    assert differing(found, plain) == 0


def test_official_rates_are_the_published_ones_bit_for_bit() -> None:
    """``int(P * (1 - rate))`` turns a last bit into a token, so the order of sums matters."""
    random = np.random.default_rng(4)
    for turn in range(2_000):
        windows = int(random.integers(1, 12))
        audio = int(random.choice([25, 50]))
        shares = (random.integers(0, audio + 1, windows) / audio).astype(np.float32)
        if turn % 2:
            shares[:] = shares[0]
        sizes = [288] * windows if turn % 3 else random.integers(1, 600, windows).tolist()
        rho_v = round(float(random.uniform(0.2, 0.8)), 2)
        initial = [0.75 - (0.75 - 0.35) * float(share) for share in shares]
        np.testing.assert_array_equal(
            allocate(shares, video_pruning=rho_v, video_tokens=sizes, mode="official"),
            official_rates(initial, sizes, rho_v, 0.35, 0.75),
        )


def test_an_even_clip_keeps_the_published_counts() -> None:
    """Half the audio everywhere, rho_v = 0.45: 36 * (1 - rate) is 21 less a last bit or not."""
    case = Case(windows=4, grids=2, audio=50, tokens_per_grid=36, rho_a=0.5, rho_v=0.45, merge=0)
    found = select(
        "omnizip",
        case.embeddings(),
        torch.tensor([1.0, 0.0]).repeat(100),
        case.ids,
        **case.asked,
        mode="official",
    )
    assert found.retention.tolist() == [0.5] * 4
    counts = [int(found.keep[run[:36]].sum()) for run in runs(case.ids.tolist(), VIDEO)]
    assert counts == [16, 21, 21, 21]


def still(case: Case) -> torch.Tensor:
    """A clip in which nothing moves: every grid repeats the first one."""
    x = case.embeddings()
    first = x[case.ids == VIDEO][: case.tokens_per_grid]
    for run in runs(case.ids.tolist(), VIDEO):
        for start in range(0, len(run), case.tokens_per_grid):
            grid = run[start : start + case.tokens_per_grid]
            x[grid] = first[: len(grid)]
    return x


@pytest.mark.parametrize("way", WAYS[:2], ids=["official", "paper"])
def test_a_still_clip_keeps_what_ties_allow(way: dict[str, str]) -> None:
    """Odd grids tie throughout, so any choice of the right size is possible; even ones do not."""
    case = Case(windows=4, grids=4, audio=25, tokens_per_grid=16, seed=5)
    x = still(case)
    found, plain = ours(case, x, **way), plainly(case, x, **way)
    assert_agree(case, x, found, plain, way["mode"], torch.float32)
    even = [grid for grid in plain.cuts if grid.ordinal % 2 == 0]
    assert even
    for grid in even:
        inside = slice(grid.start, grid.start + grid.size)
        assert torch.equal(found.keep[inside], plain.keep[inside])


# -- the witness itself --------------------------------------------------------------------------


def test_the_margins_catch_a_wrong_token() -> None:
    """Swapping the best token kept for the worst one left out is not possible in any grid."""
    case = Case(windows=3, grids=2, audio=25, tokens_per_grid=16)
    x = case.embeddings().double()
    for mode in ("official", "paper"):
        plain = plainly(case, x, mode=mode)
        for grid in plain.cuts:
            low, high = grid_interval(x, grid, 16, mode=mode, dtype=torch.float32)
            assert (high - low).max() < 1e-3, "float32 leaves little room"
            kept = plain.keep[grid.start : grid.start + 16].clone()
            best = int(torch.where(kept, low, -torch.inf).argmax())
            worst = int(torch.where(kept, torch.inf, high).argmin())
            kept[best], kept[worst] = False, True
            assert not possible_choice(kept, low, high, count=grid.kept)
            assert not possible_choice(kept, low, high, count=grid.kept + 1)
