"""``flops --components``: the account in a table and as rows, and what it refuses."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import pytest

from omnizip_cost.cli.app import run

HEADINGS = (
    "phase, component", "operation", "layers", "TFLOP", "of FLOPs", "uncounted GFLOP",
    "GB moved", "of bytes", "FLOP/B", "kernels",
)  # fmt: skip

Capture = pytest.CaptureFixture[str]

MODEL = ("flops", "--model", "qwen2.5-omni-7b")
CLIP = ("--seconds", "20", "--pixels", "252x448", "--method", "omnizip", "--retained", "0.45")
TOKENS = ("--tokens", "1001")


def _json(capsys: Capture, *arguments: str) -> list[dict[str, Any]]:
    assert run([*MODEL, *arguments, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert isinstance(rows, list)
    return rows


def test_rows_add_up_to_the_plain_ones(capsys: Capture) -> None:
    """FLOPs of every convention; bytes and kernels as well, where the plain rows carry them."""
    conventions = ("--convention", "eq9,torch,hardware")
    account = _json(capsys, *CLIP, *conventions, "--components")
    plain = _json(capsys, *CLIP, *conventions)
    assert {row["convention"] for row in account} == {"eq9", "torch", "hardware"}
    for row in plain:
        same = ("convention", "component", "phase")
        part = [one for one in account if all(one[name] == row[name] for name in same)]
        assert sum(one["flops"] for one in part) == row["flops"]
        for name in ("bytes_moved", "kernels"):
            if row["convention"] == "eq9":
                assert row[name] is None
            else:
                assert sum(one[name] for one in part) == row[name] > 0


def test_csv_carries_every_column_and_nothing_for_what_is_unknown(capsys: Capture) -> None:
    rows = _json(capsys, *TOKENS, "--components", "--convention", "eq9,torch")
    arguments = [*MODEL, *TOKENS, "--components", "--convention", "eq9,torch", "--csv"]
    assert run(arguments) == 0
    table = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(table) == len(rows)
    for line, row in zip(table, rows, strict=True):
        assert set(line) == set(row)
        assert line["kernels"] == ("" if row["kernels"] is None else str(row["kernels"]))


def test_the_table_fits_and_says_what_stands_out(capsys: Capture) -> None:
    assert run([*MODEL, *CLIP, "--components"]) == 0
    out = capsys.readouterr().out
    assert "breakdown by component (convention `torch`, attention sdpa, bfloat16)" in out
    for words in ("norms and casts", "rotary positions", "token selection", "6 other operations"):
        assert words in out
    assert "operators without products or convolutions move" in out
    assert "Each decode step copies the whole cache" in out
    assert "e+" not in out
    heads = re.split(r"\s{2,}", out.splitlines()[2].strip())
    assert heads == list(HEADINGS)
    lines = [line.rstrip() for line in out.splitlines() if line.startswith("  ")]
    assert all(line[-1].isdigit() for line in lines if "projections" in line)
    assert max(map(len, lines)) <= 150


def test_attention_and_dtype_change_what_is_moved(capsys: Capture) -> None:
    sums = {}
    for choice in ((), ("--attention", "eager"), ("--dtype", "float32")):
        rows = _json(capsys, *TOKENS, "--components", *choice)
        sums[choice] = (
            sum(row["flops"] for row in rows), sum(row["bytes_moved"] for row in rows)
        )  # fmt: skip
    assert len({flops for flops, _ in sums.values()}) == 1
    assert len({moved for _, moved in sums.values()}) == len(sums)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--components", "--steps"), "flops: --components and --steps exclude each other\n"),
        (("--attention", "eager"), "flops: --attention needs --components\n"),
        (("--dtype", "float32"), "flops: --dtype needs --components\n"),
        (("--components", "--attention", "flash"), "flops: --attention must be one of sdpa, math"),
        (
            ("--components", "--dtype", "int4"),
            "flops: --dtype must be one of float32, bfloat16, float16",
        ),
        (
            ("--components", "--convention", "sdpa", "--attention", "eager"),
            "whose pairs only a fused operator can skip",
        ),
        (("--components", "--convention", "torhc"), "did you mean torch?"),
        (("--components", "--decode", "-1"), "decode must be a whole number"),
    ],
)
def test_bad_choices_are_one_sentence(
    capsys: Capture, arguments: tuple[str, ...], words: str
) -> None:
    assert run([*MODEL, *TOKENS, *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("decode", ["0", "2"])
def test_a_count_that_rounds_to_no_token_is_no_error(capsys: Capture, decode: str) -> None:
    few = ("--tokens", "1", "--method", "omnizip", "--retained", "0.1", "--decode", decode)
    for convention in ("torch", "hardware", "eq9"):
        assert run([*MODEL, *few, "--components", "--convention", convention]) == 0
        assert "breakdown by component (convention" in capsys.readouterr().out


def test_a_convention_that_counts_nothing_says_so(capsys: Capture) -> None:
    """Video tokens of a clip that has none."""
    clip = ("--seconds", "5", "--no-video", "--components", "--convention", "pyramiddrop")
    assert run([*MODEL, *clip]) == 0
    assert "convention pyramiddrop counts nothing of it." in capsys.readouterr().out
    assert _json(capsys, *clip) == []
