"""Writes events together with their links, and reads both back for verification."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from secrets import token_bytes
from typing import NamedTuple

from concertmaster.audit.chain import SALT_BYTES, Link, next_link, payload_digest
from concertmaster.audit.verification import Content

__all__ = [
    "Written",
    "append",
    "contents",
    "damage",
    "first_link",
    "has_chain",
    "header_of",
    "last_link",
    "links",
    "one_moment",
    "streams",
    "unlinked",
]

_EVENT = "INSERT INTO audit_events (envelope, salt) VALUES (?, ?)"
_LINK = (
    "INSERT INTO audit_links (stream, n, id, type, time, previous, payload, hash)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_NO_SALT = b""
_AT_ONCE = 500


class Written(NamedTuple):
    """An event as it is stored, and what its link tells of it."""

    id: str
    type: str
    time: str
    text: str


def append(connection: sqlite3.Connection, stream: str, events: Iterable[Written]) -> Link | None:
    """Add events to a stream, each with its link, and return the last link there is now.

    An event that is stored already is passed over, so that writing one twice is writing it once.
    Events of before the chain was introduced are linked first, in their order.
    """
    last = last_link(connection, stream)
    if last is None:
        for text in unlinked(connection, stream):
            payload = payload_digest(_NO_SALT, text)
            about = json.loads(text)
            header = {name: about[name] for name in ("id", "type", "time")}
            last = next_link(last, stream=stream, payload=payload, **header)
            connection.execute(_LINK, _row(last))
    told = {event.id: event for event in events}
    rows, made = [], []
    for known in _known(connection, list(told)):
        del told[known]
    for event in told.values():
        salt = token_bytes(SALT_BYTES)
        payload = payload_digest(salt, event.text)
        last = next_link(
            last, stream=stream, id=event.id, type=event.type, time=event.time, payload=payload
        )
        rows.append((event.text, salt))
        made.append(_row(last))
    connection.executemany(_EVENT, rows)
    connection.executemany(_LINK, made)
    return last


def _known(connection: sqlite3.Connection, ids: Sequence[str]) -> set[str]:
    """Return those of the ids of which there is an event."""
    known: set[str] = set()
    for begin in range(0, len(ids), _AT_ONCE):
        part = ids[begin : begin + _AT_ONCE]
        sql = f"SELECT id FROM audit_events WHERE id IN ({', '.join('?' * len(part))})"
        known.update(row[0] for row in connection.execute(sql, part))
    return known


def last_link(connection: sqlite3.Connection, stream: str) -> Link | None:
    """Return the head of a stream."""
    sql = "SELECT * FROM audit_links WHERE stream = ? ORDER BY n DESC LIMIT 1"
    row = connection.execute(sql, (stream,)).fetchone()
    return _read(row) if row else None


def first_link(connection: sqlite3.Connection, stream: str) -> Link | None:
    """Return the link by which a stream is known among those of all homes."""
    sql = "SELECT * FROM audit_links WHERE stream = ? ORDER BY n LIMIT 1"
    row = connection.execute(sql, (stream,)).fetchone()
    return _read(row) if row else None


def links(connection: sqlite3.Connection, stream: str) -> list[Link]:
    """Return the links of a stream in the order of the store."""
    sql = "SELECT * FROM audit_links WHERE stream = ? ORDER BY n"
    return [_read(row) for row in connection.execute(sql, (stream,))]


def contents(connection: sqlite3.Connection, stream: str) -> dict[str, Content]:
    """Return what lies beside the links of a stream, by event id."""
    sql = (
        "SELECT seq, id, type, workspace, thread, run, envelope, salt FROM audit_events"
        " WHERE workspace = ? ORDER BY seq"
    )
    found = {}
    for row in connection.execute(sql, (stream,)):
        found[row["id"]] = Content(
            salt=_NO_SALT if row["salt"] is None else row["salt"],
            text=row["envelope"],
            header=header_of(row["envelope"]) if _as_told(row) else None,
            seq=row["seq"],
        )
    return found


def unlinked(connection: sqlite3.Connection, stream: str) -> list[str]:
    """Return the stored events of a stream that no link covers, in order."""
    sql = (
        "SELECT envelope FROM audit_events WHERE workspace = ?"
        " AND id NOT IN (SELECT id FROM audit_links WHERE stream = ?) ORDER BY seq"
    )
    return [row["envelope"] for row in connection.execute(sql, (stream, stream))]


def has_chain(connection: sqlite3.Connection) -> bool:
    """Tell whether the file was written by a release that links events."""
    sql = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'audit_links'"
    return connection.execute(sql).fetchone() is not None


def streams(connection: sqlite3.Connection) -> list[str]:
    """Return the names of the streams of which there are events or links."""
    sql = "SELECT DISTINCT workspace FROM audit_events"
    if has_chain(connection):
        sql += " UNION SELECT DISTINCT stream FROM audit_links"
    return sorted(row[0] for row in connection.execute(sql))


def damage(connection: sqlite3.Connection) -> list[str]:
    """Return what the database itself finds wrong with the trail's tables and their indexes."""
    found = []
    for table in ("audit_events", "audit_links"):
        rows = connection.execute(f"PRAGMA integrity_check({table})").fetchall()
        found += [f"{table}: {row[0]}" for row in rows if row[0] != "ok"]
    return found


@contextmanager
def one_moment(connection: sqlite3.Connection) -> Iterator[None]:
    """Read within one transaction, so that links and contents are of one moment."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


def header_of(text: str) -> tuple[str, str, str] | None:
    """Return id, type and time as an event's content tells them; None if it is no event."""
    try:
        about = json.loads(text)
        return about["id"], about["type"], about["time"]
    except (ValueError, KeyError, TypeError):
        return None


def _as_told(row: sqlite3.Row) -> bool:
    """Tell whether the columns by which events are found say what the content says.

    SQLite keeps them up to date, but whoever edits the file's bytes need not.
    """
    try:
        about = json.loads(row["envelope"])
        data = about["data"]
        columns = (about["id"], about["type"], data["workspace"])
        return bool(
            columns == (row["id"], row["type"], row["workspace"])
            and (data.get("thread"), data.get("run")) == (row["thread"], row["run"])
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return False


def _row(link: Link) -> tuple[str | int | bytes, ...]:
    return (
        link.stream,
        link.n,
        link.id,
        link.type,
        link.time,
        link.previous,
        link.payload,
        link.hash,
    )


def _read(row: sqlite3.Row) -> Link:
    return Link(**{name: row[name] for name in Link.__slots__})
