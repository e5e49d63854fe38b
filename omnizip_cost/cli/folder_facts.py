"""What the files of a folder say of themselves: rows, machines, versions, hashes, licence notes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omnizip_cost.errors import InputFileError
from omnizip_cost.units import GIBI

if TYPE_CHECKING:
    from omnizip_cost.report import PageSection

_NOTICES = ("NOTICE", "NOTICE.md", "NOTICE.txt", "LICENSE", "LICENSE.md", "LICENSE.txt")


def records(path: Path) -> list[dict[str, Any]]:
    """Read a table as plain rows: Python's own numbers, None for an empty cell.

    Raises
    ------
    InputFileError
        If it is missing, damaged or has no row.
    """
    from omnizip_cost.results import read_table

    table = read_table(path)
    if table.empty:
        raise InputFileError(path, "has no row")
    return [
        {str(key): _plain(value) for key, value in row.items()} for row in table.to_dict("records")
    ]


def _plain(value: Any) -> Any:
    if type(value).__name__ == "NAType" or value != value:  # noqa: PLR0124 - NaN alone differs
        return None
    return value.item() if hasattr(value, "item") else value


def windows_basis(folder: Path, timed: str) -> str:
    """Say whose layout and which scores the table of windows rests on; empty without a table.

    Parameters
    ----------
    folder
        Folder whose ``tables/windows.csv`` is read.
    timed
        Model of the measured rows.
    """
    from omnizip_cost.results import read_table

    path = folder / "tables" / "windows.csv"
    if not path.is_file():
        return ""
    table = read_table(path)
    named = {
        key: ", ".join(str(value) for value in table[key].dropna().unique())
        for key in ("model", "scores", "video_features")
        if key in table.columns
    }
    parts = []
    if layout := named.get("model"):
        other = f", not of {timed}, which was timed" if layout != timed else ""
        parts.append(f"Tokens are laid out as those of {layout}{other}.")
    sources = (("scores", "Audio scores"), ("video_features", "video features"))
    told = [f"{title}: {named[key]}" for key, title in sources if named.get(key)]
    return " ".join([*parts, *([f"{'; '.join(told)}."] if told else [])])


def machine_facts(store: Path, environment: str | None = None) -> tuple[tuple[str, str], ...]:
    """Facts about the machine that a reader needs, from the sidecar of measured rows.

    Parameters
    ----------
    store
        Folder of the measured rows.
    environment
        Which of its environments; the last one by default.
    """
    from omnizip_cost.results import MeasurementStore

    known = MeasurementStore(store).environments()
    record = next((item for item in known if item["id"] == environment), known[-1])
    facts: dict[str, Any] = {**record["sessions"][-1], **record["identity"]}
    named = {
        "Device": facts.get("device"),
        "CPU": facts.get("cpu"),
        "Cores, threads": f"{facts.get('cores')}, {facts.get('torch_threads')}",
        "Memory": f"{(facts.get('memory_bytes') or 0) / GIBI:.1f} GiB",
        "Precision, attention": f"{facts.get('dtype')}, {facts.get('attention')}",
        "torch, transformers": f"{facts.get('torch')}, {facts.get('transformers')}",
        "CUDA, driver": f"{facts['cuda']}, {facts.get('driver')}" if facts.get("cuda") else None,
    }
    return tuple((name, str(value)) for name, value in named.items() if value)


def sources(
    folders: Sequence[Path], stores: Iterable[Path], missed: Sequence[str] = ()
) -> PageSection:
    """Say where a page comes from: versions, environments, hashes of the tables, licence notes.

    Parameters
    ----------
    folders
        Folders whose tables were read, the first one naming the others.
    stores
        Folders of measured rows, where known.
    missed
        Figures that were not drawn, and why.
    """
    from omnizip_cost import __version__
    from omnizip_cost.report import Column, PageSection, html_table
    from omnizip_cost.results import MeasurementStore
    from omnizip_cost.results.commit import git_commit

    facts = [("Written by", f"omnizip-cost {__version__}, commit {git_commit() or 'not known'}")]
    read = [path for folder in dict.fromkeys(folders) for path in _tables_in(folder)]
    for store in map(MeasurementStore, stores):
        if store.rows_path.is_file():
            read.append(store.rows_path)
        if store.environment_path.is_file():
            facts += [_environment(record) for record in store.environments()]
    facts += [("Not drawn", sentence) for sentence in missed]
    home = folders[0]
    notices = {
        path: " ".join(path.read_text(encoding="utf-8", errors="replace").split())
        for folder in dict.fromkeys(folders)
        for name in _NOTICES
        if (path := folder / name).is_file()
    }
    facts += [(f"Licence note, {_named(path, home)}", text) for path, text in notices.items()]
    facts.append(
        ("Licences", "Frames and sound shown are those of the clip that was given, and under its "
         "licence; published numbers are those of the papers named beside them.")
    )  # fmt: skip
    table = html_table(
        "Tables read, by content",
        [
            Column(key="file", title="File", align="left"),
            Column(key="bytes", title="Bytes"),
            Column(key="sha256", title="SHA-256", align="left"),
        ],
        [
            {"file": _named(path, home), "bytes": path.stat().st_size, "sha256": _sha256(path)}
            for path in dict.fromkeys(read)
        ],
    )
    return PageSection(heading="Where it comes from", facts=tuple(facts), tables=(table,))


def _tables_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix in {".csv", ".parquet"})


def _named(path: Path, home: Path) -> str:
    """Name a file as seen from a folder, without the way to that folder."""
    if path.is_relative_to(home):
        return path.relative_to(home).as_posix()
    return "/".join(path.parts[-2:])


def _sha256(path: Path) -> str:
    from hashlib import sha256

    return sha256(path.read_bytes()).hexdigest()


def _environment(record: Mapping[str, Any]) -> tuple[str, str]:
    """Write one environment of a store as a fact: what must agree, then each session."""
    identity = ", ".join(
        f"{name} {value}" for name, value in record["identity"].items() if value is not None
    )
    sessions = record["sessions"]
    dates = sorted({str(item.get("created_utc")) for item in sessions})
    commits = dict.fromkeys(str(item.get("git_commit") or "not known")[:12] for item in sessions)
    return (
        f"Environment {record['id']}",
        f"{identity}; Python {sessions[-1].get('python')} on {sessions[-1].get('platform')}; "
        f"{len(sessions)} session{'s' if len(sessions) > 1 else ''}, "
        f"{' to '.join(dict.fromkeys((dates[0], dates[-1])))}; "
        f"commit {', '.join(commits)}",
    )
