"""What is still needed, whatever its age: the questions that every rule asks first.

A run is needed until it is over, nothing of it waits for people and none of its effects is in
doubt. Whatever belongs to a needed run is kept: its messages, plan, approvals, results, events and
the state that it resumes from.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable

from concertmaster.contracts import FINAL
from concertmaster.orchestrator.retention.finding import IN_DOUBT, UNFINISHED, WAITS

__all__ = ["needed_runs", "needed_threads"]

_ENDED = ", ".join(f"'{status}'" for status in sorted(FINAL))
_QUESTIONS = (
    (UNFINISHED, "SELECT {0} FROM runs r WHERE r.status NOT IN (" + _ENDED + ")", "r.id"),
    (WAITS, "SELECT {0} FROM approvals a WHERE a.status = 'pending'", "a.run"),
    (
        IN_DOUBT,
        "SELECT {0} FROM effects e WHERE e.status IN ('intended', 'in_doubt')",
        "e.run",
    ),
)
_THREADS = {UNFINISHED: "r.thread", WAITS: "a.thread", IN_DOUBT: "e.thread"}


def needed_runs(
    connection: sqlite3.Connection, runs: Iterable[str] | None = None
) -> dict[str, str]:
    """Return which of these runs are needed, or which are at all, each with the reason."""
    found: dict[str, str] = {}
    for why, sql, column in reversed(_QUESTIONS):
        for (run,) in _asked(connection, sql, column, column, runs):
            found[run] = why
    return found


def needed_threads(
    connection: sqlite3.Connection, threads: Iterable[str] | None = None
) -> dict[str, str]:
    """Return which of these threads are needed, or which are at all, each with the reason."""
    found: dict[str, str] = {}
    for why, sql, _ in reversed(_QUESTIONS):
        column = _THREADS[why]
        for (thread,) in _asked(connection, sql, column, column, threads):
            if thread is not None:
                found[thread] = why
    return found


def _asked(
    connection: sqlite3.Connection,
    sql: str,
    column: str,
    limited: str,
    ids: Iterable[str] | None,
) -> list[sqlite3.Row]:
    text = sql.format(column)
    if ids is None:
        return connection.execute(text).fetchall()
    clause = f" AND {limited} IN (SELECT value FROM json_each(?))"
    return connection.execute(text + clause, (json.dumps(list(ids)),)).fetchall()
