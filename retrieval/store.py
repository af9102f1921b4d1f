"""The index's source of truth: documents, passages and their vectors in one SQLite file.

A passage's `state` says how far the vector store has followed. What is gone from here but may
still be there waits in `orphans`. So an ingest that was cut off anywhere can be taken up again,
and a vector store that is lost or changed is filled again without embedding anything.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from concertmaster.errors import HomeVersion
from concertmaster.retrieval.changes import Changes
from concertmaster.retrieval.passage import PASSAGES, Passage, Rights, State
from concertmaster.storage import storage_error

__all__ = ["Store"]

_SCHEMA = 1
_TABLES = """
BEGIN;
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE documents (
    id TEXT PRIMARY KEY, version TEXT NOT NULL, title TEXT NOT NULL, text TEXT NOT NULL,
    readers TEXT NOT NULL, owner TEXT, valid_from INTEGER NOT NULL, valid_until INTEGER NOT NULL,
    source TEXT NOT NULL, chunking INTEGER NOT NULL
) STRICT;
CREATE TABLE passages (
    id TEXT PRIMARY KEY, document TEXT NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    start INTEGER NOT NULL, stop INTEGER NOT NULL, section TEXT NOT NULL, state INTEGER NOT NULL
) STRICT;
CREATE INDEX passages_of_document ON passages (document);
CREATE INDEX passages_pending ON passages (state) WHERE state < 2;
CREATE TABLE orphans (passage TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
PRAGMA user_version = 1;
COMMIT;
"""
# Beside the first schema: an index without it gets its vectors with the next ingest.
_VECTORS = """
CREATE TABLE IF NOT EXISTS vectors (
    passage TEXT PRIMARY KEY REFERENCES passages (id) ON DELETE CASCADE, vector BLOB NOT NULL
) STRICT;
"""
_PLACES = """
CREATE TABLE IF NOT EXISTS places (
    passage TEXT PRIMARY KEY REFERENCES passages (id) ON DELETE CASCADE, place TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""


_PUT_META = "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"


class Store:
    """The SQLite file of an index. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._connection = _connect(path)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the file, and create it if need be.

        Raises:
            HomeReadOnly, StorageError: it cannot be created, written or read.
            HomeVersion: a newer release wrote it.
        """
        try:
            store = cls(path)
            version = store._connection.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                store._connection.executescript(_TABLES)
            if version <= _SCHEMA:
                store._connection.executescript(_VECTORS + _PLACES)
        except sqlite3.Error as error:
            raise storage_error(error, path) from error
        if version > _SCHEMA:
            store.close()
            raise HomeVersion(
                f"{path} has version {version}, this release knows {_SCHEMA}",
                hint="upgrade concertmaster, or make the index anew:"
                " concertmaster ingest WORKSPACE --rebuild",
            )
        return store

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    # What the index knows of itself

    def meta(self, key: str) -> str | None:
        """Return a stored property of the index."""
        rows = self._read("SELECT value FROM meta WHERE key = ?", (key,))
        return str(rows[0]["value"]) if rows else None

    @property
    def generation(self) -> int:
        """A number that goes up with every ingest."""
        return int(self.meta("generation") or 0)

    def count(self) -> tuple[int, int, int]:
        """Return the numbers of documents, of passages, and of passages not yet embedded."""
        row = self._read(
            "SELECT (SELECT count(*) FROM documents) AS d, (SELECT count(*) FROM passages) AS p,"
            " (SELECT count(*) FROM passages WHERE state < 2) AS w"
        )[0]
        return row["d"], row["p"], row["w"]

    # Reading

    def rights(self, document: str) -> Rights | None:
        """Return who may read a document now, or None if there is none of this id."""
        rows = self._read(
            "SELECT version, readers, valid_from, valid_until FROM documents WHERE id = ?",
            (document,),
        )
        return Rights.of(rows[0]) if rows else None

    def outside(self, today: int) -> list[tuple[str, str | None, int, int]]:
        """Return id, owner, first and last day of the documents that are not valid on a day."""
        rows = self._read(
            "SELECT id, owner, valid_from, valid_until FROM documents"
            " WHERE valid_from > ? OR valid_until < ? ORDER BY id",
            (today, today),
        )
        return [(r["id"], r["owner"], r["valid_from"], r["valid_until"]) for r in rows]

    def text(self, document: str, version: str) -> str | None:
        """Return the text of a document version, or None if it is gone."""
        rows = self._read(
            "SELECT text FROM documents WHERE id = ? AND version = ?", (document, version)
        )
        return str(rows[0]["text"]) if rows else None

    def passages(self, ids: Sequence[str]) -> dict[str, Passage]:
        """Return the passages of these ids that still exist."""
        marks = ",".join("?" * len(ids))
        return {
            row["id"]: Passage.of(row)
            for row in self._read(f"{PASSAGES} WHERE p.id IN ({marks})", tuple(ids))
        }

    def every_passage(self) -> tuple[int, list[Passage]]:
        """Return the generation and all passages in a stable order, as of one moment."""
        connection = _connect(self.path)
        try:
            # Its own connection and transaction: a long scan holds nobody up.
            connection.execute("BEGIN")
            row = connection.execute("SELECT value FROM meta WHERE key = 'generation'").fetchone()
            rows = connection.execute(f"{PASSAGES} ORDER BY p.document, p.start")
            return int(row["value"]) if row else 0, [Passage.of(r) for r in rows]
        except sqlite3.Error as error:
            raise storage_error(error, self.path) from error
        finally:
            connection.close()

    def documents(self) -> dict[str, tuple[Any, ...]]:
        """Return each document's id with its signature: see `changes.signature`."""
        return {
            row["id"]: tuple(row)[1:]
            for row in self._read(
                "SELECT id, version, chunking, readers, owner, valid_from, valid_until, source"
                " FROM documents"
            )
        }

    # Changing

    def apply(self, changes: Changes, **meta: str) -> None:
        """Make all changes in one transaction and raise the generation."""

        def work(connection: sqlite3.Connection) -> None:
            changes.write(connection)
            _set_meta(connection, meta)

        self._write(work)

    def raise_generation(self) -> None:
        """Tell other holders of this index that it changed."""
        self._write(lambda connection: _set_meta(connection, {}))

    def note(self, key: str, value: str) -> None:
        """Store a property of the index."""
        self._write(lambda c: c.execute(_PUT_META, (key, value)))

    # Following with the vectors

    def pending(self, limit: int) -> list[Passage]:
        """Return passages that the vector store does not hold as they are now."""
        return [
            Passage.of(row)
            for row in self._read(
                f"{PASSAGES} WHERE p.state < {State.STORED} ORDER BY p.state LIMIT ?", (limit,)
            )
        ]

    def mark_stored(self, ids: Iterable[str]) -> None:
        """Note that the vector store holds these passages as they are."""
        self._state(ids, State.STORED)

    def mark_missing(self, ids: Iterable[str]) -> None:
        """Note that the vector store does not hold these passages."""
        self._state(ids, State.TO_EMBED)

    def states(self) -> dict[str, int]:
        """Return how far the vector store has followed each passage."""
        return {row["id"]: row["state"] for row in self._read("SELECT id, state FROM passages")}

    def orphans(self) -> list[str]:
        """Return the ids of passages that are gone and may still lie in the vector store."""
        return [row["passage"] for row in self._read("SELECT passage FROM orphans")]

    def put_vectors(self, vectors: Iterable[tuple[str, bytes]]) -> None:
        """Keep the vectors of passages, as little-endian float32; passages that are gone: not."""
        rows = [(vector, id_) for id_, vector in vectors]
        self._write(
            lambda c: c.executemany(
                "INSERT OR REPLACE INTO vectors (vector, passage)"
                " SELECT ?, id FROM passages WHERE id = ?",
                rows,
            )
        )

    def vectors(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Return the kept vectors of these passages."""
        marks = ",".join("?" * len(ids))
        sql = f"SELECT passage, vector FROM vectors WHERE passage IN ({marks})"
        return {row["passage"]: row["vector"] for row in self._read(sql, tuple(ids))}

    def every_vector(self) -> Iterator[tuple[str, bytes]]:
        """Yield all kept vectors, as of one moment."""
        connection = _connect(self.path)
        try:
            for row in connection.execute("SELECT passage, vector FROM vectors"):
                yield row["passage"], row["vector"]
        except sqlite3.Error as error:
            raise storage_error(error, self.path) from error
        finally:
            connection.close()

    def embedded(self) -> int:
        """Return how many passages have a kept vector."""
        return int(self._read("SELECT count(*) AS n FROM vectors")[0]["n"])

    def mark_all_missing(self) -> None:
        """Note that the vector store may hold nothing: it is another one, or was emptied."""
        self._write(lambda c: c.execute("UPDATE passages SET state = ?", (State.TO_EMBED,)))

    def mark_unembedded(self) -> None:
        """Note that passages without a kept vector are not embedded."""
        self._write(
            lambda c: c.execute(
                "UPDATE passages SET state = ? WHERE id NOT IN (SELECT passage FROM vectors)",
                (State.TO_EMBED,),
            )
        )

    def forget_orphans(self, ids: Iterable[str]) -> None:
        """Note that the vector store does not hold these any more."""
        rows = [(i,) for i in ids]
        self._write(lambda c: c.executemany("DELETE FROM orphans WHERE passage = ?", rows))

    def _state(self, ids: Iterable[str], state: int) -> None:
        rows = [(state, i) for i in ids]
        self._write(lambda c: c.executemany("UPDATE passages SET state = ? WHERE id = ?", rows))

    def _read(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[sqlite3.Row]:
        try:
            with self._lock:
                return self._connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise storage_error(error, self.path) from error

    def _write(self, work: Callable[[sqlite3.Connection], object]) -> None:
        try:
            with self._lock:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    work(self._connection)
                    self._connection.execute("COMMIT")
                except BaseException:
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
                    raise
        except sqlite3.Error as error:
            raise storage_error(error, self.path) from error


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False, timeout=10, isolation_level=None)
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _set_meta(connection: sqlite3.Connection, meta: dict[str, str]) -> None:
    connection.execute(
        "INSERT INTO meta VALUES ('generation', '1') ON CONFLICT (key)"
        " DO UPDATE SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT)"
    )
    connection.executemany(_PUT_META, meta.items())
