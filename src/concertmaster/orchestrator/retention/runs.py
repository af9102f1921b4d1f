"""Runs that have ended on threads that go on, and the words that were said in them."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from concertmaster.audit import Trail
from concertmaster.audit.retired import retire
from concertmaster.contracts import FINAL
from concertmaster.orchestrator.remains import (
    erase_runs,
    measures,
    owned_bytes,
    references,
    rows_of,
)
from concertmaster.orchestrator.retention.files import retire_files
from concertmaster.orchestrator.retention.finding import Doomed, Page, Term, full, told
from concertmaster.orchestrator.retention.needed import needed_runs

__all__ = ["Messages", "Runs"]

_SCANNED = 500
_FIELDS = (
    "r.seq, r.id, r.thread, r.status, r.updated, json_extract(r.record, '$.created') AS created"
)


class _ByRun:
    """Looks at the runs in the order in which they came."""

    def __init__(self, term: Term) -> None:
        self.term = term

    def find(
        self, connection: sqlite3.Connection, after: Any, gone: Collection[str] | None = None
    ) -> Page:
        """Return what is due of the next runs."""
        rows = self._rows(connection, after or 0)
        needed = needed_runs(connection, [row["id"] for row in rows])
        doomed: list[Doomed] = []
        kept: Counter[str] = Counter()
        for row in rows:
            after = row["seq"]
            rule = None if {row["id"], row["thread"]} & set(gone or ()) else self._rule(row)
            if rule is not None and (row["id"] in needed or row["status"] not in FINAL):
                kept[needed[row["id"]]] += 1
            elif rule is not None:
                size = self._size(connection, row)
                doomed.append(Doomed(key=row["id"], rule=rule, bytes=size))
            if full(doomed):
                return Page(doomed=doomed, kept=kept, after=after)
        # A run that came later cannot have ended before this one came.
        young = self.term.most is None and rows and not self.term.old(rows[-1]["created"])
        return Page(doomed=doomed, kept=kept, after=after if rows and not young else None)

    def _rows(self, connection: sqlite3.Connection, after: int) -> list[sqlite3.Row]:
        raise NotImplementedError

    def _rule(self, row: sqlite3.Row) -> str | None:
        raise NotImplementedError

    def _size(self, connection: sqlite3.Connection, row: sqlite3.Row) -> int:
        raise NotImplementedError


class Runs(_ByRun):
    """Whole runs; the newest one of a thread stays."""

    def __init__(self, term: Term) -> None:
        super().__init__(term)
        self._measured: list[tuple[str, tuple[str, ...]]] = []

    def _rows(self, connection: sqlite3.Connection, after: int) -> list[sqlite3.Row]:
        newer = self.term.most or 1
        return connection.execute(
            f"SELECT {_FIELDS}, (SELECT count(*) FROM (SELECT 1 FROM runs n"
            " WHERE n.thread = r.thread AND n.seq > r.seq LIMIT ?)) AS newer"
            " FROM runs r WHERE r.seq > ? ORDER BY r.seq LIMIT ?",
            (newer, after, _SCANNED),
        ).fetchall()

    def _rule(self, row: sqlite3.Row) -> str | None:
        if not row["newer"]:
            return None
        if self.term.old(row["updated"]):
            return self.term.rule(old=True)
        many = self.term.most is not None and row["newer"] >= self.term.most
        return self.term.rule(old=False) if many else None

    def _size(self, connection: sqlite3.Connection, row: sqlite3.Row) -> int:
        self._measured = self._measured or measures(connection)
        return owned_bytes(connection, rows_of(connection, (), [row["id"]]), self._measured)

    def remove(
        self, connection: sqlite3.Connection, doomed: Sequence[Doomed], trail: Trail
    ) -> None:
        """Remove runs with their plans, approvals and results; that calls were made stays."""
        for event, some in told(self.term, doomed, trail):
            runs = [d.key for d in some]
            trail.store(connection, event)
            retire_files(connection, references(connection, (), runs))
            went = erase_runs(connection, runs)
            note = {"at": event.time, "rule": some[0].rule, "event": event.id}
            retire(connection, "run", runs, **note)
            retire(connection, "approval", went["approval"], **note)


class Messages(_ByRun):
    """The words of messages and answers, those in the arguments of the run's calls included."""

    def _rows(self, connection: sqlite3.Connection, after: int) -> list[sqlite3.Row]:
        return connection.execute(
            f"SELECT {_FIELDS}, length(json_extract(r.record, '$.text'))"
            " + coalesce(length(json_extract(r.record, '$.outcome.text')), 0) AS words"
            " FROM runs r WHERE r.seq > ? ORDER BY r.seq LIMIT ?",
            (after, _SCANNED),
        ).fetchall()

    def _rule(self, row: sqlite3.Row) -> str | None:
        due = row["words"] and self.term.old(row["updated"])
        return self.term.rule(old=True) if due else None

    def _size(self, connection: sqlite3.Connection, row: sqlite3.Row) -> int:
        return int(row["words"])

    def remove(
        self, connection: sqlite3.Connection, doomed: Sequence[Doomed], trail: Trail
    ) -> None:
        """Blank the words; the records stay."""
        connection.execute("PRAGMA secure_delete = ON")
        for event, some in told(self.term, doomed, trail):
            trail.store(connection, event)
            runs = [d.key for d in some]
            for id_, record in _records(connection, runs):
                connection.execute(
                    "UPDATE runs SET record = ? WHERE id = ?", (_without_words(record), id_)
                )
            retire(connection, "message", runs, at=event.time, rule=some[0].rule, event=event.id)


def _records(connection: sqlite3.Connection, runs: Iterable[str]) -> Iterator[tuple[str, str]]:
    rows = connection.execute(
        "SELECT id, record FROM runs WHERE id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(runs)),),
    )
    yield from ((row["id"], row["record"]) for row in rows.fetchall())


def _without_words(record: str) -> str:
    """Return a run's record without its message, its answer and what the answer quotes."""
    known = json.loads(record)
    known["text"] = ""
    if known.get("outcome"):
        known["outcome"] |= {"text": "", "citations": []}
    return json.dumps(known, ensure_ascii=False, separators=(",", ":"))
