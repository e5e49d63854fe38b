"""Grids from TOML files: ranges mean what they say, everything else is one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from omnizip_cost.cost.convention_file import EXAMPLE as OWN_CONVENTION
from omnizip_cost.errors import OmnizipCostError
from omnizip_cost.specs import load_spec
from omnizip_cost.sweep import Grid
from omnizip_cost.sweep.grid_file import EXAMPLE, load_grid

BASE = 'models = ["omni-tiny"]\nconventions = ["eq9"]\n'
PRUNED = BASE + 'methods = ["random"]\ntokens = [10]\n'


def read(tmp_path: Path, text: str) -> Grid:
    path = tmp_path / "grid.toml"
    path.write_text(text)
    return load_grid(path)


@pytest.mark.parametrize(
    ("tokens", "values"),
    [
        ("[5, 3, 5]", [5, 3]),
        ("{ start = 1, stop = 10, step = 4 }", [1, 5, 9]),
        ("{ start = 1, stop = 9, step = 4 }", [1, 5, 9]),
        ("{ start = 7, stop = 7, step = 4 }", [7]),
        ("{ start = 1, stop = 10, count = 4 }", [1, 4, 7, 10]),
        ("{ start = 1, stop = 4, count = 9 }", [1, 2, 3, 4]),
        ('{ start = 1, stop = 1000, count = 4, spacing = "log" }', [1, 10, 100, 1000]),
        ('{ start = 1, stop = 4, count = 50, spacing = "log" }', [1, 2, 3, 4]),
        ("{ start = 9007199254740990, stop = 9007199254740991, step = 1 }", [2**53 - 2, 2**53 - 1]),
    ],
)
def test_token_counts_are_whole_and_each_is_there_once(
    tmp_path: Path, tokens: str, values: list[int]
) -> None:
    assert read(tmp_path, f"{BASE}tokens = {tokens}").tokens.tolist() == values


@pytest.mark.parametrize(
    ("retained", "values"),
    [
        ("[0.45, 0, 1]", [0.45, 0.0, 1.0]),
        ("{ start = 0.05, stop = 0.35, step = 0.1 }", [0.05, 0.15, 0.25, 0.35]),
        ("{ start = 0, stop = 1, count = 11 }", [n / 10 for n in range(11)]),
        ("{ start = 0.1, stop = 0.7, count = 3 }", [0.1, 0.4, 0.7]),
        ("{ start = 0.5, stop = 0.5, count = 1 }", [0.5]),
    ],
)
def test_ratios_are_the_decimals_that_are_written(
    tmp_path: Path, retained: str, values: list[float]
) -> None:
    assert read(tmp_path, f"{PRUNED}retained = {retained}").retained.tolist() == values


def test_ratios_spaced_by_a_factor_stay_ratios(tmp_path: Path) -> None:
    text = '{ start = 0.01, stop = 1.0, count = 7, spacing = "log" }'
    found = read(tmp_path, f"{PRUNED}retained = {text}").retained
    assert (found[0], found[-1]) == (pytest.approx(0.01), 1.0)
    assert np.ptp(found[1:] / found[:-1]) < 1e-12


def test_the_example_is_a_grid(tmp_path: Path) -> None:
    grid = read(tmp_path, EXAMPLE)
    assert grid.size == 2 * 2 * 200 * 3 * (1 + 2 * 20)
    assert (grid.tokens[0], grid.tokens[-1]) == (1000, 100_000)
    assert 0.35 in grid.retained.tolist()


def test_paths_may_be_relative_to_the_file(tmp_path: Path) -> None:
    tiny = load_spec("omni-tiny")
    (tmp_path / "mine").mkdir()
    config = Path(load_spec.__code__.co_filename).with_name("data") / "omni-tiny.json"
    import json

    (tmp_path / "mine" / "config.json").write_text(
        json.dumps(json.loads(config.read_text())["config"])
    )
    (tmp_path / "own.toml").write_text(OWN_CONVENTION)
    grid = read(
        tmp_path,
        'models = ["mine/config.json", "omni-tiny"]\nconventions = ["own.toml"]\ntokens = [1]',
    )
    assert [spec.name for spec in grid.models] == ["mine", "omni-tiny"]
    assert grid.models[0].text == tiny.text
    assert [convention.name for convention in grid.conventions] == ["mac-exact"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (BASE, "lacks tokens"),
        (BASE + "tokns = [1]", "'tokns': did you mean tokens"),
        (BASE + "tokens = 5", "tokens must be a list of numbers, or a table of start"),
        (BASE + "tokens = []", "tokens must be 1 to 10,000,000 values"),
        (BASE + "tokens = [1.5]", "tokens must be whole numbers from 1 on"),
        (BASE + "tokens = [0]", "tokens must be whole numbers from 1 on"),
        (BASE + "tokens = [true]", "tokens must be whole numbers from 1 on"),
        (BASE + "tokens = [9007199254740992]", r"below 2\^53"),
        (BASE + "tokens = { start = 1, stop = 2 }", "step must be given, or count"),
        (
            BASE + "tokens = { start = 1, stop = 9, step = 2, count = 2 }",
            "step must be given, or count in its place, not both$",
        ),
        (BASE + "tokens = { start = 1, stop = 9, stp = 2 }", "'stp': did you mean stop or step"),
        (BASE + "tokens = { start = 9, stop = 1, step = 2 }", "stop must be a whole number from 9"),
        (BASE + "tokens = { stop = 1, step = 2 }", "start must be a whole number from 0"),
        (BASE + "tokens = { start = 1, stop = 9, step = 0 }", "step must be a whole number from 1"),
        (BASE + "tokens = { start = 1, stop = 1_000_000_000, step = 1 }", "10,000,000 values do"),
        (
            BASE + 'tokens = { start = 0, stop = 9, count = 2, spacing = "log" }',
            "start must be a whole number from 1",
        ),
        (BASE + 'tokens = { start = 1, stop = 9, step = 2, spacing = "log" }', "give count"),
        (BASE + 'tokens = { start = 1, stop = 9, count = 2, spacing = "lg" }', "'linear' or 'log'"),
        (BASE + "tokens = [1]\ndecode = [-1]", "decode must be whole numbers from 0 on"),
        (BASE + "tokens = [1]\nchunk_rows = 0", "chunk_rows must be a positive whole number"),
        (
            BASE + "tokens = { start = 1, stop = 1_000_000, step = 1 }\nchunk_rows = 1",
            "so large that 100,000 files do, got 1; this makes 1,000,000",
        ),
        (BASE + "tokens = [1]\nretained = [0.5]", "retained must be left out, since no method"),
        (PRUNED, "retained must be given, since random prunes"),
        (PRUNED + "retained = [1.01]", r"retained must be a ratio in \[0, 1\], got 1.01"),
        (PRUNED + "retained = [nan]", r"retained must be a ratio in \[0, 1\], got nan"),
        (PRUNED + "retained = { start = 0.1, stop = inf, step = 0.1 }", "stop must be a number"),
        (PRUNED + "retained = { start = 0.1, stop = 1, step = 0.0 }", "step must be a number from"),
        (PRUNED.replace("random", "randm"), "did you mean random"),
        (PRUNED.replace("random", "fastv") + "retained = [0.5]\nfastv_layer = 99", "has 8 layers"),
        (PRUNED.replace("random", "fastv") + "retained = [0.5]\nfastv_layer = 1.0", "got 1.0"),
        (BASE.replace('["omni-tiny"]', '"omni-tiny"') + "tokens = [1]", "must be a list of names"),
        (BASE.replace("omni-tiny", "omni-tny") + "tokens = [1]", "did you mean omni-tiny"),
        (BASE.replace("eq9", "eq8") + "tokens = [1]", "did you mean eq9"),
        (BASE.replace('"eq9"', "") + "tokens = [1]", "a list with one name at least"),
        ("models = [", "is not valid TOML"),
    ],
)
def test_what_is_amiss_is_one_sentence(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(OmnizipCostError, match=says) as refused:
        read(tmp_path, text)
    assert "\n" not in str(refused.value)


def test_files_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xff\xfe\x00")
    for name, says in (("a.toml", "is not text"), ("b.toml", "no such file"), (".", "cannot be")):
        with pytest.raises(OmnizipCostError, match=says):
            load_grid(tmp_path / name)
