"""A calibration finds the numbers that made the times, and says what the times cannot tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.latency.calibration import PARAMETERS
from omnizip_cost.latency.calibration_fit import fit
from omnizip_cost.latency.calibration_split import held_out
from omnizip_cost.latency.calibration_terms import StageTerms, TermTable

NEUTRAL = {"gemm": 1.0, "attention": 1.0, "memory": 1.0, "launch_s": 0.0, "host_s": 10e-6}
LENGTHS = (200, 500, 1100, 2600, 6000)


def stage(
    n: int,
    *,
    asynchronous: bool,
    decode: bool = False,
    attention: bool = True,
    width: float = 1.0,
) -> StageTerms:
    """A decoder's stage in outline: products, attention, copies and small operators."""
    rows = 1 if decode else n
    keys = n if attention else 0
    layers = 28
    base = [
        width * layers * (rows * 2e-7 + 4e-6),
        layers * rows * keys * 4e-11 + layers * 1e-7 * attention,
        layers * rows * 3e-8,
        layers * 20 * 2e-8,
    ]
    return StageTerms(
        base_s=np.array(base),
        work=np.array([0, 1, 2, 2]),
        kernels=np.array([layers * 7.0, layers * attention, layers * 10.0, layers * 20.0]),
        dispatched=layers * 38.0,
        asynchronous=asynchronous,
        observed_s=1.0,
        length=n,
        retained=1.0,
        name=f"{'decode' if decode else 'prefill'} of {n}",
    )


def observed(stages: list[StageTerms], values: dict[str, float], noise: float) -> list[StageTerms]:
    """The same stages with the times that these numbers give, and some noise."""
    seconds = TermTable(stages).seconds(values)
    factors = np.exp(noise * np.random.default_rng(7).standard_normal(len(stages)))
    return [
        replace(one, observed_s=float(s)) for one, s in zip(stages, seconds * factors, strict=True)
    ]


def both(*, asynchronous: bool) -> list[StageTerms]:
    """Prefill and decode of two models: in one alone, products and copies grow nearly alike."""
    return [
        stage(n, asynchronous=asynchronous, decode=decode, width=width)
        for n in LENGTHS
        for decode in (False, True)
        for width in (1.0, 4.0)
    ]


planted = st.fixed_dictionaries(
    {
        "gemm": st.floats(0.3, 1.2),
        "attention": st.floats(0.1, 1.2),
        "memory": st.floats(0.2, 1.5),
        "launch_s": st.just(PARAMETERS["launch_s"].low),
        "host_s": st.floats(3e-6, 60e-6),
    }
)


@settings(max_examples=10, deadline=None)
@given(values=planted)
def test_planted_numbers_are_found_on_a_cpu(values: dict[str, float]) -> None:
    stages = observed(both(asynchronous=False), values, noise=0.0)
    found = fit(stages, [False] * len(stages), NEUTRAL)
    for name in ("gemm", "attention", "memory", "host_s"):
        assert found.values()[name] == pytest.approx(values[name], rel=0.01), name
    held = {one.name: one.held for one in found.estimates if one.held}
    assert held == {"launch_s": "a CPU launches nothing"}
    assert max(map(abs, found.errors_used)) < 1e-3


def test_noise_is_answered_with_standard_errors_that_cover_it() -> None:
    values = {"gemm": 0.7, "attention": 0.4, "memory": 0.6, "launch_s": 0.0, "host_s": 20e-6}
    stages = observed(both(asynchronous=False), values, noise=0.03)
    found = fit(stages, [False] * len(stages), NEUTRAL)
    for one in found.estimates:
        if not one.held:
            assert one.standard_error is not None
            assert 0 < one.standard_error < 0.5
            assert abs(np.log(one.value / values[one.name])) < 3 * one.standard_error, one
    assert set(found.correlations) == {
        f"{a} {b}"
        for a, b in (
            ("gemm", "attention"),
            ("gemm", "memory"),
            ("gemm", "host_s"),
            ("attention", "memory"),
            ("attention", "host_s"),
            ("memory", "host_s"),
        )
    }
    assert all(-1 <= value <= 1 for value in found.correlations.values())


def test_a_device_that_runs_by_itself_tells_host_and_launch_by_different_rows() -> None:
    values = {"gemm": 0.9, "attention": 0.8, "memory": 0.85, "launch_s": 4e-6, "host_s": 30e-6}
    stages = observed(both(asynchronous=True), values, noise=0.0)
    found = fit(stages, [False] * len(stages), NEUTRAL | {"launch_s": 2e-6})
    assert found.values()["host_s"] == pytest.approx(30e-6, rel=0.01)
    assert max(map(abs, found.errors_used)) < 0.01


def test_what_no_row_depends_on_stays_and_is_named() -> None:
    stages = [stage(n, asynchronous=False, attention=False) for n in LENGTHS]
    stages += [stage(n, asynchronous=False, attention=False, decode=True) for n in LENGTHS]
    values = NEUTRAL | {"gemm": 0.5, "memory": 0.9, "host_s": 15e-6}
    found = fit(observed(stages, values, 0.0), [False] * len(stages), NEUTRAL)
    told = {one.name: one for one in found.estimates}
    assert told["attention"].held == "no row's time depends on it by 1%"
    assert told["attention"].value == 1.0
    assert told["attention"].standard_error is None


def test_two_numbers_that_do_the_same_are_not_both_fitted() -> None:
    """One shape of stage only: products and copies grow alike."""
    stages = []
    for n in LENGTHS:
        one = stage(n, asynchronous=False, attention=False)
        scale = n / LENGTHS[0]
        stages.append(
            StageTerms(
                base_s=np.array([1e-3, 2e-3]) * scale,
                work=np.array([0, 2]),
                kernels=np.array([1.0, 1.0]),
                dispatched=0.0,
                asynchronous=False,
                observed_s=5e-3 * scale,
                length=n,
                retained=1.0,
                name=one.name,
            )
        )
    found = fit(stages, [False] * len(stages), NEUTRAL)
    held = {one.name: one.held for one in found.estimates if one.held}
    assert held["gemm"] == "no row tells it apart from memory"
    assert "memory" not in held
    assert max(map(abs, found.errors_used)) < 1e-6


def test_a_number_beyond_its_bounds_ends_on_one_and_says_so() -> None:
    stages = both(asynchronous=False)
    seconds = TermTable(stages).seconds(NEUTRAL | {"gemm": 9.0})
    wild = [replace(one, observed_s=float(s)) for one, s in zip(stages, seconds, strict=True)]
    found = fit(wild, [False] * len(stages), NEUTRAL)
    assert "gemm" in [one.name for one in found.estimates if one.on_bound]
    assert all(PARAMETERS[one.name].holds(one.value) for one in found.estimates)


def test_held_out_rows_do_not_move_the_fit() -> None:
    stages = observed(both(asynchronous=False), NEUTRAL | {"gemm": 0.6}, 0.01)
    out = held_out([one.length for one in stages], [one.retained for one in stages])
    assert sum(out) == 8  # two lengths of five, prefill and decode, two models
    spoilt = [
        replace(one, observed_s=one.observed_s * (9 if away else 1))
        for one, away in zip(stages, out, strict=True)
    ]
    plain, other = fit(stages, out, NEUTRAL), fit(spoilt, out, NEUTRAL)
    assert plain.values() == other.values()
    assert plain.errors_used == other.errors_used
    assert max(plain.errors_held_out) < 0.1
    assert max(other.errors_held_out) < -0.8


@given(
    rows=st.lists(st.tuples(st.integers(1, 6), st.sampled_from([1.0, 0.7, 0.5, 0.35])), min_size=1)
)
def test_the_split_never_holds_everything_out_and_never_splits_a_cell(
    rows: list[tuple[int, float]],
) -> None:
    lengths, shares = [n for n, _ in rows], [share for _, share in rows]
    away = held_out(lengths, shares)
    for row, gone in zip(rows, away, strict=True):
        assert all(other == gone for twin, other in zip(rows, away, strict=True) if twin == row)
    shortest = min(lengths)
    kept_shares = {s for n, s in rows if n == shortest}
    least = min((s for s in shares if s < 1), default=1.0)
    if kept_shares & {1.0, least}:
        assert not all(away)


def test_too_few_rows_are_refused_in_a_sentence() -> None:
    with pytest.raises(InvalidValueError, match="more stages than the 3 parameters they are to"):
        fit([stage(100, asynchronous=False)] * 3, [False] * 3, NEUTRAL)
    with pytest.raises(InvalidValueError, match="some that are not held out"):
        fit([stage(100, asynchronous=False)], [True], NEUTRAL)
    with pytest.raises(InvalidValueError, match="at least one measured stage"):
        fit([], [], NEUTRAL)
