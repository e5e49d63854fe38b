"""``flops --layer-tokens``: a published schedule, spelled out layer by layer."""

from __future__ import annotations

import json

import pytest

from omnizip_cost.cli.app import run

Capture = pytest.CaptureFixture[str]
PYRAMID = ("--model", "llava-1.5-7b", "--layer-tokens", "8x576+8x288+8x144+8x72")


def test_pyramiddrops_printed_row(capsys: Capture) -> None:
    """1.78 TFLOP: PyramidDrop (arXiv 2410.17247), LLaVA-1.5-7B in four stages."""
    assert run(["flops", *PYRAMID, "--convention", "pyramiddrop", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert f"{row['flops'] / 1e12:.2f}" == "1.78"
    assert (row["method"], row["n_tokens"], row["retained"]) == ("layered", 72, 0.125)


@pytest.mark.parametrize("table", [[], ["--components"], ["--steps"]])
def test_every_table_takes_it(capsys: Capture, table: list[str]) -> None:
    assert run(["flops", *PYRAMID, *table]) == 0
    assert "576 tokens" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--tokens", "576"], "without an input, a method or a ratio"),
        (["--seconds", "3", "--pixels", "28x28"], "without an input, a method or a ratio"),
        (["--method", "fastv"], "without an input, a method or a ratio"),
        (["--retained", "0.5"], "without an input, a method or a ratio"),
        (["--layer-tokens", "31x9"], "for the 32 layers of llava-1.5-7b, got '31 layers'"),
        (["--layer-tokens", "32"], "like 18x2500+10x1250"),
        (["--layer-tokens", "16x9+16x10"], "tokens dropped do not come back"),
    ],
)
def test_what_makes_no_sense_beside_it(capsys: Capture, more: list[str], says: str) -> None:
    assert run(["flops", *PYRAMID, *more]) == 2
    out = capsys.readouterr()
    assert out.out == ""
    assert says in out.err and out.err.count("\n") == 1
