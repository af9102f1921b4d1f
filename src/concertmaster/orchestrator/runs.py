"""The runs table: every message is here before anything happens with it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial

from pydantic import ValidationError

from concertmaster.audit import Trail
from concertmaster.audit.retired import retired
from concertmaster.contracts import Outcome, Principal, RunRecord, Status, now
from concertmaster.errors import (
    KeyReused,
    StorageError,
    ThreadBusy,
    ThreadForbidden,
    UnknownRun,
)
from concertmaster.storage import Database, Migration

__all__ = ["MIGRATIONS", "Runs", "ThreadRecord"]

MIGRATIONS = (
    Migration(
        "runs",
        1,
        """
        CREATE TABLE threads (
            id TEXT PRIMARY KEY, principal TEXT NOT NULL, tenant TEXT,
            created TEXT NOT NULL, updated TEXT NOT NULL
        ) STRICT;
        CREATE TABLE runs (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
            thread TEXT NOT NULL REFERENCES threads (id), status TEXT NOT NULL,
            updated TEXT NOT NULL, record TEXT NOT NULL
        ) STRICT;
        CREATE INDEX runs_by_thread ON runs (thread, seq);
        CREATE INDEX runs_by_status ON runs (status, seq);
        """,
    ),
)

ThreadRecord = dict[str, str | int | None]

_MOST_WORDS = 20
_WORDS_SIZE = 64 * 1024


class Runs:
    """Runs and the threads that they belong to.

    What the trail has in store is written in the same transaction as each change here, so that a
    run's status and its events never tell different stories.
    """

    def __init__(self, database: Database, trail: Trail) -> None:
        self._database = database
        self._trail = trail
        self._listeners: list[Callable[[str], None]] = []

    def on(self, callback: Callable[[str], None]) -> None:
        """Have `callback` told the id of each run whose status changed, in the stores' thread."""
        self._listeners.append(callback)

    async def add(self, record: RunRecord, *, alone: bool = False) -> RunRecord:
        """Store a new run; its thread is made on its first message and then belongs to its owner.

        Args:
            record: the run.
            alone: refuse it if another run on its thread has not ended.

        Returns:
            The run, `running` if nothing on its thread comes before it, else `queued`.

        Raises:
            ThreadForbidden: the thread belongs to another principal.
            ThreadBusy: another run on the thread has not ended, and this one is to be alone.
            KeyReused: there is a run of this id.
        """

        def work(connection: sqlite3.Connection) -> RunRecord:
            _own(connection, record)
            if connection.execute("SELECT 1 FROM runs WHERE id = ?", (record.id,)).fetchone():
                raise KeyReused("the same key came twice at once", hint="send it once more")
            busy = connection.execute(
                "SELECT 1 FROM runs WHERE thread = ?"
                " AND status IN ('queued', 'running', 'awaiting_review') LIMIT 1",
                (record.thread,),
            ).fetchone()
            if busy and alone:
                raise ThreadBusy(
                    f"a run on thread {record.thread!r} has not ended",
                    hint="wait for it, decide what it waits for, or cancel it",
                )
            stored = record.model_copy(update={"status": "queued" if busy else "running"})
            connection.execute(
                "INSERT INTO runs (id, thread, status, updated, record) VALUES (?, ?, ?, ?, ?)",
                (stored.id, stored.thread, stored.status, stored.updated, _dump(stored)),
            )
            self._trail.store(connection)
            return stored

        return await self._database.write(work)

    async def update(
        self,
        run: str,
        *,
        status: Status,
        outcome: Outcome | None = None,
        attempts: int | None = None,
        unless: Sequence[str] = (),
    ) -> RunRecord:
        """Change a run's status and return it as it now stands.

        A run whose status is in `unless` stays as it is (a cancelled run is not revived).
        """

        def work(connection: sqlite3.Connection) -> RunRecord:
            record = _load(connection, run)
            if record.status in unless:
                return record
            changes: dict[str, object] = {"status": status, "updated": now().isoformat()}
            if outcome is not None:
                changes["outcome"] = outcome
            if attempts is not None:
                changes["attempts"] = attempts
            changed = record.model_copy(update=changes)
            connection.execute(
                "UPDATE runs SET status = ?, updated = ?, record = ? WHERE id = ?",
                (changed.status, changed.updated, _dump(changed), run),
            )
            self._trail.store(connection)
            if self._listeners:
                self._database.after_commit(partial(self._tell, run))
            return changed

        return await self._database.write(work)

    def _tell(self, run: str) -> None:
        for tell in self._listeners:
            tell(run)

    async def there(self, run: str) -> RunRecord | None:
        """Return a run, or None if there never was one of this id.

        Raises:
            UnknownRun: it was erased or removed.
        """

        def work(connection: sqlite3.Connection) -> RunRecord | None:
            known = connection.execute("SELECT 1 FROM runs WHERE id = ?", (run,)).fetchone()
            return _load(connection, run) if known or retired(connection, "run", run) else None

        return await self._database.look(work)

    async def get(self, run: str) -> RunRecord:
        """Return a run.

        Raises:
            UnknownRun: there is none of this id.
        """
        return await self._database.look(lambda c: _load(c, run))

    async def settled(self, run: str) -> RunRecord:
        """Return a run as it is once every write that is under way has ended; see `get`."""
        return await self._database.read(lambda c: _load(c, run))

    async def of_thread(self, thread: str) -> list[RunRecord]:
        """Return a thread's runs, oldest first.

        Raises:
            UnknownRun: there is no such thread.
        """

        def work(connection: sqlite3.Connection) -> list[RunRecord]:
            if not connection.execute("SELECT 1 FROM threads WHERE id = ?", (thread,)).fetchone():
                gone = retired(connection, "thread", thread)
                raise UnknownRun(
                    f"thread {thread!r} was {gone}"
                    if gone
                    else f"there is no thread {thread!r} here",
                    hint="`concertmaster threads list` names those that exist",
                )
            return _rows(connection, "thread = ?", (thread,))

        return await self._database.read(work)

    async def words(self, run: RunRecord, who: Principal) -> tuple[str, ...]:
        """Return what this principal said on a run's thread up to that run, its own message first.

        The latest messages alone, 20 of them and 64 KB at most. What others may have said on the
        thread is not among them.
        """
        sql = (
            "SELECT record FROM runs WHERE thread = ?1"
            " AND seq <= (SELECT seq FROM runs WHERE id = ?2) ORDER BY seq DESC LIMIT ?3"
        )
        rows = await self._database.look(
            lambda c: c.execute(sql, (run.thread, run.id, _MOST_WORDS)).fetchall()
        )
        said: list[str] = []
        room = _WORDS_SIZE
        for row in rows:
            record = json.loads(row["record"])
            by = record["principal"]
            if (by["id"], by["tenant"]) != (who.id, who.tenant):
                continue
            text = str(record["text"])
            if said and len(text) > room:
                break
            said.append(text)
            room -= len(text)
        return tuple(said)

    async def with_status(self, *statuses: Status, thread: str | None = None) -> list[RunRecord]:
        """Return the runs in any of the statuses, oldest first."""
        marks = ", ".join("?" for _ in statuses)
        where = f"status IN ({marks})"
        values: tuple[str, ...] = statuses
        if thread is not None:
            where, values = f"{where} AND thread = ?", (*values, thread)
        return await self._database.look(lambda c: _rows(c, where, values))

    async def unfinished(self) -> list[RunRecord]:
        """Return the runs that have not ended, oldest first."""
        return await self.with_status("queued", "running", "awaiting_review")

    async def threads(
        self,
        limit: int = 100,
        *,
        owner: Principal | None = None,
        before: Sequence[str] | None = None,
    ) -> list[ThreadRecord]:
        """Return the threads, the latest first, with their number of runs and last status.

        Args:
            limit: at most so many.
            owner: only those of this principal.
            before: only those behind this one in the list, by its `updated` and `id`.
        """
        clauses = ["1"]
        values: tuple[str | None, ...] = tuple(before or ())
        if before is not None:
            clauses.append("(t.updated, t.id) < (?, ?)")
        if owner is not None:
            clauses.append("t.principal = ? AND t.tenant IS ?")
            values = (*values, owner.id, owner.tenant)
        where = " AND ".join(clauses)

        def work(connection: sqlite3.Connection) -> list[ThreadRecord]:
            rows = connection.execute(
                "SELECT t.id, t.principal, t.tenant, t.created, t.updated,"
                " count(r.id) AS runs,"
                " (SELECT status FROM runs WHERE thread = t.id ORDER BY seq DESC LIMIT 1) AS status"
                f" FROM threads t LEFT JOIN runs r ON r.thread = t.id WHERE {where}"
                " GROUP BY t.id ORDER BY t.updated DESC, t.id DESC LIMIT ?",
                (*values, limit),
            )
            return [dict(row) for row in rows]

        return await self._database.read(work)


def _own(connection: sqlite3.Connection, record: RunRecord) -> None:
    owner: Principal = record.principal
    row = connection.execute(
        "SELECT principal, tenant FROM threads WHERE id = ?", (record.thread,)
    ).fetchone()
    if row is None:
        connection.execute(
            "INSERT INTO threads (id, principal, tenant, created, updated) VALUES (?, ?, ?, ?, ?)",
            (record.thread, owner.id, owner.tenant, record.created, record.updated),
        )
    elif (row["principal"], row["tenant"]) != (owner.id, owner.tenant):
        raise ThreadForbidden(
            f"thread {record.thread!r} belongs to another principal",
            hint="start a thread of your own",
        )
    else:
        connection.execute(
            "UPDATE threads SET updated = ? WHERE id = ?", (record.updated, record.thread)
        )


def _load(connection: sqlite3.Connection, run: str) -> RunRecord:
    row = connection.execute("SELECT id, status, record FROM runs WHERE id = ?", (run,)).fetchone()
    if row is None:
        gone = retired(connection, "run", run)
        raise UnknownRun(
            f"run {run!r} was {gone}" if gone else f"there is no run {run!r} here",
            hint="`concertmaster threads list` names the threads",
        )
    return _read(row)


def _rows(
    connection: sqlite3.Connection, where: str, values: tuple[object, ...]
) -> list[RunRecord]:
    rows = connection.execute(
        f"SELECT id, status, record FROM runs WHERE {where} ORDER BY seq", values
    )
    return [_read(row) for row in rows]


def _read(row: sqlite3.Row) -> RunRecord:
    try:
        return RunRecord.model_validate_json(row["record"])
    except ValidationError as error:
        raise StorageError(
            f"the stored run {row['id']!r} cannot be read ({error.error_count()} problems)",
            hint="restore a backup of the home directory",
        ) from None


def _dump(record: RunRecord) -> str:
    return record.model_dump_json()
