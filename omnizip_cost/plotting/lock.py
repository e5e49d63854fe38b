"""``figures.lock.json``: what each drawn figure was made from, so that stale ones can be told.

The file lies beside the figures. For each of them it holds the SHA-256 of every table it was drawn
from, of the code that drew it and of every file it was saved as, and matplotlib's version.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omnizip_cost.errors import InputFileError
from omnizip_cost.plotting.catalogue import FIGURES
from omnizip_cost.plotting.drawing_code import drawing_code, file_sha256, matplotlib_version
from omnizip_cost.plotting.entry import FigureEntry
from omnizip_cost.plotting.tables import drawable, entry_of, present_tables
from omnizip_cost.results import FlatRow
from omnizip_cost.results.tables import atomic_write_bytes

LOCK_NAME = "figures.lock.json"
FORMAT = 1
"""Version of the file's layout."""
_KEYS = ("width", "inputs", "code", "matplotlib", "outputs")


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureState(FlatRow):
    """Whether one figure still is what its tables and its code would give."""

    figure: str
    state: str
    """"fresh" or "stale"."""
    why: str
    """What changed; empty where nothing did."""


def record_drawn(
    tables_dir: str | Path, out_dir: str | Path, names: Iterable[str], *, width: str
) -> Path:
    """Note in the folder of the figures what those just drawn were made from.

    What the file says of other figures is kept; a damaged file is replaced.
    """
    path = Path(out_dir) / LOCK_NAME
    try:
        known = _read(path)
    except InputFileError:
        known = {}
    for name in names:
        entry = entry_of(name)
        known[name] = {
            "width": width,
            "inputs": _hashes(present_tables(entry, tables_dir)),
            "code": drawing_code(entry.draw),
            "matplotlib": matplotlib_version(),
            "outputs": _hashes(Path(out_dir) / output for output in entry.outputs),
        }
    ordered = {name: known[name] for name in sorted(known)}
    text = json.dumps({"format": FORMAT, "figures": ordered}, indent=1)
    atomic_write_bytes(path, f"{text}\n".encode())
    return path


def check_drawn(
    tables_dir: str | Path,
    out_dir: str | Path,
    names: Iterable[str] | None = None,
    *,
    width: str | None = None,
) -> list[FigureState]:
    """Say of each figure whether it is fresh or stale, and why; nothing is drawn.

    Parameters
    ----------
    tables_dir
        Folder of the tables.
    out_dir
        Folder of the figures; it need not exist.
    names
        Figures to look at; by default all whose tables are there and all that were drawn.
    width
        Where given, figures drawn at another width are stale.

    Raises
    ------
    UnknownNameError
        If a name is not a figure's.
    InputFileError
        If the lock file is damaged.
    """
    known = _read(Path(out_dir) / LOCK_NAME)
    if names is None:
        there = drawable(tables_dir)
        chosen = [*there, *(name for name in known if name not in there)]
    else:
        chosen = [entry_of(name).name for name in names]
    states = []
    for name in chosen:
        why = "; ".join(_changes(name, known.get(name), Path(tables_dir), Path(out_dir), width))
        states.append(FigureState(figure=name, state="stale" if why else "fresh", why=why))
    return states


def _changes(
    name: str, drawn: Mapping[str, Any] | None, tables: Path, out: Path, width: str | None
) -> Iterator[str]:
    if name not in FIGURES:
        yield "no figure of that name is known any more"
        return
    entry = FIGURES[name]
    if drawn is None:
        yield "never drawn"
        return
    yield from _input_changes(entry, drawn["inputs"], tables)
    then, now = drawn["code"], drawing_code(entry.draw)
    if changed := [file for file in {**then, **now} if then.get(file) != now.get(file)]:
        yield f"drawing code changed: {', '.join(changed)}"
    if drawn["matplotlib"] != matplotlib_version():
        yield f"drawn by matplotlib {drawn['matplotlib']}, here is {matplotlib_version()}"
    if width is not None and drawn["width"] != width:
        yield f"drawn at {drawn['width']} width"
    for output in entry.outputs:
        if not (out / output).is_file():
            yield f"output {output} is missing"
        elif file_sha256(out / output) != drawn["outputs"].get(output):
            yield f"output {output} was edited"


def _input_changes(entry: FigureEntry, drawn: Mapping[str, str], tables: Path) -> Iterator[str]:
    """Say which tables changed, came or went; one of the same name is the same table."""
    now = _hashes(present_tables(entry, tables))
    for name in sorted({*drawn, *now}):
        if name not in now:
            yield f"input {name} is gone"
        elif name not in drawn:
            yield f"input {name} is new"
        elif drawn[name] != now[name]:
            yield f"input {name} changed"


def _hashes(paths: Iterable[Path]) -> dict[str, str]:
    return {path.name: file_sha256(path) for path in paths}


def _read(path: Path) -> dict[str, Any]:
    """Read what was drawn; nothing where there is no such file."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise InputFileError(path, f"cannot be read: {error}", "draw the figures again") from None
    try:
        found = json.loads(text)
        figures = found["figures"]
        whole = found["format"] == FORMAT and all(map(_is_whole, figures.values()))
    except (ValueError, TypeError, KeyError, AttributeError):
        whole = False
    if not whole:
        raise InputFileError(path, "is no record of drawn figures", "draw the figures again")
    return dict(figures)


def _is_whole(drawn: Any) -> bool:
    """Whether a record of one figure holds what :func:`record_drawn` writes."""
    return (
        isinstance(drawn, dict)
        and set(drawn) == set(_KEYS)
        and all(isinstance(drawn[key], dict) for key in ("inputs", "code", "outputs"))
    )
