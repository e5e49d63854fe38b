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
from omnizip_cost.compression import allocation

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
        lines.append(f"{text},{weight}" if weighted else text or '""')
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


def test_the_table_says_where_the_bounds_had_to_move(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "windows.csv").write_text("retention\n0.5\n\n1\n")
    arguments = ["allocate", str(tmp_path / "windows.csv"), "--video-pruning", "0.9"]
    assert run(arguments) == 0
    note = "rho_v = 0.9 lies outside [0.35, 0.75]: every window with audio gets rho_v"
    assert note in capsys.readouterr().out
    assert {row["note"] for row in _allocated(capsys, tmp_path / "windows.csv", 0.9)} == {note}
    assert {row["note"] for row in _allocated(capsys, tmp_path / "windows.csv", 0.7)} == {""}


@pytest.mark.parametrize("mode", ["paper", "official"])
def test_the_table_says_what_mean_was_reached(mode: str, tmp_path: Path, capsys: Capture) -> None:
    """`official` clips after it stops: 0.9 becomes 0.75 everywhere, and the budget is missed."""
    (tmp_path / "windows.csv").write_text("retention,video_tokens\n0.5,144\n,288\n1,288\n")
    assert run(
        ["allocate", str(tmp_path / "windows.csv"), "--video-pruning", "0.9", "--mode", mode]
    ) == 0  # fmt: skip
    result = allocation(
        [0.5, None, 1], video_pruning=0.9, video_tokens=[144, 288, 288],
        mode=mode,  # type: ignore[arg-type]
    )  # fmt: skip
    out = capsys.readouterr().out
    assert f"windows with audio {result.realised:.4f} (budget 0.9)" in out
    assert (round(result.realised, 4) == 0.9) == (mode == "paper")


@pytest.mark.parametrize("tail", ["", "\n", "\n\n\n"])
def test_blank_lines_at_the_end_are_no_windows(tail: str, tmp_path: Path, capsys: Capture) -> None:
    for name, text in (("a", "retention\n0.5\n\n0.7\n"), ("b", "retention,video_tokens\n0.5,9\n")):
        (tmp_path / f"{name}.csv").write_text(text + tail)
    shares = [row["retention"] for row in _allocated(capsys, tmp_path / "a.csv", 0.6)]
    assert shares == [0.5, None, 0.7]
    assert len(_allocated(capsys, tmp_path / "b.csv", 0.6)) == 1


@pytest.mark.parametrize("word", ["nan", "NaN", '""', " "])
def test_nan_is_a_window_without_audio(word: str, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "windows.csv").write_text(f"retention\n0.5\n{word}\n")
    rows = _allocated(capsys, tmp_path / "windows.csv", 0.6)
    assert [row["retention"] for row in rows] == [0.5, None]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("retention\n0.5\n1.2\n", "line 3: retention must be a number in [0, 1]"),
        ("retention\n-0.1\n", "line 2: retention must be a number in [0, 1]"),
        ("retention\ninf\n", "line 2: retention must be a number in [0, 1]"),
        ("retention,retention\n0.5,1\n", "has more than one column 'retention'"),
        ("retention,video_tokens\n0.5,2,3\n", "line 2 has more values (3) than columns (2)"),
        ("retention\n\n\n", "has no rows"),
    ],
)
def test_a_faulty_table_is_named_with_its_line(
    text: str, part: str, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "odd.csv").write_text(text)
    assert run(["allocate", str(tmp_path / "odd.csv"), "--video-pruning", "0.5"]) == 2
    out = capsys.readouterr()
    assert out.out == "" and len(out.err.splitlines()) == 1
    assert "odd.csv" in out.err and part in out.err
