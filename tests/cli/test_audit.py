"""``audit`` from the command line: tables, rows, files, and refusals with exit 2."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from omnizip_cost.audit import COLUMNS, VERDICTS
from omnizip_cost.cli.app import run
from omnizip_cost.compression import make_plan
from omnizip_cost.cost import count, total_flops
from omnizip_cost.cost.convention_file import EXAMPLE
from omnizip_cost.specs import load_spec
from omnizip_cost.workload import bare_workload

Capture = pytest.CaptureFixture[str]

CLAIMS = """source,model,device,method,retained,tokens,tokens_from,prefill_ms,flops_T
ours,qwen2.5-omni-7b,rtx-a6000,full,1,10004,a guess,291,
ours,qwen2.5-omni-7b,rtx-a6000,omnizip,0.45,10004,a guess,116,
theirs,qwen2.5-omni-7b,,full,1,10004,,,73.2
"""


@pytest.fixture
def claims(tmp_path: Path) -> Path:
    path = tmp_path / "claims.csv"
    path.write_text(CLAIMS)
    return path


def test_the_table_gives_verdicts_and_reasons(claims: Path, capsys: Capture) -> None:
    assert run(["audit", str(claims), "--all"]) == 0
    out = capsys.readouterr().out
    assert "(2.51x)" in out  # made of two times, not printed
    assert run(["audit", str(claims)]) == 0
    out = capsys.readouterr().out
    assert "Audit of ours" in out and "Audit of theirs" in out
    assert "[1] At n = 10,004 (assumed) the decoder's work is 150.6 TFLOP" in out
    assert "n = 10,004 is assumed: a guess." in out
    assert "follows from eq9 (R = 100)" in out
    assert out.startswith(
        "What stands out of 4 numbers: 2 impossible at the n assumed, 2 plausible.\n\n"
        "ours: 2 impossible at the n assumed, 1 plausible.\n  2 times need 3.34 to 3.50 times the "
        "dense peak of rtx-a6000 at n = 10,004 (assumed); 291 ms (prefill, qwen2.5-omni-7b, full) "
        "would hold up to n = 3,290.\n"
        "theirs: 1 plausible.\n  FLOPs: Every digit of the printed value follows from eq9 "
    )
    assert ">= 973 ms   impossible at this n    [1]" in out
    assert "Left out: 1 plausible number (`--all`)" in out and "(2.51x)" not in out


def test_plausible_numbers_without_a_note_are_left_out_unless_asked_for(
    tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "claims.csv"
    path.write_text("model,memory_GB,prefill_ms,end_to_end_s\nqwen2.5-omni-7b,30,900,1\n"
                    "qwen2.5-omni-7b,31,,\nqwen2.5-omni-7b,9,,\n")  # fmt: skip
    assert run(["audit", str(path)]) == 0
    short = capsys.readouterr().out
    assert "Left out: 2 plausible numbers (`--all`)." in short
    assert "9 GB" in short and "31 GB" not in short
    assert run(["audit", str(path), "--all"]) == 0
    long = capsys.readouterr().out
    assert "31 GB" in long and ">= 17.9 GB" in long and "Left out" not in long
    assert run(["audit", str(path), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 5


def test_a_long_file_gives_reasons_on_demand(tmp_path: Path, capsys: Capture) -> None:
    """Over twenty numbers: what stands out and the rows that are not plausible, then `--why`."""
    path = tmp_path / "claims.csv"
    path.write_text("model,memory_GB\n" + "qwen2.5-omni-7b,30\n" * 20 + "qwen2.5-omni-7b,9\n")
    assert run(["audit", str(path)]) == 0
    short = capsys.readouterr().out
    assert "Left out: 20 plausible numbers (`--all`), reasons (`--why`)." in short
    assert "note" not in short and short.count("The weights alone take 17.9 GB") == 1
    assert run(["audit", str(path), "--why"]) == 0
    long = capsys.readouterr().out
    assert long.count("The weights alone take 17.9 GB") == 2 and "[1]" in long
    assert "Left out: 20 plausible numbers (`--all`).\n" in long


def test_rows_are_flat_and_alike_as_json_and_csv(claims: Path, capsys: Capture) -> None:
    assert run(["audit", str(claims), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 4
    assert {row["verdict"] for row in rows} <= set(VERDICTS)
    assert not any(isinstance(value, (list, dict)) for row in rows for value in row.values())
    assert not any(value == "" for row in rows for value in row.values())
    assert [row["device_from"] for row in rows] == [None] * 4
    assert [row["convention"] for row in rows] == [None, None, None, "eq9 (R = 100)"]
    assert run(["audit", str(claims), "--csv"]) == 0
    table = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [row["reason"] for row in table] == [row["reason"] for row in rows]


def test_tokens_device_and_a_convention_of_ones_own(
    claims: Path, tmp_path: Path, capsys: Capture
) -> None:
    own = tmp_path / "mine.toml"
    own.write_text(EXAMPLE)
    options = ["--tokens", "2000", "--device", "l4", "--convention", f"eq9,{own}", "--json"]
    assert run(["audit", str(claims), *options]) == 0
    rows = json.loads(capsys.readouterr().out)
    times = [row for row in rows if row["quantity"] == "prefill"]
    assert {(row["tokens"], row["tokens_from"]) for row in times} == {(2000, "given by --tokens")}
    assert {row["device"] for row in times} == {"rtx-a6000"}
    assert rows[-1]["tokens"] == 10_004  # stated, so --tokens leaves it
    assert "none of the other 9 conventions does" in rows[-1]["reason"]  # eq9 is not there twice
    assert run(["audit", str(claims), "--convention-file", str(own), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[-1]["reason"] == rows[-1]["reason"]


def test_a_convention_of_ones_own_is_found_by_its_name(tmp_path: Path, capsys: Capture) -> None:
    """Values that the example convention gives at n = 4,321, searched without a length."""
    own, path = tmp_path / "mine.toml", tmp_path / "claims.csv"
    own.write_text(EXAMPLE)
    spec, work = load_spec("qwen2.5-omni-7b"), bare_workload(4_321)
    lines = ["model,method,retained,flops_T"]
    for retained in (1.0, 0.5, 0.25):
        method = "full" if retained == 1 else "random"
        plan = make_plan(method, work, spec, retained=None if retained == 1 else retained)
        flops = total_flops(count(spec, plan, own, 0))
        lines.append(f"{spec.name},{method},{retained},{flops / 1e12:.4f}")
    path.write_text("\n".join(lines))
    assert run(["audit", str(path), "--json"]) == 0
    assert "mac-exact" not in capsys.readouterr().out
    assert run(["audit", str(path), "--convention", str(own), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["tokens"] for row in rows} == {4_321}
    assert {row["convention"] for row in rows} == {"mac-exact"}


def test_out_holds_all_that_one_would_attach(claims: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "out"
    assert run(["audit", str(claims), "--out", str(out)]) == 0
    written = ["audit.md", "tables/audit.csv",
               *(f"figures/audit.{suffix}" for suffix in ("pdf", "svg", "png"))]  # fmt: skip
    captured = capsys.readouterr()
    assert captured.out.startswith("What stands out of 4 numbers")
    assert captured.err.splitlines() == [f"wrote {out / name}" for name in written]
    assert sorted(path for path in out.rglob("*") if path.is_file()) == sorted(
        out / name for name in (*written, "figures/figures.lock.json")
    )
    text = (out / "audit.md").read_text()
    assert text.startswith("# Published numbers held against physics: claims.csv\n")
    assert "| ours | 2 | 0 | 1 |" in text
    stand = (
        "- **ours**: 2 impossible at the n assumed, 1 plausible. 2 times need 3.34 to 3.50 times"
    )
    assert text.index("## What stands out") < text.index(stand) < text.index("## How to read it")
    assert "| impossible at n = 10,004 (assumed) |" in text
    assert "(figures/audit.png)" in text and "\n\n\n" not in text
    assert "- n = 10,004 is assumed: a guess." in text
    assert len(list(csv.DictReader((out / "tables" / "audit.csv").open()))) == 4


def test_the_folder_is_one_that_figures_draws_from(
    claims: Path, tmp_path: Path, capsys: Capture
) -> None:
    out, drawn = tmp_path / "out", tmp_path / "drawn"
    assert run(["audit", str(claims), "--out", str(out), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 4  # what is written is told elsewhere
    assert run(["figures", "audit", "--from", str(out), "--out", str(drawn)]) == 0
    assert "audit.pdf" in capsys.readouterr().out
    assert (drawn / "audit.pdf").is_file()


def test_the_example_runs_as_it_is_printed(tmp_path: Path, capsys: Capture) -> None:
    assert run(["audit", "--example"]) == 0
    path = tmp_path / "mine.csv"
    path.write_text(capsys.readouterr().out)
    assert run(["audit", str(path), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["quantity"] for row in rows} == {
        "prefill", "end to end", "memory", "prefill speed-up", "end-to-end speed-up", "FLOPs"
    }  # fmt: skip
    assert {row["convention"] for row in rows if row["quantity"] == "FLOPs"} == {"eq9 (R = 100)"}
    wrong = [row for row in rows if row["verdict"] == "impossible"]
    assert [(row["quantity"], row["claimed"]) for row in wrong] == [("prefill", 40)]
    assert wrong[0]["tokens_at_peak"] < 4_000


def test_without_a_rate_there_is_no_figure(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "memory.csv"
    path.write_text("model,memory_GB\nqwen2.5-omni-7b,30\n")
    assert run(["audit", str(path), "--out", str(tmp_path / "out")]) == 0
    assert "What stands out of 1 number: 1 plausible." in capsys.readouterr().out
    assert {item.name for item in (tmp_path / "out").rglob("*.*")} == {"audit.csv", "audit.md"}


@pytest.mark.parametrize(
    ("text", "options", "says"),
    [
        ("model\nqwen2.5-omni-7b\n", [], "no row holds a number to audit"),
        ("model,x\na,1\n", [], "unknown column 'x'"),
        (CLAIMS, ["--device", "a6000"], "unknown device 'a6000'"),
        (CLAIMS, ["--tokens", "-3"], "tokens must be a positive whole number"),
        (CLAIMS, ["--convention", "none.toml"], "none.toml: no such file"),
        (CLAIMS, ["--convention", "eq8"], "unknown convention 'eq8': did you mean eq9"),
        (CLAIMS, ["--convention", ","], "--convention must be at least one name"),
        (CLAIMS, ["--convention-file", "none.toml"], "none.toml"),
        (CLAIMS, ["--json", "--csv"], "one of --json and --csv"),
    ],
)
def test_wrong_input_is_one_sentence_and_2(
    tmp_path: Path, capsys: Capture, text: str, options: list[str], says: str
) -> None:
    path = tmp_path / "claims.csv"
    path.write_text(text)
    assert run(["audit", str(path), *options]) == 2
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.out == "" and len(captured.err.splitlines()) == 1


def test_the_columns_are_listed_with_what_they_hold(capsys: Capture) -> None:
    assert run(["audit", "--columns"]) == 0
    out = capsys.readouterr().out
    words = set(out.split())
    assert set(COLUMNS) <= words
    assert "18x2500+10x1250" in words and "prefill_speedup is read as speedup" in out


def test_help_names_every_column(capsys: Capture) -> None:
    assert run(["audit", "--help"]) == 0
    out = capsys.readouterr().out.replace("│", " ")
    words = set(out.replace(",", " ").replace(".", " ").split())
    assert set(COLUMNS) <= words
