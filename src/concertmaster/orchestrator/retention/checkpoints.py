"""A thread's older states, by age and by number. The newest one stays: the thread goes on from it.

A state of a desk is whole by itself. Other graphs may keep a channel as differences to the states
before (LangGraph's `DeltaChannel`); nothing is taken from such a thread, for what was taken out of
the middle would be missing from its newest state.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from concertmaster.audit import Trail
from concertmaster.orchestrator.checkpoints import ASIDE
from concertmaster.orchestrator.retention.finding import Doomed, Page, Term, full, told
from concertmaster.orchestrator.retention.moments import first_id_at
from concertmaster.orchestrator.retention.needed import needed_threads

__all__ = ["DIFFERENCES", "Checkpoints"]

DIFFERENCES = "its states are stored as differences to earlier ones"

_SCANNED = 200
_MOST = 100
"""How many states of one thread go in one transaction."""
_OF = "thread_id = ? AND checkpoint_ns = ?"
_SIZE = "coalesce(length(checkpoint), 0) + coalesce(length(metadata), 0)"


class Checkpoints:
    """States of threads."""

    def __init__(self, term: Term) -> None:
        self.term = term
        self._bound = first_id_at(term.moment) if term.moment else ""

    def find(
        self, connection: sqlite3.Connection, after: Any, gone: Collection[str] | None = None
    ) -> Page:
        """Return which states of the next threads are due."""
        rows = connection.execute(
            "SELECT thread_id, checkpoint_ns, count(*) AS number, min(checkpoint_id) AS first"
            " FROM checkpoints WHERE (thread_id, checkpoint_ns) > (?, ?)"
            " GROUP BY thread_id, checkpoint_ns ORDER BY thread_id, checkpoint_ns LIMIT ?",
            (*(after or ("", "")), _SCANNED),
        ).fetchall()
        due = {tuple(row)[:2] for row in rows if self._due(row)}
        due = {here for here in due if here[0] not in (gone or ())}
        needed = needed_threads(connection, [thread for thread, _ in due])
        doomed: list[Doomed] = []
        kept: Counter[str] = Counter()
        end: tuple[str, str] | None = None
        for row in rows:
            here = (row["thread_id"], row["checkpoint_ns"])
            if here in due:
                some = self._of(connection, here)
                why = needed.get(here[0]) or (DIFFERENCES if _differs(connection, here) else None)
                if some and why:
                    kept[why] += sum(d.number for d in some)
                elif gone is None and full(some):
                    # More than one transaction should take: the thread is looked at again.
                    return Page(
                        doomed=doomed or _first(some), kept=kept, after=end or after or ("", "")
                    )
                else:
                    doomed += some
            end = here
            if full(doomed):
                break
        return Page(doomed=doomed, kept=kept, after=end)

    def _due(self, row: sqlite3.Row) -> bool:
        many = self.term.most is not None and row["number"] > self.term.most
        return many or str(row["first"]) < self._bound

    def _of(self, connection: sqlite3.Connection, here: tuple[str, str]) -> list[Doomed]:
        """Return what is due of one thread: by age, and of what that leaves, by number."""
        keep = 0 if here[0].startswith(ASIDE) else 1
        rows = connection.execute(
            f"SELECT checkpoint_id AS id, {_SIZE} AS size FROM checkpoints"
            f" WHERE {_OF} ORDER BY checkpoint_id DESC",
            here,
        ).fetchall()[keep:]
        most = None if self.term.most is None else max(0, self.term.most - keep)
        young = [row for row in rows if row["id"] >= self._bound]
        parts = (
            ([row for row in rows if row["id"] < self._bound][::-1], True),
            ([] if most is None else young[most:][::-1], False),
        )
        return [
            Doomed(
                key=(*here, tuple(row["id"] for row in chunk)),
                rule=self.term.rule(old=old),
                number=len(chunk),
                bytes=sum(row["size"] for row in chunk),
            )
            for listed, old in parts
            for chunk in (listed[at : at + _MOST] for at in range(0, len(listed), _MOST))
        ]

    def remove(
        self, connection: sqlite3.Connection, doomed: Sequence[Doomed], trail: Trail
    ) -> None:
        """Remove states with what was written on the way to the ones after them."""
        connection.execute("PRAGMA secure_delete = ON")
        for event, some in told(self.term, doomed, trail):
            trail.store(connection, event)
            for thread, space, ids in (d.key for d in some):
                for table in ("writes", "checkpoints"):
                    connection.execute(
                        f"DELETE FROM {table} WHERE {_OF}"
                        " AND checkpoint_id IN (SELECT value FROM json_each(?))",
                        (thread, space, json.dumps(ids)),
                    )


def _first(doomed: Sequence[Doomed]) -> list[Doomed]:
    """Return as many as one transaction takes, the oldest ones."""
    some: list[Doomed] = []
    for one in doomed:
        some.append(one)
        if full(some):
            break
    return some


def _differs(connection: sqlite3.Connection, here: tuple[str, str]) -> bool:
    """Tell whether a thread's states are, or may be, differences to the ones before."""
    sql = (
        f"SELECT 1 FROM checkpoints WHERE {_OF}"
        " AND instr(metadata, 'counters_since_delta_snapshot') LIMIT 1"
    )
    return connection.execute(sql, here).fetchone() is not None
