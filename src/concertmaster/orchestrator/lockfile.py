"""HOME/lock: held by whoever works in the home, dropped by the system when that process ends.

A process that is stopped holds it for ever. It is not taken from it: another file is put in its
place, and from then on that one is the lock.
"""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path
from typing import IO

__all__ = ["LOCK", "LockFile"]

LOCK = "lock"


class LockFile:
    """A lock that may be held, and that says by whom.

    Args:
        home: the folder in which it lies.

    Raises:
        OSError: it is not there, or cannot be opened.
    """

    def __init__(self, home: Path) -> None:
        self._path = home / LOCK
        self._file = self._open()

    def _open(self) -> IO[str]:
        return self._path.open("r+", errors="replace")

    def acquire(self) -> bool:
        """Take the lock if nobody holds it; tell whether it is held now.

        Raises:
            OSError: the lock is gone.
        """
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._renew()
            return False
        if self.valid():
            return True
        self._renew()
        return False

    def valid(self) -> bool:
        """Tell whether the file that is held still is the lock."""
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return False
        own = os.fstat(self._file.fileno())
        return (own.st_dev, own.st_ino) == (there.st_dev, there.st_ino)

    def _renew(self) -> None:
        """Go over to the file that is the lock now, if another was put in its place."""
        if not self.valid():
            self._file.close()
            self._file = self._open()

    def replace(self) -> None:
        """Put a lock of one's own in the place of one that its holder does not let go.

        Raises:
            OSError: there is no room for it.
        """
        fresh = self._path.with_name(f".{LOCK}.{os.getpid()}")
        file = fresh.open("w+", errors="replace")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fresh.replace(self._path)
        except BaseException:
            file.close()
            fresh.unlink(missing_ok=True)
            raise
        self._file.close()
        self._file = file

    def holder(self) -> tuple[str, str]:
        """Return who says to hold it: a process in words, and the holder's own name."""
        self._file.seek(0)
        words, _, name = self._file.read(400).partition("\n")
        return words.strip(), name.strip()

    def sign(self, name: str) -> None:
        """Write down who holds it; nothing but the words for nobody.

        Raises:
            OSError: there is no room for it.
        """
        program = Path(sys.argv[0]).name or "python"
        self._file.seek(0)
        self._file.truncate()
        self._file.write(f"process {os.getpid()} ({program})\n{name}")
        self._file.flush()

    def close(self) -> None:
        """Let go of it."""
        self._file.close()
