"""The home directory of one workspace: its database, its folders, and who works in it now.

HOME/concertmaster.sqlite3   runs, threads, approvals, plans, effects, trail, checkpoints
HOME/index/                  the knowledge index        HOME/data/       the tools' own files
HOME/artifacts/              large tool results         HOME/intents/    the trained classifier
HOME/workspace.json          where the workspace lies   HOME/lock        who works here now
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from concertmaster.errors import HomeBusy, HomeError, HomeReadOnly

__all__ = ["DATABASE", "WAIT", "Home", "base_dir", "homes"]

DATABASE = "concertmaster.sqlite3"
WAIT = 10.0
"""Seconds that a process waits for a home in which another one works."""


def base_dir() -> Path:
    """Return the folder under which homes lie: CONCERTMASTER_HOME, else the user's data folder."""
    configured = os.environ.get("CONCERTMASTER_HOME")
    if configured:
        return Path(configured).expanduser()
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "concertmaster"


def homes(base: Path | None = None) -> Iterator[Path]:
    """Yield every home under a base folder."""
    root = base or base_dir()
    if (root / DATABASE).is_file():
        yield root
    elif root.is_dir():
        yield from sorted(p.parent for p in root.glob(f"*/{DATABASE}"))


@dataclass
class _Lock:
    file: IO[str]
    holders: int = 0


class Home:
    """A home directory. Work in it happens inside `busy()`, by one process at a time."""

    def __init__(self, path: Path, wait: float = WAIT) -> None:
        self.path = path
        self.wait = wait
        self._lock: _Lock | None = None
        self._gate = asyncio.Lock()

    @classmethod
    def prepare(cls, path: Path, workspace: Path | None, wait: float = WAIT) -> Home:
        """Create the folders and note where the workspace lies.

        Args:
            path: the home's folder.
            workspace: the folder of its workspace.
            wait: seconds that `busy` waits for another process.

        Raises:
            HomeReadOnly: the folder cannot be written.
            HomeError: it cannot be made at all.
        """
        try:
            for name in ("data", "artifacts", "index", "intents"):
                (path / name).mkdir(parents=True, exist_ok=True)
            if workspace is not None:
                _note(path / "workspace.json", {"path": str(workspace)})
            (path / "lock").touch()
        except PermissionError as error:
            raise HomeReadOnly(
                f"{path} cannot be written",
                hint="make it writable, or choose another with --home or CONCERTMASTER_HOME",
            ) from error
        except OSError as error:
            raise (_read_only(path) if error.errno == 30 else _unusable(path, error)) from error
        if not os.access(path, os.W_OK) or not os.access(path / "lock", os.W_OK):
            raise _read_only(path)
        return cls(path, wait)

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.path / DATABASE

    @property
    def data(self) -> Path:
        """The tools' own folder."""
        return self.path / "data"

    @property
    def artifacts(self) -> Path:
        """Large tool results."""
        return self.path / "artifacts"

    @property
    def index(self) -> Path:
        """The knowledge index."""
        return self.path / "index"

    @property
    def intents(self) -> Path:
        """The trained classifier."""
        return self.path / "intents"

    @asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        """Hold the home for this process; many tasks of one process hold it together.

        Raises:
            HomeBusy: another process held it for the whole wait.
            HomeError: the home is gone.
        """
        async with self._gate:
            if self._lock is None:
                self._lock = _Lock(await self._acquire())
            self._lock.holders += 1
        try:
            yield
        finally:
            self._lock.holders -= 1
            if self._lock.holders == 0:
                self._lock.file.close()
                self._lock = None

    async def _acquire(self) -> IO[str]:
        try:
            file = (self.path / "lock").open("r+", errors="replace")
        except OSError as error:
            raise _unusable(self.path, error) from error
        try:
            await self._locked(file)
            file.seek(0)
            file.truncate()
            file.write(f"process {os.getpid()} ({Path(sys.argv[0]).name or 'python'})")
            file.flush()
        except OSError as error:
            file.close()
            raise _unusable(self.path, error) from error
        except BaseException:
            file.close()
            raise
        return file

    async def _locked(self, file: IO[str]) -> None:
        deadline = asyncio.get_running_loop().time() + self.wait
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if asyncio.get_running_loop().time() >= deadline:
                    holder = file.read(200).strip() or "another process"
                    raise HomeBusy(
                        f"{self.path} is in use by {holder}",
                        hint="wait until it is done, stop it, or use another --home",
                    ) from None
                await asyncio.sleep(0.05)
            else:
                return


def _note(path: Path, content: dict[str, str]) -> None:
    written = json.dumps(content).encode()
    if not path.exists() or path.read_bytes() != written:
        path.write_bytes(written)


def _read_only(path: Path) -> HomeReadOnly:
    return HomeReadOnly(
        f"{path} cannot be written",
        hint="make it writable, or choose another with --home or CONCERTMASTER_HOME",
    )


def _unusable(path: Path, error: OSError) -> HomeError:
    return HomeError(
        f"{path} cannot be used: {error.strerror or error}",
        hint="choose another with --home or CONCERTMASTER_HOME",
    )
