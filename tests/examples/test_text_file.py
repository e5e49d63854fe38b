"""Files that a user hands in by mistake, or in malice: one sentence, whichever reader gets them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from omnizip_cost import text_file
from omnizip_cost.cost import convention_file
from omnizip_cost.cost.convention_file import load_convention
from omnizip_cost.errors import InputFileError, OmnizipCostError
from omnizip_cost.hardware import load as device_file
from omnizip_cost.hardware import load_device
from omnizip_cost.sweep import grid_file
from omnizip_cost.sweep.grid_file import load_grid

READERS = {
    "convention": (load_convention, convention_file),
    "device": (load_device, device_file),
    "grid": (load_grid, grid_file),
}
Reader = tuple[Callable[[Path], object], ModuleType]

HOSTILE = {
    "nested": (b"a = " + b"[" * 20_000, "is not valid TOML (too deeply nested)"),
    "digits": (b"a = " + b"7" * 6_000, "is not valid TOML (Exceeds the limit"),
    "hexadecimal": (b"a = [{b = 0x" + b"f" * 9_000 + b"}]", "a whole number beyond 64 bits"),
    "65 bits": (b"a = 9223372036854775808", "a whole number beyond 64 bits"),
    "broken": (b"a == 1", "is not valid TOML"),
    "twice": (b"a = 1\na = 2", "is not valid TOML (Cannot overwrite a value"),
    "not text": (b"\xff\xfe\x00a", "is not text in UTF-8; give the TOML file of a "),
    "a null": (b"a = 1\0", "is not valid TOML (Expected newline"),
    "empty": (b"", "lacks "),
    "a mark alone": (b"\xef\xbb\xbf", "lacks "),
    "a long key": (b"k" * 9_000 + b" = 1", "'" + "k" * 199 + "...: known: "),
    "other keys": (b"[a]\nb = 1", "unknown key of "),
}


@pytest.fixture(params=READERS.values(), ids=READERS)
def reader(request: pytest.FixtureRequest) -> Reader:
    found: Reader = request.param
    return found


def refusal(reader: Reader, path: Path) -> str:
    with pytest.raises(OmnizipCostError) as refused:
        reader[0](path)
    said = str(refused.value)
    assert str(path) in said
    assert "\n" not in said
    assert len(said) < 900
    return said


@pytest.mark.parametrize(("content", "says"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_content_is_one_sentence(
    reader: Reader, tmp_path: Path, content: bytes, says: str
) -> None:
    path = tmp_path / "own.toml"
    path.write_bytes(content)
    assert says in refusal(reader, path)


def test_a_file_too_large_is_not_read_to_its_end(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader[1], "LARGEST_BYTES", 4096)
    path = tmp_path / "own.toml"
    path.write_bytes(b"#" * 4097)
    assert "is larger than 4 KiB; give the TOML file of a " in refusal(reader, path)
    endless = tmp_path / "endless.toml"
    endless.symlink_to("/dev/zero")
    assert "is larger than 4 KiB" in refusal(reader, endless)


def test_what_is_no_file_is_refused(reader: Reader, tmp_path: Path) -> None:
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "file.toml").write_text("")
    for name, says in (
        ("none.toml", "no such file; check the path"),
        ("file.toml/below.toml", "no such file; check the path"),
        ("folder.toml", "cannot be read (Is a directory)"),
        ("n" * 300 + ".toml", "cannot be read (File name too long)"),
    ):
        assert says in refusal(reader, tmp_path / name)
    with pytest.raises(InputFileError, match=r"cannot be read \(embedded null"):
        reader[0](Path("a\0.toml"))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads anything")
def test_a_file_that_may_not_be_read(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.touch(mode=0)
    assert "cannot be read (Permission denied)" in refusal(reader, path)


def test_an_editors_mark_and_line_ends_are_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_bytes(b"\xef\xbb\xbf" + grid_file.EXAMPLE.replace("\n", "\r\n").encode())
    assert load_grid(path).size == 98_400


def test_a_limit_is_inside(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("four")
    assert text_file.read_text(path, 4, "a text of four letters") == "four"
    with pytest.raises(InputFileError, match="is larger than 3 B; give a text of three letters"):
        text_file.read_text(path, 3, "a text of three letters")
