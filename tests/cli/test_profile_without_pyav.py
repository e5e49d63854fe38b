"""Clips described by seconds and pixels are profiled where PyAV, torchvision and git are absent."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import omnizip_cost
from omnizip_cost.cli.app import run
from omnizip_cost.results import MeasurementStore, read_table

OPTIONS = (
    *("profile", "--model", "omni-tiny", "--seconds", "1", "--pixels", "112x112"),
    *("--max-pixels", "12544", "--method", "omnizip,fastv", "--retained", "0.5"),
    *("--execution", "graph", "--decode", "2", "--rounds", "1"),
)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("profile")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("av", "torchvision"):
            patch.setitem(sys.modules, name, None)  # to import it is now an ImportError
        patch.setenv("PATH", "")
        assert run([*OPTIONS, "--out", str(out)]) == 0
    return out


def test_graph_rows_say_so_and_fastv_says_why_not(out: Path) -> None:
    rows = MeasurementStore(out / "measurements").rows()
    assert {row.execution for row in rows} == {"graph"}
    decoded = {row.method for row in rows if row.stage == "decode" and row.status == "ok"}
    assert decoded == {"full", "omnizip"}
    (failed,) = [row for row in rows if row.status != "ok"]
    assert (failed.method, failed.status, failed.stage) == ("fastv", "failed", "decode")
    assert "as FastV leaves them" in failed.reason


def test_without_git_the_commit_is_unknown(out: Path) -> None:
    (environment,) = MeasurementStore(out / "measurements").environments()
    assert environment["sessions"][0]["git_commit"] is None


def test_kernels_of_whole_cells_are_written(out: Path) -> None:
    table = read_table(out / "tables" / "kernels.csv")
    assert set(table["method"]) == {"omnizip"}
    assert set(table["phase"]) == {"prefill", "decode"}


def test_pyav_is_imported_inside_functions_only() -> None:
    """So that a module already loaded with PyAV says nothing about one loaded without."""
    sources = [path.read_text() for path in Path(omnizip_cost.__file__).parent.rglob("*.py")]
    users = [text for text in sources if "import av" in text or "from av" in text]
    assert users
    assert "av" not in [name for text in users for name in outside_functions(ast.parse(text))]


def outside_functions(tree: ast.AST) -> Iterator[str]:
    """Top-level packages that loading the module imports; blocks for type checkers do not run."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from outside_functions(node)


def test_an_unknown_execution_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["profile", *OPTIONS[1:7], "--execution", "grap", "--out", "nowhere"]) == 2
    assert "unknown execution 'grap': did you mean graph?" in capsys.readouterr().err
