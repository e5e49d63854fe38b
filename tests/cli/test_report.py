"""``report``: from each kind of folder to a page that stands alone, or to Markdown about a run."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from invented_tables import windows_table
from page_eyes import Eyes, PageTable
from planted_result import SPECS, broken, full_tokens, half

from omnizip_cost.cli.app import run
from omnizip_cost.compare.errors import error_rows, summarise_errors
from omnizip_cost.compare.recorded_check import recorded_for
from omnizip_cost.compare.result import result_rows
from omnizip_cost.report.result import write_result
from omnizip_cost.results.store import write_table

Capture = pytest.CaptureFixture[str]
MEASURED = Path(__file__).resolve().parents[2] / "analysis" / "measurements" / "cpu-demo"
EVIL = "<script>x</script> & |"


@pytest.fixture(scope="module")
def profiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``profile`` leaves: measured rows and no table."""
    folder = tmp_path_factory.mktemp("profiled")
    for name in ("rows.parquet", "environment.json"):
        (folder / "measurements").mkdir(exist_ok=True)
        shutil.copy(MEASURED / name, folder / "measurements")
    return folder


@pytest.fixture(scope="module")
def page(profiled: Path) -> Eyes:
    assert run(["report", "--from", str(profiled)]) == 0
    return Eyes((profiled / "report.html").read_text(encoding="utf-8"))


def _table(eyes: Eyes, start: str) -> PageTable:
    return next(table for table in eyes.tables if table.caption.startswith(start))


def test_measured_rows_become_a_page_in_the_folder(page: Eyes) -> None:
    order = [
        "What was found", "Paper formula, exact count, observed", "Predicted against observed",
        "Errors", "Time per stage", "Memory", "Where the gap goes", "Read with care",
        "What was run", "Where it comes from",
    ]  # fmt: skip
    assert page.headings[1:] == order
    assert len(page.labels) == 2, "speed-up and stages"
    assert len(page.ids) == len(set(page.ids))
    assert all(link.startswith(("#", "data:")) for link in (*page.asked, *page.links))


def test_the_numbers_are_those_of_the_tables(page: Eyes, profiled: Path) -> None:
    table = _table(page, "Prefill speed-up")
    assert len(table.rows) == 12
    best = max(float(sorts[4] or "nan") for sorts in table.sorts[1:])
    assert f"read {best:.2f}× (" in "".join(page.text)
    read = {row[0]: row[2] for row in _table(page, "Tables read").rows}
    for name in ("tables/compare.csv", "tables/stages.csv", "measurements/rows.parquet"):
        assert read[name] == hashlib.sha256((profiled / name).read_bytes()).hexdigest()
    assert str(profiled) not in "".join(page.text)


def test_a_table_that_is_newer_than_the_rows_is_taken_as_it_is(
    page: Eyes, profiled: Path, tmp_path: Path
) -> None:
    """What `compare --device` predicted is not lost by a report."""
    folder = Path(shutil.copytree(profiled, tmp_path / "copy"))
    path = folder / "tables" / "compare.csv"
    path.write_text(path.read_text().replace("FastV 50%", EVIL))
    shutil.rmtree(folder / "measurements")
    assert run(["report", "--from", str(folder), "--out", str(tmp_path / "p.html")]) == 0
    text = (tmp_path / "p.html").read_text()
    assert EVIL in [row[0] for row in _table(Eyes(text), "Prefill speed-up").rows]
    assert EVIL not in text


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results with a prediction on record and one out of memory; beside them another table."""
    root = tmp_path_factory.mktemp("tables")
    lost = [replace(row, label=EVIL) for row in broken(half(), "oom", "none left")]
    rows = [*full_tokens().rows, *half().rows, *lost]
    made = result_rows(rows, SPECS, recorded_for(rows, [full_tokens().recorded, half().recorded]))
    errors = error_rows(made)
    write_result(root / "cpu", made, errors, summarise_errors(errors))
    write_table(windows_table(3), root / "paper" / "windows.csv")
    return root


def test_result_tables_become_one_page(results: Path, tmp_path: Path) -> None:
    target = tmp_path / "new" / "result.html"
    assert run(["report", "--from", str(results), "--out", str(target)]) == 0
    text = target.read_text(encoding="utf-8")
    eyes = Eyes(text)
    assert [head for head in eyes.headings if head.endswith(("cpu", "paper"))] == [
        "What was found on cpu", "Figures of paper",
    ]  # fmt: skip
    speedups = _table(eyes, "Speed-up: ")
    place = speedups.heads.index("observed") - len(speedups.heads) + len(speedups.rows[0])
    lost = next(row for row in speedups.rows if row[0] == EVIL)
    assert lost[place] == "OOM"
    assert EVIL not in text
    assert "http" not in text.replace("http-equiv", "")
    assert len(eyes.ids) == len(set(eyes.ids))
    assert "the prediction in seconds by" in "".join(eyes.text)
    assert {row[0] for row in _table(eyes, "Tables read").rows} >= {
        "cpu/result.csv", "cpu/error_summary.csv", "paper/windows.csv",
    }  # fmt: skip


def test_a_result_of_other_columns_is_one_sentence(
    results: Path, tmp_path: Path, capsys: Capture
) -> None:
    folder = Path(shutil.copytree(results, tmp_path / "copy"))
    path = folder / "cpu" / "result.csv"
    path.write_text(path.read_text().replace("realised", "realized"))
    assert run(["report", "--from", str(folder), "--out", str(tmp_path / "p.html")]) == 2
    err = capsys.readouterr().err
    assert "result.csv: is not the table that its name says: unknown column" in err
    assert not (tmp_path / "p.html").exists()


def test_wrong_input_is_one_sentence(results: Path, tmp_path: Path, capsys: Capture) -> None:
    for tail, sentence in (
        (["--from", str(tmp_path)], "holds neither measured rows, nor tables/compare.csv"),
        (["--from", str(tmp_path / "no")], "there is no such folder"),
        (["--from", str(results), "--out", "r.md"], "a name ending in .html for a folder of res"),
        (["--from", str(results), "--out", "r.pdf"], "a name ending in .html or .md"),
    ):
        assert run(["report", *tail]) == 2
        err = capsys.readouterr().err
        assert sentence in err
        assert len(err.splitlines()) == 1
