"""What retention took away, by the digest of its id: whoever asks for it is told when and why.

A digest cannot be read back. An id that can be guessed can be confirmed, as with an erased thread.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from concertmaster.storage import Migration

__all__ = ["MIGRATIONS", "Kind", "Retired", "retire", "retired"]

Kind = Literal["thread", "run", "approval", "message", "payload"]
"""What went; `message` and `payload` are those of a run whose record may still be there."""

MIGRATIONS: tuple[Migration, ...] = (
    Migration(
        room="audit.retired",
        version=1,
        sql="""
        CREATE TABLE retired (
            kind TEXT NOT NULL,
            id BLOB NOT NULL,
            at TEXT NOT NULL,
            rule TEXT NOT NULL,
            event TEXT NOT NULL,
            PRIMARY KEY (kind, id)
        ) STRICT, WITHOUT ROWID
        """,
    ),
)


@dataclass(frozen=True, kw_only=True)
class Retired:
    """That something was removed: when, by which rule, and the event of the trail that tells it."""

    at: str
    rule: str
    event: str

    def __str__(self) -> str:
        return f"removed by retention on {_day(self.at)} ({self.rule})"


def retire(
    connection: sqlite3.Connection,
    kind: Kind,
    ids: Iterable[str],
    *,
    at: str,
    rule: str,
    event: str,
) -> None:
    """Note within the caller's transaction that these were removed; the last time counts."""
    connection.executemany(
        "INSERT OR REPLACE INTO retired (kind, id, at, rule, event) VALUES (?, ?, ?, ?, ?)",
        [(kind, _digest(id_), at, rule, event) for id_ in ids],
    )


def retired(connection: sqlite3.Connection, kind: Kind, id_: object) -> Retired | None:
    """Return when and why something was removed; None if retention knows nothing of it."""
    # A file of an older release that is opened for reading has no such table.
    with suppress(sqlite3.OperationalError):
        row = connection.execute(
            "SELECT at, rule, event FROM retired WHERE kind = ? AND id = ?",
            (kind, _digest(str(id_))),
        ).fetchone()
        if row is not None:
            return Retired(at=row[0], rule=row[1], event=row[2])
    return None


def _digest(id_: str) -> bytes:
    return hashlib.sha256(id_.encode("utf-8", "replace")).digest()


def _day(at: str) -> str:
    moment = datetime.fromisoformat(at).astimezone(UTC)
    return f"{moment.day} {moment:%B %Y}"
