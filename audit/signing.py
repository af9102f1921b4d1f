"""Signs the head of a stream, and notes in the database that it was signed."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from concertmaster.audit.chain import Link
from concertmaster.audit.heads import NONE, Heads, SignedHead
from concertmaster.audit.keys import Signer
from concertmaster.audit.linked import first_link, last_link
from concertmaster.contracts import now
from concertmaster.storage import Database

__all__ = ["Due", "due", "note_signed", "sign_head", "signed_rows"]


@dataclass(frozen=True, kw_only=True)
class Due:
    """A head that is to be signed: that of the last link, after the head `previous`."""

    link: Link
    origin: bytes
    previous: bytes


async def sign_head(
    database: Database, stream: str, heads: Path, keys: Path, *, again: bool = False
) -> SignedHead | None:
    """Sign how far a stream has come, off the event loop; None if that is signed already.

    Args:
        database: of the home.
        stream: the workspace's name.
        heads: the file to which the head is appended.
        keys: the folder of keys; a first pair is made if there is none.
        again: sign it even if the same place was signed before.

    Raises:
        StorageError: keys, file or database cannot be read or written.
    """
    found = await database.read(lambda c: due(c, stream, again=again))
    if found is None:
        return None
    head = await asyncio.to_thread(_put, found, heads, keys)
    await database.write(lambda c: note_signed(c, head))
    return head


def due(connection: sqlite3.Connection, stream: str, *, again: bool = False) -> Due | None:
    """Return the head of a stream that is to be signed, None if there is nothing new."""
    first, last = first_link(connection, stream), last_link(connection, stream)
    if first is None or last is None:
        return None
    n, previous = signed_rows(connection).get(stream, (0, NONE))
    if n == last.n and not again:
        return None
    return Due(link=last, origin=first.hash, previous=previous)


def note_signed(connection: sqlite3.Connection, head: SignedHead) -> None:
    """Note which head of its stream was signed last."""
    connection.execute(
        "INSERT INTO audit_signed (stream, n, head) VALUES (?, ?, ?)"
        " ON CONFLICT (stream) DO UPDATE SET n = excluded.n, head = excluded.head"
        " WHERE excluded.n >= n",
        (head.stream, head.n, head.digest()),
    )


def signed_rows(connection: sqlite3.Connection) -> dict[str, tuple[int, bytes]]:
    """Return by stream the place and the digest of the head that was signed last."""
    sql = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'audit_signed'"
    if connection.execute(sql).fetchone() is None:
        return {}
    with closing(connection.execute("SELECT stream, n, head FROM audit_signed")) as rows:
        return {row["stream"]: (row["n"], row["head"]) for row in rows}


def _put(found: Due, heads: Path, keys: Path) -> SignedHead:
    link = found.link
    time = now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    file = Heads(heads, Signer.open(keys))
    return file.put(
        link.stream, link.n, link.hash, time, origin=found.origin, previous=found.previous
    )
