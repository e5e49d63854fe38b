"""``conventions`` as a user types it: records, counts side by side, a file of one's own."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

import omnizip_cost as oz
from omnizip_cost.cli.app import run
from omnizip_cost.cost import CONVENTIONS, load_convention
from omnizip_cost.cost.convention_file import EXAMPLE
from omnizip_cost.plotting.canvas import FORMATS

Capture = pytest.CaptureFixture[str]


def _json(capsys: Capture, *arguments: str) -> list[dict[str, Any]]:
    assert run(["conventions", *arguments, "--json"]) == 0
    out = capsys.readouterr()
    assert out.err == ""
    rows = json.loads(out.out)
    assert all(not isinstance(value, list | dict) for row in rows for value in row.values())
    return rows


def _refused(capsys: Capture, *arguments: str) -> str:
    assert run(["conventions", *arguments]) == 2
    out = capsys.readouterr()
    assert out.out == ""
    assert out.err.startswith("omnizip-cost: ") and out.err.count("\n") == 1
    return out.err


@pytest.fixture
def mine(tmp_path: Path) -> str:
    path = tmp_path / "mine.toml"
    path.write_text(EXAMPLE)
    return str(path)


def test_without_an_input_programs_get_the_records(capsys: Capture, mine: str) -> None:
    rows = _json(capsys)
    assert [row["name"] for row in rows] == list(CONVENTIONS)
    assert rows[0] == CONVENTIONS["eq9"].facts()
    assert [row["name"] for row in _json(capsys, "--file", mine)] == [*CONVENTIONS, "mac-exact"]
    assert _json(capsys, "eq9") == rows[:1]
    assert run(["conventions", "--csv"]) == 0
    table = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["source"] for row in table] == [row["source"] for row in rows]


def test_with_an_input_they_get_the_counts(capsys: Capture, mine: str) -> None:
    spec = oz.load_spec("omni-tiny")
    full = oz.plan("full", oz.bare_workload(500), spec)
    rows = _json(capsys, "--model", "omni-tiny", "--tokens", "500", "--decode", "3", "--file", mine)
    assert len(rows) == 2 * (len(CONVENTIONS) + 1)
    assert {row["method"] for row in rows} == {"full", "omnizip"}
    for row in rows:
        if row["method"] == "full":
            named = mine if row["convention"] == "mac-exact" else row["convention"]
            assert row["flops"] == oz.total_flops(oz.count(spec, full, named, 3))


def test_the_default_is_the_papers_main_row(capsys: Capture) -> None:
    rows = [row for row in _json(capsys, "--decode", "100") if row["convention"] == "eq9"]
    assert [f"{row['flops'] / 1e12:.1f}" for row in rows] == ["73.2", "28.3"]


def test_methods_are_chosen_as_in_flops(capsys: Capture) -> None:
    rows = _json(capsys, "eq9", "--method", "fastv,dycoke", "--retained", "0.5")
    assert [row["method"] for row in rows] == ["full", "fastv", "dycoke"]


def test_a_clip_shows_what_bare_tokens_do_not(capsys: Capture) -> None:
    arguments = ["conventions", "--model", "omni-tiny", "--seconds", "4", "--pixels", "112x112"]
    assert run(arguments) == 0
    out = capsys.readouterr().out
    assert "encoders" in out and "selection" in out and "prompt text is assumed" in out
    assert run(["conventions", "--model", "omni-tiny", "--tokens", "9"]) == 0
    heads = [line for line in capsys.readouterr().out.splitlines() if "torch / this" in line]
    assert heads and "encoders" not in heads[0] and "selection" not in heads[0]


def test_the_tables_name_all_and_add_nothing(capsys: Capture, mine: str) -> None:
    assert run(["conventions", "--file", mine]) == 0
    out = capsys.readouterr().out
    lines = [line.split() for line in out.splitlines() if line.strip()]
    counts = [line for line in lines if line[-1].endswith("%")]
    for name in (*CONVENTIONS, "mac-exact"):
        assert sum(line[0] == name and line not in counts for line in lines) == 1
        assert sum(name in line for line in counts) == 2
    assert "never added" in out and "share left" in out


def test_one_record_in_full(capsys: Capture, mine: str) -> None:
    for name, facts in (("dynamic-llava-eq13", "Eq. 13"), (mine, "appendix B")):
        assert run(["conventions", name]) == 0
        out = capsys.readouterr().out
        for key in ("ffn_width", "counts_padding", "source", "leaves_out", "torch / this"):
            assert key in out
        assert facts in out


def test_the_printed_example_is_a_convention(capsys: Capture, tmp_path: Path) -> None:
    assert run(["conventions", "--example"]) == 0
    path = tmp_path / "printed.toml"
    path.write_text(capsys.readouterr().out)
    assert load_convention(path).name == "mac-exact"


def test_table_and_figure_of_ones_own(capsys: Capture, mine: str, tmp_path: Path) -> None:
    arguments = ["--model", "omni-tiny", "--tokens", "99", "--method", "fastv", "--retained", "0.5"]
    out = tmp_path / "out"
    rows = _json(capsys, *arguments, "--file", mine, "--out", str(out))
    with (out / "tables" / "conventions.csv").open() as file:
        table = list(csv.DictReader(file))
    for row in rows:
        label = {"full": "Full tokens", "fastv": "FastV 50%"}[row["method"]]
        named = [line for line in table if line["convention"] == row["convention"]]
        flops = sum(int(line["flops"]) for line in named if line["label"] == label)
        assert flops == row["flops"]
    drawn = {path.name for path in (out / "figures").iterdir()}
    assert drawn == {*(f"conventions.{kind}" for kind in FORMATS), "figures.lock.json"}


def test_a_folder_to_write_to_changes_no_row(capsys: Capture, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert _json(capsys, "eq9", "--out", str(out)) == _json(capsys, "eq9")
    assert (out / "tables" / "conventions.csv").exists()
    assert run(["conventions", "--help"]) == 0
    assert "changes neither" in " ".join(capsys.readouterr().out.split())


def test_ratios_are_told_apart_in_the_table_that_is_drawn(capsys: Capture, tmp_path: Path) -> None:
    """Pairs to three digits where that tells them apart: 0.301775 is 0.302."""
    inputs = ["--model", "omni-tiny", "--seconds", "20", "--pixels", "252x448", "eq9"]
    for retained, pairs in (("0.45", 1), ("0.45,0.450001", 2)):
        out = tmp_path / str(pairs)
        rows = _json(capsys, *inputs, "--retained", retained, "--out", str(out))
        with (out / "tables" / "conventions.csv").open() as file:
            labels = list(dict.fromkeys(line["label"] for line in csv.DictReader(file)))
        assert labels[0] == "Full tokens" and len(labels) == 1 + pairs == len(rows)
        if pairs == 1:
            assert labels[1] == f"OmniZip 45% ({rows[1]['rho_a']:.3g}, {rows[1]['rho_v']:.3g})"


def test_more_configurations_than_a_page_holds_are_refused(capsys: Capture, tmp_path: Path) -> None:
    ratios = ["--method", "fastv", "--retained", "0.1,0.2,0.3,0.4,0.5", "--out", str(tmp_path)]
    assert "--out must be for at most 5 configurations" in _refused(capsys, *ratios)
    assert list(tmp_path.iterdir()) == []


def test_bad_input_is_one_sentence(capsys: Capture, mine: str, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text(EXAMPLE.replace("causal", "full"))
    assert "did you mean eq9" in _refused(capsys, "eq8")
    assert "--file must be left out beside NAME" in _refused(capsys, "eq9", "--file", mine)
    assert "two that count differently" in _refused(capsys, "--file", mine, "--file", str(other))
    assert "no such file" in _refused(capsys, "--file", str(tmp_path / "none"))
    assert "exactly one of" in _refused(capsys, "--tokens", "9", "--seconds", "4")
    assert "decode must be" in _refused(capsys, "--decode", "-1")
    assert "unknown model" in _refused(capsys, "--model", "foo")
    assert "no audio or vision encoder" in _refused(
        capsys, "--model", "llava-1.5-7b", "--seconds", "3", "--pixels", "28x28"
    )
    assert "one of --json and --csv" in _refused(capsys, "--json", "--csv")
