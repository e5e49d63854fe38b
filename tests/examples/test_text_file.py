"""Files that a user hands in by mistake, or in malice: one sentence, whichever reader gets them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from omnizip_cost import text_file
from omnizip_cost.audit import claims_file, read_claims
from omnizip_cost.cost import convention_file
from omnizip_cost.cost.convention_file import load_convention
from omnizip_cost.errors import InputFileError, OmnizipCostError
from omnizip_cost.hardware import load as device_file
from omnizip_cost.hardware import load_device
from omnizip_cost.sweep import grid_file
from omnizip_cost.sweep.grid_file import load_grid


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """One way in: what reads the file, what the file should be, and what must be refused."""

    read: Callable[[Path], object]
    module: ModuleType
    what: str
    suffix: str = ".toml"


READERS = {
    "convention": Reader(
        read=load_convention, module=convention_file, what="the TOML file of a convention"
    ),
    "device": Reader(read=load_device, module=device_file, what="the TOML file of a device"),
    "grid": Reader(read=load_grid, module=grid_file, what="the TOML file of a grid"),
    "claims": Reader(
        read=read_claims, module=claims_file, what="a CSV table of claims", suffix=".csv"
    ),
}

HOSTILE = {
    ".toml": {
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
    },
    ".csv": {
        "a quote left open": (b'model,note\nm,"a', "line 2 is not CSV (unexpected end of data)"),
        "a cell too long": (b"model\n" + b"m" * 200_000, "is not CSV (field larger than"),
        "a mark alone": (b"\xef\xbb\xbf", "line 1: there is no column model"),
        "empty": (b"", "line 1: there is no column model"),
        "not text": (b"\xff\xfe\x00a", "is not text in UTF-8; give a CSV table of claims"),
        "a null": (b"model\0\nm", "line 1: unknown column 'model\\x00'; did you mean model "),
        "a long heading": (b"model," + b"k" * 9_000, "'" + "k" * 199 + "...; known: model, "),
        "digits": (b"model,tokens\nm," + b"7" * 6_000, "line 2: tokens must be a whole number"),
        "an exponent": (b"model,prefill_ms\nm,1e999999999", "line 2: prefill_ms must be a number"),
        "layers without end": (
            b"model,layer_tokens\nm," + b"9" * 5_000 + b"x9",
            "line 2: layer_tokens must be layers x tokens",
        ),
        "wide and short": (b"model" + b",note" * 5_000, "column note stands there more than once"),
        "only commas": (b"model,note\n" + b",\n" * 999, "there is no row under its header"),
    },
}
HOSTILE_FILES = [
    pytest.param(name, content, says, id=f"{name}, {called}")
    for name, reader in READERS.items()
    for called, (content, says) in HOSTILE[reader.suffix].items()
]


@pytest.fixture(params=READERS.values(), ids=READERS)
def reader(request: pytest.FixtureRequest) -> Reader:
    found: Reader = request.param
    return found


def refusal(reader: Reader, path: Path) -> str:
    with pytest.raises(OmnizipCostError) as refused:
        reader.read(path)
    said = str(refused.value)
    assert str(path) in said
    assert "\n" not in said
    assert len(said) < 900
    return said


@pytest.mark.parametrize(("name", "content", "says"), HOSTILE_FILES)
def test_hostile_content_is_one_sentence(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    reader = READERS[name]
    path = tmp_path / f"own{reader.suffix}"
    path.write_bytes(content)
    assert says in refusal(reader, path)


def test_a_file_too_large_is_not_read_to_its_end(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader.module, "LARGEST_BYTES", 4096)
    path = tmp_path / f"own{reader.suffix}"
    path.write_bytes(b"#" * 4097)
    assert f"is larger than 4 KiB; give {reader.what}" in refusal(reader, path)
    endless = tmp_path / f"endless{reader.suffix}"
    endless.symlink_to("/dev/zero")
    assert "is larger than 4 KiB" in refusal(reader, endless)


def test_what_is_no_file_is_refused(reader: Reader, tmp_path: Path) -> None:
    suffix = reader.suffix
    (tmp_path / f"folder{suffix}").mkdir()
    (tmp_path / f"file{suffix}").write_text("")
    for name, says in (
        ("none", "no such file; check the path"),
        (f"file{suffix}/below", "no such file; check the path"),
        ("folder", "cannot be read (Is a directory)"),
        ("n" * 300, "cannot be read (File name too long)"),
    ):
        assert says in refusal(reader, tmp_path / f"{name}{suffix}")
    with pytest.raises(InputFileError, match=r"cannot be read \(embedded null"):
        reader.read(Path(f"a\0{reader.suffix}"))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads anything")
def test_a_file_that_may_not_be_read(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / f"own{reader.suffix}"
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
