"""``derive`` as a reader types it: a list, one topic, rows, LaTeX, files; wrong input in a line."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from omnizip_cost.cli import publish
from omnizip_cost.cli.app import run
from omnizip_cost.plotting import drawable
from omnizip_cost.symbolic import TOPICS

Capture = pytest.CaptureFixture[str]


def _out(capsys: Capture, *arguments: str) -> str:
    assert run(["derive", *arguments]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    return told.out


def _refused(capsys: Capture, *arguments: str) -> str:
    assert run(["derive", *arguments]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    sentence = told.err.rstrip("\n")
    assert sentence.startswith("omnizip-cost: ")
    assert "\n" not in sentence
    return sentence


def test_alone_it_lists_topics_with_their_results(capsys: Capture) -> None:
    told = _out(capsys)
    assert all(topic in told for topic in TOPICS)
    assert "(A + B n)/(r (A + B n r))" in told
    assert "S(r, n) <= T/K" in told


def test_a_topic_is_steps_checks_and_numbers(capsys: Capture) -> None:
    told = _out(capsys, "crossover", "--model", "qwen2.5-omni-7b", "--tokens", "10004")
    for title in ("Assumed", "Steps", "Result", "Limits", "Checked", "Letters", "Source"):
        assert f"\n{title}\n" in told
    assert "n_lin = 2 d + m" in told
    assert "18,944" in told and "26,112" in told
    assert "NOT" not in told
    assert max(len(line) for line in told.splitlines()) <= 150


def test_rows_for_programs(capsys: Capture) -> None:
    arguments = ("speedup", "--model", "omni-tiny", "--tokens", "1000", "--retained", "0.5,0.25")
    rows: list[dict[str, Any]] = json.loads(_out(capsys, *arguments, "--json"))
    assert {"topic", "step", "statement", "expression", "latex"} <= set(rows[0])
    assert {row["topic"] for row in rows} == {"speedup"}
    assert all(row["latex"] for row in rows if row["kind"] in {"step", "result", "limit"})
    numbers = [row for row in rows if row["kind"] == "number"]
    assert {row["retained"] for row in numbers} == {0.5, 0.25}
    assert {row["model"] for row in numbers} == {"omni-tiny"}
    gains = [
        row
        for row in numbers
        if row["statement"] == "speed-up of prefill" and row["convention"] == "eq9"
    ]
    assert 2 < gains[0]["value"] < 4 < gains[1]["value"] < 16
    table = list(csv.DictReader(io.StringIO(_out(capsys, *arguments, "--csv"))))
    assert len(table) == len(rows)


def test_latex_is_a_document_or_a_fragment(capsys: Capture) -> None:
    whole = _out(capsys, "eq9", "--latex")
    assert whole.startswith("\\documentclass")
    assert whole.rstrip().endswith("\\end{document}")
    part = _out(capsys, "eq9", "--latex", "--fragment")
    assert part.startswith("\\section{")
    assert part in whole
    assert "TFLOP" not in part
    assert "73.24 TFLOP" in _out(capsys, "eq9", "--latex", "--model", "qwen2.5-omni-7b")


def test_a_model_without_a_topic_gives_the_numbers_of_all(capsys: Capture) -> None:
    """Every number that the rows hold stands in the table of its topic."""
    told = _out(capsys, "--model", "omni-tiny")
    _, *tables = told.split("\nNumbers of ")
    assert [table.split(":")[0] for table in tables] == list(TOPICS)
    rows = json.loads(_out(capsys, "--model", "omni-tiny", "--json"))
    for topic, table in zip(TOPICS, tables, strict=True):
        numbers = [row for row in rows if (row["kind"], row["topic"]) == ("number", topic)]
        written = [line.split() for line in table.splitlines() if line.startswith("  ")]
        heading, *lines = [line for line in written if line]
        assert heading[0] == "quantity"
        assert len(lines) == len(numbers) > 5
        for line, row in zip(lines, numbers, strict=True):
            name = row["statement"]
            name = name.rsplit(": ", 1)[0] if row["value"] is None else name
            kept = [] if row["retained"] is None else [f"{row['retained']:g}"]
            begin = [*name.split(), *([row["convention"]] if row["convention"] else []), *kept]
            assert line[: len(begin)] == begin
            if row["unit"] == "tokens" and row["value"] is not None:
                assert line[-1] == f"{row['value']:,.0f}"


@pytest.mark.parametrize(
    ("topic", "letters"), [("crossover", ""), ("speedup", "R"), ("fastv", "K"), ("decode", "R phi")]
)
def test_only_letters_that_occur_are_told(capsys: Capture, topic: str, letters: str) -> None:
    told = _out(capsys, topic, "--model", "omni-tiny").split("\nNumbers of ")[1]
    note = told.splitlines()[-1]
    for letter in ("R", "K", "phi"):
        assert (f"{letter} = " in note) == (letter in letters.split())


def test_out_writes_the_document_and_the_tables_of_the_figures(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The drawing itself is tried with the other figures, from the same tables."""
    asked: list[list[str]] = []
    monkeypatch.setattr(publish, "draw_figures", lambda _, names: asked.append(names) or [])
    told = _out(capsys, "exact", "--model", "omni-tiny", "--tokens", "500", "--out", str(tmp_path))
    paths = [Path(line) for line in told.splitlines()]
    assert all(path.stat().st_size > 200 for path in paths)
    assert [path.name for path in paths] == [
        "derivations.tex", "derivations.csv", "speedup_limits.csv", "attention_share.csv",
        "exact_ratio.csv",
    ]  # fmt: skip
    assert asked == [["speedup_limits", "attention_share", "exact_ratio"]]
    assert drawable(tmp_path / "tables") == asked[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("crosover",), "unknown topic 'crosover': did you mean crossover?"),
        (("eq9", "--fragment"), "derive: --fragment needs --latex"),
        (("eq9", "--latex", "--json"), "derive: give one of --latex, --json and --csv"),
        (("eq9", "--json", "--csv"), "one of --json and --csv"),
        (("eq9", "--tokens", "0"), "tokens must be a positive whole number, got 0"),
        (("eq9", "--decode", "0"), "decoded must be a positive whole number, got 0"),
        (("speedup", "--retained", "0"), "retained must be above 0"),
        (("speedup", "--retained", "x"), "--retained"),
        (("fastv", "--model", "omni-tiny", "--fastv-layer", "99"), "fastv_layer must be below the"),
        (("eq9", "--model", "qwen2.5-omni-70b"), "did you mean qwen2.5-omni-7b"),
        (("decode", "--device", "rtx-a600"), "did you mean rtx-a6000"),
    ],
)
def test_wrong_input_is_one_sentence(
    capsys: Capture, arguments: tuple[str, ...], words: str
) -> None:
    assert words in _refused(capsys, *arguments)


def test_help_names_every_topic_and_loads_no_algebra(capsys: Capture) -> None:
    told = _out(capsys, "--help")
    assert all(topic in told for topic in TOPICS)
    assert "omnizip-cost derive crossover" in told
    loaded = "import sys, omnizip_cost.cli.derive; print('sympy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", loaded], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
