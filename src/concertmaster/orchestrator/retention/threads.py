"""Whole threads, by the time since anything happened on them and by how many there are.

What goes is what `Desk.forget` erases, but for the trail, whose content has an age of its own.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from concertmaster.audit import Trail
from concertmaster.audit.retired import retire
from concertmaster.orchestrator.checkpoints import ASIDE
from concertmaster.orchestrator.remains import (
    erase_rows,
    measures,
    owned_bytes,
    references,
    rows_of,
)
from concertmaster.orchestrator.retention.files import retire_files
from concertmaster.orchestrator.retention.finding import Doomed, Page, Term, full, told
from concertmaster.orchestrator.retention.moments import first_id_at
from concertmaster.orchestrator.retention.needed import needed_threads

__all__ = ["Strays", "Threads"]

_SCANNED = 200
_LAST = "max(t.updated, coalesce((SELECT max(r.updated) FROM runs r WHERE r.thread = t.id), ''))"


class Threads:
    """Threads with messages on them."""

    def __init__(self, term: Term) -> None:
        self.term = term
        self._boundary: tuple[str, str] | None = None
        self._counted = False

    def find(
        self, connection: sqlite3.Connection, after: Any, gone: Collection[str] | None = None
    ) -> Page:
        """Return which of the next threads are due, those without a message for longest first."""
        self._count(connection)
        rows = connection.execute(
            f"SELECT t.id, t.updated, {_LAST} AS last FROM threads t"
            " WHERE (t.updated, t.id) > (?, ?) ORDER BY t.updated, t.id LIMIT ?",
            (*(after or ("", "")), _SCANNED),
        ).fetchall()
        needed = needed_threads(connection, [row["id"] for row in rows])
        measured = measures(connection)
        doomed: list[Doomed] = []
        kept: Counter[str] = Counter()
        for row in rows:
            rule = self._rule(row)
            if rule is None and not self.term.old(row["updated"]) and not self._many(row):
                return Page(doomed=doomed, kept=kept)  # All that follow are younger.
            if rule is not None and row["id"] in needed:
                kept[needed[row["id"]]] += 1
            elif rule is not None:
                size = owned_bytes(connection, _wanted(connection, row["id"]), measured)
                doomed.append(Doomed(key=row["id"], rule=rule, bytes=size))
            if full(doomed):
                break
        end = (row["updated"], row["id"]) if rows else None
        return Page(doomed=doomed, kept=kept, after=end)

    def _count(self, connection: sqlite3.Connection) -> None:
        """Find the last thread that there is room for; counted once in a pass."""
        if self._counted or self.term.most is None:
            return
        row = connection.execute(
            "SELECT updated, id FROM threads ORDER BY updated DESC, id DESC LIMIT 1 OFFSET ?",
            (self.term.most - 1,),
        ).fetchone()
        self._boundary = (row["updated"], row["id"]) if row else None
        self._counted = True

    def _many(self, row: sqlite3.Row) -> bool:
        return self._boundary is not None and (row["updated"], row["id"]) < self._boundary

    def _rule(self, row: sqlite3.Row) -> str | None:
        if self.term.old(row["last"]):
            return self.term.rule(old=True)
        return self.term.rule(old=False) if self._many(row) else None

    def remove(
        self, connection: sqlite3.Connection, doomed: Sequence[Doomed], trail: Trail
    ) -> None:
        """Remove threads with everything that is of them, the trail excepted."""
        for event, some in told(self.term, doomed, trail):
            threads = [d.key for d in some]
            runs = _runs(connection, threads)
            trail.store(connection, event)
            retire_files(connection, references(connection, threads, runs))
            went = erase_rows(connection, threads, runs)
            note = {"at": event.time, "rule": some[0].rule, "event": event.id}
            retire(connection, "thread", threads, **note)
            retire(connection, "run", went["run"], **note)
            retire(connection, "approval", went["approval"], **note)


class Strays:
    """States of threads without a message: a graph was run by hand, or a state was damaged."""

    def __init__(self, term: Term) -> None:
        self.term = term

    def find(
        self, connection: sqlite3.Connection, after: Any, gone: Collection[str] | None = None
    ) -> Page:
        """Return which of the next such threads have no state that is young enough."""
        if self.term.moment is None:
            return Page()
        rows = connection.execute(
            "SELECT thread_id, max(checkpoint_id) AS last, count(*) AS number FROM checkpoints"
            " WHERE thread_id > ? GROUP BY thread_id ORDER BY thread_id LIMIT ?",
            (after or "", _SCANNED),
        ).fetchall()
        names = [row["thread_id"].removeprefix(ASIDE) for row in rows]
        known = {
            row[0]
            for row in connection.execute(
                "SELECT id FROM threads WHERE id IN (SELECT value FROM json_each(?))",
                (json.dumps(names),),
            )
        }
        bound, measured = first_id_at(self.term.moment), measures(connection)
        doomed: list[Doomed] = []
        for row in rows:
            after = row["thread_id"]
            if row["last"] < bound and after.removeprefix(ASIDE) not in known:
                size = owned_bytes(connection, {"thread": [after]}, measured)
                doomed.append(Doomed(key=after, rule=self.term.rule(old=True), bytes=size))
            if full(doomed):
                break
        return Page(doomed=doomed, after=after if rows else None)

    def remove(
        self, connection: sqlite3.Connection, doomed: Sequence[Doomed], trail: Trail
    ) -> None:
        """Remove their states."""
        for event, some in told(self.term, doomed, trail):
            trail.store(connection, event)
            threads = [d.key.removeprefix(ASIDE) for d in some]
            retire_files(connection, references(connection, threads))
            erase_rows(connection, threads, ())


def _wanted(connection: sqlite3.Connection, thread: str) -> dict[str, list[str]]:
    return rows_of(connection, [thread], _runs(connection, [thread]))


def _runs(connection: sqlite3.Connection, threads: Sequence[str]) -> list[str]:
    rows = connection.execute(
        "SELECT id FROM runs WHERE thread IN (SELECT value FROM json_each(?))",
        (json.dumps(list(threads)),),
    )
    return [row["id"] for row in rows.fetchall()]
