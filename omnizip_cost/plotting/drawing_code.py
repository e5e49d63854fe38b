"""What a figure's look depends on besides its tables: the code that draws it, and matplotlib."""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from omnizip_cost.plotting.style import STYLE_FILE

ROOM = "omnizip_cost.plotting"
_FOLDER = Path(__file__).parent
_ALWAYS = ("canvas", "style")
"""Modules that set every figure's size, look and files."""


def file_sha256(path: Path) -> str:
    """Give the SHA-256 of a file's bytes, in hexadecimal."""
    return sha256(path.read_bytes()).hexdigest()


def matplotlib_version() -> str:
    """Version of the drawing library that is installed here."""
    return version("matplotlib")


def drawing_code(draw: Callable[..., Any]) -> dict[str, str]:
    """Hash the files of this room that a drawing function's look depends on.

    Parameters
    ----------
    draw
        The function that draws; followed are the imports of its module, and theirs in turn,
        inside this room. Functions of another package have no file here.

    Returns
    -------
    dict
        File name -> SHA-256 of the file, sorted by name; the style sheet is one of them.
    """
    room, _, own = draw.__module__.rpartition(".")
    names = set(_ALWAYS) | ({own} if room == ROOM else set())
    waiting = list(names)
    while waiting:
        for name in _imported(waiting.pop()) - names:
            names.add(name)
            waiting.append(name)
    files = sorted([*(f"{name}.py" for name in names), STYLE_FILE.name])
    return {file: file_sha256(_FOLDER / file) for file in files}


@cache
def _imported(module: str) -> frozenset[str]:
    """Name the modules of this room that one of them imports."""
    tree = ast.parse((_FOLDER / f"{module}.py").read_text(encoding="utf-8"))
    sources = (node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    return frozenset(
        source.removeprefix(f"{ROOM}.") for source in sources if source.startswith(f"{ROOM}.")
    )
