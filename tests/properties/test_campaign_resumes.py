"""A campaign killed at any pass goes on: nothing stored is lost, and nothing is measured twice."""

from __future__ import annotations

import random

import pytest
from campaign_fixtures import STAGES, Killed, Stage, stage  # noqa: F401

ROUNDS, CELLS = 5, 3
BEFORE_ROUNDS = 2 * CELLS + 1
"""Passes of a block before its first round: memory and a warm-up of each cell, one to begin."""


def test_killed_at_random_moments_it_loses_a_pass_at_most(stage: Stage) -> None:  # noqa: F811
    draw = random.Random(6)
    block = stage.block("only", 2, rounds=ROUNDS)
    kills, before, reached = 0, stage.samples(), set()
    for _ in range(40):
        lives = draw.randrange(3, BEFORE_ROUNDS + 4)
        stage.kill_after = len(stage.passes) + lives
        timed = _timed(stage)
        try:
            stage.campaign(block).run()
        except Killed:
            kills += 1
        after = stage.samples()
        assert all(after[key][: len(values)] == values for key, values in before.items())
        gained = sum(map(len, after.values())) - sum(map(len, before.values()))
        lost = _timed(stage) - timed - gained // len(STAGES)
        assert 0 <= lost <= BEFORE_ROUNDS + 1, "more than warm-ups and the running pass is gone"
        before = after
        reached |= {len(values) for values in before.values()}
        if len(before) == CELLS * len(STAGES) and {len(v) for v in before.values()} == {ROUNDS}:
            break
    assert kills > 3
    assert {1, 2} & reached, "no kill fell between two rounds"
    assert {len(values) for values in before.values()} == {ROUNDS}
    every = [value for values in before.values() for value in values]
    assert len(set(every)) == len(every), "one sample stands in two places"
    assert len(before) == CELLS * len(STAGES)
    stage.kill_after, passes = None, len(stage.passes)
    assert {row.status for row in stage.campaign(block).run()} == {"held"}
    assert len(stage.passes) == passes


def test_a_second_writer_is_refused_and_the_first_goes_on(stage: Stage) -> None:  # noqa: F811
    from omnizip_cost.errors import InputFileError
    from omnizip_cost.results import MeasurementStore

    first = stage.campaign(stage.block("only", 2))
    with first.store, pytest.raises(InputFileError, match="another run is writing here"):
        stage.campaign(stage.block("only", 2)).run()
    assert not stage.passes
    assert first.run()[0].status == "done"
    assert len(MeasurementStore(stage.folder / "out").cells()) == CELLS


def _timed(stage: Stage) -> int:  # noqa: F811
    return sum(ledger == "TimeLedger" for _, ledger in stage.passes)
