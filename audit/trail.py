"""The append-only stream of what happened and why."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from concertmaster.audit.bounds import bounded, bounded_text
from concertmaster.audit.envelope import from_envelope, to_envelope, type_column
from concertmaster.audit.linked import Written, append
from concertmaster.contracts import AuditEvent, new_id, now
from concertmaster.contracts.events import EventType
from concertmaster.storage import Database

__all__ = ["Trail"]


class Trail:
    """The trail of one workspace: events are emitted at once and flushed together.

    Several runs share one trail within one event loop; their events keep the order in which they
    were emitted. What was emitted but not flushed is lost when the process dies, so flush before
    anything that must not happen unrecorded.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import asyncio
    >>> from concertmaster.audit import MIGRATIONS
    >>> async def example(folder: str) -> list[str]:
    ...     database = Database.open(Path(folder) / "home.db", MIGRATIONS)
    ...     trail = Trail(database, "desk")
    ...     trail.emit("run.started", why="ana asked", actor="ana", run="run-1", attempt=1)
    ...     await trail.flush()
    ...     events = await trail.events(run="run-1")
    ...     database.close()
    ...     return [f"{e.seq} {e.type}: {e.why}" for e in events]
    >>> with TemporaryDirectory() as folder:
    ...     asyncio.run(example(folder))
    ['1 run.started: ana asked']
    """

    def __init__(
        self,
        database: Database,
        workspace: str,
        *,
        redact: Callable[[Any], Any] | None = None,
    ) -> None:
        self.database = database
        self.workspace = workspace
        # Takes personal data out of reasons and data; who acted is what a trail is for.
        self._redact = redact or (lambda value: value)
        # Envelopes by id, in order. Made when emitted, so that a flush cannot fail on a value.
        self._buffer: dict[str, Written] = {}
        self._beside: list[Callable[[sqlite3.Connection], None]] = []
        self._listeners: list[Callable[[AuditEvent], None]] = []

    def on(self, callback: Callable[[AuditEvent], None]) -> None:
        """Have `callback` told of each event, which may not be stored yet; it must not block.

        It may be called in the stores' thread.
        """
        self._listeners.append(callback)

    def beside(self, write: Callable[[sqlite3.Connection], None]) -> None:
        """Have `write` run in each transaction in which the trail is stored.

        For rows that must be stored together with the events that tell of them.
        """
        self._beside.append(write)

    @property
    def pending_count(self) -> int:
        """How many events wait in memory for the next flush."""
        return len(self._buffer)

    def emit(
        self,
        type: EventType,
        *,
        why: str,
        actor: str,
        run: str | None = None,
        thread: str | None = None,
        on_behalf_of: str | None = None,
        **data: Any,
    ) -> None:
        """Put one event into memory, for the next flush.

        Args:
            type: one of the closed set of event types.
            why: the reason, a sentence for people.
            actor: the principal, step or model that did it.
            run: the run it belongs to.
            thread: the thread it belongs to.
            on_behalf_of: the principal for whom the actor acted.
            data: plain JSON; texts over 4 KB are cut, their digest is noted.

        Raises:
            ValueError: the type is unknown, or the data is not plain JSON.
        """
        event = self.event(
            type, why=why, actor=actor, run=run, thread=thread, on_behalf_of=on_behalf_of, **data
        )
        self._buffer[event.id] = _written(event)
        for tell in self._listeners:
            tell(event)

    def event(
        self,
        type: EventType,
        *,
        why: str,
        actor: str,
        run: str | None = None,
        thread: str | None = None,
        on_behalf_of: str | None = None,
        **data: Any,
    ) -> AuditEvent:
        """Return an event as `emit` would make it, without keeping it; see `store`."""
        return AuditEvent(
            id=new_id("evt"),
            time=now().isoformat(timespec="microseconds").replace("+00:00", "Z"),
            type=type,
            workspace=self.workspace,
            thread=_optional(thread),
            run=_optional(run),
            actor=bounded_text(actor),
            on_behalf_of=_optional(on_behalf_of),
            why=bounded_text(self._redact(why)),
            data={key: bounded(value) for key, value in self._redact(data).items()},
        )

    async def flush(self) -> None:
        """Write everything that waits, in order, in one transaction.

        Raises:
            StorageError: nothing was written; the events go on waiting.
            HomeReadOnly: the same, because the file cannot be written.
        """
        if not self._buffer:
            return
        await self.database.write(self.store)

    def store(self, connection: sqlite3.Connection, *events: AuditEvent) -> frozenset[str]:
        """Write what waits and then `events` in the caller's transaction; return the ids written.

        For stores of this database whose change and whose event must both happen or not at all.
        Call it within `Database.write`. What waited is forgotten once that is committed.
        """
        # Of many writes that share a transaction, the first takes along what waits.
        once, key = self.database.once, id(self)
        rows = {at: row for at, row in self._buffer.copy().items() if once((key, at))}
        rows |= {event.id: _written(event) for event in events}
        append(connection, self.workspace, rows.values())
        for write in self._beside:
            write(connection)
        self.database.after_commit(partial(self._forget, tuple(rows)))
        if self._listeners:
            self.database.after_commit(partial(self._tell, events))
        return frozenset(rows)

    def _tell(self, events: Iterable[AuditEvent]) -> None:
        for event in events:
            for tell in self._listeners:
                tell(event)

    def _forget(self, ids: Iterable[str]) -> None:
        for id_ in ids:
            self._buffer.pop(id_, None)

    async def events(
        self,
        *,
        run: str | None = None,
        thread: str | None = None,
        types: Iterable[EventType] | None = None,
        after: int = 0,
        limit: int | None = None,
    ) -> list[AuditEvent]:
        """Return the stored events of this workspace in order, those that still wait excluded.

        Args:
            run: only those of this run.
            thread: only those of this thread.
            types: only those of these types.
            after: only those with a higher sequence number.
            limit: at most so many, the first ones.

        Raises:
            StorageError: a row is damaged or of another version.
        """
        clauses, values = ["workspace = ?", "seq > ?"], [self.workspace, after]
        for column, value in (("run", run), ("thread", thread)):
            if value is not None:
                clauses.append(f"{column} = ?")
                values.append(value)
        if types is not None:
            columns = [type_column(t) for t in types]
            clauses.append(f"type IN ({', '.join('?' * len(columns))})")
            values.extend(columns)
        sql = (
            f"SELECT seq, envelope FROM audit_events WHERE {' AND '.join(clauses)}"
            " ORDER BY seq LIMIT ?"
        )
        values.append(-1 if limit is None else max(limit, 0))
        few = run is not None or thread is not None or limit is not None
        read = self.database.look if few else self.database.read
        rows = await read(lambda c: c.execute(sql, values).fetchall())
        return [from_envelope(row["envelope"], row["seq"]) for row in rows]


def _written(event: AuditEvent) -> Written:
    return Written(event.id, type_column(event.type), event.time, to_envelope(event))


def _optional(text: str | None) -> str | None:
    return None if text is None else bounded_text(text)
