"""The harness on recorded times: when it stops, what it keeps, what it doubts."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterable
from itertools import accumulate, cycle

import numpy as np
import pytest
import torch

from omnizip_cost.errors import InvalidValueError
from omnizip_cost.profiling.clock import HostClock, RecordedClock, clock_for
from omnizip_cost.profiling.harness import Repeats, Samples, judged, measure, measure_parts


def recorded(durations: Iterable[float]) -> RecordedClock:
    """A clock on which the k-th run takes the k-th of these seconds, with a pause between runs."""
    steps = [step for duration in durations for step in (1.0, duration)]
    return RecordedClock(accumulate(steps))


def nothing() -> None:
    pass


def test_equal_times_stop_at_the_fewest_repeats() -> None:
    samples = measure(nothing, clock=recorded([9, 2, 2, 2, 2, 2]), warmup=1)
    assert samples.samples_s == pytest.approx((2, 2, 2))
    assert samples.warmup_s == pytest.approx((9,))
    assert samples.median_s == pytest.approx(2)
    assert samples.doubts == ("only 3 samples",)


def test_scattered_times_are_repeated_until_the_median_is_known() -> None:
    times = [1.0, 1.1, 0.9, 1.05, 0.95] * 8
    samples = measure(nothing, clock=recorded(times), warmup=0, max_repeats=40)
    number = len(samples.samples_s)
    assert 3 < number < 40
    assert samples.samples_s == pytest.approx(times[:number])
    assert samples.median_error <= 0.03
    before = Samples(samples_s=samples.samples_s[:-1])
    assert before.median_error > 0.03, "one repeat fewer would not have been enough"


def test_the_limit_holds_and_the_spread_is_doubted() -> None:
    samples = measure(nothing, clock=recorded([1.0, 2.0] * 10), warmup=0, max_repeats=6)
    assert len(samples.samples_s) == 6
    assert any("spread by 33%" in doubt for doubt in samples.doubts)


def test_the_budget_ends_the_measurement_but_leaves_one_sample() -> None:
    samples = measure(nothing, clock=recorded([50, 40, 40]), warmup=1, budget_s=30)
    assert samples.samples_s == pytest.approx((40,))
    assert samples.doubts == ("only 1 sample",)
    assert samples.median_error == float("inf")
    samples = measure(nothing, clock=recorded([5, 5, 5, 5]), warmup=0, budget_s=10)
    assert len(samples.samples_s) == 2


def test_a_drift_is_doubted() -> None:
    assert judged([1.0] * 5 + [1.5] * 5).doubts[-1] == (
        "times drifted by +50% from the first half to the last"
    )
    assert judged([1.0] * 10).doubts == ()


def test_quartiles_and_errors_follow_their_definitions() -> None:
    samples = Samples(samples_s=(1.0, 2.0, 3.0, 4.0, 5.0))
    assert (samples.low_s, samples.median_s, samples.high_s) == (2, 3, 4)
    assert samples.spread == pytest.approx(1 / 3)
    assert samples.median_error == pytest.approx(0.929 * 2 / 5**0.5 / 3)


def test_the_error_of_the_median_is_what_simulation_gives() -> None:
    drawn = np.random.default_rng(0).normal(10, 1, size=(4000, 25))
    simulated = np.median(drawn, axis=1).std() / 10
    stated = np.mean([Samples(samples_s=tuple(row)).median_error for row in drawn[:300]])
    assert stated == pytest.approx(simulated, rel=0.1)


def test_parts_are_sampled_together_and_light_ones_do_not_prolong() -> None:
    noise = cycle([0.001, 0.02, 0.0005])
    rounds = iter(range(100))

    def once() -> dict[str, float]:
        next(rounds)
        return {"heavy": 1.0, "light": next(noise)}

    found = measure_parts(once, Repeats(warmup=2))
    assert next(rounds) == 5
    assert {name: len(part.samples_s) for name, part in found.items()} == {"heavy": 3, "light": 3}
    assert len(found["light"].warmup_s) == 2


def test_a_heavy_part_prolongs() -> None:
    noise = cycle([1.0, 2.0, 0.5])
    found = measure_parts(lambda: {"a": 1.0, "b": next(noise)}, Repeats(warmup=0, max_repeats=11))
    assert len(found["a"].samples_s) == 11


def test_garbage_collection_is_off_within_samples_only() -> None:
    seen: list[bool] = []
    measure(lambda: seen.append(gc.isenabled()), clock=recorded([1] * 4), warmup=1)
    assert seen == [False] * 4
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError):
        measure(lambda: 1 / 0, clock=recorded([1]), warmup=0)
    assert gc.isenabled()
    gc.disable()
    try:
        measure(nothing, clock=recorded([1] * 4))
        assert not gc.isenabled(), "collection that the caller switched off stays off"
    finally:
        gc.enable()


def test_the_device_is_awaited_around_each_sample() -> None:
    clock = recorded([1] * 4)
    measure(nothing, clock=clock, warmup=1)
    assert clock.synchronised == 8


def test_the_host_clock_measures_seconds() -> None:
    clock = clock_for("cpu")
    assert isinstance(clock, HostClock)
    start = clock.mark()
    time.sleep(0.02)
    assert 0.02 <= clock.elapsed_s(start, clock.mark()) < 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_the_cuda_clock_measures_the_device() -> None:
    clock = clock_for("cuda")
    start = clock.mark()
    torch.cuda._sleep(20_000_000)
    stop = clock.mark()
    clock.synchronise()
    assert 0.001 < clock.elapsed_s(start, stop) < 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"warmup": -1}, "warmup must be 0 or more"),
        ({"min_repeats": 0}, "min_repeats must be between 1 and max_repeats"),
        ({"min_repeats": 30}, r"max_repeats \(20\)"),
        ({"target_spread": 0}, "target_spread must be above 0"),
        ({"budget_s": 0}, "budget_s must be above 0"),
    ],
)
def test_contradicting_limits_are_refused(settings: dict[str, float], words: str) -> None:
    with pytest.raises(InvalidValueError, match=words):
        measure(nothing, clock=recorded([]), **settings)
    with pytest.raises(InvalidValueError, match="at least one"):
        Samples(samples_s=())
