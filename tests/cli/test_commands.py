"""Every command as a new user types it: rows, tables, and one sentence with exit 2."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import pytest

from omnizip_cost.cli.app import run

Capture = pytest.CaptureFixture[str]


def _json(capsys: Capture, *arguments: str) -> list[dict[str, Any]]:
    assert run([*arguments, "--json"]) == 0
    out = capsys.readouterr()
    assert out.err == ""
    rows = json.loads(out.out)
    assert isinstance(rows, list)
    return rows


def _refused(capsys: Capture, *arguments: str) -> str:
    assert run(list(arguments)) == 2
    out = capsys.readouterr()
    assert out.out == ""
    sentence = out.err.rstrip("\n")
    assert sentence.startswith("omnizip-cost: ")
    assert "\n" not in sentence
    assert "Traceback" not in sentence
    return sentence


def test_flops_rows_are_flat_and_whole(capsys: Capture) -> None:
    rows = _json(
        capsys,
        "flops",
        "--model",
        "qwen2.5-omni-7b",
        "--tokens",
        "10004",
        "--method",
        "omnizip",
        "--retained",
        "0.45,0.35",
        "--convention",
        "eq9,torch",
    )
    assert {row["component"] for row in rows if row["convention"] == "eq9"} == {"llm"}
    assert {row["phase"] for row in rows} == {"prefill", "decode"}
    assert all(isinstance(row["flops"], int) for row in rows)
    assert {row["n_tokens"] for row in rows if row["phase"] == "prefill"} == {4502, 3501}
    eq9 = [r for r in rows if r["convention"] == "eq9" and r["retained"] == 0.45]
    assert f"{sum(r['flops'] for r in eq9) / 1e12:.1f}" == "28.3"
    assert set(rows[0]) >= {
        "model",
        "method",
        "retained",
        "rho_a",
        "rho_v",
        "convention",
        "phase",
        "component",
        "n_tokens",
        "flops",
    }


def test_flops_table_names_every_convention_and_never_sums_them(capsys: Capture) -> None:
    assert run(["flops", "--model", "qwen2.5-omni-3b", "--tokens", "10004", "--method", "all"]) == 0
    out = capsys.readouterr().out
    assert "TFLOP (share of full tokens) by convention" in out
    assert all(name in out for name in ("eq9", "torch", "sdpa", "hardware"))
    assert "never add" in out
    assert out.count("omnizip") == 3


def test_flops_of_a_described_clip_has_encoders(capsys: Capture) -> None:
    rows = _json(
        capsys,
        "flops",
        "--model",
        "qwen2.5-omni-7b",
        "--seconds",
        "20",
        "--pixels",
        "252x448",
        "--convention",
        "torch",
        "--audio-pruning",
        "0.4",
        "--video-pruning",
        "0.7",
    )
    assert {row["component"] for row in rows} == {
        "llm",
        "lm_head",
        "audio_encoder",
        "vision_encoder",
        "selection",
    }
    assert {row["method"] for row in rows} == {"omnizip"}
    assert rows[0]["rho_v"] == 0.7
    assert 0.34 < rows[0]["realised"] < 0.36


def test_csv_and_json_say_the_same(capsys: Capture) -> None:
    arguments = ["flops", "--model", "omni-tiny", "--tokens", "500"]
    rows = _json(capsys, *arguments)
    assert run([*arguments, "--csv"]) == 0
    table = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [int(row["flops"]) for row in table] == [row["flops"] for row in rows]


def test_tokens_of_two_minutes(capsys: Capture) -> None:
    rows = _json(
        capsys, "tokens", "--model", "qwen2.5-omni-7b", "--seconds", "120", "--pixels", "252x448"
    )
    assert len(rows) == 60
    assert all(row["video_tokens"] == 288 and row["audio_tokens"] == 50 for row in rows)
    assert run(["tokens", "--model", "qwen2.5-omni-7b", "--seconds", "4", "--no-video"]) == 0
    assert "frames none" in capsys.readouterr().out


def test_allocate_reads_a_table(capsys: Capture, tmp_path: Path) -> None:
    table = tmp_path / "windows.csv"
    table.write_text("retention,video_tokens\n0.9,288\n,288\n0.1,288\n")
    rows = _json(capsys, "allocate", str(table), "--video-pruning", "0.6")
    assert [row["window"] for row in rows] == [0, 1, 2]
    assert rows[1]["retention"] is None
    assert rows[1]["rate"] == 0.6
    assert math.isclose(rows[0]["rate"] + rows[2]["rate"], 1.2, abs_tol=1e-12)
    assert rows[0]["rate"] < rows[2]["rate"]
    assert set(rows[0]) >= {"window", "retention", "initial_rate", "rate"}
    assert run(["allocate", str(table), "--video-pruning", "0.6", "--mode", "official"]) == 0
    assert "no audio" in capsys.readouterr().out


def test_a_blank_line_is_a_window_without_audio(capsys: Capture, tmp_path: Path) -> None:
    """In a table of one column an empty retention is an empty line."""
    table = tmp_path / "windows.csv"
    table.write_text("retention\n0.5\n\n0.9\n")
    rows = _json(capsys, "allocate", str(table), "--video-pruning", "0.7")
    assert [row["retention"] for row in rows] == [0.5, None, 0.9]
    assert rows[1]["rate"] == 0.7


def test_what_is_known(capsys: Capture) -> None:
    models = _json(capsys, "models")
    assert [row["model"] for row in models] == [
        "qwen2.5-omni-7b",
        "qwen2.5-omni-3b",
        "qwen3-omni-30b-a3b",
        "omni-tiny",
        "llava-1.5-7b",
    ]
    assert models[0]["total_parameters"] == 8_931_813_888
    assert {row["name"] for row in _json(capsys, "methods")} == {
        "full",
        "random",
        "fastv",
        "dycoke",
        "omnizip",
        "visionzip",
    }
    conventions = _json(capsys, "conventions")
    assert all(row["source"] for row in conventions)
    for arguments in (["models"], ["models", "omni-tiny"], ["methods"], ["conventions"]):
        assert run(arguments) == 0
        assert capsys.readouterr().out
    assert run(["conventions", "eq9"]) == 0
    assert "Eq. 9" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command",
    [
        "demo",
        "models",
        "methods",
        "conventions",
        "tokens",
        "flops",
        "allocate",
        "profile",
        "compare",
        "figures",
        "report",
    ],
)
def test_every_help_has_an_example(command: str, capsys: Capture) -> None:
    assert run([command, "--help"]) == 0
    out = capsys.readouterr().out
    assert f"omnizip-cost {command}" in out
    assert "Example" in out


def test_version_and_bare_call(capsys: Capture) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.strip() == "0.1.0"
    assert run([]) == 0
    assert "flops" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["flops", "--model", "qwen2.5-omni-7b"], ["exactly one of CLIP, --tokens"]),
        (
            ["flops", "--model", "qwen2.5-omni-8b", "--tokens", "10"],
            ["unknown model", "qwen2.5-omni-7b"],
        ),
        (["flops", "--tokens", "10"], ["--model"]),
        (["flops", "--model", "omni-tiny", "--tokens", "0"], ["positive whole number", "0"]),
        (["flops", "--model", "omni-tiny", "--tokens", "ten"], ["--tokens", "integer"]),
        (
            ["flops", "--model", "omni-tiny", "--tokens", "9", "--method", "omnizap"],
            ["unknown method", "omnizip"],
        ),
        (
            ["flops", "--model", "omni-tiny", "--tokens", "9", "--convention", "eq8"],
            ["unknown convention", "eq9"],
        ),
        (
            ["flops", "--model", "omni-tiny", "--tokens", "9", "--retained", "45"],
            ["--retained", "[0, 1]", "45"],
        ),
        (
            ["flops", "--model", "omni-tiny", "--tokens", "9", "--audio-pruning", "0.4"],
            ["--video-pruning", "together"],
        ),
        (
            ["flops", "--model", "omni-tiny", "--tokens", "9", "--decode", "-1"],
            ["decode", "zero or more"],
        ),
        (
            ["flops", "--model", "omni-tiny", "--tokens", "9", "--seconds", "4"],
            ["exactly one", "--tokens and --seconds"],
        ),
        (
            ["flops", "--model", "omni-tiny", "--tokens", "9", "--pixels", "2x2"],
            ["--pixels", "left out beside --tokens"],
        ),
        (
            ["flops", "--model", "omni-tiny", "--tokens", "9", "--text-tokens", "2"],
            ["--text-tokens", "left out beside --tokens"],
        ),
        (
            ["tokens", "--model", "omni-tiny", "--seconds", "4", "--pixels", "big"],
            ["--pixels", "HxW", "big"],
        ),
        (["tokens", "--model", "omni-tiny", "no-such.mp4"], ["no-such.mp4"]),
        (["tokens", "--model", "no/such/config.json", "--seconds", "4"], ["no/such/config.json"]),
        (
            ["tokens", "--model", "omni-tiny", "--seconds", "-4", "--no-video"],
            ["seconds", "-4"],
        ),
        (["tokens", "--model", "omni-tiny", "--seconds", "4"], ["--pixels", "--no-video"]),
        (
            ["flops", "--model", "omni-tiny", "--tokens", "9", "--convention", ","],
            ["--convention", "at least one name"],
        ),
        (["flops", "--model", "omni-tiny", "--tokens", "9", "--mode", "x"], ["unknown mode"]),
        (
            [
                *("tokens", "--model", "omni-tiny", "--seconds", "4", "--pixels", "99x99"),
                *("--max-pixels", "10"),
            ],
            ["--max-pixels", "784"],
        ),
        (["demo", "--rounds", "0"], ["--rounds", "1 or more"]),
        (["flop"], ["flops"]),
        (["allocate", "no-such.csv", "--video-pruning", "0.5"], ["no-such.csv"]),
        (["compare", "no-such-folder"], ["no measured rows", "profile"]),
        (["figures", "speedup", "--from", "no-such", "--out", "o"], ["no-such", "no such folder"]),
        (["figures", "speeedup", "--out", "o"], ["unknown figure", "speedup"]),
        (["profile", "--out", "o", "--seconds", "4"], ["--model", "--checkpoint"]),
        (
            [
                "profile",
                "--out",
                "o",
                "--model",
                "omni-tiny",
                "--seconds",
                "4",
                "--no-video",
                "--device",
                "cud",
            ],
            ["unknown device", "cuda"],
        ),
        (
            [
                "profile",
                "--out",
                "o",
                "--model",
                "omni-tiny",
                "--seconds",
                "4",
                "--no-video",
                "--dtype",
                "int8",
            ],
            ["dtype", "int8"],
        ),
        (["demo", "--clip", "no-such.mp4"], ["no-such.mp4"]),
        (["models", "gpt"], ["unknown model"]),
        (["flops", "--model", "omni-tiny", "--tokens", "9", "--json", "--csv"], ["one of --json"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_input_is_one_sentence(
    arguments: list[str], parts: list[str], capsys: Capture, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    sentence = _refused(capsys, *arguments)
    for part in parts:
        assert part in sentence


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("rate\n0.5\n", ["no column 'retention'", "rate"]),
        ("retention\n", ["no rows"]),
        ("", ["no column 'retention'", "none"]),
        ("retention\n0.5\nloud\n", ["line 3", "retention must be a number", "loud"]),
        ("retention\n1.5\n", ["[0, 1]", "1.5"]),
        ("retention\ninf\n", ["line 2", "retention", "inf"]),
        ("retention,video_tokens\n0.5,1.7\n", ["line 2", "whole number", "1.7"]),
        ("retention,video_tokens\n0.5,\n", ["line 2", "video_tokens must be a whole number"]),
    ],
)
def test_wrong_tables_are_one_sentence(
    content: str, parts: list[str], capsys: Capture, tmp_path: Path
) -> None:
    table = tmp_path / "windows.csv"
    table.write_text(content)
    sentence = _refused(capsys, "allocate", str(table), "--video-pruning", "0.5")
    for part in parts:
        assert part in sentence


@pytest.mark.parametrize("content", [b"", b"not a film at all", b"\x00" * 4096])
def test_files_that_are_no_media(content: bytes, capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    for command in (
        ["tokens", "--model", "omni-tiny"],
        ["flops", "--model", "omni-tiny"],
        ["allocate", "--video-pruning", "0.5"],
        ["demo", "--clip"],
    ):
        assert "clip.mp4" in _refused(capsys, *command, str(path))
