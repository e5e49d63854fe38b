"""The README shows the example of a method of one's own word for word."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "tests" / "plugin_example"
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)


def test_the_readme_holds_the_example() -> None:
    assert (EXAMPLE / "omnizip_stride.py").read_text() in blocks("python")


def test_the_readme_holds_its_entry_point() -> None:
    project = (EXAMPLE / "pyproject.toml").read_text()
    shown = [block for block in blocks("toml") if "omnizip_cost.methods" in block]
    assert shown and all(block in project for block in shown)
