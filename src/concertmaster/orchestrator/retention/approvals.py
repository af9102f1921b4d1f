"""Approvals that are settled, by the time since their run ended."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from concertmaster.audit import Trail
from concertmaster.audit.retired import retire
from concertmaster.contracts import FINAL
from concertmaster.orchestrator.retention.finding import UNFINISHED, Doomed, Page, Term, full, told
from concertmaster.orchestrator.retention.needed import needed_runs

__all__ = ["Settled"]

_SCANNED = 500


class Settled:
    """Approvals that nobody can answer any more."""

    def __init__(self, term: Term) -> None:
        self.term = term

    def find(
        self, connection: sqlite3.Connection, after: Any, gone: Collection[str] | None = None
    ) -> Page:
        """Return which of the next approvals are due."""
        rows = connection.execute(
            "SELECT a.seq, a.id, a.run, a.thread, length(a.record) AS size, a.status,"
            " coalesce(r.status, 'cancelled') AS ended,"
            " coalesce(r.updated, json_extract(a.record, '$.created')) AS updated"
            " FROM approvals a LEFT JOIN runs r ON r.id = a.run"
            " WHERE a.seq > ? ORDER BY a.seq LIMIT ?",
            (after or 0, _SCANNED),
        ).fetchall()
        needed = needed_runs(connection, [row["run"] for row in rows])
        doomed: list[Doomed] = []
        kept: Counter[str] = Counter()
        for row in rows:
            after = row["seq"]
            if not self.term.old(row["updated"]) or {row["run"], row["thread"]} & set(gone or ()):
                continue
            if row["run"] in needed or row["ended"] not in FINAL or row["status"] == "pending":
                kept[needed.get(row["run"], UNFINISHED)] += 1
                continue
            rule = self.term.rule(old=True)
            doomed.append(Doomed(key=row["id"], rule=rule, bytes=row["size"]))
            if full(doomed):
                break
        return Page(doomed=doomed, kept=kept, after=after if rows else None)

    def remove(
        self, connection: sqlite3.Connection, doomed: Sequence[Doomed], trail: Trail
    ) -> None:
        """Remove them; who decided what stays in the trail."""
        connection.execute("PRAGMA secure_delete = ON")
        for event, some in told(self.term, doomed, trail):
            ids = [d.key for d in some]
            trail.store(connection, event)
            connection.execute(
                "DELETE FROM approvals WHERE id IN (SELECT value FROM json_each(?))",
                (json.dumps(ids),),
            )
            retire(connection, "approval", ids, at=event.time, rule=some[0].rule, event=event.id)
