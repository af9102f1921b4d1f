"""The content of the trail's events, by age: erased as `audit erase` does, so that the chain holds.

What tells of erasures, of keys and of retention itself stays: without the first two the chain
would not verify.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from concertmaster.audit import Trail
from concertmaster.audit.envelope import type_column
from concertmaster.audit.erasing import erase_contents
from concertmaster.audit.retired import retire
from concertmaster.contracts.events import EventType
from concertmaster.orchestrator.retention.finding import ACTOR, Doomed, Page, Term, full
from concertmaster.orchestrator.retention.needed import needed_runs
from concertmaster.policies.bases import forget_bases

__all__ = ["STAY", "Payloads"]

STAY: tuple[EventType, ...] = ("audit.erased", "audit.rotated", "retention.pruned")
"""Types whose content is never too old."""

_STAY = frozenset(type_column(type_) for type_ in STAY)
_SCANNED = 500


class Payloads:
    """Events of one stream of the trail."""

    def __init__(self, term: Term, stream: str) -> None:
        self.term = term
        self._stream = stream

    def find(
        self, connection: sqlite3.Connection, after: Any, gone: Collection[str] | None = None
    ) -> Page:
        """Return which of the next events are due."""
        rows = connection.execute(
            "SELECT l.n, l.id, l.type, l.time, e.run, length(e.envelope) AS size"
            " FROM audit_links l LEFT JOIN audit_events e ON e.id = l.id"
            " WHERE l.stream = ? AND l.n > ? ORDER BY l.n LIMIT ?",
            (self._stream, after or 0, _SCANNED),
        ).fetchall()
        due = [
            row
            for row in rows
            if row["size"] is not None and row["type"] not in _STAY and self.term.old(row["time"])
        ]
        needed = needed_runs(connection, {row["run"] for row in due if row["run"]})
        rule = self.term.rule(old=True)
        doomed: list[Doomed] = []
        kept: Counter[str] = Counter()
        for row in due:
            if row["run"] in needed:
                kept[needed[row["run"]]] += 1
                continue
            key = (row["n"], row["id"], row["run"])
            doomed.append(Doomed(key=key, rule=rule, bytes=row["size"]))
            if full(doomed):
                return Page(doomed=doomed, kept=kept, after=row["n"])
        # Times ascend as far as the clock does, so the first page without anything old is the end.
        more = rows and any(self.term.old(row["time"]) for row in rows)
        return Page(doomed=doomed, kept=kept, after=rows[-1]["n"] if more else None)

    def remove(
        self, connection: sqlite3.Connection, doomed: Sequence[Doomed], trail: Trail
    ) -> None:
        """Erase content and salt; an event of the chain tells the places, the rule and the time."""
        own = trail if trail.workspace == self._stream else Trail(trail.database, self._stream)
        connection.execute("PRAGMA secure_delete = ON")
        trail.store(connection)
        rule = doomed[0].rule
        places = [(n, id_) for n, id_, _ in (d.key for d in doomed)]
        why = f"removed by retention ({rule})"
        events = erase_contents(connection, own, places, by=ACTOR, why=why, rule=rule)
        runs = {run for _, _, run in (d.key for d in doomed) if run}
        note = {"at": events[0].time, "rule": rule, "event": events[0].id}
        retire(connection, "payload", runs, **note)
        forget_bases(connection, runs)
