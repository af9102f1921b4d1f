"""What calls were made on which thread, and what was asked about them: one row each.

A call with an effect is `begun` before it is made. A row that is still `begun` when somebody
comes back to it was cut off, and nobody knows whether the effect took place.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

from concertmaster.contracts import History, Past, now
from concertmaster.storage import Migration

__all__ = [
    "MIGRATIONS",
    "Before",
    "Outcome",
    "Question",
    "Row",
    "answer",
    "ask",
    "before",
    "blank",
    "hashed",
    "key_of",
    "questions",
    "row",
    "took_effect",
    "unsettled",
    "write",
]

Outcome = Literal["begun", "paused", "done", "failed", "in_doubt", "refused"]

MIGRATIONS = (
    Migration(
        "governed",
        1,
        """
        CREATE TABLE governed_calls (
            key TEXT PRIMARY KEY,
            thread TEXT NOT NULL,
            turn TEXT NOT NULL,
            tool TEXT NOT NULL,
            consequential INTEGER NOT NULL,
            outcome TEXT NOT NULL
                CHECK (outcome IN ('begun', 'paused', 'done', 'failed', 'in_doubt', 'refused')),
            result TEXT,
            changed TEXT NOT NULL
        ) STRICT;
        CREATE INDEX governed_calls_by_thread ON governed_calls (thread);
        CREATE TABLE governed_questions (
            task TEXT NOT NULL,
            position INTEGER NOT NULL,
            approval TEXT NOT NULL,
            answered INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (task, position)
        ) STRICT
        """,
    ),
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One call: its key covers place, principal, tool and arguments."""

    key: str
    thread: str
    turn: str
    tool: str
    consequential: bool
    outcome: Outcome
    result: Any = None


@dataclass(frozen=True)
class Question:
    """What was asked at a position of a task, and whether its answer was taken."""

    position: int
    approval: str
    answered: bool


def hashed(*parts: str | None) -> str:
    """Return one name for several parts."""
    return sha256(json.dumps(parts).encode()).hexdigest()


def key_of(position: str, call: str) -> str:
    """Return the key of a call: of its place in its thread, and the digest of what would run."""
    return hashed(position, call)


def row(connection: sqlite3.Connection, key: str) -> Row | None:
    """Return the row of a call, or None."""
    found = connection.execute("SELECT * FROM governed_calls WHERE key = ?", (key,)).fetchone()
    if found is None:
        return None
    return Row(
        key=key,
        thread=found["thread"],
        turn=found["turn"],
        tool=found["tool"],
        consequential=bool(found["consequential"]),
        outcome=found["outcome"],
        result=None if found["result"] is None else json.loads(found["result"]),
    )


def write(connection: sqlite3.Connection, row: Row) -> None:
    """Put the row in the place of the one that stands there."""
    result = None if row.result is None else json.dumps(row.result)
    connection.execute(
        "INSERT OR REPLACE INTO governed_calls VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            row.key,
            row.thread,
            row.turn,
            row.tool,
            int(row.consequential),
            row.outcome,
            result,
            now().isoformat(timespec="milliseconds"),
        ),
    )


@dataclass(frozen=True)
class Before:
    """What happened before a call: for the policies, and whose results may have been read."""

    history: History
    tools: frozenset[str]


def before(connection: sqlite3.Connection, thread: str, turn: str, besides: str) -> Before:
    """Return what happened on the thread and in this turn; `besides` is the call itself.

    Its tool counts among those that were read: the call may come up again.
    """
    found = connection.execute(
        "SELECT key = ? AS itself, turn = ? AS now, tool, consequential, outcome, COUNT(*) AS count"
        " FROM governed_calls WHERE thread = ? GROUP BY 1, 2, 3, 4, 5",
        (besides, turn, thread),
    ).fetchall()
    others = [r for r in found if not r["itself"]]
    return Before(
        History(run=_past([r for r in others if r["now"]]), thread=_past(others)),
        frozenset(r["tool"] for r in found if r["outcome"] != "refused"),
    )


def _past(rows: list[sqlite3.Row]) -> Past:
    made = [r for r in rows if r["outcome"] != "refused"]
    return Past(
        done=frozenset(r["tool"] for r in rows if r["outcome"] == "done"),
        calls=sum(r["count"] for r in made),
        consequential=sum(r["count"] for r in made if r["consequential"]),
        refused=sum(r["count"] for r in rows if r["outcome"] == "refused"),
    )


def questions(connection: sqlite3.Connection, task: str) -> tuple[Question, ...]:
    """Return what was asked in a task, in order."""
    found = connection.execute(
        "SELECT position, approval, answered FROM governed_questions WHERE task = ?"
        " ORDER BY position",
        (task,),
    )
    return tuple(Question(r["position"], r["approval"], bool(r["answered"])) for r in found)


def ask(connection: sqlite3.Connection, task: str, approval: str) -> bool:
    """Write down that an approval is asked for next in a task; False if it is already."""
    done = connection.execute(
        "INSERT INTO governed_questions (task, position, approval) SELECT :task,"
        " (SELECT COALESCE(MAX(position) + 1, 0) FROM governed_questions WHERE task = :task),"
        " :approval WHERE NOT EXISTS (SELECT 1 FROM governed_questions"
        " WHERE task = :task AND approval = :approval AND answered = 0)",
        {"task": task, "approval": approval},
    )
    return done.rowcount == 1


def answer(connection: sqlite3.Connection, task: str, position: int) -> bool:
    """Write down that the answer at a position was taken; False if it was taken before."""
    done = connection.execute(
        "UPDATE governed_questions SET answered = 1"
        " WHERE task = ? AND position = ? AND answered = 0",
        (task, position),
    )
    return done.rowcount == 1


def took_effect(connection: sqlite3.Connection, keys: Iterable[str]) -> frozenset[str]:
    """Return the keys of calls with an effect that were begun and are not known to have failed."""
    rows = connection.execute(
        "SELECT key FROM governed_calls WHERE consequential = 1"
        " AND outcome IN ('begun', 'done', 'in_doubt')"
        " AND key IN (SELECT value FROM json_each(?))",
        (json.dumps(list(keys)),),
    )
    return frozenset(r["key"] for r in rows)


def blank(connection: sqlite3.Connection, thread: str, approvals: Iterable[str]) -> None:
    """Take away what tells of a thread; that a call was made stays under its key.

    Args:
        connection: of the transaction.
        thread: its id.
        approvals: the ids of those that were asked for on it.
    """
    connection.execute(
        "DELETE FROM governed_questions WHERE approval IN (SELECT value FROM json_each(?))",
        (json.dumps(list(approvals)),),
    )
    connection.execute(
        "UPDATE governed_calls SET thread = '', turn = '', result = NULL WHERE thread = ?",
        (thread,),
    )


def unsettled(connection: sqlite3.Connection) -> frozenset[str]:
    """Return the threads with a call of which it is not known whether it took effect."""
    rows = connection.execute(
        "SELECT DISTINCT thread FROM governed_calls"
        " WHERE consequential = 1 AND outcome IN ('begun', 'paused', 'in_doubt')"
    )
    return frozenset(r["thread"] for r in rows)
