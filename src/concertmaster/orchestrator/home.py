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

__all__ = ["DATABASE", "Home", "base_dir", "homes"]

DATABASE = "concertmaster.sqlite3"
_WAIT = 10.0


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

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: _Lock | None = None
        self._gate = asyncio.Lock()

    @classmethod
    def prepare(cls, path: Path, workspace: Path | None) -> Home:
        """Create the folders and note where the workspace lies.

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
        return cls(path)

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
    async def busy(self, wait: float = _WAIT) -> AsyncIterator[None]:
        """Hold the home for this process; many tasks of one process hold it together.

        Raises:
            HomeBusy: another process held it for the whole wait, in seconds.
        """
        async with self._gate:
            if self._lock is None:
                self._lock = _Lock(await self._acquire(wait))
            self._lock.holders += 1
        try:
            yield
        finally:
            self._lock.holders -= 1
            if self._lock.holders == 0:
                self._lock.file.close()
                self._lock = None

    async def _acquire(self, wait: float) -> IO[str]:
        file = (self.path / "lock").open("r+")
        deadline = asyncio.get_running_loop().time() + wait
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if asyncio.get_running_loop().time() >= deadline:
                    holder = file.read().strip() or "another process"
                    file.close()
                    raise HomeBusy(
                        f"{self.path} is in use by {holder}",
                        hint="wait until it is done, stop it, or use another --home",
                    ) from None
                await asyncio.sleep(0.05)
            else:
                _sign(file)
                return file


def _sign(file: IO[str]) -> None:
    """Leave who holds the lock, for the message that others get."""
    name = f"process {os.getpid()} ({Path(sys.argv[0]).name or 'python'})"
    if file.read() != name:
        file.seek(0)
        file.truncate()
        file.write(name)
        file.flush()


def _note(path: Path, content: dict[str, str]) -> None:
    text = json.dumps(content)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


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
