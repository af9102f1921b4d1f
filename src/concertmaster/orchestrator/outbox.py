"""Notices that are still to be delivered: a row for each, stored with what they tell of.

A row is written in the transaction that asks for an approval, escalates it or ends it, and goes
when the notice was delivered or given up. So a crash in between delivers it later, perhaps twice:
receivers drop what has an id that they know.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import ValidationError

from concertmaster.contracts import ApprovalNotice
from concertmaster.contracts.deadline import utc
from concertmaster.storage import Migration

__all__ = ["MIGRATIONS", "MOST", "Entry", "delay", "due", "put", "remove", "soonest", "try_later"]

MOST = 1000
"""Rows that are kept at most; what comes beyond them is not stored, and the trail says so."""

_FIRST, _LONGEST = 30.0, 3600.0

MIGRATIONS = (
    Migration(
        "orchestrator.outbox",
        1,
        """
        CREATE TABLE notices_due (
            id TEXT NOT NULL, notifier TEXT NOT NULL,
            thread TEXT NOT NULL, run TEXT NOT NULL, approval TEXT NOT NULL,
            notice TEXT NOT NULL, created TEXT NOT NULL,
            attempts INTEGER NOT NULL DEFAULT 0, next TEXT NOT NULL,
            PRIMARY KEY (id, notifier)
        ) STRICT;
        CREATE INDEX notices_due_next ON notices_due (next)
        """,
    ),
)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A notice for one notifier; `attempts` were made before, `created` is a moment in UTC."""

    notice: ApprovalNotice
    notifier: str
    thread: str
    created: str
    attempts: int

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from all others."""
        return self.notice.id, self.notifier

    def age(self, at: datetime) -> float:
        """Return for how many seconds it has waited."""
        return (at - datetime.fromisoformat(self.created)).total_seconds()


def delay(attempts: int) -> float:
    """Return the seconds until the next attempt: half a minute at first, an hour at most."""
    return float(min(_FIRST * 2.0 ** min(attempts, 20), _LONGEST))


def put(
    connection: sqlite3.Connection,
    notice: ApprovalNotice,
    thread: str,
    notifiers: Iterable[str],
    at: datetime,
) -> bool:
    """Store a notice for each notifier within the caller's transaction; False if there is no room.

    One that is there already is left as it is.
    """
    names = list(notifiers)
    (count,) = connection.execute("SELECT count(*) FROM notices_due").fetchone()
    if count + len(names) > MOST:
        return False
    row = (thread, notice.run, notice.approval, notice.model_dump_json(), utc(at), utc(at))
    connection.executemany(
        "INSERT OR IGNORE INTO notices_due"
        " (id, notifier, thread, run, approval, notice, created, next)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [(notice.id, name, *row) for name in names],
    )
    return True


def due(connection: sqlite3.Connection, at: datetime) -> list[Entry]:
    """Return what is to be tried now, oldest first; a row that cannot be read is left out."""
    sql = "SELECT * FROM notices_due WHERE next <= ? ORDER BY created, id"
    found = []
    for row in connection.execute(sql, (utc(at),)):
        try:
            notice = ApprovalNotice.model_validate_json(row["notice"])
            datetime.fromisoformat(row["created"])
        except (ValidationError, ValueError):
            continue
        about = {name: row[name] for name in ("notifier", "thread", "created", "attempts")}
        found.append(Entry(notice=notice, **about))
    return found


def soonest(connection: sqlite3.Connection, at: datetime) -> float | None:
    """Return the seconds until something is to be tried next, None if nothing is."""
    sql = "SELECT min(next) FROM notices_due WHERE next > ?"
    (moment,) = connection.execute(sql, (utc(at),)).fetchone()
    return None if moment is None else (datetime.fromisoformat(moment) - at).total_seconds()


def remove(connection: sqlite3.Connection, keys: Collection[tuple[str, str]]) -> None:
    """Take away what was delivered or given up."""
    connection.executemany("DELETE FROM notices_due WHERE id = ? AND notifier = ?", keys)


def try_later(connection: sqlite3.Connection, entry: Entry, at: datetime, seconds: float) -> None:
    """Note a vain attempt, and when the next one is due."""
    connection.execute(
        "UPDATE notices_due SET attempts = attempts + 1, next = ? WHERE id = ? AND notifier = ?",
        (utc(at + timedelta(seconds=seconds)), *entry.key),
    )
