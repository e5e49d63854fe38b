"""Which state of the program wrote a result, and when: the commit of its own checkout, the time."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from shutil import which

LONGEST_WAIT_S = 10.0
"""Longest wait for a command such as ``git`` to answer."""


def now_utc() -> str:
    """Time of day in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def git_commit() -> str | None:
    """Commit of the package's own checkout, "+" appended when files differ; None elsewhere."""
    root = Path(__file__).resolve().parents[2]
    top = command_output("git", "-C", str(root), "rev-parse", "--show-toplevel")
    if top is None or Path(top.strip()).resolve() != root:
        return None
    commit = command_output("git", "-C", str(root), "rev-parse", "HEAD")
    changed = command_output(
        "git", "-C", str(root), "status", "--porcelain", "--untracked-files=no"
    )
    return None if commit is None else commit.strip() + ("+" if changed else "")


def command_output(*command: str) -> str | None:
    """What a command wrote; None where it is not there, fails, or keeps us waiting."""
    if which(command[0]) is None:
        return None
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=LONGEST_WAIT_S, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 else None
