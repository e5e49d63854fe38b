"""Tables on narrow terminals: nothing is lost."""

from __future__ import annotations

import os
import pty
import struct
import subprocess
import sys
import termios
from collections import Counter
from fcntl import ioctl

import pytest

from omnizip_cost.cli import output
from omnizip_cost.cli.app import run

CLIP = ["--model", "qwen2.5-omni-7b", "--seconds", "20", "--pixels", "252x448"]


@pytest.mark.parametrize("width", [20, 40, 100, 150])
def test_no_cell_is_cropped(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(output, "_PLAIN_WIDTH", width)
    columns = ["configuration", *(f"heading {i}" for i in range(8))]
    rows = [
        ["OmniZip 45% (0.3, 0.6)", *(f"{1234.5 * i:,.1f} (52.{i}%)" for i in range(8))],
        ["Full tokens", *("-" for _ in range(8))],
    ]
    output.show("title", columns, rows)
    printed = capsys.readouterr().out
    for heading in columns:
        assert heading in printed
    for cell in rows[0][1:]:
        assert cell in printed
    for word in ["OmniZip", "45%", "(0.3,", "0.6)", "Full", "tokens"]:
        assert word in printed


@pytest.mark.parametrize(
    "command",
    [["conventions"], ["conventions", *CLIP], ["flops", *CLIP, "--components"]],
    ids=["records", "conventions of a clip", "components of a clip"],
)
def test_no_word_of_a_command_is_lost(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def words(width: int) -> Counter[str]:
        monkeypatch.setattr(output, "_PLAIN_WIDTH", width)
        assert run(command) == 0
        printed = capsys.readouterr().out.replace("\N{BOX DRAWINGS LIGHT HORIZONTAL}", "")
        return Counter(printed.split())

    whole = words(1000)
    assert len(whole) > 50
    for width in (60, 80, 100, 120):
        assert words(width) == whole


def test_a_terminal_loses_no_column() -> None:
    reader, writer = pty.openpty()
    ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 60, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key != "COLUMNS"}
    program = [sys.executable, "-m", "omnizip_cost", "conventions", "eq9", "--decode", "7"]
    with subprocess.Popen(program, stdout=writer, env=environment) as running:
        os.close(writer)
        printed = b""
        while more := _read(reader):
            printed += more
    os.close(reader)
    assert running.returncode == 0
    assert b"share left" in printed


def _read(descriptor: int) -> bytes:
    """Read what a terminal shows; on Linux its end is an error."""
    try:
        return os.read(descriptor, 4096)
    except OSError:
        return b""
