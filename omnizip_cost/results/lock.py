"""One writer at a time: a lock that dies with the process that held it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

from omnizip_cost.errors import InputFileError


class WriterLock:
    """An advisory lock on a file beside the data.

    The kernel holds the lock (``flock``), so a killed writer leaves the file but not the lock:
    the next one takes it over. The file names the last holder's process id for the message.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._file: IO[str] | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._file is not None

    def acquire(self) -> None:
        """Take the lock, or raise :class:`InputFileError` naming the process that has it."""
        import fcntl

        folder = self.path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = self.path.open("a+", encoding="utf-8")
        except OSError as error:
            raise InputFileError(folder, f"cannot be written to: {error.strerror}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            raise InputFileError(
                folder,
                f"another run is writing here (process {holder})",
                "wait for it, or choose another folder",
            ) from None
        except OSError as error:
            file.close()
            raise InputFileError(
                folder, f"cannot be locked: {error.strerror}", "choose a folder on a local disk"
            ) from error
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._file = file

    def release(self) -> None:
        """Give the lock back; the file stays, so that no writer locks a deleted one."""
        if self._file is not None:
            self._file.close()
            self._file = None
