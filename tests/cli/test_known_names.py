"""What the command line knows by name is what there is, and each fact stands on a line."""

from __future__ import annotations

import json

import pytest

from omnizip_cost.cli.app import run
from omnizip_cost.cli.figures import FIGURE_NAMES
from omnizip_cost.compression import METHODS
from omnizip_cost.plotting import FIGURES

Capture = pytest.CaptureFixture[str]


def test_help_names_every_figure_there_is(capsys: Capture) -> None:
    assert tuple(FIGURES) == FIGURE_NAMES
    assert run(["figures", "--help"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in FIGURES)


@pytest.mark.parametrize("name", METHODS)
def test_each_assumption_starts_a_line(capsys: Capture, name: str) -> None:
    assert run(["methods", name]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assumptions = METHODS[name].assumptions or ("none",)
    starts = [line.removeprefix("assumptions").strip() for line in lines]
    for assumption in assumptions:
        assert any(start and assumption.startswith(start) for start in starts)
    assert sum(line.startswith("assumptions") for line in lines) == 1


def test_assumptions_stay_one_text_for_programs(capsys: Capture) -> None:
    assert run(["methods", "dycoke", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["assumptions"] == " ".join(METHODS["dycoke"].assumptions)
