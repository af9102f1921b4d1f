"""Removing somebody for good: what is deleted, what stays of them, and what their id is then.

Threads belong to the id of a principal. Whoever got the id of somebody who is gone would read and
go on with that person's conversations. So of everybody who is removed a salted digest of the id
stays, which tells that an id was in use and of nobody else whether they ever were here. An id can
be guessed and the guess be tried on the file, as its owner alone can; nothing else is told by it.

The log of changes keeps its lines. A random name stands in them in place of the id, and of what
was changed only roles and the ids of keys stay.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
from dataclasses import dataclass
from typing import Any

from concertmaster.contracts.deadline import utc
from concertmaster.serving.identity.session_rows import end_sessions
from concertmaster.serving.identity.user_file import UserFile

__all__ = ["Removed", "readmit", "remove_rows", "was_removed"]

_STAYS = frozenset({"roles", "key", "keys", "expires", "sessions_ended", "again"})
"""What the log goes on telling about somebody who was removed."""


@dataclass(frozen=True, kw_only=True)
class Removed:
    """What was removed with somebody, and what the log calls them from now on.

    `purged` tells that no copy of what was deleted is left in the file or beside it.
    """

    tag: str
    keys: int
    sessions: int
    purged: bool = False


def was_removed(connection: sqlite3.Connection, id_: str) -> bool:
    """Tell whether somebody of this id was removed, and nobody let them in again since."""
    return bool(_tombstones(connection, id_))


def readmit(connection: sqlite3.Connection, id_: str) -> bool:
    """Forget that somebody of this id was removed; tell whether they were."""
    tags = _tombstones(connection, id_)
    connection.executemany("DELETE FROM removed WHERE tag = ?", [(tag,) for tag in tags])
    return bool(tags)


def remove_rows(
    connection: sqlite3.Connection, file: UserFile, id_: str, by: str
) -> Removed | None:
    """Delete within the caller's transaction all there is of somebody; None if there is nobody."""
    connection.execute("PRAGMA secure_delete = ON")
    ended = end_sessions(connection, id_)
    keys = connection.execute("DELETE FROM api_keys WHERE user = ?", (id_,)).rowcount
    found = 0
    for table in ("users", "seen"):
        found += connection.execute(f"DELETE FROM {table} WHERE id = ?", (id_,)).rowcount
    if not found:
        return None
    done = Removed(tag=f"removed:{secrets.token_hex(8)}", keys=keys, sessions=ended)
    salt = secrets.token_bytes(16)
    values = (done.tag, salt, _digest(salt, id_), utc(file.now()))
    connection.execute("INSERT INTO removed (tag, salt, digest, at) VALUES (?, ?, ?, ?)", values)
    _unname(connection, id_, done.tag)
    actor = done.tag if by == id_ else by
    file.note(connection, actor, "removed", done.tag, sessions_ended=ended)
    return done


def _tombstones(connection: sqlite3.Connection, id_: str) -> list[str]:
    rows = connection.execute("SELECT tag, salt, digest FROM removed").fetchall()
    return [row["tag"] for row in rows if _digest(row["salt"], id_) == row["digest"]]


def _digest(salt: bytes, id_: str) -> bytes:
    # Ids of users that differ in case only are one; what an issuer calls people is taken as it is.
    return hashlib.sha256(salt + (id_ if ":" in id_ else id_.lower()).encode()).digest()


def _unname(connection: sqlite3.Connection, id_: str, tag: str) -> None:
    """Have the log name somebody by a tag, and leave out what they were called and belonged to."""
    sql = "SELECT seq, subject, by, detail FROM changes WHERE subject = ?1 OR by = ?1"
    for row in connection.execute(sql, (id_,)).fetchall():
        about = row["subject"] == id_
        detail = json.dumps(_kept(json.loads(row["detail"]))) if about else row["detail"]
        connection.execute(
            "UPDATE changes SET subject = ?, by = ?, detail = ? WHERE seq = ?",
            (
                tag if about else row["subject"],
                tag if row["by"] == id_ else row["by"],
                detail,
                row["seq"],
            ),
        )


def _kept(detail: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in detail.items() if name in _STAYS}
    changed = {
        name: {kind: value for kind, value in detail[name].items() if kind in _STAYS}
        for name in ("before", "after")
        if isinstance(detail.get(name), dict)
    }
    return kept | changed
