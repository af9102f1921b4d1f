"""The rows of the journal: what was read, refused and noted, and how they are written and found."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from concertmaster.contracts import Confidentiality, Label, Record, Trust
from concertmaster.storage import Migration

__all__ = [
    "DOCUMENTS",
    "MIGRATIONS",
    "Count",
    "Entry",
    "Found",
    "Made",
    "Note",
    "Passage",
    "find",
    "write_entry",
    "write_note",
]

EntryStatus = Literal["done", "failed", "refused", "read"]

DOCUMENTS = "(documents)"
"""In the place of a tool's name, for the documents that a run has read; no tool is called so."""

MIGRATIONS = (
    Migration(
        "tools.journal",
        1,
        """
        CREATE TABLE journal (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            run TEXT NOT NULL,
            thread TEXT NOT NULL,
            position INTEGER NOT NULL,
            tool TEXT NOT NULL,
            call TEXT NOT NULL,
            status TEXT NOT NULL CHECK (status IN ('done', 'failed', 'refused', 'read')),
            trust INTEGER NOT NULL,
            confidentiality INTEGER NOT NULL,
            output TEXT,
            reference TEXT,
            at TEXT NOT NULL,
            UNIQUE (run, position, tool)
        ) STRICT;
        CREATE INDEX journal_by_thread ON journal (thread, seq);
        CREATE TABLE journal_notes (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            run TEXT NOT NULL UNIQUE,
            thread TEXT NOT NULL,
            intent TEXT,
            offered INTEGER NOT NULL,
            asking INTEGER NOT NULL,
            passages TEXT NOT NULL
        ) STRICT;
        CREATE INDEX journal_notes_by_thread ON journal_notes (thread, seq)
        """,
    ),
)

_RUNS_WITH_OUTPUTS = 20
_MOST_OUTPUTS = 200

Passage = tuple[str, str, int, int]
"""A document's id and version, and the characters from and to which was read."""


class Entry(Record):
    """A call that has no row in the effect ledger: a read, or one that was not let through."""

    run: str
    thread: str
    position: int
    tool: str
    call: str
    status: EntryStatus
    label: Label = Label()
    output: Any = None
    reference: str | None = None
    at: str


class Note(Record):
    """What a run rests on, noted when its first call is proposed.

    `offered` tells that the intent was read from the principal's own words. `asking` tells that
    the run ended with a question to them.
    """

    run: str
    thread: str
    intent: str | None = None
    offered: bool = False
    asking: bool = False
    passages: tuple[Passage, ...] = ()


@dataclass(frozen=True)
class Made:
    """A call as stored; `output` is JSON text. An effect has no label of its own in its row."""

    run: str
    position: int
    tool: str
    call: str
    status: str
    effect: bool
    at: str
    label: Label | None = None
    output: str | None = None


@dataclass(frozen=True)
class Count:
    """How many calls of a tool ended so in the thread's other runs."""

    tool: str
    status: str
    effect: bool
    number: int
    label: Label | None = None


@dataclass(frozen=True)
class Found:
    """What the stores hold about a thread: this run call by call, the others summed up."""

    here: tuple[Made, ...]
    others: tuple[Count, ...]
    outputs: tuple[Made, ...]
    note: Note | None
    note_before: Note | None


def write_entry(connection: sqlite3.Connection, entry: Entry) -> None:
    """Write a call down. Made again after a lost process it keeps its time; labels only go up."""
    _forget_old(connection, entry)
    output = None if entry.status != "done" else json.dumps(entry.output, ensure_ascii=False)
    connection.execute(
        "INSERT INTO journal (run, thread, position, tool, call, status, trust, confidentiality,"
        " output, reference, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (run, position, tool) DO UPDATE SET call = excluded.call,"
        " status = excluded.status, output = excluded.output, reference = excluded.reference,"
        " trust = min(trust, excluded.trust),"
        " confidentiality = max(confidentiality, excluded.confidentiality)",
        (
            entry.run,
            entry.thread,
            entry.position,
            entry.tool,
            entry.call,
            entry.status,
            int(entry.label.trust),
            int(entry.label.confidentiality),
            output,
            entry.reference,
            entry.at,
        ),
    )


def write_note(connection: sqlite3.Connection, note: Note) -> None:
    """Write down what a run rests on. What was noted first stays."""
    connection.execute(
        "INSERT INTO journal_notes (run, thread, intent, offered, asking, passages)"
        " VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (run) DO UPDATE SET asking = max(asking, excluded.asking)",
        (
            note.run,
            note.thread,
            note.intent,
            int(note.offered),
            int(note.asking),
            json.dumps(note.passages),
        ),
    )


def find(connection: sqlite3.Connection, run: str, thread: str) -> Found:
    """Return what is stored about a thread, seen from one of its runs."""
    outputs = (*_outputs(connection, run, thread), *_results(connection, run, thread))
    return Found(
        here=tuple(_here(connection, run, thread)),
        others=tuple(_others(connection, run, thread)),
        outputs=outputs,
        note=_note(connection, "run = ? AND thread = ?", (run, thread)),
        note_before=_note(connection, "thread = ? AND run <> ?", (thread, run)),
    )


def _forget_old(connection: sqlite3.Connection, entry: Entry) -> None:
    """Drop the outputs of a thread's older runs when another run begins; the calls are kept."""
    known = connection.execute("SELECT 1 FROM journal WHERE run = ? LIMIT 1", (entry.run,))
    if known.fetchone() is not None:
        return
    connection.execute(
        "UPDATE journal SET output = NULL WHERE thread = ?1 AND output IS NOT NULL AND seq < ("
        "SELECT min(first) FROM (SELECT min(seq) AS first FROM journal WHERE thread = ?1"
        " GROUP BY run ORDER BY first DESC LIMIT ?2))",
        (entry.thread, _RUNS_WITH_OUTPUTS - 1),
    )


def _here(connection: sqlite3.Connection, run: str, thread: str) -> Iterable[Made]:
    entries = connection.execute(
        "SELECT * FROM journal WHERE run = ? AND thread = ? ORDER BY seq", (run, thread)
    )
    for row in entries.fetchall():
        yield _made(row, label=_label(row), output=row["output"])
    effects = connection.execute(
        "SELECT * FROM effects WHERE run = ? AND thread = ? ORDER BY begun, position",
        (run, thread),
    )
    for row in effects.fetchall():
        yield _effect(row)


def _others(connection: sqlite3.Connection, run: str, thread: str) -> Iterable[Count]:
    entries = connection.execute(
        "SELECT tool, status, count(*) AS number, min(trust) AS trust,"
        " max(confidentiality) AS confidentiality FROM journal"
        " WHERE thread = ? AND run <> ? GROUP BY tool, status",
        (thread, run),
    )
    for row in entries.fetchall():
        yield Count(row["tool"], row["status"], False, row["number"], _label(row))
    effects = connection.execute(
        "SELECT tool, status, count(*) AS number FROM effects"
        " WHERE thread = ? AND run <> ? GROUP BY tool, status",
        (thread, run),
    )
    for row in effects.fetchall():
        yield Count(row["tool"], row["status"], True, row["number"])


def _outputs(connection: sqlite3.Connection, run: str, thread: str) -> Iterable[Made]:
    rows = connection.execute(
        "SELECT * FROM journal WHERE thread = ? AND run <> ? AND output IS NOT NULL"
        " ORDER BY seq DESC LIMIT ?",
        (thread, run, _MOST_OUTPUTS),
    )
    for row in rows.fetchall():
        yield _made(row, label=_label(row), output=row["output"])


def _results(connection: sqlite3.Connection, run: str, thread: str) -> Iterable[Made]:
    rows = connection.execute(
        "SELECT * FROM effects WHERE thread = ? AND run <> ? AND status = 'done'"
        " ORDER BY begun DESC LIMIT ?",
        (thread, run, _MOST_OUTPUTS),
    )
    for row in rows.fetchall():
        yield _effect(row)


def _made(row: sqlite3.Row, *, label: Label, output: str | None) -> Made:
    names = ("run", "position", "tool", "call", "status")
    known = {name: row[name] for name in names}
    return Made(**known, effect=False, at=row["at"], label=label, output=output)


def _effect(row: sqlite3.Row) -> Made:
    return Made(
        run=row["run"],
        position=row["position"],
        tool=row["tool"],
        call=row["digest"],
        status=row["status"],
        effect=True,
        at=row["begun"],
        output=row["result"],
    )


def _label(row: sqlite3.Row) -> Label:
    return Label(
        trust=Trust(row["trust"]),
        confidentiality=Confidentiality(row["confidentiality"]),
        sources=(row["tool"],),
    )


def _note(connection: sqlite3.Connection, where: str, values: tuple[str, str]) -> Note | None:
    row = connection.execute(
        f"SELECT * FROM journal_notes WHERE {where} ORDER BY seq DESC LIMIT 1", values
    ).fetchone()
    if row is None:
        return None
    return Note(
        run=row["run"],
        thread=row["thread"],
        intent=row["intent"],
        offered=bool(row["offered"]),
        asking=bool(row["asking"]),
        passages=tuple(tuple(p) for p in json.loads(row["passages"])),
    )
