"""The trail of a home, read a page at a time: run by run, or in its own order."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Self

from concertmaster.audit.envelope import from_envelope
from concertmaster.contracts import AuditEvent
from concertmaster.storage import Database

__all__ = ["TrailPages"]

_PAGE = 500
_OF_RUNS = (
    "FROM audit_events WHERE run <> '' AND seq <= ?"
    " AND workspace IN (SELECT value FROM json_each(?))"
)
_LAST = 2**62


class TrailPages:
    """The events of runs that were stored when this was made; what comes later is not seen.

    One page of events is in memory, or all events of one run. A desk that works in the home is
    not kept waiting.
    """

    def __init__(self, database: Database, names: Sequence[str], last: int) -> None:
        self._database = database
        self._names = json.dumps(list(names))
        self._last = last

    @classmethod
    async def of(cls, database: Database, names: Sequence[str]) -> Self:
        """Return the events of some streams of a home.

        Args:
            database: of the home.
            names: of the streams: the workspaces.
        """
        return cls(database, names, await database.read(_newest))

    async def runs(self) -> AsyncIterator[tuple[str, list[AuditEvent]]]:
        """Yield each run with its events in order, the runs in order of their ids.

        Raises:
            StorageError: an event is damaged or of another version.
        """
        sql = f"SELECT run, seq, envelope {_OF_RUNS} AND (run, seq) > (?, ?) ORDER BY run, seq"
        run, found, seq = "", list[AuditEvent](), _LAST
        while rows := await self._page(sql, run, seq):
            for row in rows:
                if row["run"] != run:
                    if found:
                        yield run, found
                    run, found = row["run"], []
                found.append(from_envelope(row["envelope"], row["seq"]))
            seq = rows[-1]["seq"]
        if found:
            yield run, found

    async def events(self) -> AsyncIterator[AuditEvent]:
        """Yield the events in the order of the trail.

        Raises:
            StorageError: an event is damaged or of another version.
        """
        seq = 0
        while rows := await self._page(
            f"SELECT seq, envelope {_OF_RUNS} AND seq > ? ORDER BY seq", seq
        ):
            for row in rows:
                yield from_envelope(row["envelope"], row["seq"])
            seq = rows[-1]["seq"]

    async def _page(self, sql: str, *after: str | int) -> list[sqlite3.Row]:
        values = (self._last, self._names, *after, _PAGE)
        return await self._database.read(partial(_rows, sql=f"{sql} LIMIT ?", values=values))


def _newest(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT coalesce(max(seq), 0) FROM audit_events").fetchone()[0])


def _rows(
    connection: sqlite3.Connection, sql: str, values: Sequence[str | int]
) -> list[sqlite3.Row]:
    return connection.execute(sql, values).fetchall()
