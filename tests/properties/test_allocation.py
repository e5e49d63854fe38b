"""Algorithm 1 in `paper` mode: budget, bounds and order, on random windows and rates."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from omnizip_cost.compression import allocate, allocation
from omnizip_cost.errors import InvalidValueError, UnknownNameError

ratios = st.floats(0, 1)
windows = st.integers(1, 40).flatmap(
    lambda n: st.tuples(
        st.lists(ratios, min_size=n, max_size=n),
        st.lists(st.integers(1, 2_000), min_size=n, max_size=n),
    )
)


@given(windows, ratios)
def test_budget_is_kept_exactly(clip: tuple[list[float], list[int]], rho_v: float) -> None:
    shares, weights = clip
    rates = allocate(shares, video_pruning=rho_v, video_tokens=weights)
    mean = math.fsum(w * r for w, r in zip(weights, rates, strict=True)) / sum(weights)
    assert abs(mean - rho_v) < 1e-12


@given(windows, ratios)
def test_bounds_hold_wherever_the_budget_lies_in_them(
    clip: tuple[list[float], list[int]], rho_v: float
) -> None:
    result = allocation(clip[0], video_pruning=rho_v, video_tokens=clip[1])
    if 0.35 <= rho_v <= 0.75:
        assert result.rates.min() >= 0.35 - 1e-15
        assert result.rates.max() <= 0.75 + 1e-15
        assert not result.notes
    else:
        assert np.all(result.rates == rho_v)
        assert "outside" in result.notes[0]


@given(windows, st.floats(0.35, 0.75))
def test_more_audio_never_means_more_pruning(
    clip: tuple[list[float], list[int]], rho_v: float
) -> None:
    rates = allocate(clip[0], video_pruning=rho_v, video_tokens=clip[1])
    order = np.argsort(clip[0], kind="stable")
    assert np.all(np.diff(rates[order]) <= 1e-15)


@given(windows, st.floats(0.35, 0.75), st.data())
def test_more_audio_in_a_window_never_raises_its_own_rate(
    clip: tuple[list[float], list[int]], rho_v: float, data: st.DataObject
) -> None:
    shares, weights = clip
    place = data.draw(st.integers(0, len(shares) - 1))
    raised = data.draw(st.floats(shares[place], 1))
    assume(raised > shares[place])
    more = [*shares[:place], raised, *shares[place + 1 :]]
    before = allocate(shares, video_pruning=rho_v, video_tokens=weights)[place]
    after = allocate(more, video_pruning=rho_v, video_tokens=weights)[place]
    assert after <= before + 1e-12


@given(windows, ratios, st.data())
def test_windows_without_audio_stay_outside(
    clip: tuple[list[float], list[int]], rho_v: float, data: st.DataObject
) -> None:
    shares, weights = clip
    silent = data.draw(st.lists(st.booleans(), min_size=len(shares), max_size=len(shares)))
    given_shares = [math.nan if s else x for s, x in zip(silent, shares, strict=True)]
    rates = allocate(given_shares, video_pruning=rho_v, video_tokens=weights)
    assert all(rate == rho_v for rate, quiet in zip(rates, silent, strict=True) if quiet)
    heard = [i for i, quiet in enumerate(silent) if not quiet]
    if heard:
        alone = allocate(
            [shares[i] for i in heard],
            video_pruning=rho_v,
            video_tokens=[weights[i] for i in heard],
        )
        assert np.array_equal(rates[heard], alone)


@given(windows, ratios)
def test_official_rates_stay_in_their_bounds(
    clip: tuple[list[float], list[int]], rho_v: float
) -> None:
    rates = allocate(clip[0], video_pruning=rho_v, video_tokens=clip[1], mode="official")
    assert rates.min() >= 0.35
    assert rates.max() <= 0.75


def test_official_misses_its_budget_where_the_clip_binds_and_says_so() -> None:
    """One loud window is frozen at 0.35, the others stop at 0.75: 0.7 is out of reach."""
    retention = [1.0, 1.0, 1.0, 1.0, 0.0]
    paper = allocation(retention, video_pruning=0.7)
    official = allocation(retention, video_pruning=0.7, mode="official")
    assert paper.realised == pytest.approx(0.7, abs=1e-12)
    assert official.realised < 0.69
    silent = allocation([None, None], video_pruning=0.7)
    assert math.isnan(silent.realised)


def test_the_plain_rescale_would_leave_the_bounds() -> None:
    """S = (0, 1, 1, 1) at rho_v = 0.6: the silent window is held at 0.75, the others share."""
    rates = allocate([0, 1, 1, 1], video_pruning=0.6)
    assert rates == pytest.approx([0.75, 0.55, 0.55, 0.55], abs=1e-15)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"retention": [0.5], "video_pruning": 1.2}, "video_pruning must be a ratio in [0, 1]"),
        ({"retention": [1.5], "video_pruning": 0.5}, "retention must be in [0, 1], got 1.5"),
        ({"retention": [], "video_pruning": 0.5}, "at least one"),
        ({"retention": ["loud"], "video_pruning": 0.5}, "numbers in [0, 1]"),
        (
            {"retention": [0.5], "video_pruning": 0.5, "video_tokens": [1, 2]},
            "one count for each of 1 windows",
        ),
        ({"retention": [0.5], "video_pruning": 0.5, "video_tokens": [-1]}, "zero or more"),
        (
            {"retention": [0.5], "video_pruning": 0.5, "rho_min": 0.8, "rho_max": 0.4},
            "rho_min must be at most rho_max (0.4)",
        ),
    ],
)
def test_bad_input_is_one_sentence(arguments: dict[str, object], sentence: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        allocate(**arguments)  # type: ignore[arg-type]
    assert sentence in str(caught.value)


def test_unknown_mode_names_the_near_one() -> None:
    with pytest.raises(UnknownNameError, match="did you mean official"):
        allocate([0.5], video_pruning=0.5, mode="offical")  # type: ignore[arg-type]
