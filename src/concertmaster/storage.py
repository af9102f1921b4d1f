"""The one SQLite file of a home directory: connection, transactions, schema versions.

A leaf: rooms bring their own tables as `Migration`s and their own SQL. All access goes through
one thread, so that a transaction of one room never interleaves with another's; callers await.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar, cast

from concertmaster.errors import HomeFenced, HomeReadOnly, HomeVersion, StorageError

__all__ = ["FENCED", "IN_THE_WAY", "LOG_BOUNDS", "Database", "Fence", "Migration", "storage_error"]

FENCED = "the home was taken over"
"""What SQLite says of a statement that a fence's trigger refuses."""

LOG_BOUNDS = ("PRAGMA wal_autocheckpoint=256", "PRAGMA journal_size_limit=1048576")
"""Keep the write-ahead log at a megabyte, a quarter of SQLite's own bound: for each connection that
writes. It is folded into the file more often; measured, that is lost in a run's noise."""

T = TypeVar("T")

IN_THE_WAY = frozenset({"SQLITE_BUSY", "SQLITE_BUSY_RECOVERY", "SQLITE_LOCKED", "SQLITE_CANTOPEN"})
"""Of these, who looks does not wait where it was asked; it waits in the other thread."""


@dataclass(frozen=True)
class Migration:
    """One step of a room's schema: `version` counts up from 1 within `room`."""

    room: str
    version: int
    sql: str


class Fence(Protocol):
    """Keeps a process that lost a file to another one from writing to it."""

    def claim(self) -> int | None:
        """Return the epoch under which the present task works; None lets it write unchecked."""
        ...

    def check(self, connection: sqlite3.Connection, claim: int) -> None:
        """Compare a claim with the stored epoch, within the transaction that is to write.

        Raises:
            HomeFenced: a later epoch has begun.
        """
        ...

    def gone(self, connection: sqlite3.Connection, epoch: int) -> bool:
        """Tell whether what another process began in an epoch has certainly ended with it."""
        ...


class _Asked(Generic[T]):
    """A write that is asked for; `begun` ends when it is carried out, well or not."""

    def __init__(self, work: Callable[[sqlite3.Connection], T], claim: int | None) -> None:
        self.work = work
        self.claim = claim
        self.begun: asyncio.Future[None] | None = None
        self.result: T | None = None
        self.error: BaseException | None = None

    async def outcome(self) -> T:
        """Return what the work returned, or raise what it raised."""
        if self.begun is None:
            raise RuntimeError("the write was not begun")
        if not self.begun.done():
            await asyncio.shield(self.begun)
        self.begun.result()  # Raises if it was not carried out at all.
        if self.error is not None:
            raise self.error
        return cast("T", self.result)


class Database:
    """A SQLite file in WAL mode with `synchronous=FULL`: a commit survives a power loss.

    `write` runs a function in one transaction, `read` outside of one; both off the event loop.
    Writes that are asked for while another one waits for the disk share the next transaction.
    `look` is for the small reads of every run.
    With a `fence`, a transaction begins by asking it whether this process may still write.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, *, read_only: bool) -> None:
        self._connection = connection
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="concertmaster-db")
        self._committed: list[Callable[[], None]] = []
        self._stored: set[Hashable] = set()
        self._asked: list[_Asked[Any]] = []
        self._glass: sqlite3.Connection | None = None
        self._looking = threading.Lock()
        self.path = path
        self.read_only = read_only
        self.fence: Fence | None = None
        self.writing = asyncio.Lock()
        """Held while anything in this process writes to the file. SQLite lets one connection write
        and has the others sleep and try again, which costs seconds when many wait; other
        connections to the same file take this lock, too, and so queue up instead."""

    @classmethod
    def open(
        cls,
        path: Path,
        migrations: Iterable[Migration] = (),
        *,
        read_only: bool = False,
        fence: Fence | None = None,
    ) -> Self:
        """Open the file, create it if need be, and bring every room's tables up to date.

        Raises:
            HomeReadOnly: the file or its folder cannot be written.
            HomeVersion: a newer release wrote the file.
            StorageError: the file is damaged, or no database.
        """
        connection = None
        try:
            if read_only:
                uri = f"{path.as_uri()}?{_read_mode(path)}"
                connection = sqlite3.connect(uri, uri=True, check_same_thread=False, timeout=10)
            else:
                connection = sqlite3.connect(path, check_same_thread=False, timeout=10)
                # Counts for a file that is new, and for an older one once it is written anew.
                connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
                connection.execute("PRAGMA journal_mode=WAL")
            connection.isolation_level = None
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA synchronous=FULL")
            for bound in LOG_BOUNDS:
                connection.execute(bound)
            connection.execute("PRAGMA foreign_keys=ON")
            database = cls(connection, path, read_only=read_only)
            database.fence = fence
            if not read_only:
                database._migrate(sorted(migrations, key=lambda m: (m.room, m.version)))
        except BaseException as error:
            if connection is not None:
                connection.close()
            if isinstance(error, sqlite3.Error):
                raise storage_error(error, path) from error
            raise
        return database

    def _migrate(self, migrations: Iterable[Migration]) -> None:
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_versions"
            " (room TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT"
        )
        found = dict(
            self._connection.execute("SELECT room, version FROM schema_versions").fetchall()
        )
        newest: dict[str, int] = {}
        missing: list[str] = []
        for migration in migrations:
            newest[migration.room] = migration.version
            if migration.version <= found.get(migration.room, 0):
                continue
            missing.append(
                f"{migration.sql};\n"
                "INSERT INTO schema_versions (room, version) VALUES"
                f" ('{migration.room}', {migration.version})"
                " ON CONFLICT (room) DO UPDATE SET version = excluded.version;"
            )
        if missing:  # All or none, and one wait for the disk instead of one for each.
            self._connection.executescript("\n".join(["BEGIN IMMEDIATE;", *missing, "COMMIT;"]))
        for room, version in found.items():
            if room in newest and version > newest[room]:
                raise HomeVersion(
                    f"{self.path}: the tables of {room!r} have version {version},"
                    f" this release knows {newest[room]}",
                    hint="upgrade concertmaster, or restore a backup made by this release",
                )

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in one immediate transaction; commit if it returns, roll back if it raises.

        Raises:
            StorageError: the disk is full, the file is damaged or locked.
            HomeReadOnly: the file cannot be written.
            HomeFenced: another process has taken over; `work` was not run.
        """
        asked: _Asked[T] = _Asked(work, self.fence.claim() if self.fence else None)
        self._asked.append(asked)
        try:
            async with self.writing:
                if asked.begun is None:
                    await self._begin()
        except BaseException:
            if asked.begun is None:
                self._asked.remove(asked)
            raise
        return await asked.outcome()

    async def _begin(self) -> None:
        """Carry out all that is asked for, in one transaction, and wait for its end."""
        together = self._asked
        alone = len(together) == 1
        loop = asyncio.get_running_loop()
        begun = (
            loop.run_in_executor(self._thread, self._alone, together[0])
            if alone
            else loop.run_in_executor(self._thread, self._together, together)
        )
        self._asked = []
        for each in together:
            each.begun = begun
        # The others wait for it, too, and go on where who began it is cancelled.
        await (begun if alone else asyncio.shield(begun))

    def submit(self, work: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Hand a `write` over from any thread or event loop, and return what tells of its end.

        For a file to which nothing in this process writes but through this object: it does not
        hold `writing`, which belongs to one event loop. Work is done in the order in which it was
        handed over; what was begun is finished.

        Raises:
            StorageError: the file was closed.
        """
        claim = self.fence.claim() if self.fence else None
        try:
            return self._thread.submit(self._write, work, claim)
        except RuntimeError:
            raise StorageError(f"{self.path} was closed") from None

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work`, which only reads."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._read, work)

    async def look(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work`, which looks a few rows up by an index, where it is asked for.

        It sees what is committed, on a connection of its own. The way to the other thread and
        back costs several times what such a look-up does; for anything longer there is `read`.
        """
        if not self.read_only:
            try:
                with self._looking:
                    if self._glass is None:
                        self._glass = _looking_glass(self.path)
                    return work(self._glass)
            except sqlite3.OperationalError as error:
                if getattr(error, "sqlite_errorname", "") not in IN_THE_WAY:
                    raise storage_error(error, self.path) from error
            except sqlite3.Error as error:
                raise storage_error(error, self.path) from error
        return await self.read(work)

    async def confirm(self) -> None:
        """Make sure that this process may write, before something that goes with a later `write`.

        Raises:
            HomeFenced: another process has taken over.
        """
        fence = self.fence
        claim = fence.claim() if fence else None
        if fence is not None and claim is not None:
            await self.read(lambda connection: fence.check(connection, claim))

    def after_commit(self, call: Callable[[], None]) -> None:
        """Have `call` run once the present transaction is committed, and not if it is rolled back.

        To be used by what runs within `write`; it is called in the same thread.
        """
        self._committed.append(call)

    def once(self, row: Hashable) -> bool:
        """Note that a row is stored in the present transaction; False if it is already.

        For what waits in memory until it is committed: of writes that share a transaction, several
        may come upon it. If what stored it is undone, it counts as not stored.
        """
        if row in self._stored:
            return False
        self._stored.add(row)
        return True

    def _write(self, work: Callable[[sqlite3.Connection], T], claim: int | None = None) -> T:
        self._committed = []
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                if self.fence is not None and claim is not None:
                    # Nobody else can write until this ends, so what holds now holds to the end.
                    self.fence.check(self._connection, claim)
                result = work(self._connection)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise storage_error(error, self.path) from error
        finally:
            self._stored = set()
        for call in self._committed:
            call()
        return result

    def _alone(self, asked: _Asked[Any]) -> None:
        try:
            asked.result = self._write(asked.work, asked.claim)
        except BaseException as error:
            asked.error = error

    def _together(self, asked: list[_Asked[Any]]) -> None:
        """Carry out several writes in one transaction: a wait for the disk for all of them.

        Each is as much on its own as in a transaction of its own: what one that raises has done
        is undone, and nobody is told of a success before all of it is on disk.
        """
        done: list[_Asked[Any]] = []
        committed: list[Callable[[], None]] = []

        def work(connection: sqlite3.Connection) -> None:
            for each in asked:
                self._committed, before = [], self._stored.copy()
                connection.execute("SAVEPOINT one")
                try:
                    if self.fence is not None and each.claim is not None:
                        self.fence.check(connection, each.claim)
                    each.result = each.work(connection)
                except BaseException as error:
                    each.error = self._told(error)
                    if not connection.in_transaction:
                        raise  # SQLite gave up all of it; the disk is full, for instance.
                    connection.execute("ROLLBACK TO one")
                    self._stored = before
                else:
                    done.append(each)
                    committed.extend(self._committed)
                connection.execute("RELEASE one")
            self._committed = committed

        try:
            self._write(work)
        except BaseException as error:
            for each in asked:
                if each in done or each.error is None:
                    each.error = self._told(error)

    def _told(self, error: BaseException) -> BaseException:
        if not isinstance(error, sqlite3.Error):
            return error
        told = storage_error(error, self.path)
        told.__cause__ = error
        return told

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return work(self._connection)
        except sqlite3.Error as error:
            raise storage_error(error, self.path) from error

    def backup(self, target: Path) -> None:
        """Copy a consistent snapshot to a new file; other work waits meanwhile."""
        copy = sqlite3.connect(target)
        try:
            self._thread.submit(self._connection.backup, copy).result()
        except sqlite3.Error as error:
            raise storage_error(error, target) from error
        finally:
            copy.close()

    def close(self) -> None:
        """Finish what was begun and close the file."""
        self._thread.submit(self._connection.close).result()
        with self._looking:
            if self._glass is not None:
                self._glass.close()
        self._thread.shutdown()


def _looking_glass(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False, timeout=0)
    connection.isolation_level = None
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA query_only=ON")
    return connection


def _read_mode(path: Path) -> str:
    """Return how to open a file for reading: where no log can lie beside it, it cannot change."""
    logged = path.with_name(f"{path.name}-wal").exists()
    return "mode=ro" if logged or os.access(path.parent, os.W_OK) else "mode=ro&immutable=1"


def storage_error(error: sqlite3.Error, path: Path) -> StorageError | HomeReadOnly | HomeFenced:
    """Return what an SQLite error means for the file, in words and with a way out."""
    name = getattr(error, "sqlite_errorname", "") or ""
    if FENCED in str(error):
        return HomeFenced(
            f"{path.parent} was taken over by another process; this one writes nothing any more",
            hint="what was under way goes on there; look at the run before asking again",
        )
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN")):
        return HomeReadOnly(
            f"{path} cannot be written",
            hint="make the folder writable, or choose another with --home or CONCERTMASTER_HOME",
        )
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return StorageError(
            f"{path}: no room left on the disk, or the disk failed ({name})",
            hint="free some space and send the message again; what was stored before is kept",
        )
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return StorageError(
            f"{path} is damaged or is no Concertmaster database",
            hint="restore a backup (concertmaster backup makes one), or move the file away",
        )
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StorageError(
            f"{path} is locked by another program",
            hint="close the program that holds it and try again",
        )
    return StorageError(f"{path}: {error}")
