"""Random budgets through ``allocate FILE.csv --json``: the promises of `paper` mode, as printed."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from omnizip_cost.cli.app import run

Capture = pytest.CaptureFixture[str]
CASES = 40
TIGHT = 1e-12


def _allocated(capsys: Capture, table: Path, rho_v: float, *more: str) -> list[dict[str, Any]]:
    assert run(["allocate", str(table), "--video-pruning", repr(rho_v), *more, "--json"]) == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return rows


def _table(path: Path, rng: np.random.Generator, *, weighted: bool) -> list[int]:
    """Write a random table; return its weights. A fifth of the windows has no audio."""
    windows = int(rng.integers(1, 60))
    lines = ["retention,video_tokens" if weighted else "retention"]
    weights = [int(count) for count in rng.choice([0, 144, 288, 1000], windows)]
    weights = weights if weighted else [1] * windows
    for weight in weights:
        share = rng.choice([rng.random(), round(rng.random(), 1), 0.0, 1.0])
        text = "" if rng.random() < 0.2 else repr(float(share))
        lines.append(f"{text},{weight}" if weighted else text)
    path.write_text("\n".join(lines) + "\n")
    return weights


@pytest.mark.parametrize("seed", range(CASES))
def test_budget_bounds_and_order(seed: int, tmp_path: Path, capsys: Capture) -> None:
    rng = np.random.default_rng(seed)
    weights = _table(tmp_path / "windows.csv", rng, weighted=bool(seed % 2))
    low, high = sorted(float(bound) for bound in rng.random(2))
    rho_v = float(rng.choice([rng.random(), rng.uniform(low, high), 0.0, 1.0]))
    rows = _allocated(
        capsys, tmp_path / "windows.csv", rho_v, "--rho-min", repr(low), "--rho-max", repr(high)
    )
    assert [row["window"] for row in rows] == list(range(len(weights)))
    assert all(row["rate"] == rho_v for row in rows if row["retention"] is None)
    heard = [
        (row["retention"], row["rate"], weight)
        for row, weight in zip(rows, weights, strict=True)
        if row["retention"] is not None
    ]
    total = sum(weight for _, _, weight in heard)
    if total:
        mean = math.fsum(rate * weight for _, rate, weight in heard) / total
        assert mean == pytest.approx(rho_v, rel=0, abs=TIGHT)
    if low <= rho_v <= high:
        assert all(low - TIGHT <= rate <= high + TIGHT for _, rate, _ in heard)
    else:
        assert all(rate == pytest.approx(rho_v, rel=0, abs=TIGHT) for _, rate, _ in heard)
    in_order = sorted(heard)
    for (less, rate, _), (more, next_rate, _) in itertools.pairwise(in_order):
        assert next_rate <= rate + TIGHT or less == more, "more audio kept, no more video pruned"


@pytest.mark.parametrize("rho_v", [0.2, 0.34, 0.76, 0.9])
def test_a_budget_outside_the_bounds_is_everyones_rate(
    rho_v: float, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "windows.csv").write_text("retention,video_tokens\n0,288\n0.5,144\n1,288\n,288\n")
    rows = _allocated(capsys, tmp_path / "windows.csv", rho_v)
    assert [row["rate"] for row in rows] == pytest.approx([rho_v] * 4, rel=0, abs=TIGHT)


def test_a_binding_bound_moves_the_rest(tmp_path: Path, capsys: Capture) -> None:
    """Worked by hand: Eq. 5 gives .75, .35, .35, .35; a mean of .6 lifts the last three to .55."""
    (tmp_path / "windows.csv").write_text("retention\n0\n1\n1\n1\n")
    rows = _allocated(capsys, tmp_path / "windows.csv", 0.6)
    assert [row["initial_rate"] for row in rows] == pytest.approx([0.75, 0.35, 0.35, 0.35])
    assert [row["rate"] for row in rows] == pytest.approx([0.75, 0.55, 0.55, 0.55])


@pytest.mark.parametrize(
    ("more", "part"),
    [
        (("--video-pruning", "1.1"), "video_pruning must be a ratio in [0, 1], got 1.1"),
        (("--video-pruning", "nan"), "video_pruning must be a ratio in [0, 1], got nan"),
        (("--video-pruning", "-0.1"), "video_pruning must be a ratio in [0, 1], got -0.1"),
        (("--video-pruning", "0.5", "--rho-min", "0.8"), "rho_m"),
        (("--video-pruning", "0.5", "--rho-max", "1.2"), "rho_max"),
    ],
)
def test_wrong_budgets_are_one_sentence(
    more: tuple[str, ...], part: str, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "windows.csv").write_text("retention\n0.5\n")
    assert run(["allocate", str(tmp_path / "windows.csv"), *more, "--json"]) == 2
    out = capsys.readouterr()
    assert out.out == ""
    assert len(out.err.splitlines()) == 1 and part in out.err
