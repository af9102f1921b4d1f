"""Reads a home once, without its lease and without changing it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from concertmaster.audit.checking import Checked, check_home
from concertmaster.audit.linked import one_moment
from concertmaster.contracts import now
from concertmaster.errors import ConcertmasterError
from concertmaster.orchestrator.auditing import places_of
from concertmaster.orchestrator.doctor import places
from concertmaster.orchestrator.doctor.rows import Rows
from concertmaster.orchestrator.doctor.snapshot import (
    Artifact,
    Bounds,
    Declared,
    Holding,
    Snapshot,
    Unread,
)
from concertmaster.orchestrator.epochs import EPOCH, Epoch, read_epoch
from concertmaster.orchestrator.home import DATABASE
from concertmaster.orchestrator.lease import MIGRATIONS as LEASES
from concertmaster.orchestrator.lockfile import LOCK
from concertmaster.orchestrator.remains import references
from concertmaster.storage import Database

__all__ = ["read_home"]

_MOST_DAMAGE = 3
_SETTLING = 60.0
"""Seconds for which a large result may be on its way into a row; erasing waits as long."""
_OURS = frozenset({"runs", "threads", "approvals", "audit_events"})


async def read_home(
    home: Path, bounds: Bounds, declared: Declared | None, unread: tuple[Unread, ...] = ()
) -> Snapshot:
    """Return what a home holds; whatever cannot be read is noted in it.

    Args:
        home: its folder.
        bounds: from when on a file counts as left behind.
        declared: what the workspace says, None if it cannot be read.
        unread: what could not be read before.
    """
    seen = await asyncio.to_thread(_beside, home, bounds, declared, unread)
    file = home / DATABASE
    if not seen.read("database"):
        return seen
    try:
        database = Database.open(file, read_only=True)
    except ConcertmasterError as error:
        return _missed(seen, "database", error.message)
    try:
        return await _database(seen, database)
    finally:
        database.close()


def _beside(
    home: Path, bounds: Bounds, declared: Declared | None, unread: tuple[Unread, ...]
) -> Snapshot:
    """Read what lies beside the database.

    That comes first: a process that works writes the epoch after its database, so that the file
    is never ahead of what is read of that afterwards.
    """
    file = home / DATABASE
    epoch = read_epoch(home)
    seen = Snapshot(
        home=home,
        at=now(),
        bounds=bounds,
        unread=unread,
        declared=declared,
        disk=places.disk(home, file),
        keys=places.keys(home),
        indexes=tuple(places.indexes(home)),
        model=places.model(home),
        halves=places.halves(home, bounds.settling),
        holding=Holding(
            epoch=epoch, epoch_file=(home / EPOCH).exists(), lock=(home / LOCK).exists()
        ),
    )
    return seen if file.is_file() else _missed(seen, "database", f"{DATABASE} is not there")


def _missed(seen: Snapshot, part: str, why: str) -> Snapshot:
    return replace(seen, unread=(*seen.unread, Unread(part=part, why=why)))


async def _database(seen: Snapshot, database: Database) -> Snapshot:
    try:
        ours, damage, newer, older = await database.read(_condition)
    except ConcertmasterError as error:
        return _missed(seen, "database", error.message)
    seen = replace(seen, damage=damage, newer=newer, older=older)
    if not ours:
        return _missed(seen, "database", f"{DATABASE} holds no tables of Concertmaster")
    if newer:
        return seen
    seen = await _trail(seen, database)
    try:
        stored = await database.read(lambda c: _stored(c, seen.holding.epoch, database.path))
    except ConcertmasterError as error:
        return _missed(seen, "database", error.message)
    holding = replace(
        stored.holding,
        epoch=seen.holding.epoch,
        epoch_file=seen.holding.epoch_file,
        lock=seen.holding.lock,
    )
    artifacts = await asyncio.to_thread(_artifacts, seen.home, stored)
    return replace(
        seen,
        unread=(*seen.unread, *stored.unread),
        holding=holding,
        artifacts=artifacts,
        **stored.rows,
    )


def _artifacts(home: Path, stored: _Stored) -> tuple[Artifact, ...]:
    """Return the large results with which something is wrong."""
    if not stored.named_whole:
        return ()
    found = places.artifacts(home, stored.named, _SETTLING)
    return tuple(
        a
        for a in found
        if not (a.named and a.there and a.whole)
        and not (a.named and not a.there and stored.files_went)
        and a.reference.removeprefix("artifact:") not in stored.going
    )


@dataclass(kw_only=True)
class _Stored:
    """What one moment shows of the tables."""

    rows: dict[str, Any] = field(default_factory=dict)
    holding: Holding = field(default_factory=Holding)
    unread: tuple[Unread, ...] = ()
    named: frozenset[str] = frozenset()
    named_whole: bool = False
    files_went: bool = False
    going: frozenset[str] = frozenset()


def _stored(connection: sqlite3.Connection, epoch: Epoch | None, path: Path) -> _Stored:
    with one_moment(connection):
        reader = Rows(connection)
        reader.names()
        lease = reader.lease()
        # The moment comes before the rows, as whatever they tell is older.
        rows: dict[str, Any] = {"runs": reader.runs(), "effects": reader.effects()}
        rows["columns"] = dict(reader.columns)
        rows |= {"approvals": reader.approvals(), "told": reader.told()}
        rows |= {"endings": reader.endings(), "moved": reader.moved(), "erased": reader.erased()}
        rows["strays"], rows["aside"] = reader.strays()
        rows["missing"] = reader.missing() if reader.tables >= {"runs"} else {}
        rows |= _went(reader, rows)
        made = _Stored(rows=rows)
        made.files_went, made.going = reader.files_went()
        try:
            made.named, made.named_whole = references(connection), True
        except sqlite3.Error as error:
            if "effects" in reader.tables:
                told = f"which rows name large results could not be told ({error})"
                reader.unread.append(Unread(part="artifacts", why=told))
    made.unread = tuple(reader.unread)
    known = (lease.epoch, lease.beat) if lease else (0, 0)
    older = epoch is not None and known < (epoch.number, epoch.beat)
    made.holding = Holding(
        lease=lease,
        gone=lease is not None and lease.process.gone(),
        older=older,
        copied=epoch is not None and epoch.tells_older(*known, path) and not older,
    )
    rows["at"] = now()
    return made


def _went(reader: Rows, rows: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """Return what is not there on purpose, among that which would be missed."""
    told = {told.run for told in rows["told"]}
    acted = {effect.run for effect in rows["effects"]}
    ended = {run.id for run in rows["runs"]} - rows["endings"].keys()
    return {
        "retired": frozenset(r for r in acted - rows["columns"].keys() if reader.went("run", r)),
        "faded": frozenset(r for r in ended | (acted - told) if reader.went("payload", r)),
    }


def _condition(
    connection: sqlite3.Connection,
) -> tuple[bool, tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return whether the file is ours, what SQLite finds damaged, and rooms of other versions."""
    damage = _damage(connection)
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    if not tables >= _OURS:
        return False, damage, (), ()
    versions = dict(
        connection.execute("SELECT room, version FROM schema_versions").fetchall()
        if "schema_versions" in tables
        else ()
    )
    newest = _newest()
    newer = [room for room, version in versions.items() if version > newest.get(room, version)]
    older = [room for room, version in newest.items() if versions.get(room, 0) < version]
    return True, damage, tuple(sorted(newer)), tuple(sorted(older))


def _damage(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Return what SQLite finds damaged. Where it gives up on a table, others may still be read."""
    try:
        found = [str(row[0]) for row in connection.execute(f"PRAGMA quick_check({_MOST_DAMAGE})")]
    except sqlite3.DatabaseError as error:
        return (str(error),)
    return tuple(line for text in found for line in text.splitlines() if text != "ok")[
        :_MOST_DAMAGE
    ]


def _newest() -> dict[str, int]:
    from concertmaster.orchestrator.opening import MIGRATIONS

    return {m.room: m.version for m in sorted((*MIGRATIONS, *LEASES), key=lambda m: m.version)}


async def _trail(seen: Snapshot, database: Database) -> Snapshot:
    try:
        checked = await check_home(database, places_of(seen.home).read)
        unsigned = await database.read(lambda c: _unsigned(c, checked))
    except ConcertmasterError as error:
        return _missed(seen, "audit", error.message)
    return replace(seen, checked=tuple(checked), unsigned=unsigned)


def _unsigned(connection: sqlite3.Connection, checked: list[Checked]) -> dict[str, str]:
    """Return by stream the time of the first event after the last signed head."""
    found: dict[str, str] = {}
    for stream in checked:
        sql = "SELECT time FROM audit_links WHERE stream = ? AND n = ?"
        if stream.events > stream.signed:
            row = connection.execute(sql, (stream.stream, stream.signed + 1)).fetchone()
            found |= {stream.stream: row["time"]} if row else {}
    return found
