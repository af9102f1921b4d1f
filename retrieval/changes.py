"""What an ingest changes, and the SQL that does it."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from concertmaster.retrieval.access import FIRST_DAY, LAST_DAY, day
from concertmaster.retrieval.chunking import CHUNKING, Chunk, chunks
from concertmaster.retrieval.documents import Document
from concertmaster.retrieval.passage import State

__all__ = ["Changes", "signature"]


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What an ingest changes. `added` and `replaced` come cut into passages with their ids.

    Of `touched` documents only readers, owner, validity or source changed.
    """

    added: tuple[tuple[Document, tuple[tuple[str, Chunk], ...]], ...] = ()
    replaced: tuple[tuple[Document, tuple[tuple[str, Chunk], ...]], ...] = ()
    touched: tuple[Document, ...] = ()
    deleted: tuple[str, ...] = ()
    unchanged: int = 0

    @classmethod
    def between(
        cls,
        known: Mapping[str, tuple[Any, ...]],
        given: Iterable[Document],
        *,
        prune: bool,
        unreadable: AbstractSet[str] = frozenset(),
    ) -> Changes:
        """Compare the stored documents (`Store.documents`) with the given ones.

        With `prune` what is not given is deleted; without, only what is `unreadable` now, by its
        source or id: who may read it is not known any more.
        """
        added, replaced, touched, seen = [], [], [], set()
        unchanged = 0
        for document in given:
            seen.add(document.id)
            stored, now = known.get(document.id), signature(document)
            if stored is None:
                added.append((document, _passages(document)))
            elif stored[:2] != now[:2]:
                replaced.append((document, _passages(document)))
            elif stored != now:
                touched.append(document)
            else:
                unchanged += 1
        deleted = tuple(
            id_
            for id_, stored in known.items()
            if id_ not in seen and (prune or not unreadable.isdisjoint((id_, stored[-1])))
        )
        return cls(
            added=tuple(added),
            replaced=tuple(replaced),
            touched=tuple(touched),
            deleted=deleted,
            unchanged=unchanged,
        )

    def write(self, connection: sqlite3.Connection) -> None:
        """Make the changes, inside the caller's transaction."""
        for document_id in self.deleted:
            _remove(connection, document_id)
        for document, cut in (*self.added, *self.replaced):
            _remove(connection, document.id)
            _insert(connection, document, cut)
        for document in self.touched:
            _touch(connection, document)


def _passages(document: Document) -> tuple[tuple[str, Chunk], ...]:
    """Cut a document; the ids differ for every version and way of cutting."""
    base = f"{document.id}\0{document.version}\0{CHUNKING}".encode(errors="surrogatepass")
    prefix = hashlib.sha256(base).hexdigest()[:24]
    return tuple((f"{prefix}-{n}", chunk) for n, chunk in enumerate(chunks(document.text)))


def signature(document: Document) -> tuple[Any, ...]:
    """Return what decides whether a stored document changed; version and chunking come first."""
    return (document.version, CHUNKING, *_columns(document))


def _columns(document: Document) -> tuple[Any, ...]:
    return (
        json.dumps(document.readers),
        document.owner,
        day(document.valid_from) if document.valid_from else FIRST_DAY,
        day(document.valid_until) if document.valid_until else LAST_DAY,
        document.source,
    )


def _remove(connection: sqlite3.Connection, document: str) -> None:
    connection.execute(
        "INSERT OR IGNORE INTO orphans SELECT id FROM passages WHERE document = ?", (document,)
    )
    connection.execute("DELETE FROM documents WHERE id = ?", (document,))


def _insert(
    connection: sqlite3.Connection, document: Document, cut: Sequence[tuple[str, Chunk]]
) -> None:
    connection.execute(
        "INSERT INTO documents (id, title, text, version, chunking, readers, owner, valid_from,"
        " valid_until, source) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (document.id, document.title, document.text, *signature(document)),
    )
    connection.executemany(
        "INSERT INTO passages VALUES (?, ?, ?, ?, ?, ?)",
        [(id_, document.id, c.start, c.end, c.section, State.TO_EMBED) for id_, c in cut],
    )


def _touch(connection: sqlite3.Connection, document: Document) -> None:
    columns = _columns(document)
    # Only readers and validity are copied to the vector store.
    connection.execute(
        "UPDATE passages SET state = ? WHERE document = ? AND state = ? AND EXISTS (SELECT 1 FROM"
        " documents d WHERE d.id = document AND (d.readers, d.valid_from, d.valid_until)"
        " IS NOT (?, ?, ?))",
        (State.TO_UPDATE, document.id, State.STORED, columns[0], columns[2], columns[3]),
    )
    connection.execute(
        "UPDATE documents SET readers = ?, owner = ?, valid_from = ?, valid_until = ?, source = ?"
        " WHERE id = ?",
        (*columns, document.id),
    )
