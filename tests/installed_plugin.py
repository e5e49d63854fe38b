"""Packages that offer methods, as an installer would leave them: modules and their metadata."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

EXAMPLE = Path(__file__).parent / "plugin_example"
MODULE = EXAMPLE / "omnizip_stride.py"


def install(place: Path, *, package: str, modules: dict[str, str], methods: dict[str, str]) -> Path:
    """Write modules and a ``.dist-info`` with their entry points into a folder.

    Parameters
    ----------
    place : Path
        A folder to be put on ``sys.path``.
    package : str
        The distribution's name.
    modules : dict
        Module name -> source text.
    methods : dict
        Method name -> ``module:attribute``.
    """
    place.mkdir(parents=True, exist_ok=True)
    for name, text in modules.items():
        (place / f"{name}.py").write_text(text)
    info = place / f"{package.replace('-', '_')}-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.1.0\n")
    lines = [f"{name} = {value}" for name, value in methods.items()]
    (info / "entry_points.txt").write_text("\n".join(["[omnizip_cost.methods]", *lines, ""]))
    return place


def install_example(place: Path) -> Path:
    """Install the documented example, with the entry points of its own ``pyproject.toml``."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    return install(
        place,
        package=project["name"],
        modules={MODULE.stem: MODULE.read_text()},
        methods=project["entry-points"]["omnizip_cost.methods"],
    )


def command(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one command in a process of its own that sees the packages in ``place``."""
    return python(place, "-m", "omnizip_cost", *arguments)


def python(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own that sees the packages in ``place``."""
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(place), "OMP_NUM_THREADS": "1"},
    )
