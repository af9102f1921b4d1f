"""Forgetting what a governance keeps of a thread: at somebody's wish, or by age.

What remains is of nobody: each event's id, type and time in the chain, and of each call the name
under which it is known when it comes up again, its tool and its outcome.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from datetime import timedelta
from functools import partial
from pathlib import Path

from concertmaster.audit import Trail
from concertmaster.audit.erasing import erase_events
from concertmaster.contracts import now, plain_text
from concertmaster.errors import RequestError, StorageError
from concertmaster.graphs.langchain import journal
from concertmaster.graphs.langchain.stores import FILE, MIGRATIONS
from concertmaster.policies.bases import forget_bases
from concertmaster.storage import Database

__all__ = ["RETENTION", "forget", "forget_in", "prune", "purge"]

RETENTION = "retention"
"""Who erases by age."""
_THEMSELVES = "the thread's owner"
_LONGEST_REASON = 1000


async def forget(trail: Trail, thread: str, *, by: str, why: str) -> int:
    """Erase what the stores hold of a thread; return how many events lost their content.

    Args:
        trail: of any governance of the home.
        thread: its id.
        by: who asked for it; whoever alone the thread is about stays unnamed.
        why: the reason; it is kept, so it may name neither the thread nor people of it.

    Raises:
        RequestError: the reason is missing, or names them.
        StorageError: nothing was erased.
    """

    def work(connection: sqlite3.Connection) -> int:
        trail.store(connection)
        people = _people(connection, thread)
        reason = _reason(why, {thread, *people})
        actor = _THEMSELVES if people == {by} else by
        return _erase(connection, trail, thread, actor, reason)

    erased: int = await trail.database.write(work)
    await purge(trail.database)
    return erased


async def forget_in(home: Path, thread: str, *, by: str, why: str) -> int:
    """Erase a thread in a home that is not open here; see `forget`.

    Raises:
        RequestError: as `forget`, or the home has no such thread.
        HomeReadOnly, HomeVersion, StorageError: the home cannot be written; nothing was erased.
    """
    database = Database.open(home / FILE, MIGRATIONS)
    try:
        rows = await database.read(
            lambda c: c.execute(
                "SELECT DISTINCT workspace FROM audit_events WHERE thread = ?", (thread,)
            ).fetchall()
        )
        if not rows:
            raise RequestError(
                f"there is no thread {thread[:60]!r} in {home}",
                hint="it may have been erased before; a thread's id is the one of its graph",
            )
        return await forget(Trail(database, rows[0]["workspace"]), thread, by=by, why=why)
    finally:
        database.close()


async def prune(trail: Trail, older_than: timedelta) -> tuple[str, ...]:
    """Erase the threads on which nothing happened for so long; return their ids.

    A thread stays while an approval waits on it, or while a call may have taken effect unseen.

    Raises:
        StorageError: some may be erased, others not.
    """
    await trail.flush()
    bound = (now() - older_than).isoformat(timespec="microseconds").replace("+00:00", "Z")
    doomed = await trail.database.read(lambda c: _old(c, bound))
    why = f"nothing happened on it for {older_than}"
    gone: list[str] = []
    for thread in doomed:
        gone += await trail.database.write(partial(_erase_old, trail, thread, bound, why))
    if gone:
        await purge(trail.database)
    return tuple(gone)


async def purge(database: Database) -> bool:
    """Write the file anew without what was deleted; False while another program reads it."""
    try:
        await database.read(lambda c: c.execute("VACUUM").fetchall())
        row = await database.read(lambda c: c.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone())
    except StorageError:
        return False
    return bool(row is not None and row[0] == 0)


def _erase(connection: sqlite3.Connection, trail: Trail, thread: str, by: str, why: str) -> int:
    connection.execute("PRAGMA secure_delete = ON")
    trail.store(connection)
    rows = connection.execute("SELECT DISTINCT run FROM audit_events WHERE thread = ?", (thread,))
    runs = [row["run"] for row in rows if row["run"]]
    rows = connection.execute("SELECT id, run FROM approvals WHERE thread = ?", (thread,))
    approvals = {row["id"]: row["run"] for row in rows}
    runs = sorted({*runs, *approvals.values()})
    streams = connection.execute("SELECT DISTINCT stream FROM audit_links ORDER BY stream")
    erased = 0
    for name in [row["stream"] for row in streams]:
        own = trail if name == trail.workspace else Trail(trail.database, name)
        erased += erase_events(connection, own, thread, by=by, why=why, runs=runs)
    forget_bases(connection, runs)
    connection.execute("DELETE FROM approvals WHERE thread = ?", (thread,))
    journal.blank(connection, thread, approvals)
    return erased


def _erase_old(
    trail: Trail, thread: str, bound: str, why: str, connection: sqlite3.Connection
) -> list[str]:
    """Erase a thread unless something happened on it meanwhile."""
    trail.store(connection)
    gone = _old(connection, bound, thread)
    for name in gone:
        _erase(connection, trail, name, RETENTION, why)
    return gone


def _old(connection: sqlite3.Connection, bound: str, only: str | None = None) -> list[str]:
    """Return the threads on which nothing happened since, and on which nothing is open."""
    rows = connection.execute(
        "SELECT thread FROM audit_events WHERE thread IS NOT NULL AND (?2 IS NULL OR thread = ?2)"
        " AND thread NOT IN (SELECT thread FROM approvals WHERE status = 'pending')"
        " GROUP BY thread HAVING max(json_extract(envelope, '$.time')) < ?1 ORDER BY thread",
        (bound, only),
    ).fetchall()
    open_ = journal.unsettled(connection)
    return [row["thread"] for row in rows if row["thread"] not in open_]


def _people(connection: sqlite3.Connection, thread: str) -> set[str]:
    """Return on whose behalf calls were made on a thread."""
    rows = connection.execute(
        "SELECT DISTINCT json_extract(envelope, '$.data.on_behalf_of') AS who FROM audit_events"
        " WHERE thread = ?",
        (thread,),
    )
    return {row["who"] for row in rows if row["who"]}


def _reason(why: str, names: Iterable[str]) -> str:
    reason = plain_text(why).strip()[:_LONGEST_REASON]
    if not reason:
        raise RequestError("an erasure needs a reason", hint="say why, without naming the person")
    for name in names:
        if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", reason, re.IGNORECASE):
            raise RequestError(
                "the reason names the person or the thread, and it is kept",
                hint="say why without naming them: a ticket's number, an article of law",
            )
    return reason
