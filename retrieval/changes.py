"""What an ingest changes, and the SQL that does it."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from concertmaster.retrieval.access import FIRST_DAY, LAST_DAY, day
from concertmaster.retrieval.chunking import CHUNKING, Chunk, chunks
from concertmaster.retrieval.documents import Document
from concertmaster.retrieval.passage import State
from concertmaster.retrieval.places import place

__all__ = ["Changes", "signature"]

_LINE = re.compile(r":\d+$")


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
            if id_ not in seen and (prune or _is_lost(id_, stored[-1], unreadable))
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
            _put(connection, document, cut)
        for document in self.touched:
            _touch(connection, document)


def _is_lost(document: str, source: str, unreadable: AbstractSet[str]) -> bool:
    """Tell whether a document, the file that it is a line of, or a folder above is unreadable."""
    if not unreadable or document in unreadable or source in unreadable:
        return bool(unreadable)
    path = Path(_LINE.sub("", source))
    return str(path) in unreadable or any(str(above) in unreadable for above in path.parents)


def _passages(document: Document) -> tuple[tuple[str, Chunk], ...]:
    """Cut a document. An id stands for what is embedded: a passage whose text stays keeps it."""
    base = f"{document.id}\0{CHUNKING}\0"
    repeated: Counter[str] = Counter()
    cut = []
    for chunk in chunks(document.text, [m.at for m in document.marks if m.kind == "page"]):
        text = f"{base}{document.text[chunk.start : chunk.end]}".encode(errors="surrogatepass")
        digest = hashlib.sha256(text).hexdigest()[:24]
        cut.append((f"{digest}-{repeated[digest]}", chunk))
        repeated[digest] += 1
    return tuple(cut)


def _place(document: Document, chunk: Chunk) -> str:
    told = (place(document.marks, chunk.start, chunk.end), _edition(document))
    return ", ".join(filter(None, told))


def _edition(document: Document) -> str:
    return f"version {document.edition}" if document.edition else ""


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


def _put(
    connection: sqlite3.Connection, document: Document, cut: Sequence[tuple[str, Chunk]]
) -> None:
    """Write a document and its passages; those whose text stays need not be embedded again."""
    stored = _passages_of(connection, document.id)
    columns = (document.title, document.text, *signature(document))
    connection.execute(
        "INSERT INTO documents (id, title, text, version, chunking, readers, owner, valid_from,"
        " valid_until, source) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET (title, text, version, chunking, readers, owner,"
        " valid_from, valid_until, source) = (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (document.id, *columns, *columns),
    )
    gone = [(id_,) for id_ in stored.keys() - {id_ for id_, _ in cut}]
    connection.executemany("INSERT OR IGNORE INTO orphans VALUES (?)", gone)
    connection.executemany("DELETE FROM passages WHERE id = ?", gone)
    connection.executemany(
        "INSERT INTO passages VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
        " start = excluded.start, stop = excluded.stop, section = excluded.section,"
        " state = excluded.state",
        [(id_, document.id, c.start, c.end, c.section, _state(stored.get(id_))) for id_, c in cut],
    )
    # What comes back before the vector store forgot it is no orphan any more.
    connection.executemany("DELETE FROM orphans WHERE passage = ?", [(id_,) for id_, _ in cut])
    places = [(id_, told) for id_, c in cut if (told := _place(document, c))]
    connection.executemany("DELETE FROM places WHERE passage = ?", [(id_,) for id_, _ in cut])
    connection.executemany("INSERT INTO places VALUES (?, ?)", places)


def _passages_of(connection: sqlite3.Connection, document: str) -> dict[str, int]:
    rows = connection.execute("SELECT id, state FROM passages WHERE document = ?", (document,))
    return {row[0]: row[1] for row in rows}


def _state(stored: int | None) -> int:
    """Return the state of a passage that was written; its readers may have changed, too."""
    if stored is None or stored == State.TO_EMBED:
        return State.TO_EMBED
    return State.TO_UPDATE


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
