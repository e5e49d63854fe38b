"""The measured rows kept in the project: they load, compare, and are what the README shows."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Any

import pytest

import omnizip_cost as oz
from omnizip_cost.cli.app import run
from omnizip_cost.cli.compare import read_measurements
from omnizip_cost.cli.publish import verdicts
from omnizip_cost.compare import compare
from omnizip_cost.units import GIGA

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = sorted(path.parent for path in (ROOT / "analysis" / "measurements").rglob("rows.parquet"))


def test_there_are_some() -> None:
    assert FOLDERS


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_they_compare_and_carry_their_circumstances(folder: Path) -> None:
    rows, specs = read_measurements(folder)
    assert all(row.samples_s for row in rows if row.status == "ok")
    assert all(row.environment_id and row.created_utc and row.package_version for row in rows)
    assert {row.model for row in rows} <= set(specs)
    assert compare(rows, specs)


SELECTION = ROOT / "analysis" / "measurements" / "cpu-selection"
CASES = ("floor", "official", "paper", "plain official", "plain paper")
RATIOS = (
    ("official", "times_floor", ".2f"),
    ("paper", "times_floor", ".2f"),
    ("official", "plain_official_times", ".1f"),
    ("paper", "plain_official_times", ".1f"),
    ("paper", "plain_same_mode_times", ".1f"),
)


def selection_rows() -> dict[tuple[int, float, float], dict[str, Any]]:
    """Rows of the benchmark by prompt and case."""
    found: dict[tuple[int, float, float], dict[str, Any]] = {}
    for row in json.loads((SELECTION / "bench.json").read_text())["rows"]:
        assert row["median_ms"] == pytest.approx(median(row["samples_ms"]))
        found.setdefault((row["tokens"], row["rho_a"], row["rho_v"]), {})[row["case"]] = row
    return found


def test_the_readme_shows_what_selection_took() -> None:
    readme = (ROOT / "README.md").read_text()
    for (tokens, rho_a, rho_v), cases in selection_rows().items():
        times = [f"{cases[c]['median_ms']:,.0f}" if c in cases else "-" for c in CASES]
        ratios = [
            "-" if cases[case][name] is None else format(cases[case][name], digits)
            for case, name, digits in RATIOS
        ]
        line = [f"{tokens:,}", f"({rho_a:g}, {rho_v:g})", *times, *ratios]
        assert f"| {' | '.join(line)} |" in readme
    floors = [cases["floor"] for cases in selection_rows().values()]
    spread = max((row["high_ms"] - row["low_ms"]) / row["median_ms"] for row in floors)
    assert f"the quartiles of a floor lay up to {spread:.0%} of its median" in " ".join(
        readme.split()
    )


def test_selection_meets_its_targets_on_the_kept_rows() -> None:
    """At 10,000 tokens, two CPU cores: times of the floor at most, times faster than plain."""
    judged = [cases for prompt, cases in selection_rows().items() if prompt[0] == 10_140]
    assert len(judged) == 2
    for cases in judged:
        for case, most, least in (("official", 2.0, 7.0), ("paper", 1.1, 15.0)):
            assert cases[case]["times_floor"] <= most
            assert cases[case]["plain_official_times"] >= least


def test_the_readme_says_how_many_tokens_rounding_moves() -> None:
    readme = " ".join((ROOT / "README.md").read_text().split())
    rows = json.loads((SELECTION / "parity.json").read_text())

    def most(dtype: str, who: str) -> int:
        return max(row[f"{who}_differs"] for row in rows if row["dtype"] == dtype)

    assert {row["mean"] for row in rows} == {0.5, 20.0}
    assert (
        f"at most {most('float32', 'ours')} entries of a mask differ in float32 and "
        f"{most('bfloat16', 'ours')} in bfloat16" in readme
    )
    assert f"differs in up to {most('bfloat16', 'plain'):,}" in readme


def test_the_readme_says_what_selection_costs() -> None:
    """The 7B on 60 s of 252x448: figures of the count, not of memory."""
    readme = " ".join((ROOT / "README.md").read_text().split())
    spec = oz.load_spec("qwen2.5-omni-7b")
    work = oz.workload(spec, seconds=60, pixels=(252, 448))
    assert work.av_tokens == 10_140
    omnizip = oz.plan("omnizip", work, spec, audio_pruning=0.3, video_pruning=0.6)
    fastv = oz.plan("fastv", work, spec, retained=0.45)
    last = oz.plan("fastv", work, spec, retained=0.45, fastv_form="last-query")
    one, two, three = (
        next(row for row in oz.count(spec, plan, "torch") if row.component == "selection")
        for plan in (omnizip, fastv, last)
    )
    assert (
        f"multiplies {one.flops / GIGA:.1f} GFLOP and moves {one.bytes_moved / GIGA:.1f} GB in "
        f"{one.kernels} dispatched operators" in readme
    )
    assert (
        f"multiplies {two.flops / GIGA:.0f} GFLOP and moves {two.bytes_moved / GIGA:.0f} GB in "
        f"{two.kernels}" in readme
    )
    assert f"(`--fastv-form last-query`) {three.flops / GIGA:.2f} GFLOP" in readme


def test_the_readme_shows_the_demos_rows(capsys: pytest.CaptureFixture[str]) -> None:
    folder = ROOT / "analysis" / "measurements" / "cpu-demo"
    readme = (ROOT / "README.md").read_text()
    rows, specs = read_measurements(folder)
    compared = compare(rows, specs)
    assert all(sentence in readme for sentence in verdicts(compared))
    capsys.readouterr()
    assert run(["compare", str(folder)]) == 0
    table = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    shown = [line for line in table if line.startswith("  OmniZip") or line.startswith("  FastV")]
    assert len(shown) == 6
    assert all(line in readme for line in shown)
    assert all(abs(row.error_exact or 0) < 0.15 for row in compared)


SWEEP = ROOT / "analysis" / "measurements" / "cpu-sweep" / "bench.json"


def test_the_readme_shows_how_fast_grids_are() -> None:
    readme = (ROOT / "README.md").read_text()
    kept = json.loads(SWEEP.read_text())
    assert kept["agreement"] == {"sampled": 200, "exact": 200, "equal": 200}
    rows = {row["case"]: row for row in kept["rows"]}
    for row in rows.values():
        assert row["configurations_per_s"] == pytest.approx(
            row["configurations"] / median(row["samples_s"])
        )
    for words, case, form, ratio in (
        ("every column in memory, one thread", "broad: columns, 1 thread", ",.0f", ",.0f"),
        ("every column in memory, two threads", "broad: columns, 2 threads", ",.0f", ",.0f"),
        ("written to Parquet", "broad: Parquet", ",.0f", ",.0f"),
        ("one at a time (`plan`, `count`)", "one at a time", ",.0f", ",.0f"),
        ("calflops, prefill alone", "calflops", ".2f", ".4f"),
        ("FlopCounterMode on meta, prefill alone", "FlopCounterMode, meta", ".2f", ".4f"),
    ):
        row = rows[case]
        cells = [words, f"{row['configurations_per_s']:{form}}", f"{row['times_scalar']:{ratio}}"]
        assert f"| {' | '.join(cells)} |" in readme
