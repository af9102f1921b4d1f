"""users.db: one SQLite file that several processes may use at once, readable by its owner alone."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from concertmaster.contracts.base import now
from concertmaster.contracts.deadline import utc
from concertmaster.errors import ConfigError, HomeReadOnly, StorageError
from concertmaster.orchestrator.home import base_dir
from concertmaster.serving.identity.schema import MIGRATIONS
from concertmaster.storage import Database, storage_error

__all__ = ["Clock", "UserFile", "users_path"]

T = TypeVar("T")

Clock = Callable[[], datetime]
"""Returns the present time, with its zone."""

_OTHERS = 0o077


def users_path() -> Path:
    """Return where users are kept by default: users.db beside the homes."""
    return base_dir() / "users.db"


class UserFile:
    """The open file. Reading is done at once, in the caller's thread; writing is awaited.

    A look-up takes some ten microseconds and sees what any process has committed, so a role that
    was taken away or a key that was revoked is gone with the next request.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._reading = threading.Lock()
        self._reader = _reader(database.path)

    @classmethod
    def open(cls, path: Path | None = None, *, clock: Clock = now) -> UserFile:
        """Open the file, create it if need be.

        Raises:
            HomeReadOnly: the file or its folder cannot be written.
            HomeVersion: a newer release wrote it.
            ConfigError: it belongs to somebody else, and others may read it.
            StorageError: it is damaged, or no database.
        """
        place = (path or users_path()).expanduser()
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with _alone(place):
                _keep_private(place)
                return cls(Database.open(place, MIGRATIONS), clock)
        except OSError as error:
            raise HomeReadOnly(
                f"{place} cannot be written: {error.strerror}",
                hint="make its folder writable, or name another file with --users",
            ) from error

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self._database.path

    def now(self) -> datetime:
        """Return the present time."""
        return self._clock()

    def rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """Return what a query finds among what is committed.

        Raises:
            StorageError: the file cannot be read.
        """
        return self.look(lambda connection: connection.execute(sql, values).fetchall())

    def look(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `work` finds among what is committed; it only reads.

        Raises:
            StorageError: the file cannot be read.
        """
        try:
            with self._reading:
                return work(self._reader)
        except sqlite3.Error as error:
            raise storage_error(error, self.path) from error

    def row(self, sql: str, *values: object) -> sqlite3.Row | None:
        """Return the first row that a query finds, or None."""
        found = self.rows(sql, *values)
        return found[0] if found else None

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in one transaction; see `Database.write`."""
        return await self._database.write(work)

    async def purge(self) -> bool:
        """Write the file anew without what was deleted; tell whether no copy of it is left."""
        try:
            async with self._database.writing:
                return await self._database.read(_purged)
        except StorageError:
            return False  # Another program has it; what was deleted is gone from the tables.

    def note(
        self, connection: sqlite3.Connection, by: str, what: str, subject: str, **detail: Any
    ) -> None:
        """Write a change into the log, within the transaction that makes it."""
        connection.execute(
            "INSERT INTO changes (at, by, what, subject, detail) VALUES (?, ?, ?, ?, ?)",
            (utc(self.now()), by, what, subject, json.dumps(detail, ensure_ascii=False)),
        )

    def close(self) -> None:
        """Finish what was begun and close the file."""
        with self._reading:
            self._reader.close()
        self._database.close()


def _reader(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False, timeout=5)
    connection.isolation_level = None
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA query_only=ON")
    return connection


def _purged(connection: sqlite3.Connection) -> bool:
    connection.execute("VACUUM")
    row = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return row is not None and row[0] == 0


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Have one process at a time create the file or bring its tables up to date."""
    lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _keep_private(path: Path) -> None:
    """Create the file for its owner alone, or make it so. Its log takes over the file's mode."""
    try:
        # Only a new file is opened here: closing one that SQLite has open would drop its locks.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        mode = path.stat().st_mode
        if mode & _OTHERS:
            try:
                path.chmod(mode & ~_OTHERS)
            except PermissionError:
                raise ConfigError(
                    f"others may read {path}, which holds who may sign in",
                    hint=f"have its owner run: chmod 600 {path}",
                ) from None
