"""``flops`` on selection: its rows, its price beside what it saves, and the break-even length."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import pytest

import omnizip_cost as oz
from omnizip_cost.cli.app import run
from omnizip_cost.cli.selection import print_steps
from omnizip_cost.cost import CONVENTIONS, step_rows
from omnizip_cost.plugin import Counts, Method
from omnizip_cost.units import fixed

Capture = pytest.CaptureFixture[str]

CLIP = ("--seconds", "20", "--pixels", "252x448")
ALONE = ("saved_flops", "share_of_saved", "break_even", "saves_from_tokens", "saves_to_tokens")


def _json(capsys: Capture, *arguments: str) -> list[dict[str, Any]]:
    assert run(["flops", "--model", "qwen2.5-omni-7b", *arguments, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert isinstance(rows, list)
    return rows


def test_a_row_per_convention_that_counts_what_is_executed(capsys: Capture) -> None:
    rows = _json(
        capsys,
        *CLIP,
        "--method",
        "omnizip",
        "--retained",
        "0.45",
        "--convention",
        ",".join(CONVENTIONS),
    )
    selection = {row["convention"]: row for row in rows if row["component"] == "selection"}
    assert set(selection) == {"torch", "sdpa", "hardware"}
    assert len({row["flops"] for row in selection.values()}) == 1
    assert {row["component"] for row in rows if row["convention"] == "eq9"} == {"llm"}
    for row in selection.values():
        assert row["phase"] == "prefill"
        assert row["bytes_moved"] > 0
        assert row["kernels"] > 100
        assert row["share_of_saved"] == row["flops"] / row["saved_flops"]
        assert (row["break_even"], row["saves_from_tokens"]) == ("at any length", None)
    others = [row for row in rows if row["component"] != "selection"]
    assert all(row[name] is None for row in others for name in ALONE)


def test_rows_are_flat_with_one_set_of_columns(capsys: Capture) -> None:
    rows = _json(capsys, *CLIP, "--method", "full,omnizip", "--retained", "0.45")
    assert len({tuple(row) for row in rows}) == 1
    arguments = ["flops", "--model", "qwen2.5-omni-7b", *CLIP, "--method", "full,omnizip"]
    assert run([*arguments, "--retained", "0.45", "--csv"]) == 0
    table = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [int(row["flops"]) for row in table] == [row["flops"] for row in rows]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--tokens", "10004", "--method", "omnizip", "--retained", "0.45"),
        (*CLIP, "--method", "full"),
        (*CLIP, "--audio-pruning", "0", "--video-pruning", "0"),
        (*CLIP, "--method", "fastv", "--retained", "1"),
    ],
)
def test_nothing_chosen_has_no_rows(capsys: Capture, arguments: tuple[str, ...]) -> None:
    rows = _json(capsys, *arguments)
    assert rows
    assert "selection" not in {row["component"] for row in rows}


def test_forms_of_fastv_differ_in_price_alone(capsys: Capture) -> None:
    found = {}
    for form in ("materialised", "last-query"):
        rows = _json(
            capsys, *CLIP, "--method", "fastv", "--retained", "0.5", "--fastv-form", form,
            "--convention", "torch",
        )  # fmt: skip
        (found[form],) = [row for row in rows if row["component"] == "selection"]
    n = 3380 + 68
    assert found["materialised"]["flops"] == 2 * 28 * 128 * n * n
    assert found["last-query"]["flops"] == 2 * 28 * 128 * n
    assert found["materialised"]["saved_flops"] == found["last-query"]["saved_flops"]
    assert found["materialised"]["bytes_moved"] > 20 * found["last-query"]["bytes_moved"]


def test_a_length_above_which_a_method_costs_more_than_it_saves(capsys: Capture) -> None:
    """Ranking by a whole attention matrix to drop one token in a hundred."""
    rows = _json(
        capsys, *CLIP, "--method", "fastv", "--retained", "0.99", "--convention", "torch,hardware"
    )
    selection = [row for row in rows if row["component"] == "selection"]
    for row in selection:
        assert row["saves_from_tokens"] is None
        assert row["break_even"] == f"up to {row['saves_to_tokens']:,} tokens"
    assert selection[0]["saves_to_tokens"] > selection[1]["saves_to_tokens"]


def test_the_table_says_it_in_words(capsys: Capture) -> None:
    arguments = ["flops", "--model", "omni-tiny", *CLIP, "--method", "fastv,omnizip"]
    assert run([*arguments, "--retained", "0.99", "--fastv-layer", "7"]) == 0
    out = capsys.readouterr().out
    assert "Selection: what choosing the tokens costs (convention `torch`)" in out
    assert "never saves" in out
    assert "at any length" in out
    assert "kernels" in out
    assert "in seconds, bytes and kernels count as well" in out


def test_tables_fit_120_columns(capsys: Capture) -> None:
    arguments = ["flops", "--model", "qwen2.5-omni-7b", "--seconds", "60", "--pixels", "252x448"]
    assert run([*arguments, "--method", "full,random,fastv,dycoke,omnizip,visionzip"]) == 0
    lines = capsys.readouterr().out.splitlines()
    table = [line.rstrip() for line in lines if line.startswith("  ")]
    assert len(table) > 30
    assert max(map(len, table)) <= 120


def test_conventions_without_selection_print_no_table_of_it(capsys: Capture) -> None:
    arguments = ["flops", "--model", "omni-tiny", *CLIP, "--retained", "0.5"]
    assert run([*arguments, "--convention", "eq9,seats"]) == 0
    assert "Selection:" not in capsys.readouterr().out


def test_steps_add_up_to_the_row_of_selection(capsys: Capture) -> None:
    arguments = (*CLIP, "--method", "omnizip,fastv,dycoke", "--retained", "0.45")
    rows = _json(capsys, *arguments, "--convention", "torch")
    steps = _json(capsys, *arguments, "--steps")
    for row in rows:
        if row["component"] != "selection":
            continue
        own = [step for step in steps if step["method"] == row["method"]]
        assert len(own) > 2
        for name in ("flops", "bytes_moved", "kernels"):
            assert sum(step[name] for step in own) == row[name]
    assert len({(step["method"], step["step"]) for step in steps}) == len(steps)
    assert any(step["unseen_flops"] and not step["flops"] for step in steps)


def test_the_table_of_steps(capsys: Capture) -> None:
    arguments = ["flops", "--model", "omni-tiny", *CLIP, "--method", "full,omnizip", "--steps"]
    assert run([*arguments, "--retained", "0.45", "--mode", "official"]) == 0
    out = capsys.readouterr().out
    assert "selection step by step (bfloat16)" in out
    assert all(step in out for step in ("audio scores", "density peaks", "gather of survivors"))
    assert max(len(line.rstrip()) for line in out.splitlines() if line.startswith("  ")) <= 120
    assert "Full tokens keeps every token here" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--tokens", "100"), "describe the clip (--seconds, --pixels)."),
        ((*CLIP, "--method", "full"), "Full tokens keeps every token here; name a method that"),
        ((*CLIP, "--retained", "1"), "OmniZip keeps every token here; name a method that"),
    ],
)
def test_no_steps_and_the_way_out(capsys: Capture, arguments: tuple[str, ...], words: str) -> None:
    assert run(["flops", "--model", "qwen2.5-omni-7b", *arguments, "--steps"]) == 0
    assert words in capsys.readouterr().out
    assert _json(capsys, *arguments, "--steps") == []


class Silent(Method):
    """A method that states no steps."""

    name = "silent"
    title = "Silent"
    answers = "keeps half"
    source = "made up for tests"

    def planned(self, request: Any) -> Counts:
        return Counts(video=[size // 2 for size in request.video_sizes], audio=request.audio_sizes)

    def select(self, request: Any) -> Any:
        raise AssertionError("steps are listed before anything runs")


def test_a_method_that_states_no_steps_is_named(capsys: Capture) -> None:
    spec = oz.load_spec("omni-tiny")
    work = oz.workload(spec, seconds=20, pixels=(252, 448))
    silent, stated = (oz.plan(one, work, spec, retained=0.5) for one in (Silent(), "omnizip"))
    words = "Silent does not state the steps of its selection, so they are not counted."
    print_steps(spec, work, {silent: []})
    assert words in capsys.readouterr().out
    print_steps(spec, work, {silent: step_rows(spec, silent), stated: step_rows(spec, stated)})
    out = capsys.readouterr().out
    assert words in out and "density peaks" in out


def test_numbers_are_never_powers_of_ten(capsys: Capture) -> None:
    """A minute on the 7B model: 89 GB of attention, 112 TFLOP saved; a layer's worth of nothing."""
    arguments = ["flops", "--model", "qwen2.5-omni-7b", "--seconds", "60", "--pixels", "252x448"]
    for more in ([], ["--steps"]):
        assert run([*arguments, "--method", "fastv,omnizip", "--retained", "0.45", *more]) == 0
        out = capsys.readouterr().out
        selection = out[out.index("election") :]
        assert not re.search(r"\de[+-]\d", selection)
    assert "<0.001" in selection


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.00049, "<0.001"), (0.0284, "0.028"), (0.9996, "1.00"), (9.996, "10.0"),
     (99.96, "100"), (93_560.4, "93,560")],
)  # fmt: skip
def test_fixed_keeps_three_digits(value: float, text: str) -> None:
    assert fixed(value) == text
