"""What a home's database and folders hold of a thread, table by table, and taking it away."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from concertmaster.orchestrator.checkpoints import ASIDE
from concertmaster.storage import Database

__all__ = [
    "KEPT",
    "erase_rows",
    "erase_runs",
    "keyed",
    "measures",
    "owned_bytes",
    "purge",
    "references",
    "rows_of",
    "unreferenced",
]

KEPT = frozenset(
    {
        "audit_erasures",
        "audit_events",
        "audit_links",
        "audit_signed",
        "effects",
        "leases",
        "retired",
        "retired_files",
        "schema_versions",
        "sqlite_sequence",
    }
)
"""Tables whose rows stay. The trail is erased by its own room, of effects the personal part is."""

_KEYS = {
    "thread": "thread",
    "thread_id": "thread",
    "run": "run",
    "run_id": "run",
    "approval": "approval",
    "approval_id": "approval",
}
_REFERENCE = re.compile(rb"artifact:([0-9a-f]{64})")
_SETTLING = 60.0
"""Seconds for which a new file that nothing names yet may be on its way into a row."""


def keyed(connection: sqlite3.Connection) -> dict[str, dict[str, str]]:
    """Return, by table, which columns say of which thread, run or approval a row is."""
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    found = {}
    for (name,) in tables:
        if name in KEPT:
            continue
        columns = [row["name"] for row in connection.execute(f'PRAGMA table_xinfo("{name}")')]
        found[name] = {c: _KEYS[c] for c in columns if c in _KEYS}
        if name == "threads":
            found[name] = {"id": "thread"}
        elif name == "runs":
            found[name] |= {"id": "run"}
    return found


Wanted = Mapping[str, Sequence[str]]
"""Ids of threads, runs and approvals, by `thread`, `run` and `approval`."""


def rows_of(
    connection: sqlite3.Connection, threads: Iterable[str], runs: Iterable[str]
) -> dict[str, list[str]]:
    """Return by which ids the rows of threads and runs are known, their approvals included."""
    threads, runs = list(threads), list(runs)
    approvals = connection.execute(
        "SELECT id FROM approvals WHERE thread IN (SELECT value FROM json_each(?1))"
        " OR run IN (SELECT value FROM json_each(?2))",
        (json.dumps(threads), json.dumps(runs)),
    )
    return {
        "thread": [name for thread in threads for name in (thread, f"{ASIDE}{thread}")],
        "run": runs,
        "approval": [row[0] for row in approvals.fetchall()],
    }


def erase_rows(
    connection: sqlite3.Connection, threads: Iterable[str], runs: Iterable[str]
) -> dict[str, list[str]]:
    """Delete within the caller's transaction every row of threads, and blank those of effects.

    A table is covered if it says of which thread, run or approval its rows are. Returns the ids
    that went.
    """
    wanted = rows_of(connection, threads, runs)
    _delete(connection, wanted)
    _blank_effects(connection, wanted, "thread = NULL, on_behalf_of = NULL, settled_by = NULL")
    return wanted


def erase_runs(connection: sqlite3.Connection, runs: Iterable[str]) -> dict[str, list[str]]:
    """Delete within the caller's transaction the rows of runs whose thread goes on.

    That a call was made, and how far its result was trusted, stays with the thread: rules about
    sequences and labels rest on it. What it returned goes.
    """
    wanted = rows_of(connection, (), runs)
    _delete(connection, wanted, but={"journal"})
    connection.execute(
        "UPDATE journal SET output = NULL, reference = NULL"
        " WHERE run IN (SELECT value FROM json_each(?))",
        (json.dumps(wanted["run"]),),
    )
    _blank_effects(connection, wanted, "settled_by = NULL")
    return wanted


def _delete(
    connection: sqlite3.Connection, wanted: Wanted, but: Collection[str] = frozenset()
) -> None:
    connection.execute("PRAGMA defer_foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")
    for table, columns in keyed(connection).items():
        for column, kind in columns.items():
            if wanted[kind] and table not in but:
                connection.execute(
                    f'DELETE FROM "{table}" WHERE "{column}" IN (SELECT value FROM json_each(?))',
                    (json.dumps(wanted[kind]),),
                )


def _blank_effects(connection: sqlite3.Connection, wanted: Wanted, more: str) -> None:
    connection.execute(
        f"UPDATE effects SET result = NULL, reference = NULL, why = '', {more}"
        " WHERE thread IN (SELECT value FROM json_each(?))"
        " OR run IN (SELECT value FROM json_each(?))",
        (json.dumps(wanted["thread"]), json.dumps(wanted["run"])),
    )


def measures(connection: sqlite3.Connection) -> list[tuple[str, tuple[str, ...]]]:
    """Return a statement for each table that adds up the bytes of rows, and by which ids."""
    found = []
    for table, columns in keyed(connection).items():
        if not columns:
            continue
        rows = connection.execute(f'PRAGMA table_info("{table}")').fetchall()
        size = " + ".join(f'coalesce(length(CAST("{row["name"]}" AS BLOB)), 0)' for row in rows)
        clause = " OR ".join(f'"{c}" IN (SELECT value FROM json_each(?))' for c in columns)
        sql = f'SELECT coalesce(sum({size}), 0) FROM "{table}" WHERE {clause}'
        found.append((sql, tuple(columns.values())))
    return found


def owned_bytes(
    connection: sqlite3.Connection,
    wanted: Wanted,
    measured: Iterable[tuple[str, tuple[str, ...]]],
) -> int:
    """Return how many bytes the rows with these ids hold, without what stores them.

    Args:
        connection: for reading.
        wanted: the ids.
        measured: the statements, made once for many.
    """
    texts = {kind: json.dumps(ids) for kind, ids in wanted.items()}
    return sum(
        connection.execute(sql, [texts.get(kind, "[]") for kind in kinds]).fetchone()[0]
        for sql, kinds in measured
    )


def references(
    connection: sqlite3.Connection, threads: Iterable[str] | None = None, runs: Iterable[str] = ()
) -> frozenset[str]:
    """Return which large results the rows name: those of some threads and runs, or of all."""
    names = [name for thread in threads or () for name in (thread, f"{ASIDE}{thread}")]
    wanted = {"thread": json.dumps(names), "run": json.dumps(list(runs))}
    found: set[bytes] = set()
    tables = keyed(connection) | {"effects": {"thread": "thread", "run": "run"}}
    for table, columns in tables.items():
        limits = [(c, wanted[kind]) for c, kind in columns.items() if kind in wanted]
        clause = " OR ".join(f'"{c}" IN (SELECT value FROM json_each(?))' for c, _ in limits)
        if threads is not None and not clause:
            continue
        where = f" WHERE {clause}" if threads is not None else ""
        values = [value for _, value in limits] if threads is not None else []
        for row in connection.execute(f'SELECT * FROM "{table}"{where}', values):
            for value in row:
                if isinstance(value, str | bytes):
                    raw = value.encode("utf-8", "replace") if isinstance(value, str) else value
                    found.update(_REFERENCE.findall(raw))
    return frozenset(name.decode() for name in found)


def unreferenced(folder: Path, named: frozenset[str], kept: frozenset[str]) -> list[Path]:
    """Return the large results that no row names any more.

    Args:
        folder: where they lie.
        named: those that the erased rows named.
        kept: those that the remaining rows name.
    """
    settled = time.time() - _SETTLING
    return [
        file
        for file in folder.glob("??/*.json")
        if file.stem not in kept and (file.stem in named or file.stat().st_mtime < settled)
    ]


async def purge(database: Database) -> bool:
    """Write the database's file anew without what was deleted; tell whether the log is empty, too.

    Raises:
        StorageError: there is no room for it; what was deleted is gone for every reader of the
            tables, but bytes of it remain in the file.
    """
    async with database.writing:
        await database.read(lambda c: c.execute("VACUUM").fetchall())
        for _ in range(20):
            if await database.read(_emptied):
                return True
            await asyncio.sleep(0.1)
    return False


def _emptied(connection: sqlite3.Connection) -> bool:
    row = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return row is not None and row[0] == 0
