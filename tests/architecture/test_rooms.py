"""Who imports whom: the table of rooms, enforced by walking the import statements."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "omnizip_cost"

ROOMS = (
    "units",
    "errors",
    "text_file",
    "formulas",
    "specs",
    "hardware",
    "results",
    "workload",
    "compression",
    "cost",
    "symbolic",
    "latency",
    "sweep",
    "audit",
    "simulate",
    "runtime",
    "plugin",
    "profiling",
    "compare",
    "plotting",
    "report",
    "__init__",
    "cli",
    "__main__",
)
"""Lowest first: a room imports only rooms before it."""

LIBRARIES = {
    "results": {"pandas", "pyarrow", "numpy"},
    "workload": {"numpy", "av", "PIL"},
    "compression": {"numpy"},
    "cost": {"numpy"},
    "symbolic": {"sympy"},
    "latency": {"numpy", "scipy"},
    "sweep": {"numpy"},
    "audit": {"numpy"},
    "simulate": {"numpy", "simpy"},
    "runtime": {"torch", "transformers", "numpy", "PIL", "safetensors"},
    "profiling": {"torch", "psutil", "numpy", "pandas"},
    "compare": {"pandas", "numpy"},
    "plotting": {"matplotlib"},
    "report": {"jinja2"},
    "cli": {"typer", "rich"},
}

SHUT_DOORS = {
    "cost": {"hardware"},
    "profiling": {"cost", "latency", "compare", "symbolic", "audit", "sweep", "simulate"},
    "plotting": {"cost", "compare", "latency", "compression", "symbolic", "audit", "numpy"},
}


def _room(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def _imports(path: Path) -> Iterator[tuple[str, int]]:
    """Top-level names of modules imported outside ``if TYPE_CHECKING``, anywhere in the file."""
    tree = ast.parse(path.read_text())
    guarded = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in guarded:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            assert node.module is not None
            if node.module == "omnizip_cost":
                yield from ((f"omnizip_cost.{alias.name}", node.lineno) for alias in node.names)
            else:
                yield node.module, node.lineno


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_imports_only_rooms_above_it(path: Path) -> None:
    room = _room(path)
    assert room in ROOMS, f"{room} is not a room"
    for name, line in _imports(path):
        if name == "omnizip_cost.__version__":
            continue
        if name.split(".")[0] == "omnizip_cost":
            other = name.split(".")[1] if "." in name else "__init__"
            assert ROOMS.index(other) <= ROOMS.index(room), f"{path}:{line}: {room} -> {other}"
            assert other not in SHUT_DOORS.get(room, set()), f"{path}:{line}: a shut door"
        elif name.split(".")[0] not in sys.stdlib_module_names:
            library = name.split(".")[0]
            assert library in LIBRARIES.get(room, set()), f"{path}:{line}: {room} uses {library}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_modules_stay_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400
    assert path.name not in {"utils.py", "helpers.py", "common.py", "misc.py"}


def test_every_room_is_walked() -> None:
    assert len(FILES) > 40
    walked = {_room(path) for path in FILES}
    assert {"specs", "workload", "compression", "cost", "runtime", "profiling", "cli"} <= walked
