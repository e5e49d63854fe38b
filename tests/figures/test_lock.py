"""What a drawn figure was made from, and what makes it stale: each cause planted and found."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from invented_memory import memory_tables
from invented_tables import windows_table

from omnizip_cost.cli.app import run
from omnizip_cost.errors import InputFileError, UnknownNameError
from omnizip_cost.plotting import FIGURES, LOCK_NAME, check_drawn, draw_all
from omnizip_cost.plotting.drawing_code import drawing_code
from omnizip_cost.results.store import write_table

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def drawn_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("lock")
    write_table(windows_table(3), place / "tables" / "windows.csv")
    draw_all(place / "tables", place / "figures", ["windows"])
    return place


@pytest.fixture
def drawn(drawn_once: Path, tmp_path: Path) -> Path:
    """A folder of its own with one table, its figure, and the record of the drawing."""
    return Path(shutil.copytree(drawn_once, tmp_path / "drawn"))


def _why(folder: Path, **settings: str) -> str:
    (state,) = check_drawn(folder / "tables", folder / "figures", **settings)
    assert state.state == ("stale" if state.why else "fresh")
    return state.why


def test_the_record_holds_what_sha256_gives(drawn: Path) -> None:
    (record,) = json.loads((drawn / "figures" / LOCK_NAME).read_text())["figures"].values()
    for key, folder in (("inputs", "tables"), ("outputs", "figures")):
        assert record[key] == {
            name: hashlib.sha256((drawn / folder / name).read_bytes()).hexdigest()
            for name in record[key]
        }
    assert list(record["inputs"]) == ["windows.csv"]
    assert set(record["outputs"]) == set(FIGURES["windows"].outputs)
    assert {"windows.py", "canvas.py", "style.py", "omnizip.mplstyle"} <= set(record["code"])
    assert str(drawn) not in json.dumps(record)


def test_what_was_just_drawn_is_fresh(drawn: Path) -> None:
    assert _why(drawn) == ""


def test_a_changed_table_is_named(drawn: Path) -> None:
    write_table(windows_table(4), drawn / "tables" / "windows.csv")
    assert _why(drawn) == "input windows.csv changed"


def test_a_table_that_is_gone_is_named(drawn: Path) -> None:
    (drawn / "tables" / "windows.csv").unlink()
    assert _why(drawn) == "input windows.csv is gone"


def test_outputs_that_were_edited_or_are_missing_are_named(drawn: Path) -> None:
    with (drawn / "figures" / "windows.svg").open("a") as file:
        file.write("<!-- by hand -->")
    (drawn / "figures" / "windows.png").unlink()
    assert _why(drawn) == "output windows.svg was edited; output windows.png is missing"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"code": {"windows.py": "0"}}, "drawing code changed: windows.py"),
        ({"matplotlib": "0.1"}, "drawn by matplotlib 0.1, here is "),
    ],
)
def test_other_code_and_another_matplotlib_are_told(
    drawn: Path, change: dict[str, object], why: str
) -> None:
    path = drawn / "figures" / LOCK_NAME
    record = json.loads(path.read_text())
    for key, value in change.items():
        own = record["figures"]["windows"]
        own[key] = {**own[key], **value} if isinstance(value, dict) else value
    path.write_text(json.dumps(record))
    assert _why(drawn).startswith(why)


def test_the_width_matters_only_where_one_is_asked_for(drawn: Path) -> None:
    assert _why(drawn, width="column") == ""
    assert _why(drawn, width="page") == "drawn at column width"


def test_never_drawn_and_no_longer_known(drawn: Path) -> None:
    parts, held = memory_tables()
    write_table(parts, drawn / "tables" / "memory.csv")
    write_table(held, drawn / "tables" / "memory_limits.csv")
    path = drawn / "figures" / LOCK_NAME
    path.write_text(path.read_text().replace('"windows": {', '"winnows": {'))
    found = {row.figure: row.why for row in check_drawn(drawn / "tables", drawn / "figures")}
    assert found == {
        "windows": "never drawn",
        "memory": "never drawn",
        "winnows": "no figure of that name is known any more",
    }


def test_an_unknown_figure_is_refused(drawn: Path) -> None:
    with pytest.raises(UnknownNameError, match="unknown figure 'window': did you mean windows"):
        check_drawn(drawn / "tables", drawn / "figures", ["window"])


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1, "figures": {"windows": 3}}', "{"])
def test_a_damaged_record_is_one_sentence_and_drawing_replaces_it(drawn: Path, text: str) -> None:
    (drawn / "figures" / LOCK_NAME).write_text(text)
    with pytest.raises(InputFileError, match=r"figures\.lock\.json: is no record of drawn figures"):
        check_drawn(drawn / "tables", drawn / "figures")
    draw_all(drawn / "tables", drawn / "figures", ["windows"])
    assert _why(drawn) == ""


def test_code_is_followed_through_imports_inside_the_room() -> None:
    files = set(drawing_code(FIGURES["attention_share"].draw))
    assert {"attention_share.py", "by_length.py", "tablerows.py", "style.py"} <= files
    assert "catalogue.py" not in files
    assert set(drawing_code(lambda: None)) < files


def test_the_command_draws_folders_inside_and_says_what_is_stale(
    tmp_path: Path, capsys: Capture
) -> None:
    for place in ("a", "b"):
        write_table(windows_table(3), tmp_path / "tables" / place / "windows.csv")
    call = ["figures", "--from", str(tmp_path / "tables"), "--out", str(tmp_path / "out")]
    assert run([*call, "--check"]) == 1
    assert "2 of 2 stale." in capsys.readouterr().out
    assert run([*call, "windows", "--width", "page"]) == 0
    written = capsys.readouterr().out.split()
    assert [Path(line).parent.name for line in written] == ["a"] * 3 + ["b"] * 3
    assert run([*call, "--check"]) == 0
    (tmp_path / "out" / "b" / "windows.pdf").unlink()
    capsys.readouterr()
    assert run([*call, "--check", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == [
        {"folder": "a", "figure": "windows", "state": "fresh", "why": ""},
        {"folder": "b", "figure": "windows", "state": "stale",
         "why": "output windows.pdf is missing"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("tail", "sentence"),
    [
        (["speedups"], "unknown figure 'speedups': did you mean speedup"),
        (["speedup"], "compare.csv: the table of figure 'speedup' is not there; `omnizip-cost"),
        ([], "holds no table of any figure"),
        (["--check"], "holds no table of these figures"),
        (["--width", "wide"], "unknown figure width 'wide': known: column, page"),
        (["--check", "--json", "--csv"], "give one of --json and --csv"),
    ],
)
def test_wrong_input_is_one_sentence(
    tmp_path: Path, capsys: Capture, tail: list[str], sentence: str
) -> None:
    assert run(["figures", *tail, "--from", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    err = capsys.readouterr().err
    assert sentence in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "out").exists()
