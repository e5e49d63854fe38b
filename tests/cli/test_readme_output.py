"""What the README shows under a command is what the command prints."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from omnizip_cost.cli.app import run

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()
PURE = ("conventions", "flops", "derive", "audit", "predict")
"""Commands that need no file and measure nothing, so that their output never changes by itself."""

BLOCKS = [
    (command, shown)
    for command, shown in re.findall(
        r"^```\n\$ omnizip-cost (.+)\n((?:(?!```).*\n)+)```", README, re.M
    )
    if command.split()[0] in PURE
]


def test_each_of_these_commands_is_shown() -> None:
    assert {command.split()[0] for command, _ in BLOCKS} == set(PURE)


@pytest.mark.parametrize(("command", "shown"), BLOCKS, ids=[command for command, _ in BLOCKS])
def test_the_block_is_its_output(
    command: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Line by line and in order; a line of three dots stands for lines left out."""
    assert run(shlex.split(command)) == 0
    printed = iter([" ".join(line.split()) for line in capsys.readouterr().out.splitlines()])
    for line in shown.splitlines():
        wanted = " ".join(line.split())
        if wanted not in {"", "..."}:
            assert wanted in printed, f"`{command}` does not print (here): {line}"
