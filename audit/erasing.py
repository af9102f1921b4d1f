"""Takes the content of events away; their links stay, and the chain still verifies."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from concertmaster.audit.trail import Trail
from concertmaster.contracts import AuditEvent, digest

__all__ = ["erase_contents", "erase_events", "thread_digest"]

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
    places = [(row["n"], row["id"]) for row in rows]
    erase_contents(connection, trail, places, by=by, why=why, thread_digest=thread_digest(thread))
    return len(rows)


def erase_contents(
    connection: sqlite3.Connection,
    trail: Trail,
    places: Sequence[tuple[int, str]],
    *,
    by: str,
    why: str,
    **told: Any,
) -> list[AuditEvent]:
    """Erase within the caller's transaction content and salt of events; return what tells of it.

    Args:
        connection: of the trail's database, within `Database.write`.
        trail: whose events.
        places: of the events in the chain, ascending, with their ids.
        by: who asked for it.
        why: the reason, without anything personal.
        told: what else the event `audit.erased` says.
    """
    ranges = _ranges([n for n, _ in places])
    events = [
        trail.event(
            "audit.erased",
            why=why,
            actor=by,
            events=sum(last - first + 1 for first, last in some),
            places=some,
            **told,
        )
        for some in (ranges[at : at + _RANGES] for at in range(0, len(ranges), _RANGES))
    ]
    ids = [(id_,) for _, id_ in places]
    connection.executemany("INSERT OR IGNORE INTO audit_erasures (id) VALUES (?)", ids)
    connection.executemany("DELETE FROM audit_events WHERE id = ?", ids)
    trail.store(connection, *events)
    return events


def thread_digest(thread: str) -> str:
    """Return by what the event that tells of an erasure knows the thread."""
    return digest({"thread": thread})


def _ranges(places: list[int]) -> list[list[int]]:
    """Return ascending places as inclusive ranges: 1, 2, 3, 7 as [[1, 3], [7, 7]]."""
    if not places:
        return []
    cuts = [i for i, (one, other) in enumerate(pairwise(places), 1) if other != one + 1]
    edges = [0, *cuts, len(places)]
    return [[places[first], places[last - 1]] for first, last in pairwise(edges)]
