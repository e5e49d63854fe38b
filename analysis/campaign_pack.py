"""A campaign's folder in one compressed file, and back.

    python analysis/campaign_pack.py FILE.tar.gz --out analysis/measurements/h100-sxm

unpacks what ``campaign.py --pack FILE.tar.gz`` wrote; a campaign run there goes on from it.
"""

from __future__ import annotations

import argparse
import io
import sys
import tarfile
from pathlib import Path

from omnizip_cost.errors import InputFileError, OmnizipCostError
from omnizip_cost.results.store import LOCK_FILE
from omnizip_cost.results.tables import TEMPORARY, atomic_file
from omnizip_cost.units import MEBI

LARGEST_BYTES = 15 * MEBI
"""Of a packed copy: what is carried off a rented machine in one file must stay small."""


def pack(folder: Path, file: Path, *, largest_bytes: int = LARGEST_BYTES) -> tuple[str, ...]:
    """Write ``folder`` into ``file``, whole or not at all; return what was left out, and why.

    Traces that would make the copy too large stay behind, the largest first.

    Raises
    ------
    InputFileError
        ``file`` cannot be written.
    """
    chosen = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != LOCK_FILE and not path.name.endswith(TEMPORARY)
    ]
    left_out: list[str] = []
    traces = sorted(
        (path for path in chosen if path.parent.name == "traces"),
        key=lambda path: path.stat().st_size,
    )
    while len(data := _packed(folder, chosen)) > largest_bytes and traces:
        dropped = traces.pop()
        chosen.remove(dropped)
        size = dropped.stat().st_size / MEBI
        left_out.append(f"{dropped.relative_to(folder)} ({size:.1f} MiB: the copy is too large)")
    with atomic_file(file) as target:
        target.write(data)
    return tuple(left_out)


def unpack(file: Path, folder: Path) -> tuple[Path, ...]:
    """Unpack into ``folder``, which must hold no measurement yet; return the files.

    Raises
    ------
    InputFileError
        No such file, one that is no packed campaign, or a folder with measurements.
    """
    if folder.is_dir() and any(folder.glob("rows.parquet")):
        raise InputFileError(folder, "holds measurements already", "choose another --out")
    try:
        with tarfile.open(file, "r:gz") as archive:
            members = archive.getmembers()
            archive.extractall(folder, filter="data")
    except FileNotFoundError as error:
        raise InputFileError(file, "there is no such file") from error
    except (tarfile.TarError, OSError, EOFError) as error:
        raise InputFileError(file, f"is not a whole packed campaign ({error})") from error
    return tuple(folder / member.name for member in members if member.isfile())


def _packed(folder: Path, paths: list[Path]) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz") as archive:
        for path in paths:
            archive.add(path, arcname=str(path.relative_to(folder)), recursive=False)
    return sink.getvalue()


def main(arguments: list[str] | None = None) -> int:
    """Unpack a campaign."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    try:
        found = unpack(options.file, options.out)
    except OmnizipCostError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{len(found)} files in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
