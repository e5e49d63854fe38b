"""This script, these inputs -> these files: the registry, the programs and their manifest."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from invented_kept import kept_tables
from invented_lengths import lengths_table, memory_result
from invented_memory import memory_tables
from invented_result import error_tables
from invented_tables import compare_table, conventions_table, stages_table, windows_table
from planted_rows import planted_waterfall

from omnizip_cost.audit import audit, bundled_claims
from omnizip_cost.errors import InputFileError, UnknownNameError
from omnizip_cost.plotting import FIGURES, draw_all, drawable, drawn_svg, run_program
from omnizip_cost.report import inline_svg
from omnizip_cost.results.store import read_table, write_table
from omnizip_cost.specs import load_spec
from omnizip_cost.symbolic.tables import limit_rows, ratio_rows, share_rows

FOLDER = Path(__file__).resolve().parents[2] / "figures"
MANIFEST = tomllib.loads((FOLDER / "manifest.toml").read_text())["figure"]
PROGRAMS = sorted(FOLDER.glob("*.py"))
TINY = load_spec("omni-tiny")
MEASURED = FOLDER.parent / "analysis" / "measurements"
COUNTERS = MEASURED / "counters" / "counters.csv"
ROOFLINE = MEASURED / "roofline" / "roofline.csv"
PAPER = FOLDER.parent / "analysis" / "tables" / "paper"
PREDICTORS = MEASURED / "predictors" / "predictors.csv"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with every table, written as the command line writes them."""
    place = tmp_path_factory.mktemp("tables")
    write_table(compare_table(oom=("fastv",)), place / "compare.csv")
    tokens, windows, grids = kept_tables()
    write_table(tokens, place / "kept.parquet")
    write_table(windows, place / "windows.csv")
    write_table(grids, place / "kept_frames.parquet")
    write_table(stages_table(oom=("fastv",)), place / "stages.csv")
    write_table(conventions_table(), place / "conventions.csv")
    write_table(audit(bundled_claims()[:1]), place / "audit.csv")
    write_table(read_table(COUNTERS), place / "counters.csv")
    predicted = read_table(PREDICTORS)
    write_table(predicted[predicted["retained"] == 0.5], place / "predictors.csv")
    off = read_table(PREDICTORS.with_name("kernel_errors.csv"))
    write_table(off[off["device"] == "h100-sxm"], place / "kernel_errors.csv")
    parts, held = memory_tables()
    write_table(parts, place / "memory.csv")
    write_table(held, place / "memory_limits.csv")
    write_table(limit_rows(TINY, 300), place / "speedup_limits.csv")
    write_table(share_rows([TINY]), place / "attention_share.csv")
    write_table(ratio_rows([TINY], 300), place / "exact_ratio.csv")
    write_table(planted_waterfall(), place / "waterfall.csv")
    roof = read_table(ROOFLINE)
    write_table(roof[roof["device"] == "h100-sxm"], place / "roofline.csv")
    measured = memory_result(tokens=(5_004,))
    errors, summary = error_tables(measured)
    write_table(measured, place / "result.csv")
    write_table(lengths_table(), place / "clip_length.csv")
    write_table(errors, place / "errors.csv")
    write_table(summary, place / "error_summary.csv")
    for name, column, value in (
        ("accuracy", "cost", "exact"),
        ("accuracy_av", "cost", "eq9"),
        ("paper_tables", "table", "Table 6"),
        ("sensitivity", "kind", "grid"),
        ("sensitivity_marks", "kind", "setting"),
        ("anchors", "rho_a", 0.4),
    ):
        paper = read_table(PAPER / f"{name}.csv")
        write_table(paper[paper[column] == value], place / f"{name}.csv")
    return place


def test_every_program_is_in_the_manifest_and_the_registry() -> None:
    assert [path.name for path in PROGRAMS] == sorted(entry["script"] for entry in MANIFEST)
    assert [entry["name"] for entry in MANIFEST] == list(FIGURES)
    assert {"audit", "memory"} <= set(FIGURES)
    assert {"speedup_limits", "attention_share", "exact_ratio"} <= set(FIGURES)
    assert set(FIGURES) >= {"speedup", "windows", "kept", "stages", "conventions", "counters"}


@pytest.mark.parametrize("entry", MANIFEST, ids=lambda entry: entry["name"])
def test_the_manifest_says_what_the_registry_says(entry: dict[str, list[str]]) -> None:
    known = FIGURES[str(entry["name"])]
    assert [Path(name).stem for name in entry["inputs"]] == [known.table, *known.beside]
    assert [Path(name).stem for name in entry.get("optional", [])] == list(known.maybe)
    assert {Path(name).suffix for name in entry["inputs"]} <= {".csv", ".parquet"}
    assert tuple(entry["outputs"]) == known.outputs


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_programs_are_short_and_draw_what_their_name_says(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) < 80
    assert f'run_program("{path.stem}")' in text
    imported = [
        node.module for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)
    ]
    assert imported == ["omnizip_cost.plotting"]


def test_the_folder_holds_every_table(folder: Path) -> None:
    assert drawable(folder) == list(FIGURES)


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_drawn_from_its_tables_and_fits_a_page(folder: Path, name: str) -> None:
    """As text alone: `test_saving` holds the other formats to one figure, for all are saved so."""
    element = inline_svg(drawn_svg(folder, name), name, name)
    assert element.startswith("<svg viewBox=")
    assert len(element) > 10_000
    assert "<style" not in element


def test_chosen_figures_only_and_parquet_too(tmp_path: Path) -> None:
    write_table(windows_table(), tmp_path / "windows.parquet")
    paths = draw_all(tmp_path, tmp_path / "out", ["windows"], width="page")
    assert [path.name for path in paths] == list(FIGURES["windows"].outputs)


def test_a_missing_table_names_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(InputFileError) as caught:
        draw_all(tmp_path, tmp_path / "out", ["speedup"])
    assert str(caught.value) == (
        f"{tmp_path / 'compare.csv'}: the table of figure 'speedup' is not there; "
        "`omnizip-cost compare ROWS --out DIR` makes it"
    )


def test_nothing_is_written_when_one_table_of_several_is_missing(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "windows.csv").write_bytes((folder / "windows.csv").read_bytes())
    with pytest.raises(InputFileError):
        draw_all(tmp_path, tmp_path / "out", ["windows", "stages"])
    assert not (tmp_path / "out").exists()


def test_a_figure_of_several_tables_needs_them_all(folder: Path, tmp_path: Path) -> None:
    for name in ("kept.parquet", "windows.csv"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    assert drawable(tmp_path) == ["windows"]
    with pytest.raises(InputFileError, match=r"kept_frames\.csv: the table of figure 'kept'"):
        draw_all(tmp_path, tmp_path / "out", ["kept"])
    (tmp_path / "kept_frames.parquet").write_bytes((folder / "kept_frames.parquet").read_bytes())
    assert drawable(tmp_path) == ["windows", "kept"]


def test_an_unknown_figure_has_near_names(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="unknown figure 'speedups': did you mean speedup"):
        draw_all(tmp_path, tmp_path, ["speedups"])


def test_a_program_prints_its_files(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_program("stages", ["--from", str(folder), "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [Path(line).name for line in printed] == list(FIGURES["stages"].outputs)


def test_a_program_without_its_table_says_so_and_exits_with_2(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(FOLDER / "speedup.py"), "--from", str(tmp_path), "--out", "x"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(FOLDER.parent), "PATH": ""},
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "compare.csv: the table of figure 'speedup' is not there" in done.stderr
