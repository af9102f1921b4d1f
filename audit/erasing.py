"""Takes the content of a thread's events away; their links stay, and the chain still verifies."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from itertools import pairwise

from concertmaster.audit.trail import Trail
from concertmaster.contracts import digest

__all__ = ["erase_events", "thread_digest"]

_RANGES = 500
"""How many ranges one event names, so that it stays within what an event may hold."""


def erase_events(
    connection: sqlite3.Connection,
    trail: Trail,
    thread: str,
    *,
    by: str,
    why: str,
    runs: Iterable[str] = (),
) -> int:
    """Erase within the caller's transaction what the trail holds of a thread; return how much.

    What remains of each event is its id, type and time. That it was erased, by whom and why is an
    event of its own, which names the places in the chain and the thread by its digest only.

    Args:
        connection: of the trail's database, within `Database.write`.
        trail: whose events.
        thread: its id.
        by: who asked for it.
        why: the reason, without anything personal.
        runs: of the thread, so that an event which names its run alone is erased, too.
    """
    trail.store(connection)
    rows = connection.execute(
        "SELECT l.n, l.id FROM audit_links l JOIN audit_events e ON e.id = l.id"
        " WHERE l.stream = ?1 AND e.workspace = ?1"
        " AND (e.thread = ?2 OR e.run IN (SELECT value FROM json_each(?3))) ORDER BY l.n",
        (trail.workspace, thread, json.dumps(list(runs))),
    ).fetchall()
    if not rows:
        return 0
    places = _ranges([row["n"] for row in rows])
    told = [
        trail.event(
            "audit.erased",
            why=why,
            actor=by,
            events=sum(last - first + 1 for first, last in some),
            places=some,
            thread_digest=thread_digest(thread),
        )
        for some in (places[at : at + _RANGES] for at in range(0, len(places), _RANGES))
    ]
    connection.executemany(
        "INSERT OR IGNORE INTO audit_erasures (id) VALUES (?)", [(row["id"],) for row in rows]
    )
    connection.executemany("DELETE FROM audit_events WHERE id = ?", [(r["id"],) for r in rows])
    trail.store(connection, *told)
    return len(rows)


def thread_digest(thread: str) -> str:
    """Return by what the event that tells of an erasure knows the thread."""
    return digest({"thread": thread})


def _ranges(places: list[int]) -> list[list[int]]:
    """Return ascending places as inclusive ranges: 1, 2, 3, 7 as [[1, 3], [7, 7]]."""
    cuts = [i for i, (one, other) in enumerate(pairwise(places), 1) if other != one + 1]
    edges = [0, *cuts, len(places)]
    return [[places[first], places[last - 1]] for first, last in pairwise(edges)]
